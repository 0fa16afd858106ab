import errno
import json
import os
import socket
import time
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from lightning_app.config_files import ConfigError
from lightning_app.lock import locked as hold


def locked(runs: Path) -> AbstractContextManager[int]:
    runs.mkdir(exist_ok=True)
    return hold(runs / "chain.lock", "another chain runs here")


def _hold(runs: Path, host: str, pid: int) -> None:
    runs.mkdir(exist_ok=True)
    (runs / "chain.lock").write_text(json.dumps({"host": host, "pid": pid, "since": time.time() - 600}))


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
    _hold(tmp_path, socket.gethostname(), 2**22 + 1)
    with locked(tmp_path):
        pass
