"""What is wrong with the user's data, as one kind of exception."""


class DataError(ValueError):
    """Bad input data: a table, a label or a recording.

    The message names the place (file, row, column), what was found and what to do. Commands end with exit code 3.
    """

    exit_code = 3


class MissingExtra(RuntimeError):
    """An optional package is not installed.

    The message names the package, its licence and the command that installs it. Commands end with exit code 4.
    """

    exit_code = 4
