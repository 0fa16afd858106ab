import os
from pathlib import Path

import numpy as np
import pytest
import torch

from models.errors import WeightsError
from models.released.files import read_state

STATE = {"a": torch.arange(3.0), "b": torch.ones(2, 2)}


def read(path: Path) -> dict[str, torch.Tensor]:
    return read_state(path, "model", "Get it at the shop")


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
    with pytest.raises(WeightsError, match=r"expected tensors by name under 'model'.*Get it at the shop"):
        read(tmp_path / "x.pth")
