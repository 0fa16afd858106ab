"""What can go wrong with a command; each error carries the exit code that commands end with."""

from lightning_app.exit_codes import ExitCode


class ConfigError(ValueError):
    """A mistake in a configuration file or on the command line. Commands end with exit code 2."""

    exit_code: int = ExitCode.USAGE


class StageError(RuntimeError):
    """A stage did not succeed; the chain ends with the code that the stage ended with."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class RefusedRun(ConfigError):
    """Runs of a chain that cannot succeed; the exit code is the one with which the first of them would end."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class StorageError(RuntimeError):
    """A file could not be written; what was there before is as it was. Commands end with exit code 1."""

    exit_code = ExitCode.BUG


class CompromisedRelease(RuntimeError):
    """A package of this environment is known to do harm. Commands end with exit code 4."""

    exit_code = ExitCode.MODEL


class NonFiniteError(ArithmeticError):
    """A loss, or its gradient, is NaN or infinite. Commands end with exit code 3."""

    exit_code = ExitCode.DATA
