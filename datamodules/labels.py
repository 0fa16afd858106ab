"""The emotion vocabulary, and the class sets ("views") in which the papers evaluate."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType

from datamodules.errors import DataError


@dataclass(frozen=True)
class Emotion:
    """One emotion and its words.

    Args:
        noun: the canonical label, as manifests and checkpoints write it.
        adjective: the word that fits "a ... voice".
        synonyms: further adjectives, nearest in meaning first; they make texts, they are never labels.
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
    """The classes of one evaluation.

    Args:
        name: how configurations and reports call the view.
        labels: canonical nouns in the order of the logits.
        merge: emotions that count as another one, such as excitement as happiness.
    """

    name: str
    labels: tuple[str, ...]
    merge: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def label_of(self, emotion: str) -> str | None:
        """The view's label for `emotion`, or None where the view leaves that emotion out."""
        label = self.merge.get(emotion, emotion)
        return label if label in self.labels else None


_FOUR = ("anger", "happiness", "neutral", "sadness")
_SIX = ("anger", "disgust", "fear", "happiness", "neutral", "sadness")

# Labels stand in alphabetical order, so that the order of the logits can be told from the names alone.
LABEL_SETS: dict[str, LabelSet] = {
    view.name: view
    for view in (
        LabelSet("iemocap4", _FOUR, MappingProxyType({"excitement": "happiness"})),
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
    """The known word that `word` most resembles (case, beginnings and typing slips forgiven), or None."""
    options = {option.casefold(): option for option in known}
    folded = word.strip().casefold()
    if not folded:
        return None
    begins = [option for option in options if len(folded) > 2 and option.startswith(folded)]
    similar = begins or get_close_matches(folded, options, n=1, cutoff=0.6)
    return options[similar[0]] if similar else None


def nearest_emotion(word: str) -> str | None:
    """The canonical noun nearest to `word`, which may be any of an emotion's words: "hapy" gives "happiness"."""
    nouns = {
        spelling: emotion.noun
        for emotion in EMOTIONS.values()
        for spelling in (*emotion.synonyms, emotion.adjective, emotion.noun)
    }
    match = nearest(word, EMOTIONS) or nearest(word, nouns)
    return nouns[match] if match else None


def resolve_label_set(labels: str | Sequence[str]) -> LabelSet:
    """The view of that name, or a view made of an explicit list of canonical nouns in logit order.

    Raises:
        DataError: unknown view or label (with the nearest known one), a label twice, or fewer than two labels.
    """
    if isinstance(labels, str):
        if labels not in LABEL_SETS:
            raise DataError(
                f"labels: found {labels!r}, expected one of the views {', '.join(LABEL_SETS)}, or a list of emotions"
                f"{did_you_mean(nearest(labels, LABEL_SETS))}"
            )
        return LABEL_SETS[labels]
    unknown = next((label for label in labels if label not in EMOTIONS), None)
    if unknown is not None:
        raise DataError(
            f"labels: found {unknown!r}, expected one of {', '.join(EMOTIONS)}{did_you_mean(nearest_emotion(unknown))}"
        )
    repeated = sorted({label for label in labels if list(labels).count(label) > 1})
    if repeated:
        raise DataError(f"labels: {', '.join(repeated)} stands twice; name every emotion once")
    if len(labels) < 2:
        raise DataError(f"labels: found {list(labels)}, expected at least two emotions")
    return LabelSet("+".join(labels), tuple(labels))


def did_you_mean(word: str | None) -> str:
    """The end of an error message that offers `word`; empty where there is nothing to offer."""
    return f"; did you mean {word!r}?" if word else ""
