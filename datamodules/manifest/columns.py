"""Columns of the manifest, the one table that every corpus becomes: a row per clip."""

from collections.abc import Iterable

COLUMNS: dict[str, str] = {
    "id": "name of the clip, unique in the manifest; default: the file name without its ending, with its folders where "
    "several files have that name",
    "path": "audio file, relative to the manifest's folder, or absolute",
    "start": "where the clip begins in its file, in seconds; empty: at the beginning",
    "end": "where the clip ends in its file, in seconds; empty: at the end",
    "duration": "length of the clip, in seconds",
    "sample_rate": "of the file, in Hz",
    "corpus": "name of the corpus",
    "language": "ISO 639 code of the spoken language, such as de",
    "speaker": "name of the speaker, unique within the corpus; empty: unknown",
    "gender": "of the speaker: female, male, or empty",
    "session": "recording session or dialogue",
    "split": "train, dev, test, or empty",
    "transcript": "what is said",
    "emotion": "canonical noun of the vocabulary, such as anger; empty: not labelled",
    "valence": "1 (negative) to 7 (positive); empty: not rated",
    "arousal": "1 (calm) to 7 (excited); empty: not rated",
    "dominance": "1 (weak) to 7 (strong); empty: not rated",
    "soundscape": "acoustic surroundings, such as clean or babble",
    "sha256": "of the audio file, 64 hexadecimal digits; empty: not computed",
    "oddity": "what `prepare` heard: silent, constant, clipped or cancelled; empty: nothing odd",
}

RATINGS = ("valence", "arousal", "dominance")
"""In the order of the columns of every tensor of ratings."""

NUMERIC = ("start", "end", "duration", "sample_rate", *RATINGS)

SPLITS = ("train", "dev", "test")


def fold_columns(names: Iterable[object]) -> list[str]:
    """Select the names of fold columns, ``fold_<protocol>``."""
    return [str(name) for name in names if str(name).startswith("fold_")]
