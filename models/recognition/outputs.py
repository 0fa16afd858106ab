"""Inputs and outputs of recognisers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, TypedDict

import torch
from torch import Tensor


class Clips(TypedDict):
    """N clips of speech; a batch of clips has these fields among others.

    Attributes:
        wave: [N, T] float32 in [-1, 1], mono at the encoder's rate, padded at the end.
        length: [N] int64, samples of each clip before padding.
        features: What audio towers made of the clips earlier, by tower, such as ``audio`` [N, D].
    """

    wave: Tensor
    length: Tensor
    features: dict[str, Tensor]


@dataclass
class Scores:
    """A score of each class for each clip; the class with the largest is recognised.

    Attributes:
        value: [N, C], float32.
        labels: The C classes.
        unit: ``cosine`` in [-1, 1], or ``logit``, of which softmax gives probabilities.
    """

    value: Tensor
    labels: tuple[str, ...]
    unit: str = "cosine"
    kind: ClassVar[str] = "score"


@dataclass
class Ratings:
    """A rating of each clip on each dimension.

    Attributes:
        value: [N, R], float32, on the scale of the training data: 1 to 7, and little beyond.
        labels: The R dimensions, such as ``valence``.
    """

    value: Tensor
    labels: tuple[str, ...]
    kind: ClassVar[str] = "rating"


@dataclass
class Texts:
    """A text about each clip.

    Attributes:
        text: N texts.
    """

    text: list[str]
    kind: ClassVar[str] = "text"


# Not frozen: Lightning moves what a prediction step returns by setting the fields of a copy.
Output = Scores | Ratings | Texts


def on_cpu(output: Output) -> Output:
    """The same output with its values in main memory."""
    return output if isinstance(output, Texts) else replace(output, value=output.value.cpu())


def concatenated(outputs: Sequence[Output]) -> Output:
    """One system's outputs for several batches, all of one kind, as one output."""
    first = outputs[0]
    if isinstance(first, Texts):
        return Texts([text for output in outputs if isinstance(output, Texts) for text in output.text])
    return replace(first, value=torch.cat([output.value for output in outputs if not isinstance(output, Texts)]))
