from pathlib import Path

import pytest
import torch

from models.errors import TextLengthError
from models.soft_prompt import SoftPrompt
from models.text import TextEncoder

# One, two and three tokens: they stand in rows of different length.
NAMES = ["angry", "plain quiet", "joyful happy studio"]
CLS, SEP = 2, 3


@pytest.fixture(scope="module")
def text(tiny_bert: Path) -> TextEncoder:
    return TextEncoder(str(tiny_bert)).eval().requires_grad_(False)


def prompt(position: str = "end", length: int = 5, **more: bool) -> SoftPrompt:
    torch.manual_seed(3)
    return SoftPrompt(32, len(NAMES), contexts=4, length=length, std=1.0, position=position, **more)


@pytest.mark.parametrize("position", ["end", "middle", "front"])
@pytest.mark.parametrize("class_specific", [False, True])
@torch.no_grad()
def test_equals_a_sequence_laid_token_by_token(text: TextEncoder, position: str, class_specific: bool) -> None:
    soft = prompt(position, class_specific=class_specific)
    encoded = soft(NAMES, text)
    assert encoded.shape == (4, 3, 32)
    table = text.model.embeddings.word_embeddings.weight
    for c, name in enumerate(NAMES):
        words = [table[text.tokenizer.convert_tokens_to_ids(word)] for word in name.split()]
        for k in range(4):
            context = list(soft.context_KCLD[k, c if class_specific else 0])
            inside = {
                "end": [*context, *words],
                "middle": [*context[:2], *words, *context[2:]],
                "front": [*words, *context],
            }[position]
            sequence = torch.stack([table[CLS], *inside, table[SEP]])[None]
            hidden = text.model(inputs_embeds=sequence, attention_mask=torch.ones(1, sequence.shape[1]))
            expected = hidden.last_hidden_state[0].mean(0)
            torch.testing.assert_close(encoded[k, c], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("position", ["end", "middle", "front"])
@torch.no_grad()
def test_names_of_different_length_equal_one_name_at_a_time(text: TextEncoder, position: str) -> None:
    soft = prompt(position)
    alone = torch.cat([soft([name], text) for name in NAMES], 1)
    torch.testing.assert_close(soft(NAMES, text), alone, atol=1e-6, rtol=0)


@torch.no_grad()
def test_the_context_written_as_words_is_the_sentence_itself(text: TextEncoder) -> None:
    soft = SoftPrompt(32, len(NAMES), contexts=2, length=5)
    soft.start_from(["this is a sound of", "the voice of a person"], text)
    sentences = [[f"{context} {name}" for name in NAMES] for context in ("this is a sound of", "the voice of a person")]
    expected = torch.stack([text(row) for row in sentences])
    torch.testing.assert_close(soft(NAMES, text), expected, atol=1e-6, rtol=0)


@torch.no_grad()
def test_contexts_do_not_see_each_other(text: TextEncoder) -> None:
    soft = prompt()
    before = soft(NAMES, text)
    soft.context_KCLD[1].neg_()
    after = soft(NAMES, text)
    assert torch.equal(before[[0, 2, 3]], after[[0, 2, 3]])
    assert not torch.isclose(before[1], after[1], atol=1e-4).all(-1).any()


@torch.no_grad()
def test_class_specific_contexts_reach_their_own_class_only(text: TextEncoder) -> None:
    soft = prompt(class_specific=True)
    assert soft.context_KCLD.shape == (4, 3, 5, 32)
    assert prompt().context_KCLD.shape == (4, 1, 5, 32)
    before = soft(NAMES, text)
    soft.context_KCLD[:, 1].neg_()
    after = soft(NAMES, text)
    assert torch.equal(before[:, [0, 2]], after[:, [0, 2]])
    assert not torch.isclose(before[:, 1], after[:, 1], atol=1e-4).all(-1).any()


@torch.no_grad()
def test_start_from_copies_repeats_the_last_and_cuts(text: TextEncoder) -> None:
    soft = SoftPrompt(32, 3, contexts=2, length=3, class_specific=True)
    soft.start_from(["quiet street", "this is a sound"], text)
    table = text.model.embeddings.word_embeddings.weight
    number = text.tokenizer.convert_tokens_to_ids
    for c in range(3):
        assert torch.equal(soft.context_KCLD[0, c], table[number(["quiet", "street", "street"])])
        assert torch.equal(soft.context_KCLD[1, c], table[number(["this", "is", "a"])])
    with pytest.raises(ValueError, match=r"1 phrases for 2 contexts; set prompt\.init_args\.contexts to 1"):
        soft.start_from(["quiet"], text)


def test_gradient_reaches_every_context_and_nothing_else(text: TextEncoder) -> None:
    soft = prompt()
    assert [name for name, _ in soft.named_parameters()] == ["context_KCLD"]
    soft(NAMES, text).square().sum().backward()
    assert (soft.context_KCLD.grad.abs().sum(-1) > 0).all()
    assert all(parameter.grad is None for parameter in text.parameters())


@torch.no_grad()
def test_initial_values_have_the_given_spread() -> None:
    torch.manual_seed(0)
    values = SoftPrompt(256, 4, contexts=16, length=16, std=0.02).context_KCLD
    assert abs(float(values.mean())) < 3e-4
    assert float(values.std()) == pytest.approx(0.02, rel=0.02)
    assert not SoftPrompt(8, 2, std=0).context_KCLD.any()


def test_too_long_prompts_name_the_key(text: TextEncoder) -> None:
    fits = text.max_length - 2 - 3
    prompt(length=fits)(NAMES, text)
    with pytest.raises(
        TextLengthError, match=r"prompt of 41 tokens .* the 40 .*model\.init_args\.prompt\.init_args\.length"
    ):
        prompt(length=fits + 1)(NAMES, text)


def test_wrong_numbers_and_widths_are_refused(text: TextEncoder) -> None:
    for wrong in ({"contexts": 0}, {"length": 0}, {"std": -1.0}):
        with pytest.raises(ValueError, match="must be at least 1"):
            SoftPrompt(32, 3, **wrong)
    with pytest.raises(ValueError, match=r"the prompt is 16 wide but .* embeds to 32"):
        SoftPrompt(16, 3)(NAMES, text)
