import tomllib
from pathlib import Path

import pytest
import torch

import lightning_app
from stages.checkpoint import Checkpoint
from stages.errors import CheckpointError
from stages.release import release, unreadable


@pytest.fixture(autouse=True)
def one_and_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.release.__version__", "1.2.0")


@pytest.mark.parametrize("wrote", ["1.2.0", "1.2", "1.1.9", "0.9", "0.2", "1.2.0rc1"])
def test_what_this_release_and_those_since_0_2_wrote_is_read(wrote: str) -> None:
    assert unreadable(wrote) is None


@pytest.mark.parametrize(
    ("wrote", "said"),
    [
        ("0.1.0", "was written by emoclap 0.1.0, and 1.2.0 reads nothing older than 0.2.0; run"),
        (
            None,
            "does not say which release of emoclap wrote it, and 1.2.0 reads nothing older than 0.2.0; run",
        ),
    ],
)
def test_what_an_older_release_wrote_is_not(wrote: str | None, said: str, tmp_path: Path) -> None:
    content = {"state_dict": {}, "hyper_parameters": {}} | ({"emoclap": wrote} if wrote else {})
    torch.save(content, tmp_path / "a.ckpt")
    with pytest.raises(CheckpointError, match=rf"a\.ckpt: {said} the stage that writes it again") as caught:
        Checkpoint.open(tmp_path / "a.ckpt")
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("wrote", ["1.2.1", "1.10", "2.0.0", "10.0"])
def test_what_a_later_release_wrote_is_not(wrote: str, tmp_path: Path) -> None:
    torch.save({"state_dict": {}, "hyper_parameters": {}, "emoclap": wrote}, tmp_path / "a.ckpt")
    with pytest.raises(
        CheckpointError, match=rf"a\.ckpt: was written by emoclap {wrote}, and this is 1\.2\.0; install"
    ):
        Checkpoint.open(tmp_path / "a.ckpt")


@pytest.mark.parametrize("wrote", ["new", 3, torch.zeros(2), {"a": 1}, ""])
def test_what_is_no_release(wrote: object) -> None:
    assert "is nothing that emoclap wrote" in str(unreadable(wrote))


def test_is_said_in_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert "version" not in project["project"]
    source = (Path(__file__).parents[2] / project["tool"]["hatch"]["version"]["path"]).read_text()
    assert f'\n__version__ = "{release()}"\n' in source
    assert lightning_app.__version__ == release()


def test_a_new_release_is_noticed_whatever_the_installation_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.release.__version__", "1.3.0")
    assert "was written by emoclap 1.4" in str(unreadable("1.4"))
    assert unreadable("1.3") is None
