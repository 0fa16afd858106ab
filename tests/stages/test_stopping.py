"""A signal at any place: the run is saved, ends with 143, and goes on to what it would have been, to the last bit."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from datamodules import stop_signals
from datamodules.clips.data import ClipData
from datamodules.kept_rows import KeptRows
from lightning_app.features.keeper import _fill
from stages.acpt import ACPT
from stages.checkpoint import Checkpoint
from stages.clap import ClapTraining
from stages.classifier import TextClassifier

EPOCHS = 3  # of four steps; then two batches of validation
Fit = Callable[..., int]


def fit_words(tiny_yaml: Path, folder: Path) -> list[object]:
    return [
        "fit", "--config", "stages/clep.yaml", "--config", tiny_yaml, f"--trainer.max_epochs={EPOCHS}",
        "--model.scheduler.class_path=stages.optim.WarmupCosine", "--checkpoint.monitor=val/UA",
        "--data.audio.augmentation", '{"speed": 0.1, "gain": 6, "noise": 0.5}', f"--trainer.default_root_dir={folder}",
    ]  # fmt: skip


@pytest.fixture
def fit(command: Callable[..., int], tiny_yaml: Path) -> Fit:
    def run(folder: Path, *more: object) -> int:
        return command(*fit_words(tiny_yaml, folder), *more)

    return run


@pytest.fixture
def signals(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Signal this process in the middle of the nth call of a method."""

    def at(owner: type, method: str, number: int, sign: signal.Signals = signal.SIGUSR1) -> None:
        inner, calls = getattr(owner, method), []

        def signalling(self: object, *args: Any, **kwargs: Any) -> Any:
            calls.append(None)
            if len(calls) == number:
                os.kill(os.getpid(), sign)
            return inner(self, *args, **kwargs)

        monkeypatch.setattr(owner, method, signalling)

    return at


def assert_same_run(one: Path, two: Path) -> None:
    for name in ("last.ckpt", "best.ckpt"):
        assert_same(Checkpoint.open(one / name).content, Checkpoint.open(two / name).content)
    assert_same_scores(one, two)


def assert_same_scores(one: Path, two: Path) -> None:
    metrics = [pd.read_csv(folder / "metrics.csv") for folder in (one, two)]
    validated = [table.dropna(subset=["val/UA"]) for table in metrics]
    columns = ["epoch", "step", "val/UA", "val/WA", "val/loss"]
    pd.testing.assert_frame_equal(*(table[columns].reset_index(drop=True) for table in validated), check_exact=True)


