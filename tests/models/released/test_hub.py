import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from models.errors import WeightsError
from models.released.hub import hub_config, hub_weights

STATE = {"a": torch.arange(3.0), "b": torch.ones(2, 2)}


def test_reads_a_folder_in_either_format(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "pytorch_model.bin")
    assert torch.equal(hub_weights(str(tmp_path))["a"], STATE["a"])
    save_file({"a": torch.zeros(3)}, tmp_path / "model.safetensors")
    assert torch.equal(hub_weights(str(tmp_path))["a"], torch.zeros(3))


def test_reads_the_description(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"mean": 0.5}))
    assert hub_config(str(tmp_path)) == {"mean": 0.5}


def test_an_empty_folder_is_named_with_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=rf"{tmp_path}: .*no model\.safetensors or pytorch_model\.bin") as caught:
        hub_weights(str(tmp_path))
    assert caught.value.exit_code == 4
    with pytest.raises(WeightsError, match=r"no config\.json"):
        hub_config(str(tmp_path))


def test_an_unreachable_name_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match="hf download nobody/nothing"):
        hub_weights("nobody/nothing")


def test_a_folder_that_is_not_there_is_named() -> None:
    with pytest.raises(WeightsError, match="/nowhere/at/all"):
        hub_config("/nowhere/at/all")
