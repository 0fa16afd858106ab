"""The emotion vocabulary, and the label sets in which the papers evaluate.

A new emotion is a line in ``EMOTIONS``, a new label set one in ``LABEL_SETS``: texts, captions and plots follow.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from datamodules.errors import DataError


@dataclass(frozen=True)
class Emotion:
    """One emotion and its words.

    Args:
        noun: The canonical label, as manifests and checkpoints write it.
        adjective: The word that fits "a ... voice".
        synonyms: Further adjectives, nearest in meaning first; they make texts, they are never labels.
    """

    noun: str
    adjective: str
    synonyms: tuple[str, ...]


EMOTIONS: dict[str, Emotion] = {
    emotion.noun: emotion
    for emotion in (
        Emotion("anger", "angry", ("furious", "enraged", "irate", "mad", "hostile")),
        Emotion("boredom", "bored", ("weary", "uninterested", "listless", "indifferent", "dull")),
        Emotion("calm", "calm", ("serene", "relaxed", "peaceful", "tranquil", "composed")),
        Emotion("contempt", "contemptuous", ("scornful", "disdainful", "derisive", "sneering", "condescending")),
        Emotion("disgust", "disgusted", ("repulsed", "revolted", "sickened", "nauseated", "appalled")),
        Emotion("enthusiasm", "enthusiastic", ("eager", "keen", "passionate", "zealous", "inspired")),
        Emotion("excitement", "excited", ("thrilled", "exhilarated", "animated", "elated", "energetic")),
        Emotion("fear", "fearful", ("afraid", "scared", "frightened", "terrified", "anxious")),
        Emotion("frustration", "frustrated", ("annoyed", "exasperated", "irritated", "aggravated", "thwarted")),
        Emotion("happiness", "happy", ("joyful", "cheerful", "delighted", "glad", "merry")),
        Emotion("neutral", "neutral", ("unemotional", "matter-of-fact", "plain", "impassive", "even-tempered")),
        Emotion("other", "other", ("mixed", "unclear", "ambiguous", "indefinite", "undetermined")),
        Emotion("sadness", "sad", ("sorrowful", "unhappy", "gloomy", "mournful", "depressed")),
        Emotion("surprise", "surprised", ("astonished", "amazed", "startled", "astounded", "stunned")),
    )
}


@dataclass(frozen=True)
class LabelSet:
    """The classes of a classification, and the emotions that count as one of them.

    Args:
        name: As configurations and reports have it.
        labels: Canonical nouns in the order of the logits.
        merge: Emotions that count as another one, such as excitement as happiness.
    """

    name: str
    labels: tuple[str, ...]
    merge: Mapping[str, str] = field(default_factory=dict)

    def label_of(self, emotion: str) -> str | None:
        """Label of an emotion, or None where the set leaves that emotion out."""
        label = self.merge.get(emotion, emotion)
        return label if label in self.labels else None

    def setting(self) -> "LabelSetting":
        """Write it as a configuration does: by its name where it is one of ours, else as a list, or in full."""
        if LABEL_SETS.get(self.name) == self:
            return self.name
        if self.merge or self.name != "+".join(self.labels):
            return {"name": self.name, "labels": list(self.labels), "merge": dict(self.merge)}
        return list(self.labels)


LabelSetting = str | list[str] | dict[str, Any]

_FOUR = ("anger", "happiness", "neutral", "sadness")
_SIX = ("anger", "disgust", "fear", "happiness", "neutral", "sadness")

# Labels stand in alphabetical order, so that the order of the logits can be told from the names alone.
LABEL_SETS: dict[str, LabelSet] = {
    label_set.name: label_set
    for label_set in (
        LabelSet("iemocap4", _FOUR, {"excitement": "happiness"}),
        LabelSet("iemocap5", tuple(sorted((*_FOUR, "excitement")))),
        LabelSet("demo6", ("anger", "fear", "happiness", "neutral", "sadness", "surprise")),
        LabelSet("six", _SIX),
        LabelSet("emodb7", tuple(sorted((*_SIX, "boredom")))),
        LabelSet("seven", (*_SIX, "surprise")),
        LabelSet("eight", tuple(sorted((*_SIX, "calm", "surprise")))),
        LabelSet("mead8", tuple(sorted((*_SIX, "contempt", "surprise")))),
    )
}


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Find the known word that a word most resembles (case, beginnings and typing slips forgiven), or None."""
    options = {option.casefold(): option for option in known}
    folded = word.strip().casefold()
    if not folded:
        return None
    begins = [option for option in options if len(folded) > 2 and option.startswith(folded)]
    similar = begins or get_close_matches(folded, options, n=1, cutoff=0.6)
    return options[similar[0]] if similar else None


def nearest_emotion(word: str) -> str | None:
    """Find the canonical noun nearest to a word, which may be any of an emotion's: "hapy" gives "happiness"."""
    nouns = {
        spelling: emotion.noun
        for emotion in EMOTIONS.values()
        for spelling in (*emotion.synonyms, emotion.adjective, emotion.noun)
    }
    match = nearest(word, EMOTIONS) or nearest(word, nouns)
    return nouns[match] if match else None


def resolve_label_set(labels: str | Sequence[str] | LabelSet) -> LabelSet:
    """Make a checked label set of what a configuration says.

    Args:
        labels: The name of one of ``LABEL_SETS``, a list of canonical nouns in logit order, or a whole label set.

    Raises:
        DataError: If the label set or a label is unknown (with the nearest known one), a label stands twice, there are
            fewer than two, or ``merge`` names what is no label of the set.
    """
    if isinstance(labels, str):
        if labels not in LABEL_SETS:
            raise DataError(
                f"labels: found {labels!r}, expected one of the label sets {', '.join(LABEL_SETS)}, a list of "
                f"emotions, or {{name, labels, merge}}{did_you_mean(nearest(labels, LABEL_SETS))}"
            )
        return LABEL_SETS[labels]
    if not isinstance(labels, LabelSet):
        labels = LabelSet("+".join(labels), tuple(labels))
    _require_valid(labels)
    return labels


def _require_valid(label_set: LabelSet) -> None:
    labels = label_set.labels
    unknown = next((noun for noun in (*labels, *label_set.merge) if noun not in EMOTIONS), None)
    if unknown is not None:
        raise DataError(
            f"labels: found {unknown!r}, expected one of {', '.join(EMOTIONS)}{did_you_mean(nearest_emotion(unknown))}"
        )
    repeated = sorted({label for label in labels if labels.count(label) > 1})
    if repeated:
        raise DataError(f"labels: {', '.join(repeated)} stands twice; name every emotion once")
    if len(labels) < 2:
        raise DataError(f"labels: found {list(labels)}, expected at least two emotions")
    for emotion, label in label_set.merge.items():
        if label not in labels or emotion in labels:
            raise DataError(
                f"labels: merge: found {emotion}: {label}, expected an emotion outside the labels {', '.join(labels)}, "
                "and the label that it counts as"
            )
    known = LABEL_SETS.get(label_set.name)
    if known is not None and known != label_set:
        raise DataError(f"labels: {label_set.name!r} is the name of another label set; choose a name of your own")


def did_you_mean(word: str | None) -> str:
    """Offer ``word`` as the end of an error message; empty where there is nothing to offer."""
    return f"; did you mean {word!r}?" if word else ""
