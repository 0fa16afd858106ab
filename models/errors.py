"""Errors of models: of weights, labels, lengths of texts and learned prompts."""


class WeightsError(RuntimeError):
    """Weights that are missing, or that do not fit the model they are meant for.

    The message names the file and the tensors or settings that disagree, and what to do. Commands end with exit code 4.
    """

    exit_code = 4


class LabelError(ValueError):
    """Classes that a model was not trained for, or no classes at all. Commands end with exit code 2."""

    exit_code = 2


class TextLengthError(ValueError):
    """A text that is longer than the text encoder's input. Commands end with exit code 3."""

    exit_code = 3


class LearnedPromptError(ValueError):
    """Learned prompts for a text encoder that takes none. Commands end with exit code 2."""

    exit_code = 2
