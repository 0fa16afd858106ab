"""What can be wrong with a loss's settings, and with what it is given."""


class LossSettingError(ValueError):
    """A setting of a loss is outside its range.

    The message names the setting, what was found and what is allowed. Commands end with exit code 2.
    """

    exit_code = 2


class LossInputError(ValueError):
    """A batch lacks what a loss learns from, such as ratings of valence and arousal.

    The message names what is missing and the setting that brings it. Commands end with exit code 3.
    """

    exit_code = 3
