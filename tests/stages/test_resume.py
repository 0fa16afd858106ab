"""Interrupted runs end where uninterrupted ones do, to the last bit."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from stages.handoff import read_checkpoint

EPOCHS = ["--trainer.max_epochs", "4", "--model.scheduler.class_path=stages.optim.WarmupCosine"]
EVERY_STEP = "--checkpoint.every_n_train_steps=1"
AUGMENTED = ["--data.augmentation", '{"speed": 0.1, "gain": 6, "noise": 0.5}']
QUIET = ["--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false", "--trainer.accelerator=cpu"]


def words(tiny_yaml: Path, folder: Path, *more: str) -> list[str]:
    return [
        "fit", "--config", "stages/clep.yaml", "--config", str(tiny_yaml), *EPOCHS, *AUGMENTED, *QUIET,
        f"--trainer.default_root_dir={folder}", *more,
    ]  # fmt: skip


def start(arguments: list[str]) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return subprocess.Popen([sys.executable, "-m", "lightning_app", *arguments], env=environment)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tiny_yaml: Path) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    assert start(words(tiny_yaml, folder)).wait(120) == 0
    return folder / "best.ckpt"


def assert_same_weights(left: Path, right: Path) -> None:
    one, two = read_checkpoint(left), read_checkpoint(right)
    assert one["global_step"] == two["global_step"] > 0
    assert one["state_dict"].keys() == two["state_dict"].keys()
    for name, tensor in one["state_dict"].items():
        assert torch.equal(tensor, two["state_dict"][name]), name
    for mine, other in zip(one["optimizer_states"], two["optimizer_states"], strict=True):
        for key, state in mine["state"].items():
            for field, value in state.items():
                assert torch.equal(torch.as_tensor(value), torch.as_tensor(other["state"][key][field])), (key, field)


# An epoch has four steps: 2 is in its middle, 4 at its end.
@pytest.mark.parametrize(
    ("steps", "sign", "workers", "how"),
    [(2, signal.SIGKILL, 0, [EVERY_STEP]), (4, signal.SIGTERM, 2, []), (7, signal.SIGUSR1, 0, [EVERY_STEP])],
)
def test_killed_and_resumed_equals_uninterrupted(
    whole: Path, tiny_yaml: Path, tmp_path: Path, steps: int, sign: signal.Signals, workers: int, how: list[str]
) -> None:
    process = start(words(tiny_yaml, tmp_path, f"--data.num_workers={workers}", *how))
    last, deadline = tmp_path / "last.ckpt", time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if last.is_file() and (tmp_path / "last.ckpt.sha256").is_file():
            try:
                reached = read_checkpoint(last)["global_step"]
            except RuntimeError:
                continue
            if reached >= steps:
                process.send_signal(sign)
                break
        time.sleep(0.02)
    code = process.wait(60)
    if code == 0:
        pytest.skip("the run ended before the signal reached it")
    assert code == (-sign if sign == signal.SIGKILL else 143)
    assert not (tmp_path / "done.json").exists()
    stopped_at = read_checkpoint(last)["global_step"]
    assert steps <= stopped_at < 16

    resumed = start(words(tiny_yaml, tmp_path, f"--data.num_workers={workers}", f"--ckpt_path={last}", *how))
    assert resumed.wait(120) == 0
    assert (tmp_path / "done.json").exists()
    assert_same_weights(whole, tmp_path / "best.ckpt")


def test_resuming_from_another_stage_is_refused_by_name(chain, command, capsys: pytest.CaptureFixture[str]) -> None:
    code = command(
        "fit", "--config", "stages/acpt.yaml", f"--model.init_from={chain.checkpoint('clep')}",
        f"--ckpt_path={chain.checkpoint('clep')}", f"--trainer.default_root_dir={chain.root / 'refused'}",
    )  # fmt: skip
    said = capsys.readouterr().err
    assert code == 4
    assert "is a checkpoint of stages.clap.ContrastiveTraining, and this stage is stages.acpt.PromptTuning" in said
    assert "--model.init_args.init_from=" in said


def test_a_flag_beats_what_the_checkpoint_stores(
    chain, tiny_yaml: Path, command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    last = chain.root / "clep" / "last.ckpt"
    code = command(
        "fit", "--config", "stages/clep.yaml", "--config", tiny_yaml, f"--ckpt_path={last}",
        "--trainer.max_epochs", 3, "--model.template", "the speaker sounds {emotion}",
        f"--trainer.default_root_dir={tmp_path}",
    )  # fmt: skip
    assert code == 0
    assert "model.template: the speaker sounds {emotion} (the checkpoint was made with" in capsys.readouterr().err
    assert "the speaker sounds" in (tmp_path / "config.yaml").read_text()


def test_init_from_takes_weights_and_nothing_else(chain, tiny_yaml: Path, command, tmp_path: Path) -> None:
    code = command(
        "fit", "--config", "stages/clep.yaml", "--config", tiny_yaml, "--trainer.max_epochs", 1,
        f"--model.init_from={chain.checkpoint('clep')}", "--model.optimizer.lr", 0.0,
        f"--trainer.default_root_dir={tmp_path}",
    )  # fmt: skip
    assert code == 0
    before, after = (read_checkpoint(p) for p in (chain.checkpoint("clep"), tmp_path / "best.ckpt"))
    assert (before["global_step"], after["global_step"]) == (8, 4)
    trained = [
        name
        for name in before["state_dict"]
        if not name.endswith(("running_mean", "running_var", "num_batches_tracked"))
    ]
    for name in trained:
        assert torch.equal(before["state_dict"][name], after["state_dict"][name]), name
