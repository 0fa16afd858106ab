"""Bounds for damaged input: a reader that wants much memory, or does not come back, fails its test."""

import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest

from datamodules.errors import DataError

MORE_BYTES = 3 * 1024**3
SECONDS = 60  # for one case, on a machine that is busy with other things, too


@pytest.fixture
def bounds() -> Iterator[None]:
    """Address space limited to what the process has and 3 GiB more; a case that hangs is interrupted."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MORE_BYTES, hard))

    def hung(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"one case took {SECONDS} s")

    before = signal.signal(signal.SIGALRM, hung)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.fixture
def outcome(bounds: None) -> Callable[[str, Path, Callable[[], object]], object]:
    """To be called with a case's name, its file and what reads it.

    Returns what was read, or None where a `DataError` that names the file refuses it; fails with anything else.
    """

    def read(case: str, path: Path, action: Callable[[], object]) -> object:
        signal.alarm(SECONDS)
        try:
            return action()
        except DataError as error:
            refusal = str(error)
        except Exception as error:
            raise AssertionError(f"{case}: {error!r}") from error
        assert str(path) in refusal, case
        return None

    return read
