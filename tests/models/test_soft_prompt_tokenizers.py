"""Learned prompts with the three kinds of tokenizers: special tokens on both sides, or on none and a suffix."""

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import GPT2Config, GPT2Model, PreTrainedTokenizerFast, RobertaConfig, RobertaModel

from models.soft_prompt import SoftPrompt, around_name
from models.text import TextEncoder

WORDS = "this is a sound of the voice"
# One word of several pieces, and several words; the last has a piece that no tokenizer has seen.
NAMES = ["angry", "pleasantly surprised", "über sad"]
SIZE = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 32, "intermediate_size": 32}


def byte_level(folder: Path, specials: list[str], **special: str) -> PreTrainedTokenizerFast:
    """A tokenizer over bytes, trained on a few sentences: a space belongs to the word after it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=specials, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator([f"{WORDS} {name}" for name in NAMES] * 3, trainer)
    if "cls_token" in special:
        pairs = [(special[kind], tokenizer.token_to_id(special[kind])) for kind in ("sep_token", "cls_token")]
        tokenizer.post_processor = processors.RobertaProcessing(*pairs, add_prefix_space=False)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=60, **special)
    fast.save_pretrained(folder)
    return fast


@pytest.fixture(scope="module", params=["bert", "roberta", "gpt2"])
def text(request: pytest.FixtureRequest, tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> TextEncoder:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "bert":
        return TextEncoder(str(tiny_bert)).double().eval()
    if request.param == "roberta":
        specials = {"cls_token": "<s>", "pad_token": "<pad>", "sep_token": "</s>", "unk_token": "<unk>"}
        fast = byte_level(folder, list(specials.values()), **specials)
        places = {"max_position_embeddings": 64, "pad_token_id": fast.pad_token_id}
        RobertaModel(RobertaConfig(vocab_size=len(fast), **SIZE, **places)).save_pretrained(folder)
        return TextEncoder(str(folder), "cls").double().eval()
    end = "<|endoftext|>"
    fast = byte_level(folder, [end], eos_token=end, bos_token=end, unk_token=end)
    GPT2Model(GPT2Config(vocab_size=len(fast), n_positions=60, n_embd=32, n_layer=2, n_head=2)).save_pretrained(folder)
    return TextEncoder(str(folder), "last", suffix=f" {end}").double().eval()


def laid(text: TextEncoder, soft: SoftPrompt, name: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tokens that the encoder is given for a name under the first context; `*` is a learned one."""
    given = []
    monkeypatch.setattr(text, "from_embeddings", lambda words, mask: given.append((words, mask)) or words[:, 0])
    soft([name], text)
    (words_KLD, mask_KL), table = given[0], text.model.get_input_embeddings().weight
    tokens = []
    for word_D in words_KLD[0, : int(mask_KL[0].sum())]:
        same = (table == word_D).all(1).nonzero().flatten().tolist()
        tokens.append(text.tokenizer.convert_ids_to_tokens(same[0]) if same else "*")
    return tokens


@pytest.mark.parametrize("position", ["end", "middle", "front"])
@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_the_name_stays_whole_where_it_belongs(
    text: TextEncoder, position: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    soft = SoftPrompt(32, 1, contexts=2, length=5, std=1.0, position=position).double()
    lead = "" if position == "front" else " "
    own = text.tokenizer.tokenize(lead + name)
    head, tail = {
        "cls": (["<s>"], ["</s>"]),
        "mean": (["[CLS]"], ["[SEP]"]),
        "last": ([], ["Ġ", "<|endoftext|>"]),
    }[text.pooling]
    assert len(own) > 1 or text.pooling == "mean"
    before = {"end": 5, "middle": 2, "front": 0}[position]
    assert around_name(text, lead + name) == (len(head), len(tail))
    expected = [*head, *"*" * before, *own, *"*" * (5 - before), *tail]
    assert laid(text, soft, name, monkeypatch) == expected


@pytest.mark.parametrize("position", ["end", "middle", "front"])
@torch.no_grad()
def test_a_context_of_words_is_the_sentence_itself(text: TextEncoder, position: str) -> None:
    lead = " " if position == "front" else ""
    length = len(text.tokenizer.tokenize(lead + "this is a sound"))
    soft = SoftPrompt(32, len(NAMES), contexts=1, length=length, position=position).double()
    soft.start_from(["this is a sound"], text)
    sentence = {"end": "this is a sound {}", "middle": "this is {} a sound", "front": "{} this is a sound"}[position]
    assert len(text.tokenizer.tokenize("this is")) == length // 2
    expected = text([sentence.format(name) for name in NAMES])
    torch.testing.assert_close(soft(NAMES, text)[0], expected, atol=1e-9, rtol=0)
