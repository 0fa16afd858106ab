import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertModel
from transformers.utils import logging

from datamodules.captions.language_model import _Writer
from datamodules.errors import LanguageModelError
from models.audio.speech import SpeechEncoder
from models.clip_text import ClipText
from models.errors import WeightsError
from models.pretrained import from_pretrained
from models.text import TextEncoder

LanguageModelWriter = partial(_Writer, revision=None)

TINY = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}


def test_loads_without_a_word(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    BertModel(BertConfig(**TINY)).save_pretrained(tmp_path)
    capfd.readouterr()
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    assert from_pretrained(BertModel, str(tmp_path)).training
    assert capfd.readouterr() == ("", "")
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == (verbosity, bars)


def test_missing_tensors_are_refused(tmp_path: Path) -> None:
    BertModel(BertConfig(**TINY), add_pooling_layer=False).save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match=r"lacks tensors of a BertModel: pooler\.dense\.bias, pooler\.dense\.weight"):
        from_pretrained(BertModel, str(tmp_path))


def test_missing_folder_is_named() -> None:
    with pytest.raises(WeightsError, match="/nowhere/at/all: no such folder"):
        from_pretrained(BertModel, "/nowhere/at/all")


def test_folder_without_weights_is_named(tmp_path: Path) -> None:
    BertConfig(**TINY).save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match=r"cannot be loaded .* model\.safetensors"):
        from_pretrained(BertModel, str(tmp_path))


@pytest.mark.parametrize("content", [b"\xff" * 64, b"\x08" + b"\0" * 7 + b"not json", b""])
def test_damaged_safetensors_are_named(tmp_path: Path, content: bytes) -> None:
    BertModel(BertConfig(**TINY)).save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(WeightsError, match=r"cannot be (read|loaded)") as caught:
        from_pretrained(BertModel, str(tmp_path))
    assert str(caught.value).startswith(f"{tmp_path}: ")


def test_tensors_of_another_shape_are_refused(tmp_path: Path) -> None:
    BertModel(BertConfig(**TINY)).save_pretrained(tmp_path)
    BertConfig(**{**TINY, "hidden_size": 8}).save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match=r"its model\.safetensors cannot be read"):
        from_pretrained(BertModel, str(tmp_path))


def test_a_pickle_that_would_run_code_is_not_opened(tmp_path: Path) -> None:
    BertModel(BertConfig(**TINY)).save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save({"a": _Payload(tmp_path / "it_ran")}, tmp_path / "pytorch_model.bin")
    with pytest.raises(WeightsError, match="cannot be read"):
        from_pretrained(BertModel, str(tmp_path))
    assert not (tmp_path / "it_ran").exists()


class _Payload:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize(
    "content", ["not json", "{}", '{"version": "1.0"}', "[" * 100_000, '{"version": "1.0", "model": {"type": "BPE"}}']
)
def test_a_damaged_tokenizer_is_named(tmp_path: Path, tiny_bert: Path, content: str) -> None:
    shutil.copytree(tiny_bert, tmp_path, dirs_exist_ok=True)
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(WeightsError) as caught:
        TextEncoder(str(tmp_path))
    assert str(caught.value).startswith(f"{tmp_path}: ")


@pytest.mark.parametrize("build", [TextEncoder, ClipText, SpeechEncoder, LanguageModelWriter])
def test_nobody_is_asked_to_run_code_that_comes_with_weights(
    tmp_path: Path, tiny_bert: Path, build: Callable[[str], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(*_: object) -> str:
        pytest.fail("transformers asked whether to run the code")

    monkeypatch.setattr("builtins.input", asked)
    shutil.copytree(tiny_bert, tmp_path, dirs_exist_ok=True)
    (tmp_path / "run.py").write_text("raise SystemExit('ran')")
    classes = ("AutoConfig", "AutoModel", "AutoTokenizer", "AutoModelForCausalLM")
    auto = {"auto_map": {name: ["run.Own", "run.Own"] if "Tok" in name else "run.Own" for name in classes}}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "own", **auto}))
    tokenizer = json.loads((tmp_path / "tokenizer_config.json").read_text())
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({**tokenizer, "tokenizer_class": "Own", **auto}))
    with pytest.raises((WeightsError, LanguageModelError)) as caught:
        build(str(tmp_path))
    assert str(tmp_path) in str(caught.value)


def test_unreachable_name_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match="hf download nobody/nothing") as caught:
        from_pretrained(BertModel, "nobody/nothing")
    assert caught.value.exit_code == 4
