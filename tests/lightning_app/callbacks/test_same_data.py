"""What a resumed run must have in common with the one that was interrupted."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from lightning.pytorch.callbacks import GradientAccumulationScheduler
from lightning.pytorch.trainer.states import TrainerFn

from datamodules.audio.augmentation import Augmentation
from datamodules.clips.data import ClipData
from datamodules.clips.dataset import AudioReading
from datamodules.clips.loading import Loading
from datamodules.clips.rows import clips_of
from datamodules.clips.split import Split
from datamodules.emotion_data import EmotionDataModule
from datamodules.errors import DataError
from datamodules.manifest.identity import digest_of
from datamodules.texts.prompt_data import PromptData
from datamodules.texts.text_data import TextData
from lightning_app.callbacks.same_data import SameData

LIKE_BEFORE: dict[str, Any] = {"labels": "iemocap4", "loading": Loading(batch_size=8, num_workers=0)}


def stored(data: EmotionDataModule, **run: Any) -> dict[str, Any]:
    checkpoint: dict[str, Any] = {}
    SameData().on_save_checkpoint(trainer(data, **run), None, checkpoint)  # type: ignore[arg-type]
    return checkpoint


def trainer(data: EmotionDataModule, **run: Any) -> Any:
    how = {"world_size": 1, "accumulate_grad_batches": 1, "limit_train_batches": 1.0, "callbacks": [], **run}
    how["state"] = SimpleNamespace(fn=TrainerFn.FITTING)
    return SimpleNamespace(datamodule=data, **how)


def resume(checkpoint: dict[str, Any], data: EmotionDataModule, **run: Any) -> None:
    SameData().on_load_checkpoint(trainer(data, **run), None, checkpoint)  # type: ignore[arg-type]


def edited(corpus: Path, folder: Path, split: str, column: str, value: object) -> Path:
    """The manifest with one cell of a split changed; recordings stay where they are."""
    rows = pd.read_csv(corpus)
    rows["path"] = [str(corpus.parent / name) for name in rows["path"]]
    if column:
        rows.loc[rows.index[rows["split"] == split][0], column] = value
    path = folder / "manifest.csv"
    rows.to_csv(path, index=False)
    return path


def test_what_a_run_is_trained_on_is_told_without_making_its_clips(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = pd.read_csv(corpus)
    rows["path"] = [str(corpus.parent / name) for name in rows["path"]]
    rows["start"], rows["valence"] = 0.1, 3
    rows["end"] = [0.7 if place % 2 else None for place in range(len(rows))]
    rows["sha256"] = [f"{place:064x}" if place % 3 else "" for place in range(len(rows))]
    rows.to_csv(tmp_path / "manifest.csv", index=False)
    data = ClipData(tmp_path / "manifest.csv", **LIKE_BEFORE)
    clips = clips_of(data.table.train, data.written, "", "")
    expected = digest_of(
        [
            *(
                (
                    clip.id, clip.sha256 or path, clip.recording.start, clip.recording.end,
                    int(clip.label), tuple(map(float, clip.rating)),
                )
                for clip, path in zip(clips, data.table.train["path"], strict=True)
            ),
            tuple(clip.texts["caption"] for clip in clips),
        ]
    )  # fmt: skip
    monkeypatch.setattr(ClipData, "_clips", None)
    assert data.identity()["training clips"] == expected


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"loading": Loading(batch_size=4)}, r"data\.loading\.batch_size \(8 then, 4 now\)"),
        ({"seed": 2}, "seed_everything"),
        ({"audio": AudioReading(seconds=2.0)}, r"data\.audio\.seconds"),
        ({"audio": AudioReading(crop="middle")}, r"data\.audio\.crop"),
        ({"audio": AudioReading(pad="repeat")}, r"data\.audio\.pad"),
        ({"audio": AudioReading(augmentation=Augmentation(gain=6))}, r"data\.audio\.augmentation"),
        ({"texts": {"caption": "{noun}"}}, "training clips"),
        ({"split": Split(train_on="all")}, "training clips"),
        ({"labels": ["anger", "sadness"]}, "training clips"),
    ],
)
def test_other_clips_are_refused(corpus: Path, how: dict[str, Any], said: str) -> None:
    checkpoint = stored(ClipData(corpus, **LIKE_BEFORE))
    resume(checkpoint, ClipData(corpus, **LIKE_BEFORE | {"loading": Loading(batch_size=8, num_workers=3)}))
    with pytest.raises(DataError, match=f"trained with other data or settings: .*{said}"):
        resume(checkpoint, ClipData(corpus, **LIKE_BEFORE | how))


@pytest.mark.parametrize(
    ("split", "column", "value", "said"),
    [
        ("train", "emotion", "sadness", "training clips"),
        ("train", "valence", 1.25, "training clips"),
        ("train", "split", "", "training clips"),
        ("dev", "emotion", "sadness", "validation clips"),
        ("test", "emotion", "sadness", ""),
    ],
)
def test_an_edited_manifest_is_noticed(
    corpus: Path, tmp_path: Path, split: str, column: str, value: object, said: str
) -> None:
    checkpoint = stored(ClipData(edited(corpus, tmp_path, split, "", ""), **LIKE_BEFORE))
    now = ClipData(edited(corpus, tmp_path, split, column, value), **LIKE_BEFORE)
    if not said:
        resume(checkpoint, now)
        return
    with pytest.raises(DataError, match=f"trained with other data or settings: {said}"):
        resume(checkpoint, now)


@pytest.mark.parametrize(
    ("run", "said"),
    [
        ({"world_size": 2}, r"number of devices \(1 then, 2 now\)"),
        ({"accumulate_grad_batches": 2}, r"trainer\.accumulate_grad_batches"),
        ({"limit_train_batches": 5}, r"trainer\.limit_train_batches \(1\.0 then, 5 now\)"),
    ],
)
def test_another_run_is_refused(run: dict[str, Any], said: str) -> None:
    data = PromptData("iemocap4")
    with pytest.raises(DataError, match=said):
        resume(stored(data), data, **run)
    with pytest.raises(DataError, match=r"data\.batch_size"):
        resume(stored(data), PromptData("iemocap4", batch_size=3))


def test_a_schedule_of_accumulation_resumes(corpus: Path) -> None:
    data = PromptData("iemocap4")
    then, now, other = (GradientAccumulationScheduler({0: 1, epoch: 2}) for epoch in (2, 2, 3))
    checkpoint = stored(data, accumulate_grad_batches=2, callbacks=[then])
    resume(checkpoint, data, callbacks=[now])
    with pytest.raises(DataError, match=r"accumulate_grad_batches \(\{0: 1, 2: 2\} then, \{0: 1, 3: 2\} now\)"):
        resume(checkpoint, data, callbacks=[other])


def test_other_texts_are_refused() -> None:
    resume(stored(TextData("iemocap4")), TextData("iemocap4"))
    with pytest.raises(DataError, match="texts"):
        resume(stored(TextData("iemocap4")), TextData(["anger", "sadness"]))


def test_a_checkpoint_that_says_nothing_of_it_resumes(corpus: Path) -> None:
    resume({}, ClipData(corpus, **LIKE_BEFORE))


def test_through_the_command(
    chain: Any, tiny_yaml: Path, command: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "--config", "stages/clep.yaml", "--config", tiny_yaml, "--data.loading.batch_size=4",
        f"--ckpt_path={chain.root / 'clep' / 'last.ckpt'}", f"--trainer.default_root_dir={tmp_path}",
    ]  # fmt: skip
    assert command("validate", *words) == 0  # goes on with nothing
    assert command("fit", *words, "--trainer.max_epochs=3") == 3
    said = capsys.readouterr().err
    assert "data.loading.batch_size (8 then, 4 now); put them back to resume" in said
    assert "in another folder (--trainer.default_root_dir OTHER; in a chain: --force)" in said
