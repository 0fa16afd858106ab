import os
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch

from lightning_app.checkpoint_io import AtomicCheckpointIO, digest_file, verify
from stages.handoff import CheckpointError, read_checkpoint

OLD, NEW = {"weight": torch.arange(5.0), "epoch": 1}, {"weight": torch.arange(500.0), "epoch": 2}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    target = tmp_path / "run" / "best.ckpt"
    AtomicCheckpointIO().save_checkpoint(OLD, target)
    return target


def epoch(path: Path) -> int:
    return AtomicCheckpointIO().load_checkpoint(path, weights_only=True)["epoch"]


def test_saves_loads_and_leaves_nothing_else(path: Path) -> None:
    assert sorted(file.name for file in path.parent.iterdir()) == ["best.ckpt", "best.ckpt.sha256"]
    AtomicCheckpointIO().save_checkpoint(NEW, path)
    assert epoch(path) == 2
    assert sorted(file.name for file in path.parent.iterdir()) == ["best.ckpt", "best.ckpt.sha256"]


def test_the_digest_is_one_that_sha256sum_checks(path: Path) -> None:
    command = ["sha256sum", "--check", "best.ckpt.sha256"]
    assert subprocess.run(command, cwd=path.parent, capture_output=True, check=False).returncode == 0
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    assert subprocess.run(command, cwd=path.parent, capture_output=True, check=False).returncode == 1


class PowerCutError(Exception):
    pass


# How often each is called while a checkpoint is saved.
CALLS = {"torch.save": 1, "os.fsync": 1, "os.chmod": 2, "os.replace": 2}


@pytest.mark.parametrize(("name", "call"), [(name, call + 1) for name, calls in CALLS.items() for call in range(calls)])
def test_a_failure_at_any_call_leaves_one_whole_checkpoint(
    path: Path, monkeypatch: pytest.MonkeyPatch, name: str, call: int
) -> None:
    module, _, function = name.partition(".")
    owner: Any = {"torch": torch, "os": os}[module]
    original, calls = getattr(owner, function), []

    def failing(*args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        if len(calls) == call:
            if function == "save":
                args[1].write(b"half of it")
            raise PowerCutError
        return original(*args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(owner, function, failing)
        with pytest.raises(PowerCutError):
            AtomicCheckpointIO().save_checkpoint(NEW, path)
    # The first rename is the one moment at which the old checkpoint becomes the new one.
    assert epoch(path) == (2 if (name, call) == ("os.replace", 2) else 1)
    assert not [file.name for file in path.parent.iterdir() if file.name.startswith(".")]
    AtomicCheckpointIO().save_checkpoint(NEW, path)
    assert epoch(path) == 2


def test_a_checkpoint_that_is_not_what_was_saved_is_refused_before_it_is_read(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        CheckpointError, match=r"best\.ckpt: is damaged: its sha256 is not the one in best\.ckpt\.sha256"
    ):
        epoch(path)
    path.write_bytes(b"no zip file at all")
    with pytest.raises(CheckpointError, match="its sha256"):
        verify(path)
    digest_file(path).unlink()
    verify(path)


def test_removing_takes_the_digest_along(path: Path) -> None:
    AtomicCheckpointIO().remove_checkpoint(path)
    assert list(path.parent.iterdir()) == []


def test_temporary_files_lie_beside_the_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A rename from another file system would not be atomic, so TMPDIR must not matter.
    monkeypatch.setenv("TMPDIR", "/nowhere/at/all")
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere/at/all")
    folders = []
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda a, b: (folders.append((Path(a).parent, Path(b).parent)), replace(a, b)))
    AtomicCheckpointIO().save_checkpoint(NEW, tmp_path / "best.ckpt")
    assert set(folders) == {(tmp_path, tmp_path)}
    assert epoch(tmp_path / "best.ckpt") == 2


@pytest.mark.parametrize(("mask", "expected"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_permissions_follow_the_umask(tmp_path: Path, mask: int, expected: int) -> None:
    before = os.umask(mask)
    try:
        AtomicCheckpointIO().save_checkpoint(NEW, tmp_path / "best.ckpt")
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    for file in (tmp_path / "best.ckpt", tmp_path / "best.ckpt.sha256"):
        assert stat.S_IMODE(file.stat().st_mode) == expected, file


def test_a_checkpoint_holds_what_was_trained_and_little_more(tiny_yaml: Path, command, tmp_path: Path) -> None:
    code = command(
        "fit", "--config", "stages/clep.yaml", "--config", tiny_yaml, "--trainer.max_epochs=1",
        "--trainer.limit_train_batches=1", "--trainer.limit_val_batches=0",
        "--model.clap.audio.width_multiplier=0.125", f"--trainer.default_root_dir={tmp_path}",
    )  # fmt: skip
    assert code == 0
    saved = read_checkpoint(tmp_path / "best.ckpt")
    optimizer = [
        value
        for state in saved["optimizer_states"][0]["state"].values()
        for value in state.values()
        if isinstance(value, torch.Tensor)
    ]
    trained = sum(tensor.nbytes for tensor in [*saved["state_dict"].values(), *optimizer])
    parameters = sum(len(group["params"]) for group in saved["optimizer_states"][0]["param_groups"])
    assert len(saved["state_dict"]) > parameters > 20
    assert not [name for name in saved["state_dict"] if name.startswith("clap.text.")]
    assert (tmp_path / "best.ckpt").stat().st_size <= 1.05 * trained
