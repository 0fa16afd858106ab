"""Draws that a resumed run repeats, and data that it must have in common with the interrupted one."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch.callbacks import GradientAccumulationScheduler
from lightning.pytorch.trainer.states import TrainerFn
from transformers import Wav2Vec2Config, Wav2Vec2Model

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
from lightning_app.callbacks.reproducibility import SameData, StepSeed
from models.audio import SpeechTower

LIKE_BEFORE: dict[str, Any] = {"labels": "iemocap4", "loading": Loading(batch_size=8, num_workers=0)}


def at(step: int, rank: int = 0) -> Any:
    return SimpleNamespace(global_step=step, global_rank=rank)


def drawn(seed: int, step: int, rank: int, batch: int) -> tuple[float, float]:
    StepSeed(seed).on_train_batch_start(at(step, rank), None, None, batch)
    return float(torch.rand(1, dtype=torch.float64)), float(np.random.random())


def test_draws_of_a_step_are_its_own_and_repeat() -> None:
    # Batches that are accumulated into one step have that step's number.
    keys = [
        (seed, step, rank, batch)
        for seed in (0, 1, 2)
        for step in (*range(20), 10**6)
        for rank in range(4)
        for batch in (0, 1, 2, 5000)
    ]
    draws = {key: drawn(*key) for key in keys}
    for values in zip(*draws.values(), strict=True):
        assert len(set(values)) == len(keys)
    torch.rand(7)
    np.random.random(7)
    for key in reversed(keys):
        assert drawn(*key) == draws[key]


def test_stripes_of_a_speech_tower_are_those_of_the_step() -> None:
    torch.manual_seed(0)
    sizes = {"conv_dim": (8, 8), "conv_stride": (5, 4), "conv_kernel": (10, 8), "num_feat_extract_layers": 2}
    config = Wav2Vec2Config(
        **sizes, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2, mask_time_prob=0.3, mask_time_length=4,
    )  # fmt: skip
    tower, wave = SpeechTower(Wav2Vec2Model(config)), torch.randn(2, 4000)

    def heard(step: int) -> torch.Tensor:
        StepSeed(1).on_train_batch_start(at(step), None, None, 0)
        return tower(wave, torch.tensor([4000, 3000]))[0]

    first, other = heard(5), heard(6)
    assert torch.equal(heard(5), first)
    assert not torch.equal(other, first)


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
