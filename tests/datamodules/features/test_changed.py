"""A recording that was replaced, or is gone, under the same manifest: through the command line."""

import hashlib
import shutil
from pathlib import Path

import pandas as pd
import pytest
import soundfile


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
    rows.to_csv(data / "manifest.csv", index=False)

    def test(name: str, *words: str) -> int:
        return command(
            "test", "--config", "stages/evaluation.yaml", f"--model.init_from={chain.checkpoint('clep')}",
            f"--data.manifest={data / 'manifest.csv'}", "--data.disjoint=[speaker]", "--data.num_workers=0",
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
    assert test("skipped", "--data.on_bad_audio=skip") == 5
    assert "; 1 whose file is not there are skipped" in caplog.text
    skipped = (tmp_path / "skipped" / "skipped.csv").read_text()
    assert "finn_anger_0.wav: no such file" in skipped
    assert "eve_anger_0.wav: its sha256 is" in skipped
    whole, rest = (pd.read_parquet(tmp_path / name / "predictions.parquet") for name in ("whole", "skipped"))
    assert set(whole["id"]) - set(rest["id"]) == {"finn_anger_0", "eve_anger_0"}
