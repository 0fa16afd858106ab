"""What is missing on this machine, as one kind of exception."""


class MissingExtra(RuntimeError):
    """An optional package is not installed.

    The message names the package and the command that installs it. Commands end with exit code 4.
    """

    exit_code = 4
