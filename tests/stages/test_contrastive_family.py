"""The systems of the contrastive stage, through the command line, on a tiny model."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from stages.handoff import read_checkpoint

ROOT = Path(__file__).parents[2]
SYSTEMS = ("emotionrankclap", "clap_sce", "supcon_clap", "clap_template", "clap4emo", "smoothclap", "paraclap")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path, corpus: Path) -> dict[str, Path]:
    """Overlays that put any of the systems on tiny models."""
    folder = tmp_path_factory.mktemp("family")
    data = (
        f"data: {{init_args: {{manifest: {corpus}, labels: iemocap4, disjoint: [speaker], batch_size: 12, "
        "seconds: 1.2, num_workers: 0}}\n"
    )
    cnn = "{class_path: models.audio.Cnn14, init_args: {width_multiplier: 0.03125, stem_stride: 2, mask_padding: true}}"
    text = f"{{class_path: models.text.TextEncoder, init_args: {{source: {tiny_bert}, sha256: null, truncate: true}}}}"
    (folder / "ser.yaml").write_text(f"model: {{init_args: {{audio: {cnn}}}}}\n{data}")
    clap = f"{{class_path: models.clap.Clap, init_args: {{dim: 16, text: {text}}}}}"
    (folder / "system.yaml").write_text(f"model: {{init_args: {{clap: {clap}}}}}\n{data}")
    return {path.stem: path for path in folder.iterdir()}


@pytest.fixture(scope="session")
def tower(tiny: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    from lightning_app.cli import main

    folder = tmp_path_factory.mktemp("ser")
    quiet = ["--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false", "--trainer.accelerator=cpu"]
    words = ["fit", "--config", "stages/ser.yaml", "--config", str(tiny["ser"]), f"--trainer.default_root_dir={folder}"]
    assert main([*words, "--trainer.max_epochs=2", *quiet]) == 0
    return folder / "best.ckpt"


def words_of(system: str, tiny: dict[str, Path], tower: Path, folder: Path) -> list[object]:
    return [
        "fit", "--config", f"stages/{system}.yaml", "--config", tiny["system"], f"--model.init_from={tower}",
        "--trainer.max_epochs=2", f"--trainer.default_root_dir={folder}",
    ]  # fmt: skip


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_system_trains_and_is_evaluated(system, tiny, tower, command, corpus, tmp_path) -> None:
    assert command(*words_of(system, tiny, tower, tmp_path / "fit")) == 0
    captions = pd.read_csv(tmp_path / "fit" / "captions.csv").fillna("")
    assert len(captions) == 72
    assert (captions["caption"].str.len() > 10).all()
    assert (captions["tags"] != "").all() == (system == "smoothclap")
    saved = read_checkpoint(tmp_path / "fit" / "best.ckpt")["state_dict"]
    before = read_checkpoint(tower)["state_dict"]
    frozen = {name.removeprefix("audio."): tensor for name, tensor in before.items() if name.startswith("audio.")}
    assert frozen
    for name, tensor in frozen.items():
        assert torch.equal(saved[f"clap.audio.{name}"], tensor), name
    metrics = pd.read_csv(tmp_path / "fit" / "metrics.csv")
    assert np.isfinite(metrics["val/loss"].dropna()).all()
    assert len(metrics["val/loss"].dropna()) == 2

    assert command(
        "test", "--config", "stages/evaluation.yaml", "--config", "configs/measures/shared_space.yaml",
        f"--model.init_from={tmp_path / 'fit' / 'best.ckpt'}", f"--data.manifest={corpus}", "--data.disjoint=[speaker]",
        f"--trainer.default_root_dir={tmp_path / 'test'}", "--data.seconds=1.2", "--data.num_workers=0",
    ) == 0  # fmt: skip
    results = pd.read_csv(tmp_path / "test" / "results.csv").set_index(["system", "metric"])["value"]
    trials = pd.read_csv(tmp_path / "test" / "trials.csv")
    for metric in ("MMD", "sliced W2", "VOC", "AOC"):
        mine = trials.loc[trials["metric"] == metric, "value"]
        assert len(mine) == (30 if metric in ("MMD", "sliced W2") else 100)
        assert results["shared space", metric] == pytest.approx(mine.mean())
    assert 0 <= results["zero-shot words", "UA"] <= 1
    embeddings = np.load(tmp_path / "test" / "embeddings.npz")
    assert embeddings["caption"].shape == embeddings["audio"].shape
    assert np.isfinite(embeddings["rating"]).all()


@pytest.mark.parametrize("system", ["emotionrankclap", "smoothclap"])
def test_kept_features_change_no_number(system, tiny, tower, command, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("EMOCLAP_CACHE", str(tmp_path / "cache"))
    runs = {}
    for name, extra in (("first", ()), ("again", ()), ("without", ("--no-cache",))):
        monkeypatch.setenv("EMOCLAP_CACHE", str(tmp_path / "cache"))
        folder = tmp_path / name
        words = words_of(system, tiny, tower, folder)
        # Dropout aside, whose draws depend on what else has drawn.
        assert command(*words, *extra, "--seed_everything=5") == 0
        runs[name] = (read_checkpoint(folder / "best.ckpt")["state_dict"], pd.read_csv(folder / "metrics.csv"))
    weights, metrics = runs["first"]
    for other, (their_weights, their_metrics) in runs.items():
        for name, tensor in weights.items():
            torch.testing.assert_close(their_weights[name], tensor, atol=2e-5, rtol=0, msg=f"{other}: {name}")
        for column in ("train/loss", "val/loss"):
            ours, theirs = metrics[column].dropna().to_numpy(), their_metrics[column].dropna().to_numpy()
            np.testing.assert_allclose(ours, theirs, atol=2e-5)
    assert list((tmp_path / "cache" / "features").rglob("*.npy"))


def test_a_second_run_touches_neither_audio_nor_tower(tiny, tower, command, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("EMOCLAP_CACHE", str(tmp_path / "cache"))
    assert command(*words_of("emotionrankclap", tiny, tower, tmp_path / "one")) == 0
    from models.audio.cnn14 import Cnn14
    from models.text import TextEncoder

    def refuse(*_: object) -> None:
        raise AssertionError("was run")

    monkeypatch.setattr("datamodules.clips.read_crop", refuse)
    monkeypatch.setattr(Cnn14, "forward", refuse)
    # The six prompts of the validation are read anew.
    read: list[str] = []
    forward = TextEncoder.forward
    monkeypatch.setattr(TextEncoder, "forward", lambda self, texts: (read.extend(texts), forward(self, texts))[1])
    assert command(*words_of("emotionrankclap", tiny, tower, tmp_path / "two"), "--seed_everything=2") == 0
    assert not [text for text in read if text.startswith("The person")]


def test_bins_come_from_the_training_clips_and_are_kept(tiny, tower, command, corpus, tmp_path) -> None:
    assert command(*words_of("smoothclap", tiny, tower, tmp_path)) == 0
    bins = json.loads((tmp_path / "bins.json").read_text())
    train = pd.read_csv(corpus).query("split == 'train'")
    assert bins["arousal"] == pytest.approx([train["arousal"].quantile(0.3), train["arousal"].quantile(0.7)])


def test_rows_without_ratings_are_refused_before_any_model(tiny, tower, command, corpus, tmp_path, capsys) -> None:
    rows = pd.read_csv(corpus)
    rows.loc[rows.index[3:5], "valence"] = float("nan")
    rows["path"] = [str(corpus.parent / path) for path in rows["path"]]
    rows.to_csv(tmp_path / "holes.csv", index=False)
    words = words_of("emotionrankclap", tiny, tower, tmp_path / "run")
    assert command(*words, f"--data.manifest={tmp_path / 'holes.csv'}") == 3
    said = capsys.readouterr().err
    assert "column 'valence' is empty or missing in 2 of 72 rows" in said
    assert "line 5, 6" in said


def test_taking_the_audio_tower_of_an_audio_text_model(chain, tiny, command, tmp_path) -> None:
    """From clep's checkpoint, whose projections are others."""
    clep = chain.checkpoint("clep")
    assert command(*words_of("smoothclap", tiny, clep, tmp_path)) == 0
    ours, theirs = read_checkpoint(tmp_path / "best.ckpt")["state_dict"], read_checkpoint(clep)["state_dict"]
    for name, tensor in theirs.items():
        if name.startswith("clap.audio."):
            assert torch.equal(ours[name], tensor)


def test_a_checkpoint_without_an_audio_tower_is_named(tiny, command, tmp_path, capsys) -> None:
    torch.save({"state_dict": {}, "hyper_parameters": {"_class_path": "stages.x.Y"}}, tmp_path / "other.ckpt")
    assert command(*words_of("emotionrankclap", tiny, tmp_path / "other.ckpt", tmp_path / "run")) == 4
    assert "has no audio tower (stages.x.Y wrote it)" in capsys.readouterr().err
