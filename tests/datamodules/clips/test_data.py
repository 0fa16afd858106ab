"""From manifest to batch."""

import functools
import operator
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from datamodules.audio.augmentation import Augmentation
from datamodules.clips.data import ClipData
from datamodules.clips.dataset import AudioReading
from datamodules.clips.loading import Loading
from datamodules.clips.sampler import EpochSampler
from datamodules.clips.split import Split
from datamodules.errors import DataError
from lightning_app.runs.predictions import answers


def grouped(settings: dict[str, object]) -> dict[str, Any]:
    """Settings of ClipData as it takes them: most stand in groups."""
    arguments = {**settings}
    for group, kind in {"split": Split, "audio": AudioReading, "loading": Loading}.items():
        arguments[group] = kind(
            **{field.name: arguments.pop(field.name) for field in fields(kind) if field.name in settings}
        )
    return arguments


def data(manifest: Path, rank: int = 0, world: int = 0, **how: object) -> ClipData:
    """Clips at 16 kHz, without a trainer unless a number of processes is given."""
    settings = {"labels": "iemocap4", "batch_size": 8, "seconds": 1.0, "num_workers": 0, "sample_rate": 16000, **how}
    made = ClipData(manifest, **grouped(settings))
    if world:
        device = SimpleNamespace(root_device=torch.device("cpu"))
        made.trainer = SimpleNamespace(world_size=world, global_rank=rank, strategy=device)  # type: ignore[assignment]
    return made


def epoch(made: ClipData, number: int = 0) -> list[dict[str, object]]:
    loader = made.train_dataloader()
    loader.sampler.set_epoch(number)  # type: ignore[attr-defined]
    return list(loader)  # type: ignore[arg-type]


def test_a_batch_is_what_its_contract_says(corpus: Path) -> None:
    batch = next(iter(data(corpus).train_dataloader()))
    assert batch["wave"].shape == (8, 16000)
    assert batch["wave"].dtype == torch.float32
    manifest = pd.read_csv(corpus).set_index("id")
    samples = (manifest.loc[batch["id"], "duration"] * 16000).round().astype(int)
    assert batch["length"].tolist() == samples.clip(upper=16000).tolist()
    assert samples.min() < 16000 < samples.max()
    names = ["anger", "happiness", "neutral", "sadness"]
    assert [names[n] for n in batch["label"].tolist()] == manifest.loc[batch["id"], "emotion"].tolist()
    words = {"anger": "angry", "happiness": "happy", "neutral": "neutral", "sadness": "sad"}
    caption = batch["texts"]["caption"]
    captions = [caption.distinct[n] for n in caption.row.tolist()]
    assert captions == [f"This is a {words[names[n]]} sound" for n in batch["label"].tolist()]
    assert batch["corpus"] == ["buzz"] * 8
    assert caption.distinct == sorted(set(captions))
    assert batch["rating"][:, 0].tolist() == pytest.approx(manifest.loc[batch["id"], "valence"].tolist())
    assert (list(batch["texts"]), caption.vectors, batch["features"]) == (["caption"], None, {})


@pytest.mark.parametrize("workers", [1, 2])
def test_batches_do_not_depend_on_the_number_of_workers(corpus: Path, workers: int) -> None:
    how = {"augmentation": Augmentation(speed=0.1, gain=6, noise=0.5), "seconds": 0.7}
    for number in (0, 3):
        alone, many = epoch(data(corpus, **how), number), epoch(data(corpus, num_workers=workers, **how), number)
        assert [b["id"] for b in alone] == [b["id"] for b in many]
        for one, other in zip(alone, many, strict=True):
            assert torch.equal(one["wave"], other["wave"])  # type: ignore[arg-type]


