"""Inputs and outputs of recognisers, and the recognition of one clip."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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


Values = dict[str, float]


@dataclass(frozen=True)
class Recognition:
    """What a model says of one clip, by system.

    Attributes:
        scores: Of each class, in ``units``; the class with the largest is recognised.
        units: ``cosine``, in [-1, 1], or ``logit``, of which softmax gives probabilities.
        ratings: Of each dimension, on the scale of the training data: 1 to 7, and little beyond.
        texts: Answers in words.

    >>> print(Recognition(scores={"zero-shot": {"anger": 0.2, "sadness": 0.5}}, units={"zero-shot": "cosine"}))
    zero-shot: sadness (anger 0.200, sadness 0.500; cosine)
    """

    scores: dict[str, Values] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    ratings: dict[str, Values] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, outputs: Mapping[str, Output], index: int) -> "Recognition":
        """Take one clip out of the outputs for a batch."""
        found = cls()
        for system, output in outputs.items():
            if isinstance(output, Texts):
                found.texts[system] = output.text[index]
                continue
            values = dict(zip(output.labels, output.value[index].tolist(), strict=True))
            if isinstance(output, Scores):
                found.scores[system] = values
                found.units[system] = output.unit
            else:
                found.ratings[system] = values
        return found

    @property
    def labels(self) -> dict[str, str]:
        """The class that each system recognises."""
        return {system: max(of_class, key=of_class.__getitem__) for system, of_class in self.scores.items()}

    def __str__(self) -> str:
        lines: list[str] = []
        for system, label in self.labels.items():
            lines.append(f"{system}: {label} ({_listed(self.scores[system])}; {self.units[system]})")
        for system, of_dimension in self.ratings.items():
            lines.append(f"{system}: {_listed(of_dimension)}")
        for system, text in self.texts.items():
            lines.append(f"{system}: {text}")
        return "\n".join(lines)


def _listed(values: Values) -> str:
    return ", ".join(f"{label} {value:.3f}" for label, value in values.items())
