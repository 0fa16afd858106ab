"""Which epoch becomes best.ckpt."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from lightning_app.callbacks.checkpoint import StageCheckpoint
from stages.checkpoint import Checkpoint
from stages.clap import ClapTraining

SCORES = [0.3, 0.9, 0.5]


@pytest.fixture
def fit(tiny_yaml: Path, command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def scored(stage: ClapTraining) -> None:
        stage.log("val/UA", torch.tensor(SCORES[stage.current_epoch]))
        stage.metrics.reset()

    monkeypatch.setattr(ClapTraining, "on_validation_epoch_end", scored)

    def run(*words: object) -> Path:
        code = command(
            "fit", "--config", "stages/clep.yaml", "--config", tiny_yaml, "--trainer.limit_train_batches=1",
            f"--trainer.default_root_dir={tmp_path}", *words,
        )  # fmt: skip
        assert code == 0
        return tmp_path

    return run


@pytest.mark.parametrize(
    ("words", "best"),
    [([], 3), (["--checkpoint.monitor=val/UA"], 2), (["--checkpoint.monitor=val/UA", "--checkpoint.mode=min"], 1)],
)
def test_best_is_the_best_epoch_or_without_a_monitor_the_last(fit, words: list[str], best: int) -> None:
    folder = fit("--trainer.max_epochs=3", *words)
    assert Checkpoint.open(folder / "best.ckpt").content["global_step"] == best
    assert Checkpoint.open(folder / "last.ckpt").content["global_step"] == 3
    assert sorted(file.name for file in folder.glob("*.ckpt")) == ["best.ckpt", "last.ckpt"]


NAN = float("nan")


@pytest.mark.parametrize(
    ("scores", "best"), [([0.5, 0.5, 0.5], 1), ([NAN, 0.1, NAN], 2), ([0.3, NAN, 0.9], 3), ([NAN, NAN, NAN], 1)]
)
def test_the_first_of_equals_is_best_and_what_is_no_number_is_worst(
    fit, monkeypatch: pytest.MonkeyPatch, scores: list[float], best: int
) -> None:
    monkeypatch.setattr(f"{__name__}.SCORES", scores)
    folder = fit("--trainer.max_epochs=3", "--checkpoint.monitor=val/UA", "--trainer.limit_val_batches=1")
    assert Checkpoint.open(folder / "best.ckpt").content["global_step"] == best


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--data.split.protocol=speaker", "--checkpoint.monitor=val/loss"],
            "monitor val/loss needs a dev split: set data.split.dev to next, or checkpoint.monitor to null",
        ),
        (["--data.split.train_on=all", "--checkpoint.monitor=val/UA"], "monitor val/UA needs a dev split"),
        (["--trainer.limit_val_batches=0", "--checkpoint.monitor=val/UA"], "and trainer.limit_val_batches is 0"),
        (
            ["--checkpoint.monitor=val/UAR"],
            "checkpoint.monitor: nothing logs 'val/UAR'; expected one of 'val/UA', 'val/WA', 'val/loss', or null",
        ),
    ],
)
def test_what_cannot_be_monitored_is_found_before_the_first_epoch(
    command, tiny_yaml: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys, words: list[str], said: str
) -> None:
    def trained(*_: object) -> None:
        raise AssertionError("an epoch has begun")

    monkeypatch.setattr(ClapTraining, "on_train_epoch_start", trained)
    words = ["--config", "stages/clep.yaml", "--config", tiny_yaml, f"--trainer.default_root_dir={tmp_path}", *words]
    assert command("fit", *words) == 2
    assert said in capsys.readouterr().err


def test_a_dev_fold_can_be_monitored(fit) -> None:
    fit(
        "--trainer.max_epochs=1",
        "--data.split.protocol=speaker",
        "--data.split.dev=next",
        "--checkpoint.monitor=val/UA",
    )


@pytest.mark.parametrize("words", [[], ["--checkpoint.monitor=val/UA"]])
def test_last_is_renewed_after_every_epoch(
    fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    found = []

    def look(stage: ClapTraining) -> None:
        last = tmp_path / "last.ckpt"
        found.append(Checkpoint.open(last).content["global_step"] if last.exists() else None)

    monkeypatch.setattr(ClapTraining, "on_train_epoch_start", look)
    fit("--trainer.max_epochs=3", "--trainer.limit_val_batches=1", *words)
    assert found == [None, 1, 2]


def test_last_is_renewed_as_often_as_asked(fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    monkeypatch.setattr(
        ClapTraining, "on_train_epoch_start", lambda stage: found.append((tmp_path / "last.ckpt").exists())
    )
    fit("--trainer.max_epochs=3", "--checkpoint.every_n_epochs=2")
    assert found == [False, False, True]


@pytest.mark.parametrize("words", [[], ["--checkpoint.monitor=val/UA"]])
def test_no_epoch_at_all_still_makes_a_checkpoint(fit, command, corpus: Path, chain, words: list[str]) -> None:
    folder = fit("--trainer.max_epochs=0", f"--model.init_from={chain.checkpoint('clep')}", *words)
    before, after = (Checkpoint.open(path).content for path in (chain.checkpoint("clep"), folder / "best.ckpt"))
    assert after["global_step"] == 0
    assert after["state_dict"].keys() == before["state_dict"].keys()
    for name, tensor in before["state_dict"].items():
        assert torch.equal(tensor, after["state_dict"][name]), name
    assert set(json.loads((folder / "done.json").read_text())["outputs"]) == {"best.ckpt"}
    code = command(
        "test", "--config", "stages/evaluation.yaml", f"--model.init_from={folder / 'best.ckpt'}",
        f"--data.manifest={corpus}", "--data.loading.num_workers=0", "--data.audio.seconds=1.2",
        "--data.split.disjoint=[speaker]",
        f"--trainer.default_root_dir={folder / 'evaluation'}",
    )  # fmt: skip
    assert code == 0


@pytest.mark.parametrize("seen_here", [True, False])
@pytest.mark.parametrize("missing_on_first", [True, False])
def test_every_rank_saves_the_best_where_the_first_misses_it(
    tmp_path: Path, seen_here: bool, missing_on_first: bool
) -> None:
    if seen_here:
        (tmp_path / "best.ckpt").touch()
    saved = []
    trainer: Any = SimpleNamespace(
        strategy=SimpleNamespace(broadcast=lambda _: missing_on_first),
        fast_dev_run=False,
        save_checkpoint=lambda path, **_: saved.append(path),
    )
    StageCheckpoint(tmp_path, monitor="val/UA").ensure_best(trainer)
    assert saved == ([tmp_path / "best.ckpt"] if missing_on_first else [])


def test_a_run_that_stops_early_by_its_own_rule_is_done(fit) -> None:
    folder = fit(
        "--trainer.max_epochs=3",
        '--trainer.callbacks=[{"class_path": "EarlyStopping", '
        '"init_args": {"monitor": "val/UA", "mode": "min", "patience": 1}}]',
    )
    assert Checkpoint.open(folder / "best.ckpt").content["global_step"] == 2
    assert (folder / "done.json").exists()