def test_epochs_differ_in_order_and_in_crops_and_seeds_differ(corpus: Path) -> None:
    how = {"seconds": 0.5, "augmentation": Augmentation(gain=6)}
    first, second, seeded = (
        epoch(data(corpus, **how), 0),
        epoch(data(corpus, **how), 1),
        epoch(data(corpus, seed=2, **how), 0),
    )
    assert [b["id"] for b in first] != [b["id"] for b in second]
    assert [b["id"] for b in first] != [b["id"] for b in seeded]
    wave = {name: w for b in first for name, w in zip(b["id"], b["wave"], strict=True)}  # type: ignore[call-overload]
    other = {name: w for b in second for name, w in zip(b["id"], b["wave"], strict=True)}  # type: ignore[call-overload]
    shared = wave.keys() & other.keys()
    assert len(shared) > 10
    assert not any(torch.equal(wave[name], other[name]) for name in shared)


def test_test_clips_are_the_same_each_time_each_once_on_all_ranks(corpus: Path) -> None:
    whole = [name for batch in data(corpus).test_dataloader() for name in batch["id"]]
    manifest = pd.read_csv(corpus)
    assert sorted(whole) == sorted(manifest[manifest["split"] == "test"]["id"])
    shares = [[n for b in data(corpus, rank, 5).test_dataloader() for n in b["id"]] for rank in range(5)]
    assert sorted(functools.reduce(operator.iadd, shares, [])) == sorted(whole)
    again = next(iter(data(corpus, augmentation=Augmentation(gain=6)).test_dataloader()))
    assert torch.equal(again["wave"], next(iter(data(corpus).test_dataloader()))["wave"])


def test_folds_take_the_place_of_splits(corpus: Path) -> None:
    made = data(corpus, protocol="speaker", fold=1, dev="next")
    manifest = pd.read_csv(corpus)
    tested = {name for batch in made.test_dataloader() for name in batch["id"]}
    assert tested == set(manifest[manifest["fold_speaker"] == 1]["id"])
    trained = set(made.table.train["id"])
    assert trained == set(manifest[manifest["fold_speaker"] == 0]["id"])


def test_clips_of_other_emotions_are_left_out_and_counted(corpus: Path) -> None:
    made = data(corpus, labels=["anger", "sadness"])
    assert len(made.table.all) - len(made.table.labelled) == 36
    assert len(made.table.labelled) == 36
    assert made.class_words == ["angry", "sad"]


def edited(corpus: Path, name: str, change: object) -> Path:
    table = pd.read_csv(corpus)
    changed = change(table)  # type: ignore[operator]
    table = table if changed is None else changed
    path = corpus.parent / name
    table.to_csv(path, index=False)
    return path


def test_odd_sounds_are_counted_and_kept(corpus: Path, tmp_path: Path) -> None:
    rows = pd.read_csv(corpus).assign(oddity="")
    rows["path"] = [str(corpus.parent / path) for path in rows["path"]]
    rows.loc[:2, "oddity"], rows.loc[5, "oddity"] = "clipped", "silent"
    rows.to_csv(tmp_path / "m.csv", index=False)
    made = data(tmp_path / "m.csv")
    assert made.table.summary().endswith("; odd sounds among them: 3 clipped, 1 silent")
    assert len(made.table.labelled) == 72
    rows.loc[0, "oddity"] = "dull"
    rows.to_csv(tmp_path / "m.csv", index=False)
    with pytest.raises(DataError, match="column 'oddity': found 'dull', expected one of silent, constant"):
        data(tmp_path / "m.csv")


def test_clips_without_an_emotion_are_not_counted_as_of_another(corpus: Path) -> None:
    def empty(table: pd.DataFrame) -> None:
        table.loc[table["speaker"] == "finn", "emotion"] = ""

    said = data(edited(corpus, "unlabelled.csv", empty)).table.summary()
    assert said.endswith("; left out 12 without an emotion")
    assert "of other emotions" not in said


def test_a_speaker_in_training_and_testing_is_refused(corpus: Path) -> None:
    def leak(table: pd.DataFrame) -> None:
        table.loc[table["speaker"] == "eve", "speaker"] = "ann"

    with pytest.raises(DataError, match=r"splits are not independent[\s\S]*speaker 'buzz/ann'"):
        data(edited(corpus, "leak.csv", leak))