def assert_same(one: Any, two: Any) -> None:
    assert one["global_step"] == two["global_step"]
    assert one["state_dict"].keys() == two["state_dict"].keys()
    for name, tensor in one["state_dict"].items():
        assert torch.equal(tensor, two["state_dict"][name]), name
    for mine, other in zip(one["optimizer_states"], two["optimizer_states"], strict=True):
        for key, state in mine["state"].items():
            for field, value in state.items():
                assert torch.equal(torch.as_tensor(value), torch.as_tensor(other["state"][key][field])), (key, field)
    assert one["lr_schedulers"] == two["lr_schedulers"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {}


def uninterrupted(whole: dict[str, Path], fit: Fit, factory: pytest.TempPathFactory, *how: object) -> Path:
    key = " ".join(map(str, how))
    if key not in whole:
        folder = factory.mktemp("whole")
        assert fit(folder, *how) == 0
        whole[key] = folder
    return whole[key]


LIMITED = ["--trainer.limit_train_batches=3"]
HALVES = ["--trainer.val_check_interval=2"]


# Counted over the run; the sanity check makes the first two steps and the first end of a validation.
@pytest.mark.parametrize(
    ("method", "number", "stops_at", "how"),
    [
        ("training_step", 6, 6, []),
        ("training_step", 4, 4, []),  # the last of an epoch: its validation comes first, and is begun
        ("validation_step", 2 + 2, 4, []),  # the last batch of a validation: the next epoch is begun
        ("training_step", 5, 5, LIMITED),
        pytest.param("training_step", 1, 1, [], marks=pytest.mark.slow),
        pytest.param("validation_step", 2 + 1, 4, [], marks=pytest.mark.slow),
        pytest.param("on_validation_epoch_end", 3, 8, [], marks=pytest.mark.slow),
        pytest.param("training_step", 3, 3, LIMITED, marks=pytest.mark.slow),
        pytest.param("training_step", 4, 4, LIMITED, marks=pytest.mark.slow),
        pytest.param("training_step", 8, 8, LIMITED, marks=pytest.mark.slow),
        pytest.param("validation_step", 2 + 1, 2, HALVES, marks=pytest.mark.slow),
        pytest.param("training_step", 7, 7, HALVES, marks=pytest.mark.slow),
    ],
)
def test_stopped_anywhere_and_resumed(
    fit: Fit, signals: Callable[..., None], whole: dict[str, Path], tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory, method: str, number: int, stops_at: int, how: list[str],
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    reference = uninterrupted(whole, fit, tmp_path_factory, *how)
    with monkeypatch.context():
        signals(ClapTraining, method, number)
        assert fit(tmp_path, *how) == 143
    assert "preempted; last.ckpt is saved, and the same command goes on from it" in capsys.readouterr().err
    assert not (tmp_path / "done.json").exists()
    assert Checkpoint.open(tmp_path / "last.ckpt").content["global_step"] == stops_at
    monkeypatch.undo()
    assert fit(tmp_path, *how, f"--ckpt_path={tmp_path / 'last.ckpt'}") == 0
    assert_same_run(reference, tmp_path)


@pytest.mark.parametrize(
    ("stage", "number", "stops_at", "how"),
    [
        # Six batches an epoch: the third is half a step, and the fifth the first part of the last.
        ("classifier", 3, 2, ["--trainer.accumulate_grad_batches=2", "--data.batch_size=8"]),
        ("classifier", 5, 2, ["--trainer.accumulate_grad_batches=4", "--data.batch_size=8"]),
        ("acpt", 2, 2, []),  # a batch is an epoch
    ],
)
def test_stops_between_steps_and_between_epochs(
    chain: Any, command: Callable[..., int], signals: Callable[..., None], monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path, stage: str, number: int, stops_at: int, how: list[str],
) -> None:  # fmt: skip
    owner, before = {"classifier": (TextClassifier, "acpt"), "acpt": (ACPT, "clep")}[stage]
    words = [
        "fit", "--config", f"stages/{stage}.yaml", f"--model.init_from={chain.checkpoint(before)}",
        "--trainer.max_epochs=3", *how,
    ]  # fmt: skip
    one, two = (tmp_path / name for name in ("one", "two"))
    assert command(*words, f"--trainer.default_root_dir={one}") == 0
    signals(owner, "training_step", number)
    assert command(*words, f"--trainer.default_root_dir={two}") == 143
    monkeypatch.undo()
    assert Checkpoint.open(two / "last.ckpt").content["global_step"] == stops_at
    assert command(*words, f"--trainer.default_root_dir={two}", f"--ckpt_path={two / 'last.ckpt'}") == 0
    assert_same(Checkpoint.open(one / "best.ckpt").content, Checkpoint.open(two / "best.ckpt").content)


def test_before_training_there_is_nothing_to_save(
    fit: Fit, signals: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """While the data are read, in the sanity check, and before the first step."""
    for owner, method in ((ClipData, "setup"), (ClapTraining, "validation_step")):
        signals(owner, method, 1)
        assert fit(tmp_path) == 143
        said = capsys.readouterr().err
        assert "lightning-cli: stopped by a signal with nothing new to save; the same command starts again" in said
        assert "Traceback" not in said
    assert not list(tmp_path.glob("*.ckpt"))


def test_a_signal_in_another_place_leaves_other_handlers_alone(fit: Fit, tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in stop_signals.ASKS]
    assert fit(tmp_path, "--trainer.max_epochs=0") == 0
    assert [signal.getsignal(number) for number in stop_signals.ASKS] == before


def test_features_that_were_made_before_the_signal_are_kept(tmp_path: Path) -> None:
    keys = [bytes([n]) * 32 for n in range(3)]
    store = KeptRows(tmp_path)

    def compute(todo: list[int]) -> Any:
        for index in todo:
            if index == 1:
                os.kill(os.getpid(), signal.SIGTERM)
            yield [index], torch.full((1, 2), float(index)), {}

    with stop_signals.noted():
        _fill(store, [0, 1, 2], ["a", "b", "c"], keys, compute)
    assert KeptRows(tmp_path).missing(keys) == [2]


# Runs the command line in a process group of its own, which it signals as a whole from inside the nth call of a method.
GROUP = """
import os, signal, sys
import torch
from lightning_app.cli import main
from stages.acpt import ACPT
from stages.clap import ClapTraining
from stages.classifier import TextClassifier
from stages.evaluation import Evaluation

def signalling(owner, method, number, sign):
    inner, calls = getattr(owner, method), []
    def call(*args, **kwargs):
        calls.append(None)
        if len(calls) == number:
            os.killpg(0, sign)
        return inner(*args, **kwargs)
    setattr(owner, method, call)

if __name__ == "__main__":
    for order in sys.argv[1].split(","):
        owner, method, number, sign = order.split(":")
        signalling(eval(owner), method, int(number), getattr(signal, sign))
    del sys.argv[1]
    sys.exit(main())
"""


@pytest.fixture
def in_a_group(tmp_path: Path, tiny_yaml: Path) -> Callable[..., tuple[int, str]]:
    script = tmp_path / "group.py"
    script.write_text(GROUP)

    def run(orders: str, *words: object) -> tuple[int, str]:
        path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
        ended = subprocess.run(
            [sys.executable, str(script), orders, *map(str, words), "--trainer.enable_progress_bar=false",
             "--trainer.enable_model_summary=false", "--trainer.accelerator=cpu", "--data.loading.num_workers=2"],
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path},
            start_new_session=True, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return ended.returncode, ended.stderr

    return run


def test_a_signal_to_the_whole_group_with_loader_processes(
    fit: Fit, whole: dict[str, Path], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, tiny_yaml: Path,
    in_a_group: Callable[..., tuple[int, str]],
) -> None:  # fmt: skip
    """In training, again while that is being saved, and then in a validation; the last part ends unharmed."""
    reference = uninterrupted(whole, fit, tmp_path_factory)
    run = tmp_path / "run"
    words = fit_words(tiny_yaml, run)
    # The second checkpoint after the best of the first epoch is the one that the signal asks for.
    code, said = in_a_group("ClapTraining:training_step:6:SIGTERM,torch:save:3:SIGUSR1", *words)
    assert (code, said.splitlines()[-1]) == (
        143, "lightning-cli: preempted; last.ckpt is saved, and the same command goes on from it",
    ), said  # fmt: skip
    assert Checkpoint.open(run / "last.ckpt").content["global_step"] == 6
    code, said = in_a_group("ClapTraining:validation_step:1:SIGUSR1", *words, f"--ckpt_path={run}/last.ckpt")
    assert code == 143, said
    assert Checkpoint.open(run / "last.ckpt").content["global_step"] == 8
    assert fit(run, f"--ckpt_path={run / 'last.ckpt'}") == 0
    assert_same_run(reference, run)


@pytest.mark.parametrize(
    ("method", "number"),
    # The second one dies in its first validation: that is made after all, by the run that resumes.
    [("training_step", 3), pytest.param("validation_step", 2 + 1, marks=pytest.mark.slow)],
)
def test_killed_and_resumed(
    fit: Fit, whole: dict[str, Path], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, tiny_yaml: Path,
    in_a_group: Callable[..., tuple[int, str]], method: str, number: int,
) -> None:  # fmt: skip
    reference = uninterrupted(whole, fit, tmp_path_factory)
    run = tmp_path / "run"
    how = ["--checkpoint.every_n_train_steps=1", "--checkpoint.monitor=null"]
    orders = f"ClapTraining:{method}:{number}:SIGKILL"
    assert in_a_group(orders, *fit_words(tiny_yaml, run), *how)[0] == -signal.SIGKILL
    assert Checkpoint.open(run / "last.ckpt").content["global_step"] == (2 if method == "training_step" else 4)
    assert fit(run, *how, f"--ckpt_path={run / 'last.ckpt'}") == 0
    assert_same(Checkpoint.open(reference / "last.ckpt").content, Checkpoint.open(run / "best.ckpt").content)
    assert_same_scores(reference, run)


def test_a_signal_to_the_whole_group_in_a_test(
    chain: Any, tmp_path: Path, corpus: Path, in_a_group: Callable[..., tuple[int, str]]
) -> None:
    code, said = in_a_group(
        "Evaluation:test_step:1:SIGTERM", "test", "--config", "stages/evaluation.yaml",
        f"--model.init_from={chain.checkpoint('classifier')}", f"--data.manifest={corpus}",
        "--data.loading.batch_size=8",
        f"--trainer.default_root_dir={tmp_path / 'test'}",
    )  # fmt: skip
    assert (code, said.splitlines()[-1]) == (
        143, "lightning-cli: stopped by a signal with nothing new to save; the same command starts again",
    ), said  # fmt: skip
    assert not (tmp_path / "test" / "predictions.parquet").exists()
