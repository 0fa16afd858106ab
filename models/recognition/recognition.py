"""What recognisers say of one clip, as plain numbers and texts."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from models.recognition.outputs import Output, Scores, Texts

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