def test_a_sentence_is_refused_where_the_protocol_says_so(corpus: Path) -> None:
    def repeat(table: pd.DataFrame) -> None:
        table["transcript"] = "the same words"

    path = edited(corpus, "sentence.csv", repeat)
    data(path)
    with pytest.raises(DataError, match="transcript 'the same words'"):
        data(path, disjoint=["speaker", "transcript"])


def rewritten(corpus: Path, folder: Path, **columns: object) -> Path:
    """A copy of the corpus' manifest with these columns; None leaves one out."""
    rows = pd.read_csv(corpus)
    rows = rows.assign(path=[str(corpus.parent / path) for path in rows["path"]]).assign(**columns)
    rows.drop(columns=[name for name, cells in columns.items() if cells is None]).to_csv(folder / "m.csv", index=False)
    return folder / "m.csv"


def test_messages_name_the_manifest_and_what_mends_it(corpus: Path, tmp_path: Path) -> None:
    manifest = rewritten(corpus, tmp_path, split=None, transcript=None)
    start = rf"^{manifest}: "
    with pytest.raises(DataError, match=start + r"column 'split': no row is 'train' .*--data\.split\.protocol speaker"):
        data(manifest).setup("fit")
    with pytest.raises(DataError, match=start + "column 'fold_speaker': found no fold 7"):
        data(manifest, protocol="speaker", fold=7)
    with pytest.raises(DataError, match=start + "column 'fold_session' is missing"):
        data(manifest, protocol="session")
    with pytest.raises(DataError, match=start + "column 'emotion': no row belongs to the label set 'boredom[+]calm'"):
        data(manifest, labels=["boredom", "calm"])
    with pytest.raises(DataError, match=start + "column 'emotion': no training row is boredom"):
        data(manifest, protocol="speaker", labels=["anger", "boredom"]).setup("fit")
    checked = data(manifest, protocol="speaker", disjoint=("speaker", "transcript"))
    assert checked.table.summary().endswith("; 72 without a transcript could not be checked for leaks")
    two = data(manifest, protocol="speaker", labels=["anger", "sadness"])
    assert "; left out 36 of other emotions than anger+sadness" in two.table.summary()
    assert "without an emotion" not in two.table.summary()


def test_a_manifest_that_is_no_file(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"{corpus.parent} is a folder; name the table in it: .*{corpus}"):
        data(corpus.parent)
    with pytest.raises(DataError, match="is a folder; expected a table of clips: write a CSV with the column path"):
        data(tmp_path)
    with pytest.raises(DataError, match=r"is not there; make it: lightning-cli prepare table my\.csv --out"):
        data(tmp_path / "manifest.csv")
    with pytest.raises(DataError, match="make it: lightning-cli prepare emodb ROOT --out"):
        data(tmp_path / "emodb" / "manifest.csv")
    with pytest.raises(DataError, match="make it: lightning-cli prepare demo --out"):
        data(tmp_path / "demo" / "manifest.csv")


def test_a_speaker_in_training_and_validation_is_refused(corpus: Path, tmp_path: Path) -> None:
    rows = pd.read_csv(corpus)
    manifest = rewritten(corpus, tmp_path, speaker=rows["speaker"].replace("dan", "ann"))
    with pytest.raises(DataError, match=r"speaker 'buzz/ann': train \(lines 2, .*\) and dev \(lines 38"):
        data(manifest)
    assert data(manifest, disjoint=()).table.summary()


def test_a_class_without_training_rows_is_named(corpus: Path) -> None:
    made = data(
        edited(corpus, "classless.csv", lambda t: t.drop(t[(t.emotion == "sadness") & (t.split == "train")].index))
    )
    with pytest.raises(DataError, match="no training row is sadness"):
        made.setup("fit")


def test_an_empty_split_is_named(corpus: Path) -> None:
    made = data(edited(corpus, "testless.csv", lambda t: t.drop(t[t.split == "test"].index)))
    with pytest.raises(DataError, match=r"no row is 'test' \(found: dev 12, train 36\)"):
        made.test_dataloader()


