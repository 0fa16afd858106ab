"""Signals by which a cluster asks a run to stop: noted when they come, heeded where nothing is lost."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

ASKS = (signal.SIGTERM, signal.SIGUSR1)


class Stopped(Exception):
    """The run was asked to stop, and did. Commands end with exit code 143."""

    exit_code = 143


class _Noted:
    """What this process was asked; a handler may do no more than set it, for it interrupts anything."""

    asked = False
    process = 0


@contextmanager
def noted(for_good: bool = False) -> Iterator[None]:
    """Note the signals, in place of dying of them, while the block runs.

    Args:
        for_good: And afterwards, until the process ends: what has been saved must not end in another exit code.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may install handlers
        return
    before = {number: signal.getsignal(number) for number in ASKS}
    _Noted.asked = False
    note()
    try:
        yield
    finally:
        if not for_good:
            for number, handler in before.items():
                signal.signal(number, handler)


def note() -> None:
    """Note the signals in this process from now on; what it was asked before stays noted."""
    _Noted.process = os.getpid()
    for number in ASKS:
        signal.signal(number, _note)


def asked() -> bool:
    """Whether this process was asked to stop since `noted` began."""
    return _Noted.asked


def stop_if_asked(any_rank: Callable[[bool], bool] = bool) -> None:
    """Stop here, where nothing is lost that could be saved.

    Args:
        any_rank: Whether something holds on any process of the run, which all of them ask: they stop together, and
            none waits for one that has gone. This process alone, if it is not given.

    Raises:
        Stopped: If one of them was asked to.
    """
    if any_rank(_Noted.asked):
        raise Stopped("stopped by a signal before there was anything new to save; the same command starts again")


def ignore(worker: int = 0) -> None:
    """Leave signals to the main process; for helper processes, which a signal to the whole group reaches as well.

    Args:
        worker: The number that loaders give to their processes.
    """
    for number in (*ASKS, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (*ASKS, signal.SIGINT))  # they were held until now


@contextmanager
def held() -> Iterator[None]:
    """Hold signals back from helper processes that are made meanwhile: they would die before they can `ignore` them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (*ASKS, signal.SIGINT))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _note(number: int, frame: FrameType | None) -> None:
    if os.getpid() == _Noted.process:
        _Noted.asked = True
    else:
        # A forked helper has inherited this handler, and its parent ends it by such a signal.
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
