"""Each benchmark at a tiny size: both ways agree there, and a wrong one is found out. Nothing is asserted of times."""

import functools
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import crop_reading, infonce, rank_n_contrast, resampling, soft_targets, startup, training_step
from benchmarks.memory import peak_bytes
from benchmarks.table import environment, markdown
from benchmarks.timing import Row, compare, median_interval
from models.audio import Cnn14
from models.clap import Clap
from models.text import TextEncoder

pytestmark = pytest.mark.filterwarnings("ignore:You are trying to `self.log", "ignore:Attribute .* is an instance of")


@pytest.fixture
def tiny_clap(tiny_bert: Path) -> Clap:
    torch.manual_seed(0)
    return Clap(Cnn14(width_multiplier=0.03125, stem_stride=2), TextEncoder(str(tiny_bert)), 16)


def is_measured(row: Row, rounds: int) -> bool:
    return len(row.ratios) == len(row.noise) == rounds and min(row.ours, row.theirs, *row.ratios, *row.noise) > 0


def test_training_step(tiny_clap: Clap) -> None:
    (row,) = training_step.run(tiny_clap, clips=8, seconds=1.2, rounds=2)
    assert is_measured(row, 2)
    assert tiny_clap.text.training is False


def test_a_training_step_that_forgets_a_direction_is_found_out(
    tiny_clap: Clap, monkeypatch: pytest.MonkeyPatch
) -> None:
    def one_way(loss, pairs):
        return torch.nn.functional.cross_entropy(pairs.scale * pairs.audio_NE @ pairs.text_UE.T, pairs.caption_N)

    monkeypatch.setattr("losses.infonce.InfoNCE.forward", one_way)
    with pytest.raises(AssertionError):
        training_step.run(tiny_clap, clips=8, seconds=1.2, rounds=1)


def test_a_training_step_with_other_gradients_is_found_out() -> None:
    right = {"loss": torch.tensor(1.0), "w": torch.tensor([1.0, 2.0])}
    training_step.require_equal(right, right)
    with pytest.raises(AssertionError):
        training_step.require_equal({**right, "w": torch.tensor([1.0, 2.01])}, right)
    with pytest.raises(AssertionError, match="different parameters"):
        training_step.require_equal({"loss": right["loss"]}, right)


def test_crop_reading() -> None:
    rows = crop_reading.run(minutes=0.2, seconds=1.0, rounds=2)
    assert [row.name.rpartition(", ")[2] for row in rows] == ["wav", "flac", "ogg", "mp3"]
    assert all(is_measured(row, 2) for row in rows)


def test_a_crop_from_another_place_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    read_crop = crop_reading.read_crop
    monkeypatch.setattr(
        crop_reading, "read_crop", lambda segment, audio_format, position: read_crop(segment, audio_format, 0.5001)
    )
    with pytest.raises(AssertionError, match="apart"):
        crop_reading.run(minutes=0.2, seconds=1.0, rounds=1)


def test_resampling() -> None:
    (row,) = resampling.run(seconds=0.2, rounds=2)
    assert is_measured(row, 2)


def test_a_resampler_that_only_picks_samples_is_found_out() -> None:
    wave = np.random.default_rng(0).standard_normal(24414).astype(np.float32)
    picked = wave[(np.arange(16000) * 24414 / 16000).astype(int)]
    import soxr

    with pytest.raises(AssertionError, match="apart"):
        resampling.require_equal_spectra(picked, soxr.resample(wave, 24414, 16000))


def test_infonce() -> None:
    rows = infonce.run(sizes=(8, 16), captions=3, width=8, rounds=2)
    assert [is_measured(row, 2) for row in rows] == [True, True]


def test_a_loss_that_forgets_how_often_captions_stand_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    forward = infonce.InfoNCE.forward

    def twice(loss, pairs):
        return forward(loss, replace(pairs, caption_N=torch.cat([pairs.caption_N[:-1], pairs.caption_N[:1]])))

    monkeypatch.setattr(infonce.InfoNCE, "forward", twice)
    with pytest.raises(AssertionError):
        infonce.run(sizes=(8,), captions=3, width=8, rounds=1)


def test_rank_n_contrast() -> None:
    rows = rank_n_contrast.run(cube=(8,), loop=(8, 12), width=4, rounds=2)
    assert [row.opponent for row in rows] == ["N x N x N", *["loop over N positives"] * 2]
    assert all(is_measured(row, 2) for row in rows)


def test_a_ranking_that_leaves_the_ties_out_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    strict = functools.partial(rank_n_contrast.RankNContrast, negatives="strict")
    monkeypatch.setattr(rank_n_contrast, "RankNContrast", strict)
    with pytest.raises(AssertionError):
        rank_n_contrast.run(cube=(8,), loop=(), width=4, rounds=1)


def test_growth_of_rank_n_contrast_is_told_with_its_memory() -> None:
    time, memory = rank_n_contrast.growth(sizes=(8, 16), width=4, rounds=1)
    assert re.search(r"8 clips .* ms, 16 clips .* ms; time grows as N\^-?\d", time)
    assert "At 16 clips its tensors take" in memory


def test_soft_targets() -> None:
    rows = soft_targets.run(sizes=(8, 12), width=4, rounds=2)
    assert [is_measured(row, 2) for row in rows] == [True, True]


def test_soft_targets_that_forget_the_tags_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soft_targets, "SoftTargets", functools.partial(soft_targets.SoftTargets, t2t="caption"))
    with pytest.raises(AssertionError):
        soft_targets.run(sizes=(8,), width=4, rounds=1)


def test_peak_memory_is_what_is_held_at_once() -> None:
    def two_of_three() -> None:
        first = torch.zeros(1000)
        second = torch.zeros(500)
        del second
        assert len(torch.zeros(200)) < len(first)

    assert peak_bytes(two_of_three) == 4 * 1500


def test_startup_wants_help_and_nothing_else() -> None:
    answer = subprocess.CompletedProcess[str]([], 0, "usage: lightning-cli VERB [options]\nprepare", "")
    startup.require_help(answer)
    with pytest.raises(AssertionError, match="exit code 2"):
        startup.require_help(subprocess.CompletedProcess([], 2, answer.stdout, ""))
    with pytest.raises(AssertionError):
        startup.require_help(subprocess.CompletedProcess([], 0, "", ""))


def test_turns_are_taken() -> None:
    calls: list[str] = []

    def slow(name: str) -> None:
        calls.append(name)
        if name == "theirs":
            torch.randn(200_000).sort()

    compare("a", "b", lambda: slow("ours"), lambda: slow("theirs"), rounds=3)
    turns = [name for name, before in zip(calls, ["", *calls], strict=False) if name != before]
    assert turns == ["ours", "theirs", *["ours", "theirs", "ours"], *["theirs", "ours"] * 2]


@pytest.mark.parametrize(
    ("n", "low", "high"), [(1, 0, 0), (5, 0, 4), (6, 0, 5), (9, 1, 7), (20, 5, 14)]
)  # the table of exact intervals of a median
def test_interval_of_a_median(n: int, low: int, high: int) -> None:
    values = [float(value) for value in range(n)]
    assert median_interval(values[::-1]) == (low, high)


def test_table_is_markdown() -> None:
    row = Row("reading", "whole", 0.001, 2.0, [10.0, 20.0, 30.0], [0.9, 1.0, 1.1])
    head, rule, line = markdown([row]).splitlines()
    assert head.count("|") == rule.count("|") == line.count("|")
    assert "| 1 ms | 2.00 s | **20** | 10 to 30 | 0.90 to 1.10 |" in line
    assert "Python" in environment()