def test_a_batch_larger_than_the_split_is_refused_with_the_number_that_fits(corpus: Path) -> None:
    with pytest.raises(DataError, match=r"36 training clips do not fill one batch of 64.*to 36 or less"):
        data(corpus, batch_size=64).setup("fit")
    with pytest.raises(DataError, match="to 18 or less"):
        data(corpus, world=2, batch_size=20).setup("fit")


def cut(corpus: Path) -> Path:
    """A manifest in which one training and one test recording are cut in half."""
    table = pd.read_csv(corpus)
    for split in ("train", "test"):
        row = table.index[table["split"] == split][1]
        name = f"cut_{table.loc[row, 'path']}"
        content = (corpus.parent / table.loc[row, "path"]).read_bytes()
        (corpus.parent / name).write_bytes(content[: len(content) // 2])
        table.loc[row, "path"] = name
    path = corpus.parent / "cut.csv"
    table.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("workers", [0, 1])
def test_bad_audio_stops_with_its_row_or_is_listed(corpus: Path, workers: int) -> None:
    path = cut(corpus)
    with pytest.raises(DataError, match=r"cut.csv:\d+: .*truncated[\s\S]*on_bad_audio to skip"):
        epoch(data(path, batch_size=12, num_workers=workers))
    batches = epoch(data(path, batch_size=12, num_workers=workers, on_bad_audio="skip"))
    skipped = [line for batch in batches for line in batch["skipped"]]  # type: ignore[attr-defined]
    assert len(skipped) == 1
    assert "truncated" in skipped[0]
    assert sum(len(batch["id"]) for batch in batches) == 35  # type: ignore[arg-type]


def test_evaluation_skips_lists_and_still_counts_every_row(corpus: Path, chain, command, tmp_path: Path) -> None:
    code = command(
        "test", "--config", "stages/evaluation.yaml", f"--model.init_from={chain.checkpoint('clep')}",
        f"--data.manifest={cut(corpus)}", "--data.split.disjoint=[speaker]", "--data.loading.num_workers=0",
        "--data.loading.batch_size=1",
        "--data.audio.on_bad_audio=skip", f"--trainer.default_root_dir={tmp_path}",
    )  # fmt: skip
    assert code == 5
    assert "truncated" in (tmp_path / "skipped.csv").read_text()
    predictions = answers(pd.read_parquet(tmp_path / "predictions.parquet"))
    assert set(predictions.groupby("system").size()) == {23}


@pytest.mark.parametrize("drop_last", [True, False])
@pytest.mark.parametrize(("size", "batch", "world"), [(20, 4, 1), (21, 4, 2), (37, 5, 3)])
def test_sampler_gives_each_rank_its_own_share(size: int, batch: int, world: int, drop_last: bool) -> None:
    shares = [list(EpochSampler(size, batch, 1, rank, world, drop_last=drop_last)) for rank in range(world)]
    assert len({len(share) for share in shares}) == 1
    indices = [index for share in shares for _, index in share]
    assert len(set(indices)) == len(indices)
    assert len(indices) > size - batch * world


def test_every_seed_and_epoch_has_an_order_of_its_own_that_repeats() -> None:
    def order(seed: int, epoch: int, rank: int = 0, world: int = 1) -> list[int]:
        sampler = EpochSampler(30, 5, seed, rank, world)
        sampler.set_epoch(epoch)
        pairs = list(sampler)
        assert {number for number, _ in pairs} == {epoch}
        return [index for _, index in pairs]

    orders = {(seed, epoch): order(seed, epoch) for seed in range(4) for epoch in range(4)}
    assert len({tuple(each) for each in orders.values()}) == 16
    for (seed, epoch), whole in orders.items():
        assert sorted(whole) == list(range(30))
        assert order(seed, epoch) == whole
        # Two processes go through the same order hand in hand.
        assert [order(seed, epoch, rank, 2) for rank in (0, 1)] == [whole[0::2], whole[1::2]]


def test_every_rank_goes_on_behind_the_same_batch() -> None:
    for rank in range(3):
        whole, resumed = EpochSampler(60, 4, 1, rank, 3), EpochSampler(60, 4, 1, rank, 3, start=(2, 3))
        whole.set_epoch(2)
        assert list(resumed) == list(whole)[12:]
        assert len(resumed) == len(whole) == 20


def test_sampler_goes_on_where_it_was() -> None:
    first, second = EpochSampler(20, 4, 1), EpochSampler(20, 4, 1)
    second.set_epoch(1)
    resumed = EpochSampler(20, 4, 1, start=(1, 2))
    assert list(resumed) == list(second)[8:]
    assert list(first) != list(second)
    resumed.set_epoch(2)
    assert len(list(resumed)) == 20
    resumed.set_epoch(0)
    assert list(resumed) == list(first)


def test_augmentation_leaves_padding_silent_and_changes_level_as_told() -> None:
    draw = np.random.default_rng(0)
    wave = np.concatenate([np.ones(100), np.zeros(50)]).astype(np.float32)
    changed = Augmentation(gain=6, noise=1.0, snr=(20.0, 20.0)).apply(wave, 100, draw)
    assert changed.dtype == np.float32
    assert not changed[100:].any()
    assert 0.4 < changed[:100].mean() < 2.1
    assert changed[:100].std() / changed[:100].mean() == pytest.approx(0.1, rel=0.3)


def test_a_clip_has_any_number_of_named_texts(corpus: Path) -> None:
    made = data(corpus, texts={"instruction": "How does {speaker} feel?", "tags": None})
    batch = next(iter(made.train_dataloader()))
    speakers = pd.read_csv(corpus).set_index("id").loc[batch["id"], "speaker"]
    assert list(batch["texts"]) == ["caption", "instruction"]
    row, distinct, _ = batch["texts"]["instruction"]
    assert [distinct[n] for n in row.tolist()] == [f"How does {speaker} feel?" for speaker in speakers]
    assert list(data(corpus, texts={"caption": None}).caption_table()) == ["id", "split", "label"]
    assert next(iter(made.predict_dataloader()))["texts"] == {}


def test_a_run_goes_on_where_whoever_resumes_it_says(corpus: Path) -> None:
    whole, resumed = data(corpus), data(corpus)
    resumed.position = lambda: (1, 2)
    assert [b["id"] for b in epoch(resumed, 1)] == [b["id"] for b in epoch(whole, 1)][2:]


def test_without_a_stage_the_rate_has_to_be_said(corpus: Path) -> None:
    with pytest.raises(DataError, match=r"data\.audio\.sample_rate: without a stage nobody knows .*AudioReading"):
        data(corpus, sample_rate=None).test_dataloader()


def test_a_template_is_named_by_the_text_that_it_writes(corpus: Path) -> None:
    with pytest.raises(DataError, match=r"^data\.texts\.tags: '\{mood\}' names \{mood\}; expected \{emotion\}"):
        data(corpus, texts={"tags": "{mood}"})
    with pytest.raises(DataError, match=r"^data\.texts\.caption: 'a sound' has no field"):
        data(corpus, texts={"caption": "a sound", "tags": "{emotion}"})


@pytest.mark.parametrize("column", ["tension", "mixed"])
def test_words_among_numbers_are_refused_with_line_and_cell(corpus: Path, tmp_path: Path, column: str) -> None:
    cells = ["", "2", "10", "n/a", "3.5", "?"] + ["1"] * 66
    manifest = rewritten(corpus, tmp_path, **{column: cells})
    with pytest.raises(DataError, match=rf"m\.csv:5 column '{column}': found 'n/a' among numbers \(2 of 71 cells"):
        data(manifest, columns=[column])


def test_columns_of_numbers_and_of_words(corpus: Path, tmp_path: Path) -> None:
    manifest = rewritten(corpus, tmp_path, tension=["", "10", *["2.5"] * 70], room=["b", "", *["a"] * 70])
    numbers = data(manifest, columns=["tension", "room"]).numbers
    np.testing.assert_array_equal(numbers.iloc[:3], [[np.nan, 1], [10, np.nan], [2.5, 0]])
