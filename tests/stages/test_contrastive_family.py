"""The systems of the contrastive stage, through the command line, on a tiny model."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from datamodules.batch import TextColumn
from lightning_app.config.yaml_file import load_yaml
from stages.checkpoint import Checkpoint
from stages.release import release

ROOT = Path(__file__).parents[2]
SYSTEMS = ("emotionrankclap", "clap_sce", "supcon_clap", "clap_template", "clap4emo", "smoothclap", "paraclap")
OFTEN = ("emotionrankclap", "supcon_clap", "smoothclap", "paraclap")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path, corpus: Path) -> dict[str, Path]:
    """Overlays that put any of the systems on tiny models."""
    folder = tmp_path_factory.mktemp("family")
    data = (
        f"data: {{init_args: {{manifest: {corpus}, labels: iemocap4, split: {{disjoint: [speaker]}}, "
        "audio: {seconds: 1.2}, loading: {batch_size: 12, num_workers: 0}}}\n"
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
        "fit", "--config", f"stages/{system}.yaml", "--config", tiny["system"],
        f"--model.init_from={{clap.audio: {tower}}}", "--trainer.max_epochs=2", f"--trainer.default_root_dir={folder}",
    ]  # fmt: skip


# One with each recipe in every run, all of them in `make test-all`: they differ in loss and captions, which have tests.
@pytest.mark.parametrize(
    "system",
    [name if name in OFTEN else pytest.param(name, marks=pytest.mark.slow) for name in SYSTEMS],
)
def test_every_system_trains_and_is_evaluated(system, tiny, tower, command, corpus, tmp_path) -> None:
    assert command(*words_of(system, tiny, tower, tmp_path / "fit")) == 0
    captions = pd.read_csv(tmp_path / "fit" / "captions.csv").fillna("")
    assert len(captions) == 72
    assert (captions["caption"].str.len() > 10).all()
    assert ("tags" in captions and (captions["tags"] != "").all()) == (system == "smoothclap")
    saved = Checkpoint.open(tmp_path / "fit" / "best.ckpt").content["state_dict"]
    before = Checkpoint.open(tower).content["state_dict"]
    frozen = {name.removeprefix("audio."): tensor for name, tensor in before.items() if name.startswith("audio.")}
    assert frozen
    for name, tensor in frozen.items():
        assert torch.equal(saved[f"clap.audio.{name}"], tensor), name
    metrics = pd.read_csv(tmp_path / "fit" / "metrics.csv")
    assert np.isfinite(metrics["val/loss"].dropna()).all()
    assert len(metrics["val/loss"].dropna()) == 2

    assert command(
        "test", "--config", "stages/evaluation.yaml", "--config", "configs/variants/evaluation_shared_space.yaml",
        f"--model.init_from={tmp_path / 'fit' / 'best.ckpt'}", f"--data.manifest={corpus}",
        "--data.split.disjoint=[speaker]",
        f"--trainer.default_root_dir={tmp_path / 'test'}", "--data.loading.num_workers=0",
    ) == 0  # fmt: skip
    # As much of each clip as in training, though nobody said so.
    assert load_yaml(tmp_path / "test" / "config.yaml")["data"]["init_args"]["audio"]["seconds"] == 1.2
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
        runs[name] = (Checkpoint.open(folder / "best.ckpt").content["state_dict"], pd.read_csv(folder / "metrics.csv"))
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

    monkeypatch.setattr("datamodules.clips.dataset.read_crop", refuse)
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
    ours, theirs = (Checkpoint.open(path).content["state_dict"] for path in (tmp_path / "best.ckpt", clep))
    for name, tensor in theirs.items():
        if name.startswith("clap.audio."):
            assert torch.equal(ours[name], tensor)


def test_no_audio_tower_at_all(command, capsys) -> None:
    assert command("fit", "--config", "stages/emotionrankclap.yaml", "--model.init_from=null") == 2
    assert "model.clap.audio: no audio tower is named; take one from a checkpoint" in capsys.readouterr().err


def test_a_checkpoint_without_an_audio_tower_is_named(tiny, command, tmp_path, capsys) -> None:
    content = {"state_dict": {}, "hyper_parameters": {"_class_path": "stages.x.Y"}, "emoclap": release()}
    torch.save(content, tmp_path / "other.ckpt")
    assert command(*words_of("emotionrankclap", tiny, tmp_path / "other.ckpt", tmp_path / "run")) == 4
    assert "has no part 'clap.audio' (stages.x.Y wrote it, with the parts none)" in capsys.readouterr().err


def empty_like(batch: dict[str, object]) -> dict[str, object]:
    """What a rank is given that has no clip left."""
    empty = {name: value[:0] if isinstance(value, torch.Tensor) else [] for name, value in batch.items()}
    none = torch.empty(0, dtype=torch.int64)
    return {**empty, "features": {}, "texts": {name: TextColumn(none, []) for name in batch["texts"]}}  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def smooth(tiny, tower, tmp_path_factory) -> object:
    from losses import SoftTargets
    from models.audio import Cnn14
    from models.clap import Clap
    from models.text import TextEncoder
    from stages.clap import ClapTraining

    source = load_yaml(tiny["system"])["model"]["init_args"]["clap"]["init_args"]["text"]["init_args"]["source"]
    small = {"width_multiplier": 0.03125, "stem_stride": 2}
    clap = Clap(Cnn14(**small), TextEncoder(source, truncate=True), dim=8, freeze_audio=True)
    return ClapTraining(clap, ["anger", "sadness"], ["angry", "sad"], SoftTargets(), local=Cnn14(**small))


def a_batch() -> dict[str, object]:
    return {
        "wave": torch.randn(2, 16000), "length": torch.tensor([16000, 9000]), "label": torch.tensor([0, 1]),
        "rating": torch.full((2, 3), 4.0), "features": {},
        "texts": {
            "caption": TextColumn(torch.tensor([0, 1]), ["angry", "sad"]),
            "tags": TextColumn(torch.tensor([1, 0]), ["high", "low"]),
        },
        "id": ["a", "b"], "corpus": ["c", "c"],
        "skipped": [],
    }  # fmt: skip


def test_a_rank_without_clips_takes_part_with_no_rows(smooth) -> None:
    """Every field that one rank gathers must be there on all."""
    full, empty = smooth.pairs(a_batch()), smooth.pairs(empty_like(a_batch()))
    assert full.texts.keys() == empty.texts.keys() == {"tags"}
    of_full, of_empty = ({**vars(pairs), **pairs.texts} for pairs in (full, empty))
    for name, value in of_full.items():
        other = of_empty[name]
        assert (value is None) == (other is None), name
        if isinstance(value, torch.Tensor) and value.ndim:
            assert other.shape == (0, *value.shape[1:]), name
            assert other.dtype == value.dtype, name


def test_gradient_flows_through_tags_only_where_the_loss_lets_it(smooth) -> None:
    from losses import SoftTargets

    gradients = []
    for detach in (True, False):
        smooth.zero_grad()
        SoftTargets(beta=0.9, gamma=1.0, detach=detach)(smooth.pairs(a_batch())).backward()
        gradients.append(smooth.clap.text_projection[0].weight.grad.clone())
    assert not torch.allclose(*gradients)


def test_two_towers_of_different_rates_are_refused(smooth) -> None:
    from models.audio import Cnn14
    from stages.clap import ClapTraining
    from stages.errors import SettingError

    slow = Cnn14(sample_rate=8000, fmax=4000.0, width_multiplier=0.03125, stem_stride=2)
    with pytest.raises(SettingError, match="local hears 8000 Hz and the audio tower 16000 Hz"):
        ClapTraining(smooth.clap, ["anger"], ["angry"], local=slow)


def test_what_a_frozen_tower_is_told_and_how_it_reads_are_in_its_digest(smooth, tiny_bert) -> None:
    from models.text import TextEncoder
    from stages.frozen import frozen_tower

    mean, cls, again = (TextEncoder(str(tiny_bert), pooling=how) for how in ("mean", "cls", "mean"))
    assert frozen_tower(mean).digest == frozen_tower(again).digest != frozen_tower(cls).digest
    again(["angry", "a sad voice"])
    assert frozen_tower(again).digest == frozen_tower(mean).digest
    again.tokenizer.add_tokens(["serene"])
    assert frozen_tower(again).digest != frozen_tower(mean).digest
    with torch.no_grad():
        next(mean.parameters()).add_(1e-3)
    assert frozen_tower(mean).digest != frozen_tower(TextEncoder(str(tiny_bert))).digest


def test_an_attribute_that_nobody_rated_is_not_perfect(tower) -> None:
    from models.audio import Cnn14
    from stages.ser import DimensionalSER

    stage = DimensionalSER(Cnn14(width_multiplier=0.03125, stem_stride=2), ["anger"], ["angry"])
    logged: dict[str, torch.Tensor] = {}
    stage.log_dict = lambda values, **_: logged.update(values)  # type: ignore[method-assign, assignment]
    rating = torch.tensor([[2.0, 5.0, float("nan")], [6.0, 3.0, float("nan")]])
    stage._predicted.append(rating.nan_to_num(4.0))
    stage._rated.append(rating)
    stage.on_validation_epoch_end()
    assert set(logged) == {"val/CCC_valence", "val/CCC_arousal", "val/CCC"}
    assert logged["val/CCC"].item() == pytest.approx(1.0)
