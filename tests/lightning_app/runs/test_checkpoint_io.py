import itertools
import multiprocessing
import os
import random
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from lightning_app.runs.checkpoint_io import AtomicCheckpointIO, digest_file, verify
from stages.checkpoint import Checkpoint
from stages.errors import CheckpointError

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


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


class PowerCutError(Exception):
    pass


# How often each is called while a checkpoint is saved.
CALLS = {"torch.save": 1, "os.fsync": 3, "os.replace": 3}


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
    # The second rename is the one moment at which the old checkpoint becomes the new one.
    assert epoch(path) == (2 if (name, call) in (("os.replace", 3), ("os.fsync", 3)) else 1)
    damage(path)
    with pytest.raises(CheckpointError, match="is damaged"):
        verify(path)  # at no moment is there a checkpoint that nothing vouches for
    assert not [file.name for file in path.parent.iterdir() if file.name.startswith(".")]
    AtomicCheckpointIO().save_checkpoint(NEW, path)
    assert epoch(path) == 2
    assert sorted(file.name for file in path.parent.iterdir()) == ["best.ckpt", "best.ckpt.sha256"]


def test_the_names_reach_the_disk_after_the_renames(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(
        os, "fsync", lambda handle: (done.append(stat.S_ISDIR(os.fstat(handle).st_mode)), fsync(handle))
    )
    monkeypatch.setattr(os, "replace", lambda a, b: (done.append(Path(b).name), replace(a, b)))
    AtomicCheckpointIO().save_checkpoint(NEW, path)
    names = ["best.ckpt.sha256.next", "best.ckpt", "best.ckpt.sha256"]
    assert done == [False, names[0], False, *names[1:], True]


def test_a_checkpoint_that_is_not_what_was_saved_is_refused_before_it_is_read(path: Path) -> None:
    damage(path)
    with pytest.raises(
        CheckpointError, match=r"best\.ckpt: is damaged: its sha256 is not the one in best\.ckpt\.sha256"
    ):
        epoch(path)
    path.write_bytes(b"no zip file at all")
    with pytest.raises(CheckpointError, match="its sha256"):
        verify(path)
    digest_file(path).unlink()
    verify(path)


def test_the_message_names_another_checkpoint_that_is_whole(path: Path) -> None:
    last, odd = path.with_name("last.ckpt"), path.with_name("odd.ckpt")
    AtomicCheckpointIO().save_checkpoint(NEW, last)
    AtomicCheckpointIO().save_checkpoint(NEW, odd)
    damage(last)
    damage(odd)
    with pytest.raises(CheckpointError) as refused:
        verify(last)
    assert str(refused.value).endswith(f"; take {path}, which is whole, or run its stage again")
    damage(path)
    with pytest.raises(CheckpointError, match=r"is not the one in last\.ckpt\.sha256; run its stage again$"):
        verify(last)


def test_without_a_digest_the_checksums_inside_are_compared(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    digest_file(path).unlink()
    for _ in range(2):
        verify(path)
    said = f"lightning-cli: {path}: there is no best.ckpt.sha256 to compare it with\n"
    assert capsys.readouterr().err == said
    whole = path.read_bytes()
    tensor = whole.index(torch.arange(5.0).numpy().tobytes())
    path.write_bytes(whole[:tensor] + b"\1" + whole[tensor + 1 :])
    with pytest.raises(CheckpointError, match=r"is damaged: the checksum of .*data/0 does not hold; run its stage"):
        verify(path)


FULL = """
import resource, signal, sys
import torch
from lightning_app.runs.checkpoint_io import AtomicCheckpointIO
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
AtomicCheckpointIO().save_checkpoint({"weight": torch.arange(5000.0)}, sys.argv[1])
"""


def test_a_write_that_the_system_refuses_is_one_sentence_and_the_old_one_stays(path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL, path], capture_output=True, text=True, check=False)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"lightning_app.errors.StorageError: {path}: cannot be written: File too large (")
    assert last.endswith("MB free in " + str(path.parent) + "); make room and run the command again; " + WHOLE)
    assert epoch(path) == 1
    assert sorted(file.name for file in path.parent.iterdir()) == ["best.ckpt", "best.ckpt.sha256"]


WHOLE = "what was saved before is whole"


@pytest.mark.slow
def test_two_hundred_kills_at_any_moment_leave_a_whole_checkpoint(tmp_path: Path) -> None:
    path, draw, saved, killed = tmp_path / "last.ckpt", random.Random(0), 0, 0
    context = multiprocessing.get_context("fork")
    while killed < 200:
        reader, writer = context.Pipe(duplex=False)
        child = context.Process(target=_save_for_ever, args=(path, saved + 1, writer))
        child.start()
        reader.recv()  # it has begun
        time.sleep(draw.uniform(0, 0.02))
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        killed += 1
        if path.is_file():
            content = AtomicCheckpointIO().load_checkpoint(path, weights_only=True)
            assert content["epoch"] >= saved
            assert (content["weight"] == content["epoch"]).all()
            saved = content["epoch"]
    assert saved > 0
    assert list(tmp_path.glob(".last.ckpt.*")), "no kill has met a save"


def _save_for_ever(path: Path, first: int, begun: Any) -> None:
    begun.send(None)
    for number in itertools.count(first):
        weight = torch.full((20000,), float(number))
        AtomicCheckpointIO().save_checkpoint({"epoch": number, "weight": weight}, path)


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
    saved = Checkpoint.open(tmp_path / "best.ckpt").content
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
