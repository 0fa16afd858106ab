"""The text set as one batch, and what is refused in it."""

from collections import Counter
from pathlib import Path

import pytest
import torch

from datamodules.errors import DataError
from datamodules.labels import EMOTIONS
from datamodules.texts.text_data import SOUNDSCAPES, TEMPLATES, TextData, describe_emotions


def table(folder: Path, *lines: str) -> Path:
    path = folder / "texts.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_an_epoch_is_one_batch_of_all_texts_without_a_trainer(tmp_path: Path) -> None:
    path = table(tmp_path, "text,emotion", "a mad voice,anger", "a glum voice,sadness", "a merry voice,happiness")
    data = TextData(["anger", "sadness"], path)
    (batch,) = data.train_dataloader()
    assert batch["text"] == ["a mad voice", "a glum voice"]
    assert torch.equal(batch["label"], torch.tensor([0, 1]))
    assert data.class_words == ["angry", "sad"]
    assert data.identity() == TextData(["anger", "sadness"], path).identity()


def test_a_merged_emotion_has_the_label_that_it_counts_as(tmp_path: Path) -> None:
    lines = [f"a {noun} voice,{noun}" for noun in ("anger", "excitement", "neutral", "sadness")]
    (batch,) = TextData("iemocap4", table(tmp_path, "text,emotion", *lines)).train_dataloader()
    assert batch["label"].tolist() == [0, 1, 2, 3]


def test_our_own_texts_describe_every_class() -> None:
    (batch,) = TextData("eight").train_dataloader()
    assert sorted(set(batch["label"].tolist())) == list(range(8))


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["text,label", "a,anger"], r"texts.csv:1 column 'emotion' is missing; found text, label"),
        (["text,emotion", " ,anger"], r"texts.csv:2 column 'text' is empty; write a text, or remove the row"),
        (["text,emotion", "a,angr"], r"texts.csv:2 column 'emotion': found 'angr', .*did you mean 'anger'\?"),
        (["text,emotion", "a,anger", "a,anger"], r"texts.csv:3 the text stands twice: 'a'"),
        (["text,emotion", "a,anger"], r"texts.csv: no text describes sadness; add some, or choose other labels"),
    ],
)
def test_a_text_set_that_is_not_sound_is_refused(tmp_path: Path, lines: list[str], said: str) -> None:
    with pytest.raises(DataError, match=said):
        TextData(["anger", "sadness"], table(tmp_path, *lines))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv"):
        TextData("six", tmp_path / "none.csv")


def test_every_emotion_is_described_in_each_template_by_three_words_in_every_soundscape() -> None:
    counts = Counter(emotion for _, emotion in describe_emotions())
    assert counts == dict.fromkeys(EMOTIONS, len(TEMPLATES) * 3 * len(SOUNDSCAPES))


def test_no_text_stands_twice() -> None:
    texts = [text for text, _ in describe_emotions()]
    assert len(set(texts)) == len(texts)
