"""What the exit code of a command means."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of every verb, of chains, and of the exceptions that carry one."""

    OK = 0
    BUG = 1
    USAGE = 2
    DATA = 3
    MODEL = 4
    """The model, its weights, a checkpoint, or a package that is not installed."""
    SKIPPED = 5
    """Finished, but some rows were left out."""
    NOTHING_SAVED = 75
    """Preempted before there was a checkpoint."""
    INTERRUPTED = 130
    CLOSED_PIPE = 141
    """Nobody reads what is printed."""
    PREEMPTED = 143
    """Stopped after a checkpoint was saved."""
