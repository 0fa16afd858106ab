"""Two processes on one machine do what one does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from lightning_app.runs.predictions import answers
from stages.checkpoint import Checkpoint

ROOT = Path(__file__).parents[2]
QUIET = ["--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false", "--trainer.accelerator=cpu"]
TWO = ["--trainer.devices=2", "--trainer.strategy=ddp"]

# Batch statistics are each rank's own, so that equality needs a tower without them; and without dropout.
PLAIN = """\
import torch
from torch import nn

from models.audio import AudioEncoder, LogMel


class PlainTower(AudioEncoder):
    sample_rate, width = 16000, 32

    def __init__(self) -> None:
        super().__init__()
        self.mel = LogMel(mels=32)
        self.layers = nn.Sequential(nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 32))

    def forward(self, wave_NT, length_N):
        mel = self.mel(wave_NT)
        bands = mel.mean(1 if mel.shape[-1] == 32 else -1)
        return self.layers(bands / 50)
"""


def lightning_cli(*words: object, path: Path | None = None) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    environment["PYTHONPATH"] = os.pathsep.join([str(path or ROOT), str(ROOT), environment.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "lightning_app", *map(str, words), *QUIET]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900, check=False)


@pytest.fixture(scope="module")
def tower(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tower")
    (folder / "plain_tower.py").write_text(PLAIN)
    (folder / "plain.yaml").write_text(
        "model: {init_args: {clap: {init_args: {audio: {class_path: plain_tower.PlainTower, init_args: {}}}}}}\n"
    )
    return folder


def test_two_processes_train_and_validate_as_one_with_twice_the_batch(
    tower: Path, tiny_yaml: Path, corpus: Path, tmp_path: Path
) -> None:
    manifest = pd.read_csv(corpus)
    dev = manifest[manifest["split"] == "dev"]
    # Nine: the second of two processes has none left of the last batch, whose loss must not count for a whole batch's.
    nine = corpus.with_name("nine_dev.csv")
    manifest.drop(dev.index[9:]).to_csv(nine, index=False)
    weights, scores = [], []
    for name, words in (("one", ["--data.loading.batch_size=8"]), ("two", ["--data.loading.batch_size=4", *TWO])):
        folder = tmp_path / name
        done = lightning_cli(
            "fit", "--config", "stages/clep.yaml", "--config", tiny_yaml, "--config", tower / "plain.yaml",
            # SGD, for Adam would make much of the rounding of a vanishing gradient.
            "--model.optimizer=torch.optim.SGD", "--model.optimizer.lr=0.1", "--trainer.max_epochs=2",
            f"--data.manifest={nine}", f"--trainer.default_root_dir={folder}", *words, path=tower,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        said = json.loads((folder / "done.json").read_text())
        assert set(said["outputs"]) == {"best.ckpt"}
        saved = Checkpoint.open(folder / "best.ckpt").content
        assert saved["global_step"] == 8
        weights.append(saved["state_dict"])
        metrics = pd.read_csv(folder / "metrics.csv")
        scores.append({name: metrics[name].dropna().tolist() for name in ("val/UA", "val/loss")})
    assert weights[0].keys() == weights[1].keys()
    for name, tensor in weights[0].items():
        torch.testing.assert_close(weights[1][name], tensor, atol=1e-5, rtol=0, msg=lambda said, n=name: f"{n}: {said}")
    assert len(scores[0]["val/loss"]) == 2
    for name, values in scores[0].items():
        assert scores[1][name] == pytest.approx(values, abs=1e-5), name


def test_the_tower_of_the_stage_trains_on_two_processes(tiny_yaml: Path, tmp_path: Path) -> None:
    done = lightning_cli(
        "fit", "--config", "stages/clep.yaml", "--config", tiny_yaml, "--data.loading.batch_size=4",
        "--trainer.max_epochs=1",
        f"--trainer.default_root_dir={tmp_path}", *TWO,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("done.json"))) == 1
    assert len(pd.read_csv(tmp_path / "metrics.csv")) == len(pd.read_csv(tmp_path / "metrics.csv").drop_duplicates())
    weights = Checkpoint.open(tmp_path / "best.ckpt").content["state_dict"]
    assert all(tensor.isfinite().all() for tensor in weights.values())


def test_two_processes_predict_what_one_predicts_and_every_row_once(chain, corpus: Path, tmp_path: Path) -> None:
    manifest = pd.read_csv(corpus)
    # An odd number: the ranks have shares of different size.
    fewer = manifest[~((manifest["split"] == "test") & (manifest["id"].str.endswith("anger_0")))]
    rows = fewer.drop(fewer[fewer["split"] == "test"].index[-1])
    path = corpus.with_name("odd.csv")
    rows.to_csv(path, index=False)
    expected = sorted(rows[rows["split"] == "test"]["id"])
    assert len(expected) % 2 == 1
    tables = []
    for name, words in (("one", []), ("two", TWO)):
        done = lightning_cli(
            "test", "--config", "stages/evaluation.yaml", f"--model.init_from={chain.checkpoint('classifier')}",
            f"--data.manifest={path}", "--data.split.disjoint=[speaker]", "--data.loading.batch_size=4",
            "--data.loading.num_workers=0",
            "--data.audio.seconds=1.2", f"--trainer.default_root_dir={tmp_path / name}", *words,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert (tmp_path / name / "done.json").exists()
        tables.append(pd.read_parquet(tmp_path / name / "predictions.parquet"))
    for _, group in answers(tables[1]).groupby("system"):
        assert sorted(group["id"]) == expected
    pd.testing.assert_frame_equal(tables[1], tables[0], atol=1e-5, rtol=0)
    pd.testing.assert_series_equal(answers(tables[1])["label"], answers(tables[0])["label"])
    results = [pd.read_csv(tmp_path / name / "results.csv") for name in ("one", "two")]
    key = ["system", "metric"]
    pd.testing.assert_frame_equal(
        results[1].sort_values(key, ignore_index=True), results[0].sort_values(key, ignore_index=True)
    )


def test_a_rank_whose_last_validation_batch_is_empty_takes_part(tiny_yaml: Path, tmp_path: Path) -> None:
    """Nine dev clips in batches of four: the second process has none left when the first has one."""
    done = lightning_cli(
        "fit", "--config", "stages/smoothclap.yaml", "--config", tiny_yaml, "--model.init_from=null",
        "--model.clap.text.truncate=true", "--model.clap.freeze_text=true", "--model.groups=[]",
        "--trainer.max_epochs=1",
        "--data.labels=[anger, happiness, neutral]", "--data.loading.batch_size=4", "--data.texts.tags.workers=0",
        "--data.texts.caption.workers=0", f"--trainer.default_root_dir={tmp_path}", *TWO,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    metrics = pd.read_csv(tmp_path / "metrics.csv")
    assert metrics["val/loss"].dropna().between(0.01, 20).all()
    assert len(metrics["val/loss"].dropna()) == 1
    assert metrics["train/target_entropy"].dropna().gt(0).all()
