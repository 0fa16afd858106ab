from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
import torch

from stages.handoff import CheckpointError, read_checkpoint
from stages.release import release, unreadable


@pytest.fixture(autouse=True)
def one_and_two(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("stages.release.version", lambda name: {"emoclap": "1.2.0"}[name])
    release.cache_clear()
    yield
    release.cache_clear()


@pytest.mark.parametrize("wrote", ["1.2.0", "1.2", "1.1.9", "0.9", "1.2.0rc1", None])
def test_what_this_release_and_earlier_ones_wrote_is_read(wrote: str | None) -> None:
    assert unreadable({"emoclap": wrote} if wrote else {}) is None


@pytest.mark.parametrize("wrote", ["1.2.1", "1.10", "2.0.0", "10.0"])
def test_what_a_later_release_wrote_is_not(wrote: str, tmp_path: Path) -> None:
    torch.save({"state_dict": {}, "hyper_parameters": {}, "emoclap": wrote}, tmp_path / "a.ckpt")
    with pytest.raises(
        CheckpointError, match=rf"a\.ckpt: was written by emoclap {wrote}, and this is 1\.2\.0; install"
    ):
        read_checkpoint(tmp_path / "a.ckpt")


@pytest.mark.parametrize("wrote", ["new", 3, torch.zeros(2), {"a": 1}, ""])
def test_what_is_no_release(wrote: object) -> None:
    assert "is no checkpoint of emoclap" in str(unreadable({"emoclap": wrote}))


def test_without_an_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("stages.release.version", missing)
    assert release() == "0.0.1"
