import os
import pty
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from lightning_app.chain.process import run_process


def _python(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def test_both_streams_are_shown_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)"
    assert run_process(_python(program), tmp_path / "a/log.txt") == 7
    assert (tmp_path / "a/log.txt").read_text() == "out\nerr\n"
    assert capsys.readouterr().out == "out\nerr\n"


def test_the_log_keeps_the_last_state_of_a_progress_bar(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = (
        "print('\\r 1%', end=''); print('\\r\\x1b[1m50%\\x1b[0m', end='\\r'); print('100%\\r'); print('end', end='')"
    )
    run_process(_python(program), tmp_path / "log.txt")
    assert (tmp_path / "log.txt").read_text() == "100%\nend\n"
    assert "\r 1%\r" in capsys.readouterr().out


def test_appending(tmp_path: Path) -> None:
    for append in (False, True, True):
        run_process(_python("print(1)"), tmp_path / "log.txt", append=append)
    assert (tmp_path / "log.txt").read_text() == "1\n1\n1\n"
    run_process(_python("print(2)"), tmp_path / "log.txt")
    assert (tmp_path / "log.txt").read_text() == "2\n"


def test_a_signal_is_a_negative_code(tmp_path: Path) -> None:
    code = run_process(_python("import os; os.kill(os.getpid(), 9)"), tmp_path / "log.txt")
    assert code == -signal.SIGKILL


def test_a_child_left_behind_does_not_hold_us_up(tmp_path: Path) -> None:
    waits = "import time; time.sleep(300)"
    program = f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {waits!r}]).pid)"
    assert run_process(_python(program), tmp_path / "log.txt") == 0
    left_behind = int((tmp_path / "log.txt").read_text())
    os.kill(left_behind, signal.SIGKILL)  # it is still there


def test_on_a_terminal_the_command_has_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    with open(theirs, "w") as screen:
        monkeypatch.setattr(sys, "stdout", screen)
        run_process(_python("import sys; print(sys.stdout.isatty())"), tmp_path / "log.txt")
        shown = os.read(ours, 100)
    os.close(ours)
    assert shown.split() == [b"True"]
    assert (tmp_path / "log.txt").read_text() == "True\n"


def test_the_handlers_are_put_back(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    run_process(_python(""), tmp_path / "log.txt")
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_told_to_stop_that_ends_with_0_has_still_been_stopped(tmp_path: Path, number: int) -> None:
    ready = tmp_path / "ready"
    program = (
        "import signal, sys, time, pathlib\n"
        f"signal.signal({int(number)}, lambda *_: sys.exit(0))\n"
        f"pathlib.Path({str(ready)!r}).touch()\n"
        "time.sleep(600)"
    )
    before = signal.getsignal(number)

    def stop() -> None:
        while not ready.exists() or signal.getsignal(number) is before:
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    threading.Thread(target=stop).start()
    assert run_process(_python(program), tmp_path / "log.txt") == -number
