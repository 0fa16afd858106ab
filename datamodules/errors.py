"""Errors of data, and of optional packages that data need."""

from collections.abc import Iterator
from contextlib import contextmanager


class DataError(ValueError):
    """Bad input data: a table, a label or a recording.

    The message names the file, row and column, what was found and what to do. Commands end with exit code 3.
    """

    exit_code = 3


class MissingExtra(RuntimeError):
    """An optional package is not installed.

    The message names the package, its licence and the command that installs it. Commands end with exit code 4.
    """

    exit_code = 4


class LanguageModelError(RuntimeError):
    """The language model is not there or cannot be read. Commands end with exit code 4."""

    exit_code = 4


@contextmanager
def naming(location: object) -> Iterator[None]:
    """Put a location, such as the manifest, before messages of a ``DataError`` that do not begin with it."""
    try:
        yield
    except DataError as error:
        if str(error).startswith(f"{location}:"):
            raise
        raise DataError(f"{location}: {error}") from error
