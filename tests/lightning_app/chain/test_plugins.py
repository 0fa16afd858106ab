"""Modules of a user's own in a chain: each stage's command is told of them, and no result depends on how."""

from pathlib import Path

import pytest

from lightning_app.errors import ConfigError


def chain_file(folder: Path) -> str:
    return (folder / "chain.yaml").read_text()


def test_every_stage_is_told_and_nothing_runs_again(done_line, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    done_line.write(f"plugins: mine\ntrust: [other.package]\n{chain_file(tmp_path)}")
    assert done_line() == 0
    assert done_line.launches() == []
    assert done_line("--force") == 0
    told = [f"--plugins={tmp_path / 'mine'}", "--trust=other.package"]
    launches = done_line.launches()
    assert len(launches) == 4
    assert all(line[-2:] == told for line in launches)
    assert done_line() == 0
    assert done_line.launches() == []


@pytest.mark.parametrize(
    ("key", "complaint"),
    [("plugins: gone", "gone: there is no such folder"), ("trust: os", "--trust os: is a part of Python")],
)
def test_what_is_not_there_is_refused_before_anything_runs(line, key: str, complaint: str) -> None:
    line.write(f"{key}\n{chain_file(line.folder)}")
    with pytest.raises(ConfigError, match=complaint):
        line()
    assert line.launches() == []
