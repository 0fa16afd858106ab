"""What is wrong with the user's data, as one kind of exception."""


class DataError(ValueError):
    """Bad input data: a table, a label or a recording.

    The message names the place (file, row, column), what was found and what to do. Commands end with exit code 3.
    """

    exit_code = 3
