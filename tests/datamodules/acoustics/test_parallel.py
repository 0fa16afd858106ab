import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from datamodules.acoustics import AutocorrelationAcoustics, Praat, measure_clips, parallel
from datamodules.cache import cache_folder
from datamodules.errors import DataError
from datamodules.kept_rows import KeptRows


class Counting(AutocorrelationAcoustics):
    """Our own estimate, which remembers how often it was asked."""

    name = "counting"

    def __init__(self) -> None:
        self.heard = 0

    def measure(self, wave, sample_rate):
        self.heard += 1
        return super().measure(wave, sample_rate)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("EMOCLAP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def rows(tmp_path) -> pd.DataFrame:
    files = []
    for place, hertz in enumerate((110, 220, 165)):
        files.append(str(tmp_path / f"{place}.wav"))
        soundfile.write(files[-1], 0.3 * np.sin(2 * np.pi * hertz * np.arange(22_050) / 22_050), 22_050)
    return pd.DataFrame({"file": files, "start": np.nan, "end": np.nan, "sha256": ""}, index=[7, 3, 5])


def test_numbers_stand_in_the_order_of_the_rows(rows):
    found = measure_clips(AutocorrelationAcoustics(), rows, workers=0)
    assert list(found.index) == [7, 3, 5]
    assert tuple(found) == AutocorrelationAcoustics.columns
    np.testing.assert_allclose(found["pitch_mean"], [24, 36, 12 * np.log2(6)], atol=0.05)
    np.testing.assert_allclose(found["duration"], 1.0)


def test_any_number_of_processes_gives_the_same(rows):
    many = pd.concat([rows] * 7).assign(end=np.linspace(0.4, 1.0, 21))  # two chunks of clips that differ
    alone = measure_clips(AutocorrelationAcoustics(), many, 0, KeptRows(None))
    together = measure_clips(AutocorrelationAcoustics(), many, 2, KeptRows(None))
    pd.testing.assert_frame_equal(alone, together)


def test_start_and_end_are_heeded(rows):
    part = rows.assign(start=0.25, end=0.75)
    assert list(measure_clips(AutocorrelationAcoustics(), part, 0)["duration"]) == [0.5] * 3


def test_a_clip_is_measured_once(rows):
    first, second = Counting(), Counting()
    before = measure_clips(first, pd.concat([rows, rows]), 0)
    after = measure_clips(second, rows, 0)
    assert (first.heard, second.heard) == (3, 0)
    pd.testing.assert_frame_equal(before.iloc[:3], after)


def test_other_clips_and_changed_files_are_measured_anew(rows):
    measure_clips(Counting(), rows, 0)
    part, changed = Counting(), Counting()
    measure_clips(part, rows.assign(end=0.5), 0)
    os.utime(rows["file"].iloc[0], (1, 1))
    measure_clips(changed, rows, 0)
    assert (part.heard, changed.heard) == (3, 1)


def test_a_hash_tells_a_clip_wherever_it_lies(rows):
    hashed = rows.assign(sha256=[hashlib.sha256(Path(file).read_bytes()).hexdigest() for file in rows["file"]])
    measure_clips(Counting(), hashed, 0)
    moved = Counting()
    measure_clips(moved, hashed.assign(file="/elsewhere.wav"), 0)
    assert moved.heard == 0


def test_a_file_that_is_not_what_the_manifest_says_is_refused(rows):
    hashed = rows.assign(sha256=[hashlib.sha256(Path(file).read_bytes()).hexdigest() for file in rows["file"]])
    measure_clips(Counting(), hashed, 0)
    soundfile.write(rows["file"].iloc[1], np.full(22_050, 0.2), 22_050)
    with pytest.raises(DataError, match=r"1\.wav: its sha256 is .* the manifest says .* lightning-cli prepare"):
        measure_clips(Counting(), hashed, 0)


def test_numbers_are_those_of_this_way_of_reading(rows, monkeypatch):
    measure_clips(Counting(), rows, 0)
    monkeypatch.setattr(parallel, "LONGEST", 30.0)
    parallel._reading.cache_clear()
    again = Counting()
    measure_clips(again, rows, 0)
    parallel._reading.cache_clear()
    assert again.heard == 3


def test_a_damaged_cache_is_removed_and_made_again(rows, folder):
    measure_clips(Counting(), rows, 0)
    [file] = (folder / "acoustics").rglob("*.npy")
    file.write_bytes(file.read_bytes()[:50])
    again = Counting()
    measure_clips(again, rows, 0)
    assert again.heard == 3
    assert len(parallel.kept_measurements(again)) == 3


def test_other_columns_are_kept_apart(rows, folder):
    measure_clips(Counting(), rows, 0)
    again = Counting()
    again.columns = again.columns[:-1]
    measure_clips(again, rows, 0)
    assert again.heard == 3


def test_nan_is_kept(rows, folder):
    soundfile.write(rows["file"].iloc[0], np.zeros(8000), 16_000)
    measure_clips(Counting(), rows, 0)
    again = Counting()
    assert measure_clips(again, rows, 0)["pitch_mean"].isna().tolist() == [True, False, False]
    assert again.heard == 0


def test_a_folder_that_cannot_be_written_is_done_without(rows, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("EMOCLAP_CACHE", str(tmp_path / "file"))
    assert len(measure_clips(AutocorrelationAcoustics(), rows, 0)) == 3


def test_where_the_cache_lies(monkeypatch):
    monkeypatch.setenv("EMOCLAP_CACHE", "off")
    assert cache_folder() is None
    monkeypatch.delenv("EMOCLAP_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert cache_folder() == Path("/x/emoclap")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert cache_folder() == Path("/home/me/.cache/emoclap")


def test_bad_recordings_are_listed_and_good_ones_kept(rows, folder):
    broken = rows.assign(file=[rows["file"].iloc[0], "/no/such.wav", "/nor/this.wav"])
    with pytest.raises(DataError, match=r"2 of 3 clips cannot be measured\n  /no/such.wav: no such file"):
        measure_clips(AutocorrelationAcoustics(), broken, 0)
    assert len(parallel.kept_measurements(AutocorrelationAcoustics())) == 1


def test_nothing_to_measure_is_an_empty_table(rows):
    assert measure_clips(AutocorrelationAcoustics(), rows.iloc[:0]).shape == (0, 5)


def test_praat_stays_out_of_this_process(rows, tmp_path):
    pytest.importorskip("parselmouth")
    rows.to_pickle(tmp_path / "rows.pkl")
    program = tmp_path / "program.py"
    program.write_text(
        "import sys\n"
        "import pandas as pd\n"
        "from datamodules.acoustics import Praat, measure_clips\n"
        "if __name__ == '__main__':\n"
        f"    found = measure_clips(Praat(), pd.read_pickle({str(tmp_path / 'rows.pkl')!r}), workers=0)\n"
        "    assert abs(found['pitch_mean'].iloc[1] - 36) < 0.1, found\n"
        "    assert 'parselmouth' not in sys.modules\n"
    )
    root = str(Path(__file__).parents[3])
    subprocess.run([sys.executable, program], check=True, env={**os.environ, "PYTHONPATH": root}, cwd=tmp_path)
    assert Praat.isolated
