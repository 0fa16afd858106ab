"""A chain of real stages: what they and the chain write into one folder fits together."""

from pathlib import Path

import pandas as pd
import pytest
import torch

from lightning_app.cli import main
from lightning_app.config.files import PACKAGE_ROOT
from models.recognition import DIMENSIONS
from stages.checkpoint import Checkpoint

CHAIN = """
runs: runs
stages:
  clep: {verb: fit, config: [stages/clep.yaml, TINY], args: [--trainer.max_epochs=1, --trainer.accelerator=cpu]}
  evaluation: {verb: test, config: [stages/evaluation.yaml, ev.yaml], from: clep}
  guess: {verb: predict, config: [stages/evaluation.yaml, ev.yaml], from: clep}
"""


@pytest.mark.slow
def test_stages_and_chain_agree_on_what_is_done(
    tiny_yaml: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(PACKAGE_ROOT))
    Path("chain.yaml").write_text(CHAIN.replace("TINY", str(tiny_yaml)))
    Path("ev.yaml").write_text(
        f"data: {{init_args: {{manifest: {corpus}, split: {{disjoint: [speaker]}}, audio: {{seconds: 1.2}}, "
        "loading: {num_workers: 0}}}\n"
    )
    assert main(["chain", "--config", "chain.yaml"]) == 0
    assert Path("runs/guess/predictions.parquet").is_file()
    assert Path("runs/results.csv").is_file()
    before = {path: path.stat().st_mtime_ns for path in Path("runs").glob("*/*.ckpt")}
    assert main(["chain", "--config", "chain.yaml", "--dry-run"]) == 0
    assert "0 to run, 3 done" in capfd.readouterr().out

    alone = ["fit", "--config", "stages/clep.yaml", "--config", str(tiny_yaml), "--trainer.accelerator=cpu"]
    alone += ["--trainer.default_root_dir=runs/clep"]
    assert main([*alone, "--trainer.max_epochs=1"]) == 0
    assert "nothing to do" in capfd.readouterr().err
    assert main([*alone, "--trainer.max_epochs=2"]) == 2
    assert "configuration changed (trainer.max_epochs)" in capfd.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in Path("runs").glob("*/*.ckpt")} == before

    # An optimiser that diverges: the stage fails after it has begun, and the one before it is kept.
    assert main(["chain", "--config", "chain.yaml", "--set", "clep.model.optimizer.lr=1.0e+30"]) != 0
    assert Path("runs/clep/previous/best.ckpt").is_file()
    assert not Path("runs/clep/done.json").exists()
    assert main(["chain", "--config", "chain.yaml"]) == 0
    assert not Path("runs/clep/previous").exists()


@pytest.mark.slow
def test_a_stopped_stage_goes_on_and_is_done(
    chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(PACKAGE_ROOT))
    Path("chain.yaml").write_text(
        "runs: runs\nstages: {acpt: {config: stages/acpt.yaml, "
        f"from: {chain.checkpoint('clep')}, args: [--trainer.max_epochs=1, --trainer.accelerator=cpu]}}}}\n"
    )
    assert main(["chain", "--config", "chain.yaml"]) == 0
    Path("runs/acpt/done.json").unlink()  # as if it were stopped
    capfd.readouterr()
    assert main(["chain", "--config", "chain.yaml"]) == 0
    assert "stopped before the end (last.ckpt)" in capfd.readouterr().err
    assert "goes on from runs/acpt/last.ckpt" in Path("runs/acpt/log.txt").read_text()
    assert main(["chain", "--config", "chain.yaml", "--dry-run"]) == 0
    assert "0 to run, 1 done" in capfd.readouterr().out


@pytest.mark.slow
def test_a_tower_is_trained_tested_and_reported(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Valence, arousal and dominance go the way of every other system."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(PACKAGE_ROOT))
    Path("chain.yaml").write_text(f"""\
runs: runs
set:
  "*": {{trainer.accelerator: cpu, data.manifest: {corpus}, data.split.disjoint: [speaker], data.audio.seconds: 1.2}}
  ser: {{trainer.max_epochs: 1, data.labels: iemocap4, data.loading.batch_size: 8}}
stages:
  ser: {{config: stages/ser.yaml, args: [--model.audio.width_multiplier=0.03125]}}
  evaluation: {{verb: test, config: stages/evaluation.yaml, from: ser}}
  guess: {{verb: predict, config: stages/evaluation.yaml, from: ser}}
""")
    assert main(["chain", "--config", "chain.yaml"]) == 0
    for stage in ("evaluation", "guess"):
        assert set(pd.read_parquet(f"runs/{stage}/predictions.parquet")["label"]) == {"valence", "arousal", "dominance"}
    results = pd.read_csv("runs/results.csv")
    assert list(results["metric"]) == [f"{score} {name}" for name in DIMENSIONS for score in ("CCC", "MAE")]
    capsys.readouterr()
    assert main(["report", "--runs", "runs", "--markdown"]) == 0
    assert "| CCC valence ↑ | MAE valence ↓ |" in capsys.readouterr().out


@pytest.mark.slow
def test_a_stage_starts_from_parts_of_two(
    tiny_yaml: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(PACKAGE_ROOT))
    Path("both.yaml").write_text(f"""\
model:
  class_path: stages.clap.ClapTraining
  init_args: {{clap: {{class_path: models.clap.Clap, init_args: {{dim: 16, freeze_audio: true}}}}}}
data:
  class_path: datamodules.clips.data.ClipData
  init_args: {{manifest: {corpus}, audio: {{seconds: 1.2}}}}
""")
    Path("chain.yaml").write_text(f"""\
runs: runs
set:
  "*": {{trainer.accelerator: cpu, trainer.max_epochs: 1, data.manifest: {corpus}, data.audio.seconds: 1.2}}
  ser: {{data.split.disjoint: [speaker], data.labels: iemocap4, data.loading.batch_size: 8}}
  both: {{data.split.disjoint: [speaker], data.loading.batch_size: 8}}
stages:
  ser: {{config: stages/ser.yaml, args: [--model.audio.width_multiplier=0.03125]}}
  clep: {{config: [stages/clep.yaml, {tiny_yaml}]}}
  both: {{config: both.yaml, from: {{clap.audio: ser:audio, clap.text: clep}}}}
""")
    assert main(["chain", "--config", "chain.yaml"]) == 0
    both, ser, clep = (Checkpoint.open(f"runs/{stage}/best.ckpt") for stage in ("both", "ser", "clep"))
    heard = {name: tensor for name, tensor in ser.content["state_dict"].items() if name.startswith("audio.")}
    assert heard
    for name, tensor in heard.items():
        assert torch.equal(both.content["state_dict"][f"clap.{name}"], tensor), name
    assert both.config("clap.text") == clep.config("clap.text")
    assert both.label_set == "iemocap4"

    # Another seed of one source: that one runs again, and what starts from it.
    capfd.readouterr()
    assert main(["chain", "--config", "chain.yaml", "--dry-run", "--set", "ser.seed_everything=2"]) == 0
    assert "2 to run, 1 done" in capfd.readouterr().out
