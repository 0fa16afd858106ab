"""What is wrong with a loss's settings, as one kind of exception."""


class LossSettingError(ValueError):
    """A setting of a loss is outside its range.

    The message names the setting, what was found and what is allowed. Commands end with exit code 2.
    """

    exit_code = 2
