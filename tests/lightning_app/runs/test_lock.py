import errno
import json
import os
import socket
import threading
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from lightning_app.errors import ConfigError
from lightning_app.runs.lock import locked as hold


def locked(runs: Path) -> AbstractContextManager[int]:
    runs.mkdir(exist_ok=True)
    return hold(runs / "chain.lock", "another chain runs here")


def _hold(runs: Path, host: str, pid: int, job: str = "") -> None:
    runs.mkdir(exist_ok=True)
    (runs / "chain.lock").write_text(json.dumps({"host": host, "pid": pid, "since": time.time() - 600, "job": job}))


def _silent(runs: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(runs / "chain.lock", (then, then))


def test_one_at_a_time(tmp_path: Path) -> None:
    refused = pytest.raises(ConfigError, match=f"process {os.getpid()} on")
    with locked(tmp_path / "runs"), refused as caught, locked(tmp_path / "runs"):
        pass
    assert caught.value.exit_code == 2
    with locked(tmp_path / "runs"):
        pass


def test_a_process_that_is_gone_holds_nothing(tmp_path: Path) -> None:
    _hold(tmp_path, socket.gethostname(), 2**22 + 1)
    with locked(tmp_path):
        assert json.loads((tmp_path / "chain.lock").read_text())["pid"] == os.getpid()


def test_another_machine_is_believed(tmp_path: Path) -> None:
    _hold(tmp_path, "node7", 42)
    with (
        pytest.raises(ConfigError, match=r"process 42 on node7, since 10 min\. .*delete .*chain\.lock"),
        locked(tmp_path),
    ):
        pass


def test_a_process_of_another_machine_that_was_killed_is_over_after_its_silence(tmp_path: Path) -> None:
    _hold(tmp_path, "node7", 42)
    _silent(tmp_path, 590)
    with pytest.raises(ConfigError, match="on node7"), locked(tmp_path):
        pass
    _silent(tmp_path, 610)
    with locked(tmp_path):
        assert json.loads((tmp_path / "chain.lock").read_text())["pid"] == os.getpid()


def test_whoever_works_gives_signs_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lightning_app.runs.lock.RENEWAL", 0.01)
    with locked(tmp_path):
        _silent(tmp_path, 3600)
        while (tmp_path / "chain.lock").stat().st_mtime < time.time() - 1800:
            time.sleep(0.01)  # the test hangs where nobody renews it
    assert not any(thread.name.startswith("renews") for thread in threading.enumerate())


@pytest.mark.parametrize(("queue", "free"), [("", True), ("RUNNING", False), ("PENDING", False)])
def test_the_cluster_knows_whether_a_job_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, queue: str, free: bool
) -> None:
    squeue = tmp_path / "squeue"
    squeue.write_text(f"#!/bin/bash\n[[ $* = *--jobs=7* ]] && echo {queue}\n")
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    _hold(tmp_path, "node7", 42, job="7")
    _silent(tmp_path, 0 if free else 3600)
    with nullcontext() if free else pytest.raises(ConfigError, match="process 42 on node7"), locked(tmp_path):
        pass


def test_a_cluster_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    squeue = tmp_path / "squeue"
    squeue.write_text("#!/bin/bash\necho 'Unable to contact slurm controller' >&2; exit 1\n")
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    _hold(tmp_path, "node7", 42, job="7")
    with pytest.raises(ConfigError, match="Unable to contact"), locked(tmp_path):
        pass


def test_a_job_nobody_can_ask_about_is_over_after_its_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    _hold(tmp_path, "node7", 42, job="7")
    with pytest.raises(ConfigError, match="on node7"), locked(tmp_path):
        pass
    _silent(tmp_path, 610)
    with locked(tmp_path):
        pass


def test_a_job_that_was_put_back_into_the_queue_finds_its_own_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    with locked(tmp_path):
        left = json.loads((tmp_path / "chain.lock").read_text())
    (tmp_path / "chain.lock").write_text(json.dumps({**left, "host": "node7"}))
    with locked(tmp_path):
        pass
    (tmp_path / "chain.lock").write_text(json.dumps({**left, "host": "node7"}))
    monkeypatch.setenv("SLURM_JOB_ID", "8")
    with pytest.raises(ConfigError, match="on node7"), locked(tmp_path):
        pass


@pytest.mark.parametrize("content", ["", "{", "[]", "{}"])
def test_an_unreadable_lock_that_nobody_holds_is_taken(tmp_path: Path, content: str) -> None:
    (tmp_path / "chain.lock").write_text(content)
    with locked(tmp_path):
        pass


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr("fcntl.flock", refuse)
    _hold(tmp_path, socket.gethostname(), os.getppid())
    with pytest.raises(ConfigError, match="another chain runs here"), locked(tmp_path):
        pass
    for host, pid in ((socket.gethostname(), 2**22 + 1), ("node7", os.getppid())):
        _hold(tmp_path, host, pid)
        _silent(tmp_path, 610)
        with locked(tmp_path):
            pass
