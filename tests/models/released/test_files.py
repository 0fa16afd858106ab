import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from models.errors import WeightsError
from models.released.files import hub_config, hub_weights, read_state

STATE = {"a": torch.arange(3.0), "b": torch.ones(2, 2)}


def read(path: Path) -> dict[str, torch.Tensor]:
    return read_state(path, "Get it at the shop")


@pytest.mark.parametrize(
    "content",
    [STATE, {"model": STATE}, {"model": STATE, "epoch": np.int64(3), "best": np.float64(0.5), "mAP": np.float32(0.4)}],
    ids=["bare", "part", "with numpy numbers"],
)
def test_reads_tensors(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "x.pth")
    assert all(torch.equal(tensor, STATE[name]) for name, tensor in read(tmp_path / "x.pth").items())


class Command:
    def __reduce__(self) -> object:
        return os.system, ("touch ran",)


def test_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"model": STATE, "extra": Command()}, "x.pth")
    with pytest.raises(WeightsError, match="holds more than tensors"):
        read(Path("x.pth"))
    assert not Path("ran").exists()


@pytest.mark.parametrize("name", ["x.pth", "x.safetensors"])
def test_cut_file(tmp_path: Path, name: str) -> None:
    torch.save({"model": {"a": torch.ones(10000)}}, tmp_path / "whole.pth")
    (tmp_path / name).write_bytes((tmp_path / "whole.pth").read_bytes()[:10000])
    with pytest.raises(WeightsError, match="cannot be read"):
        read(tmp_path / name)


@pytest.mark.parametrize("content", [{"epoch": 3}, [torch.ones(1)], {"model": {}}, {"model": {"a": 1}}])
def test_no_tensors_where_they_should_be(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match=r"under model or state_dict, found .*Get it at the shop"):
        read(tmp_path / "x.pth")


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
