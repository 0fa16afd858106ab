"""A recording that was replaced, or is gone, under the same manifest: through the command line."""

import hashlib
import os
import shutil
from contextlib import nullcontext
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from torch import Tensor

from datamodules.audio.reading import AudioFormat
from datamodules.clips.rows import clips_of
from datamodules.errors import DataError
from datamodules.features import SplitFeatures
from lightning_app.callbacks.features import FrozenFeatures


def test_a_replaced_recording_is_refused_or_skipped_and_never_heard_as_the_old_one(
    corpus: Path,
    chain,
    command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("EMOCLAP_CACHE", str(tmp_path / "cache"))
    data = tmp_path / "data"
    shutil.copytree(corpus.parent, data, ignore=lambda _, names: [name for name in names if name[-4:] == ".csv"])
    rows = pd.read_csv(corpus)
    rows["sha256"] = [hashlib.sha256((data / path).read_bytes()).hexdigest() for path in rows["path"]]
    rows["corpus"] = "=1+1"  # what a spreadsheet would calculate
    rows.to_csv(data / "=clips.csv", index=False)

    def test(name: str, *words: str) -> int:
        return command(
            "test", "--config", "stages/evaluation.yaml", f"--model.init_from={chain.checkpoint('clep')}",
            f"--data.manifest={data / '=clips.csv'}", "--data.split.disjoint=[speaker]", "--data.loading.num_workers=0",
            f"--trainer.default_root_dir={tmp_path / name}", *words,
        )  # fmt: skip

    assert test("whole") == 0
    replaced = data / "eve_anger_0.wav"
    wave, rate = soundfile.read(replaced, dtype="int16")
    soundfile.write(replaced, wave[::-1], rate)
    capsys.readouterr()
    assert test("refused") == 3
    said = capsys.readouterr().err
    assert "eve_anger_0.wav: its sha256 is" in said
    assert "make the manifest again: lightning-cli prepare" in said
    (data / "finn_anger_0.wav").unlink()
    assert test("missing") == 3
    said = capsys.readouterr().err
    assert "there is no file" in said
    assert test("skipped", "--data.audio.on_bad_audio=skip") == 5
    assert "; 1 whose file is not there are skipped" in caplog.text
    skipped = (tmp_path / "skipped" / "skipped.csv").read_text()
    assert "finn_anger_0.wav: no such file" in skipped
    assert "eve_anger_0.wav: its sha256 is" in skipped
    assert skipped.count("'=clips.csv:") == 2
    assert ",'=1+1," in (tmp_path / "whole" / "results.csv").read_text()
    whole, rest = (pd.read_parquet(tmp_path / name / "predictions.parquet") for name in ("whole", "skipped"))
    assert set(whole["id"]) - set(rest["id"]) == {"finn_anger_0", "eve_anger_0"}


class Level:
    """A tower that hears how loud a clip is."""

    name, digest = "tests.Level", "cd" * 32

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, wave_NT: Tensor, length_N: Tensor) -> Tensor:
        self.seen += len(wave_NT)
        return wave_NT.abs().amax(1, keepdim=True)


def test_features_of_a_replaced_recording_are_neither_used_nor_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOCLAP_CACHE", str(tmp_path / "cache"))

    times = count(1)

    def write(level: float, name: str) -> None:
        # Not as floats: libsndfile writes the time of day into those, and the same samples would be other bytes.
        soundfile.write(tmp_path / name, np.full(800, level), 8000, subtype="PCM_16")
        # Times of a disk may be as coarse as milliseconds, and people are slower than this test.
        os.utime(tmp_path / name, ns=(0, next(times)))

    write(0.25, "a.wav")
    write(0.5, "b.wav")
    rows = pd.DataFrame({"id": ["a", "b"], "file": [str(tmp_path / "a.wav"), str(tmp_path / "b.wav")], "target": 0})
    rows["sha256"] = [hashlib.sha256(Path(file).read_bytes()).hexdigest() for file in rows["file"]]
    clips, tower = clips_of(rows, rows[[]], "m.csv", "x"), Level()
    stage = SimpleNamespace(frozen_towers={"audio": tower}, audio_towers=("audio",))
    strategy = SimpleNamespace(
        root_device=torch.device("cpu"), barrier=lambda: None, reduce_boolean_decision=lambda asked, all: asked
    )
    trainer = SimpleNamespace(
        lightning_module=stage, strategy=strategy, precision="32-true", global_rank=0, world_size=1,
        precision_plugin=SimpleNamespace(forward_context=nullcontext),
    )  # fmt: skip

    def features(on_bad_audio: str) -> SplitFeatures:
        data = SimpleNamespace(audio=SimpleNamespace(on_bad_audio=on_bad_audio), loading=SimpleNamespace(num_workers=0))
        return FrozenFeatures(trainer, data)(clips, AudioFormat(8000, 0.1), True)  # type: ignore[arg-type]

    write(0.125, "b.wav")  # of the same size, before anything was kept
    with pytest.raises(DataError, match=r"m\.csv:1: .*b\.wav: its sha256 is"):
        features("raise")
    kept = features("skip")
    assert list(kept.unreadable) == [1]
    assert "b.wav: its sha256 is" in kept.unreadable[1]
    write(0.5, "b.wav")
    kept = features("raise")
    assert kept.unreadable == {}
    assert kept.clips["audio"][[0, 1]].ravel().tolist() == [0.25, 0.5]
    write(0.125, "b.wav")
    assert list(features("skip").unreadable) == [1]
    heard = tower.seen
    write(0.5, "b.wav")
    assert features("raise").clips["audio"][[0, 1]].ravel().tolist() == [0.25, 0.5]
    assert tower.seen == heard  # both are kept by what they hold, whatever their times
