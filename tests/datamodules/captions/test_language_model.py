import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from datamodules.captions import language_model, valence_arousal
from datamodules.captions.language_model import PREFIX, PROMPT, LanguageModel, _first_sentence
from datamodules.captions.valence_arousal import ValenceArousalCaptions
from datamodules.errors import DataError, LanguageModelError

WORDS = (
    "The person is speaking in a calm angry loud quiet happy sad voice tone . 1 2 3 4 5 6 7 valence arousal on user :"
)
CHAT = "{% for m in messages %}{{ m.role }} : {{ m.content }} {% endfor %}"


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.setenv("EMOCLAP_CACHE", "off")


@pytest.fixture(scope="module")
def tiny_gpt(tmp_path_factory) -> Path:
    """A GPT-2 of random weights: what it says is made of words, and nonsense."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("gpt")
    vocabulary = {word: number for number, word in enumerate(["<unk>", "<end>", *WORDS.split()])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="<end>").save_pretrained(folder)
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(vocabulary), n_positions=256, n_embd=32, n_layer=2, n_head=2, bos_token_id=1, eos_token_id=1,
        initializer_range=0.5,
    )  # fmt: skip
    GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


def rows(valence, arousal) -> pd.DataFrame:
    return pd.DataFrame({"id": [f"c{n}" for n in range(len(valence))], "valence": valence, "arousal": arousal})


class Fake:
    """A language model that says what a function of prompt and attempt says, and remembers what it was asked."""

    def __init__(self, monkeypatch, answer) -> None:
        self.calls: list[dict[str, object]] = []

        def go_on(prompts, prefix, max_new_tokens, temperature, seed):
            self.calls.append({"prompts": list(prompts), "temperature": temperature, "seed": seed})
            return [answer(prompt, len(self.calls)) for prompt in prompts]

        self.go_on = go_on
        monkeypatch.setattr(language_model, "_Writer", lambda source, revision: self)


def test_one_sentence_for_each_distinct_pair(monkeypatch):
    fake = Fake(
        monkeypatch, lambda prompt, call: f' "{PREFIX} {"loudly" if "6.0 on arousal" in prompt else "softly"}." Yes!'
    )
    some = rows([2.04, 2.0, 5.5, 2.0], [6.0, 6.01, 3.0, 3.0])
    texts = LanguageModel("fake", batch_size=2).write(some, some[:0])
    assert texts == [f"{PREFIX} loudly."] * 2 + [f"{PREFIX} softly."] * 2
    prompts = [prompt for call in fake.calls for prompt in call["prompts"]]
    assert [len(call["prompts"]) for call in fake.calls] == [2, 1]
    assert prompts[0] == PROMPT.format(valence="2.0", arousal="3.0")
    assert "a speaking style that is 2.0 on valence, 3.0 on arousal. Do not use any numbers" in prompts[0]
    assert [call["temperature"] for call in fake.calls] == [None, None]


def test_only_what_cannot_be_used_is_asked_for_again_and_sampled(monkeypatch):
    bad = {1: f"{PREFIX} at level 2.", 2: "I'm sorry, but I can't do that.", 3: f"{PREFIX} calmly."}
    fake = Fake(monkeypatch, lambda prompt, call: bad[call] if "2.0 on valence" in prompt else f"{PREFIX} well.")
    some = rows([2.0, 5.0], [4.0, 4.0])
    assert LanguageModel("fake").write(some, some) == [f"{PREFIX} calmly.", f"{PREFIX} well."]
    assert [len(call["prompts"]) for call in fake.calls] == [2, 1, 1]
    assert [call["temperature"] for call in fake.calls] == [None, 0.8, 0.8]
    assert len({call["seed"] for call in fake.calls}) == 3


def test_what_stays_bad_is_counted_by_kind(monkeypatch):
    answers = {"1.0": "", "2.0": f"{PREFIX} at 2.", "3.0": f"{PREFIX} and", "4.0": f"{PREFIX} well."}
    fake = Fake(monkeypatch, lambda prompt, call: next(a for v, a in answers.items() if f"{v} on valence" in prompt))
    some = rows([1.0, 2.0, 3.0, 4.0], [4.0] * 4)
    with pytest.raises(DataError, match="3 of 4 captions cannot be used; fake wrote them in 3 tries") as caught:
        LanguageModel("fake", retries=2).write(some, some)
    assert "1 contains digits: valence 2, arousal 4 (The person is speaking at 2.)" in str(caught.value)
    assert "on_bad: grammar" in str(caught.value)
    assert len(fake.calls) == 3
    with pytest.warns(UserWarning, match="wrote 3 of 4 captions .*1 contains digits, 1 empty, 1 unfinished"):
        texts = LanguageModel("fake", retries=0, on_bad="grammar").write(some, some)
    assert texts[:3] == [ValenceArousalCaptions().describe(v, 4) for v in (1, 2, 3)]
    assert texts[3] == f"{PREFIX} well."


def test_a_real_model_writes_the_same_in_any_batch(tiny_gpt):
    some = rows(np.arange(1, 7.0), np.arange(1, 7.0))
    settings = {"prompt": "{valence} valence {arousal} arousal on", "max_new_tokens": 12, "retries": 0}

    def raw(**changed) -> list[str]:
        source = LanguageModel(str(tiny_gpt), **settings | changed)
        writer = language_model._Writer(source.source, None)
        points = list(some[["valence", "arousal"]].itertuples(index=False, name=None))
        answers = []
        for start in range(0, 6, source.batch_size):
            answers += source._answers(writer, points[start : start + source.batch_size], 0)
        return answers

    greedy = raw(batch_size=1)
    assert greedy == raw(batch_size=4)
    assert all(text.startswith(PREFIX) and len(text) > len(PREFIX) for text in greedy)
    sampled = raw(temperature=1.5)
    assert sampled == raw(temperature=1.5)
    assert sampled != raw(temperature=1.5, seed=2)
    assert sampled != greedy


def test_nonsense_of_a_real_model_does_not_pass(tiny_gpt):
    some = rows([1.0, 7.0], [7.0, 1.0])
    with pytest.raises(DataError, match="captions cannot be used"):
        LanguageModel(str(tiny_gpt), retries=1, max_new_tokens=5, prefix="Someone says").write(some, some)
    state = torch.random.get_rng_state()
    with pytest.warns(UserWarning, match="the grammar wrote"):
        texts = LanguageModel(
            str(tiny_gpt), retries=1, max_new_tokens=5, prefix="Someone says", on_bad="grammar"
        ).write(some, some)
    assert texts == [ValenceArousalCaptions().describe(1, 7), ValenceArousalCaptions().describe(7, 1)]
    assert torch.equal(state, torch.random.get_rng_state())  # the training's random numbers are not touched


def test_a_chat_template_is_used_where_there_is_one(tiny_gpt, tmp_path, monkeypatch):
    import shutil

    shutil.copytree(tiny_gpt, tmp_path / "chat")
    (tmp_path / "chat" / "chat_template.jinja").write_text(CHAT)
    writer = language_model._Writer(str(tmp_path / "chat"), None)
    assert writer._as_chat("valence 3") == "user : valence 3 "
    assert not writer.go_on(["valence 3"], PREFIX, 4, None, 1)[0].startswith(PREFIX)
    assert language_model._Writer(str(tiny_gpt), None).go_on(["valence 3"], PREFIX, 4, None, 1)[0].startswith(PREFIX)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ("The person is speaking. Indeed.", "The person is speaking."),
        ("<think>1 and 2. Hm.</think>\n\nThe person is speaking!", "The person is speaking!"),
        ('"The person is speaking softly."', "The person is speaking softly."),
        (
            "\N{LEFT DOUBLE QUOTATION MARK}The person\n is speaking.\N{RIGHT DOUBLE QUOTATION MARK}",
            "The person is speaking.",
        ),
        ("**The person is speaking.**", "The person is speaking."),
        ("The person is speaking at 2.5 and", "The person is speaking at 2.5 and"),
        ("Sure:\n\nThe person", "Sure:"),
        ("", ""),
    ],
)
def test_an_answer_is_cut_to_its_first_sentence(answer, sentence):
    assert _first_sentence(answer) == sentence


def test_a_model_that_is_not_there_is_named(tmp_path):
    some = rows([4.0], [4.0])
    with pytest.raises(LanguageModelError, match=r"cannot be loaded .*hf download") as caught:
        LanguageModel(str(tmp_path / "none")).write(some, some)
    assert caught.value.exit_code == 4


def test_ratings_are_needed():
    with pytest.raises(DataError, match="1 of 1 clips are not rated"):
        LanguageModel("fake").write(rows([np.nan], [4.0]), rows([], []))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"prompt": "{valence}"}, r"prompt does not name \{arousal\}"),
        ({"batch_size": 0}, "batch_size"),
        ({"retries": -1}, "retries"),
        ({"temperature": 0.0}, "temperature must be positive"),
    ],
)
def test_settings_out_of_range(settings, says):
    with pytest.raises(ValueError, match=says):
        LanguageModel("fake", **settings)


def hub_at(monkeypatch, commit: str | None) -> None:
    """Let every name on the hub stand for this commit, or be unknown."""
    from transformers.utils import hub

    def cached_file(source, name, revision):
        if commit is None:
            raise OSError("no network")
        return f"/hub/models--m/snapshots/{commit}/{name}"

    monkeypatch.setattr(hub, "cached_file", cached_file)


def test_a_name_on_the_hub_is_kept_by_its_commit(monkeypatch, tmp_path):
    monkeypatch.setenv("EMOCLAP_CACHE", str(tmp_path))
    fake = Fake(monkeypatch, lambda prompt, call: f"{PREFIX} well.")
    table = rows([1], [3])

    def asked_for(commit, **settings) -> int:
        hub_at(monkeypatch, commit)
        before = len(fake.calls)
        LanguageModel("m", **settings).write(table, table)
        return len(fake.calls) - before

    assert [asked_for("a" * 40), asked_for("a" * 40), asked_for("b" * 40)] == [1, 0, 1]
    # Unknown: nothing is kept, unless the commit is given.
    assert [asked_for(None), asked_for(None)] == [1, 1]
    assert [asked_for(None, revision="c" * 40), asked_for(None, revision="c" * 40)] == [1, 0]
    assert len(list((tmp_path / "captions").iterdir())) == 3


@pytest.mark.parametrize(
    ("name", "value"), [("FORMAT", 2), ("REFUSALS", re.compile("no")), ("SENTENCE", re.compile(r".+\."))]
)
def test_another_way_of_reading_answers_has_another_key(monkeypatch, name, value):
    hub_at(monkeypatch, "a" * 40)
    before = LanguageModel("m")._key([(1.0, 3.0)])
    assert LanguageModel("m")._key([(1.0, 3.0)]) == before
    monkeypatch.setattr(language_model, name, value)
    assert LanguageModel("m")._key([(1.0, 3.0)]) != before


def test_another_grammar_has_another_key_where_it_may_write(monkeypatch):
    hub_at(monkeypatch, "a" * 40)

    def keys() -> list[str | None]:
        return [LanguageModel("m", on_bad=on_bad)._key([(1.0, 3.0)]) for on_bad in ("raise", "grammar")]

    alone, with_grammar = keys()
    monkeypatch.setattr(valence_arousal, "FRAMES", ("The person is speaking.",))
    assert keys()[0] == alone
    assert keys()[1] != with_grammar


def test_what_was_written_is_read_again_while_all_that_decides_it_is_the_same(monkeypatch, tmp_path):
    monkeypatch.setenv("EMOCLAP_CACHE", str(tmp_path))
    hub_at(monkeypatch, "a" * 40)
    fake = Fake(monkeypatch, lambda prompt, call: f"{PREFIX} well.")
    table = rows([1, 2], [3, 4])
    first = LanguageModel("m").write(table, table)
    asked = len(fake.calls)
    assert LanguageModel("m").write(table, table) == first
    assert len(fake.calls) == asked
    LanguageModel("m", seed=2).write(table, table)
    assert len(fake.calls) > asked
    (kept, _) = sorted((tmp_path / "captions").iterdir())
    kept.write_text("[")
    assert LanguageModel("m").write(table, table) == first
