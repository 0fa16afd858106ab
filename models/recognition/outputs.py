"""Inputs and outputs of recognisers, and the recognition of one clip."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, TypedDict, cast

import torch
from torch import Tensor


class Clips(TypedDict):
    """N clips of speech; batches of clips have these fields among others.

    Attributes:
        wave: [N, T] float32 in [-1, 1], mono at the encoder's rate, padded at the end.
        length: [N] int64, samples of each clip before padding.
        features: Outputs of frozen audio towers that were computed before, by tower, such as ``audio`` [N, D].
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
    """Copy an output to main memory."""
    return output if isinstance(output, Texts) else replace(output, value=output.value.cpu())


def concatenated(outputs: Sequence[Output]) -> Output:
    """Concatenate one system's outputs, all of one kind, for several batches."""
    first = outputs[0]
    if isinstance(first, Texts):
        texts = Texts([])
        for output in outputs:
            texts.text.extend(cast(Texts, output).text)
        return texts
    values = [cast(Scores | Ratings, output).value for output in outputs]
    return replace(first, value=torch.cat(values))


Values = dict[str, float]


@dataclass(frozen=True)
class Recognition:
    """Recognition of one clip by each system of a model, as plain numbers and texts.

    Attributes:
        scores: Score of each class, in ``units``; the class with the largest is recognised.
        units: ``cosine``, in [-1, 1], or ``logit``, of which softmax gives probabilities.
        ratings: Rating of each dimension, on the scale of the training data: 1 to 7, and little beyond.
        texts: Generated texts.

    >>> print(Recognition(scores={"zero-shot": {"anger": 0.2, "sadness": 0.5}}, units={"zero-shot": "cosine"}))
    zero-shot: sadness (anger 0.200, sadness 0.500; cosine)
    """

    scores: dict[str, Values] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    ratings: dict[str, Values] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, outputs: Mapping[str, Output], index: int) -> "Recognition":
        """Extract the recognition of one clip from the outputs for a batch."""
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
        """Class that each system recognises."""
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
