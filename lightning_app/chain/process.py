"""A command as a child process, whose output goes to the terminal as it comes, and into a log."""

import contextlib
import os
import pty
import re
import selectors
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from lightning_app.config.own_packages import SAFE_PATH

_ESCAPE = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


def run_process(command: Sequence[str], log: Path, *, append: bool = False, keep_open: Sequence[int] = ()) -> int:
    """Run a command to its end and return its exit code; a negative one is the signal that ended it.

    On a terminal the command sees a terminal too, so that its progress bars move. An interrupt (Ctrl-C) or a request
    to stop is forwarded once, so that the command can save its work; a second one kills it.

    Args:
        command: What to run.
        log: File for the output; of a line that is redrawn, such as a progress bar, its last state.
        append: Continue the log instead of starting it anew.
        keep_open: File descriptors that the command inherits.
    """
    reader, writer = _channel()
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab" if append else "wb") as file:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=writer,
            stderr=writer,
            pass_fds=keep_open,
            process_group=0,
            env={**os.environ, "PYTHONUNBUFFERED": "1", SAFE_PATH: "1"},
        )
        os.close(writer)
        with _forwarded_signals(process) as signals:
            _copy(reader, process, _Log(file))
            code = process.wait()
    os.close(reader)
    # Lightning ends with 0 when it is told to stop; then the next stage is not wanted either.
    return -signals[0] if signals and code == 0 else code


def _channel() -> tuple[int, int]:
    """Return the two ends of a terminal if we are on one, else of a pipe."""
    if not sys.stdout.isatty():
        return os.pipe()
    reader, writer = pty.openpty()
    termios.tcsetwinsize(writer, termios.tcgetwinsize(sys.stdout.fileno()))
    return reader, writer


@contextlib.contextmanager
def _forwarded_signals(process: subprocess.Popen[bytes]) -> Iterator[list[int]]:
    seen: list[int] = []

    def forward(number: int, _: FrameType | None) -> None:
        seen.append(number)
        with contextlib.suppress(ProcessLookupError):
            if len(seen) > 1:
                os.killpg(process.pid, signal.SIGKILL)
            elif number == signal.SIGINT:
                os.killpg(process.pid, number)  # as a terminal does
            else:
                process.send_signal(number)

    before = {number: signal.signal(number, forward) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _copy(reader: int, process: subprocess.Popen[bytes], log: "_Log") -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(reader, selectors.EVENT_READ)
        while True:
            if selector.select(timeout=0.2):
                try:
                    chunk = os.read(reader, 65536)
                except OSError:  # a terminal whose other end was closed
                    chunk = b""
                if not chunk:
                    break
                sys.stdout.write(chunk.decode(errors="replace"))
                sys.stdout.flush()
                log.write(chunk)
            elif process.poll() is not None:  # ended, though a child of its own still holds the pipe
                break
    log.close()


class _Log:
    """A log of whole lines, without what progress bars and colors draw."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.rest = b""  # the line that has not ended

    def write(self, chunk: bytes) -> None:
        *lines, self.rest = (self.rest + chunk).split(b"\n")
        for line in lines:
            self.file.write(_last_state(line) + b"\n")
        self.rest = self.rest[self.rest.rfind(b"\r", 0, -1) + 1 :]
        self.file.flush()

    def close(self) -> None:
        if self.rest:
            self.file.write(_last_state(self.rest) + b"\n")


def _last_state(line: bytes) -> bytes:
    return _ESCAPE.sub(b"", line).rstrip(b"\r").rpartition(b"\r")[2]
