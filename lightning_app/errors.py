"""Exit codes of commands, and the exceptions that carry one."""

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
    """The reader of the output closed it."""
    PREEMPTED = 143
    """Stopped after a checkpoint was saved."""


class ConfigError(ValueError):
    """A mistake in a configuration file or on the command line. Commands end with exit code 2."""

    exit_code: int = ExitCode.USAGE


class StageError(RuntimeError):
    """A stage of a chain that failed; the chain ends with the exit code of the stage."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class RefusedRun(ConfigError):
    """Runs of a chain that cannot succeed; the exit code is the one with which the first of them would end."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class StorageError(RuntimeError):
    """A file that could not be written; its former content is unchanged. Commands end with exit code 1."""

    exit_code = ExitCode.BUG


class CompromisedRelease(RuntimeError):
    """An installed release that is known to be malicious. Commands end with exit code 4."""

    exit_code = ExitCode.MODEL


class NonFiniteError(ArithmeticError):
    """A loss, or its gradient, that is NaN or infinite. Commands end with exit code 3."""

    exit_code = ExitCode.DATA
