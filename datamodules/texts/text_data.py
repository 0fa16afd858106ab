"""Sentences about emotional speech, for prompt tuning."""

from collections.abc import Mapping
from itertools import product
from pathlib import Path

import pandas as pd
import torch
from torch.utils.data import DataLoader

from datamodules.batch import TextBatch
from datamodules.emotion_data import EmotionDataModule
from datamodules.errors import DataError
from datamodules.labels import EMOTIONS, LabelSet, nearest_emotion, resolve_label_set
from datamodules.manifest.identity import digest_of
from datamodules.manifest.tables import read_table

TEMPLATES = (
    "{emotion} speech recorded in {soundscape}",
    "a person sounds {emotion}, and there is {soundscape} around",
    "the voice of a {emotion} speaker, heard through {soundscape}",
)

# Twelve surroundings of everyday recordings. The paper has "12 soundscapes" and names none: these are ours.
SOUNDSCAPES = (
    "a quiet studio",
    "a small room",
    "a large hall",
    "street traffic",
    "a crowd of people talking",
    "background music",
    "a television show",
    "a telephone line",
    "a moving car",
    "wind and rain",
    "an office with humming machines",
    "a distant microphone",
)


class TextData(EmotionDataModule):
    """The text set {t_m, y_m} as a single batch: an epoch is an iteration.

    Args:
        labels: The classes: a label set by its name, a list of emotions in logit order, or a label set in full; by
            default those of the checkpoint that the stage starts from. Texts of other emotions are left out.
        texts: CSV or Parquet with the columns ``text`` and ``emotion``; null for `describe_emotions`.

    Raises:
        DataError: If the file cannot be read, a text is empty or twice, an emotion is unknown, or a class has no text.
    """

    def __init__(self, labels: str | list[str] | LabelSet, texts: Path | None = None) -> None:
        super().__init__()
        self._label_set = resolve_label_set(labels)
        rows = pd.DataFrame(describe_emotions(), columns=["text", "emotion"]) if texts is None else read_table(texts)
        for column in ("text", "emotion"):
            if column not in rows:
                raise DataError(f"{texts}:1 column {column!r} is missing; found {', '.join(map(str, rows))}")
        rows[["text", "emotion"]] = rows[["text", "emotion"]].astype("str").fillna("")
        for line, text, emotion in zip(rows.index, rows["text"], rows["emotion"], strict=True):
            if not text.strip():
                raise DataError(f"{texts}:{line} column 'text' is empty; write a text, or remove the row")
            if nearest_emotion(emotion) != emotion:
                raise DataError(
                    f"{texts}:{line} column 'emotion': found {emotion!r}, expected a canonical noun such as anger; "
                    f"did you mean {nearest_emotion(emotion)!r}?"
                )
        known = rows.assign(label=rows["emotion"].map(self._label_set.label_of))
        self.rows = known[known["label"].notna()]
        twice = self.rows[self.rows["text"].duplicated()]
        if len(twice):
            raise DataError(f"{texts}:{twice.index[0]} the text stands twice: {twice['text'].iloc[0]!r}")
        missing = [label for label in self._label_set.labels if label not in set(self.rows["label"])]
        if missing:
            where = texts or "data.texts: null"
            raise DataError(f"{where}: no text describes {' or '.join(missing)}; add some, or choose other labels")

    @property
    def label_set(self) -> LabelSet:
        return self._label_set

    def identity(self) -> Mapping[str, object]:
        return {"texts": digest_of(zip(self.rows["text"], self.rows["label"], strict=True))}

    def train_dataloader(self) -> DataLoader[TextBatch]:
        targets = [self._label_set.labels.index(label) for label in self.rows["label"]]
        batch = TextBatch(text=list(self.rows["text"]), label=torch.tensor(targets))
        return DataLoader([batch], batch_size=None)  # type: ignore[arg-type]  # a list is a data set


def describe_emotions() -> list[tuple[str, str]]:
    """List the (text, emotion) pairs of the default set: templates x words of the emotion x soundscapes.

    >>> describe_emotions()[0]
    ('angry speech recorded in a quiet studio', 'anger')
    """
    pairs = []
    for emotion in EMOTIONS.values():
        words = (emotion.adjective, *emotion.synonyms[:2])
        for template, word, soundscape in product(TEMPLATES, words, SOUNDSCAPES):
            pairs.append((template.format(emotion=word, soundscape=soundscape), emotion.noun))
    return pairs
