"""Loader processes that die: what was being read is named, whatever killed them."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch.utils.data import get_worker_info

from datamodules import stop_signals
from datamodules.clips import dataset, loading
from datamodules.clips.loading import Loader
from datamodules.clips.work_log import WorkLog, death_of_a_worker
from datamodules.errors import DataError


@pytest.mark.parametrize(
    ("sign", "said"),
    [
        (signal.SIGKILL, "is killed by signal: Killed while it read"),
        (signal.SIGSEGV, "is killed by signal: Segmentation fault while it read"),
    ],
)
def test_the_recording_is_named(
    command: Callable[..., int], tiny_yaml: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], sign: signal.Signals, said: str,
) -> None:  # fmt: skip
    read = dataset.read_crop
    # Handlers that were made while another test captured the output write into a closed file.
    monkeypatch.setattr("logging.raiseExceptions", False)

    def dies(recording: Any, *args: Any) -> Any:
        if get_worker_info() is not None and recording.file.endswith("bob_sadness_1.wav"):
            os.kill(os.getpid(), sign)
        return read(recording, *args)

    monkeypatch.setattr(dataset, "read_crop", dies)
    code = command(
        "fit", "--config", "stages/clep.yaml", "--config", tiny_yaml, "--trainer.max_epochs=1",
        "--data.loading.num_workers=2",
        f"--trainer.default_root_dir={tmp_path}",
    )  # fmt: skip
    message = capsys.readouterr().err
    assert code == 3, message
    assert "Traceback" not in message
    assert said in message
    assert "bob_sadness_1.wav (manifest.csv:" in message
    assert ("memory runs out" if sign == signal.SIGKILL else "take that recording out") in message


def test_a_process_that_was_reading_nothing() -> None:
    error = RuntimeError("DataLoader worker (pid 123) is killed by signal: Killed. ")
    found = death_of_a_worker(error)
    assert isinstance(found, DataError)
    assert str(found).startswith("loader process 123 is killed by signal: Killed; it was reading no recording; the sys")
    shared = RuntimeError(
        "DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that dataloader's workers are out of "
        "shared memory. Please try to raise your shared memory limit."
    )
    assert "/dev/shm" in str(death_of_a_worker(shared))
    several = death_of_a_worker(RuntimeError("DataLoader worker (pid(s) 12, 13) exited unexpectedly"))
    assert str(several).startswith("loader process 12, 13 exited unexpectedly; it was reading no recording; set data.")
    with pytest.raises(RuntimeError) as both:
        raise RuntimeError("DataLoader worker (pid(s) 123) exited unexpectedly") from error
    assert str(death_of_a_worker(both.value)) == str(found)


@pytest.mark.parametrize(
    "error", [RuntimeError("shapes do not match"), ValueError("DataLoader worker (pid 1) is"), None]
)
def test_other_errors_are_left_alone(error: Any) -> None:
    assert death_of_a_worker(error) is None


class Numbers:
    def __init__(self) -> None:
        self.work = WorkLog(lambda index: f"number {index}")

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> tuple[int, int, str | None]:
        with self.work.reading(index):
            inside = self.work.read_by(os.getpid())
        assert self.work.read_by(os.getpid()) is None
        return index, os.getpid(), inside


@pytest.mark.parametrize("processes", [0, 2])
def test_what_is_read_is_known_while_it_is_read(processes: int) -> None:
    loader = Loader(Numbers(), batch_size=None, num_workers=processes, worker_init_fn=stop_signals.ignore)  # type: ignore[arg-type]
    for index, process, inside in loader:
        assert inside == (f"number {index}" if process != os.getpid() else None)


class Signalled(Numbers):
    def __getitem__(self, index: int) -> Any:
        for number in (*stop_signals.ASKS, signal.SIGINT):
            os.kill(os.getpid(), number)
        return index


def test_loader_processes_live_through_every_signal_that_stops_a_run() -> None:
    loader = Loader(Signalled(), batch_size=None, num_workers=1, worker_init_fn=stop_signals.ignore)  # type: ignore[arg-type]
    assert list(loader) == list(range(8))


def test_signals_wait_while_processes_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that comes before a process can ignore it would kill it, and the run with it."""
    masks: list[set[signal.Signals]] = []

    def started(self: object, *_: object) -> None:
        masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, ()))

    monkeypatch.setattr(loading.DataLoader, "__iter__", started)
    with stop_signals.noted():
        Loader.__iter__(Loader([1]))  # type: ignore[arg-type]
    assert {*stop_signals.ASKS, signal.SIGINT} <= masks[0]
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ()) & {*stop_signals.ASKS}
