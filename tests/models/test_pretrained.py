from pathlib import Path

import pytest
from transformers import BertConfig, BertModel
from transformers.utils import logging

from models.errors import WeightsError
from models.pretrained import from_pretrained

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


def test_unreachable_name_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match="hf download nobody/nothing") as caught:
        from_pretrained(BertModel, "nobody/nothing")
    assert caught.value.exit_code == 4
