import os
import signal
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from datamodules.audio.inspection import inspect_all
from datamodules.errors import DataError
from datamodules.manifest import scan
from datamodules.manifest.scan import measure

CHECKOUT = Path(__file__).parents[3]


def rows_of(file, **columns):
    return pd.DataFrame({"file": [str(file)], **{name: [value] for name, value in columns.items()}}, index=[7])


def test_measure_fills_in_and_opens_each_file_once(tone):
    rows = pd.DataFrame(
        {"file": [str(tone)] * 3, "start": [np.nan, 0.1, 0.2], "end": [np.nan, 0.3, np.nan]}, index=[2, 3, 9]
    )
    calls = []
    good, bad = measure(rows, progress=lambda *call: calls.append(call))
    assert bad == {}
    assert calls == [(1, 1)]
    assert list(good.index) == [2, 3, 9]
    np.testing.assert_allclose(good["duration"], [0.5, 0.2, 0.3], rtol=1e-12)
    assert set(good["sample_rate"]) == {16000}
    assert set(good["sha256"].str.len()) == {64}
    assert "sha256" not in measure(rows, hashed=False)[0]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"sample_rate": 44100.0}, "the table says sample_rate 44100, the file has 16000 Hz"),
        ({"duration": 1.0}, "the table says duration 1 s, the clip has 0.500 s"),
        ({"end": 0.8}, "the table says 0 to 0.8 s, the file ends at 0.500 s"),
        ({"start": 0.5}, "the table says 0.5 to 0.5 s"),
        ({"sha256": "0" * 64}, "the file has changed"),
    ],
)
def test_what_the_table_says_is_compared(tone, columns, words):
    good, bad = measure(rows_of(tone, **columns))
    assert good.empty
    assert list(bad) == [7]
    assert words in bad[7]


def test_what_the_table_rounds_is_accepted(tone):
    good, bad = measure(rows_of(tone, duration=0.55, end=0.55, sample_rate=16000.0, sha256=""))
    assert bad == {}
    assert good["duration"].tolist() == [0.5]


def test_bad_files_leave_the_others_alone(tone, tmp_path):
    rows = pd.DataFrame({"file": [str(tmp_path / "none.wav"), str(tone)]}, index=[2, 3])
    good, bad = measure(rows)
    assert list(good.index) == [3]
    assert "none.wav: cannot be read" in bad[2]


def test_processes_say_what_one_process_says(tone, tmp_path, monkeypatch):
    noise = 0.1 * np.random.default_rng(0).standard_normal(48000)
    files = [str(tone)]
    for number in range(40):
        files.append(str(tmp_path / f"{number}.wav"))
        soundfile.write(files[-1], np.zeros(8000) if number % 3 else noise[:8000], 16000)
    soundfile.write(tmp_path / "bad.mp3", noise, 16000, format="MP3", subtype="MPEG_LAYER_III")
    damaged = bytearray((tmp_path / "bad.mp3").read_bytes())
    damaged[2000:3000:10] = bytes(100)
    (tmp_path / "bad.mp3").write_bytes(damaged)
    files.append(str(tmp_path / "bad.mp3"))
    rows, calls = pd.DataFrame({"file": files}), []
    alone, bad_alone = measure(rows)
    monkeypatch.setattr(scan, "_WORTH_PROCESSES", 0)
    together, bad = measure(rows, progress=lambda *call: calls.append(call))
    pd.testing.assert_frame_equal(alone, together)
    assert bad == bad_alone
    assert list(bad) == [41]
    assert calls[-1] == (42, 42)
    assert together["oddity"].value_counts().to_dict() == {"silent": 26, "": 15}


def inspect_or_crash(files, hashed):
    """What a decoder does that crashes on one file."""
    if any(file.endswith("fatal.wav") for file in files):
        os.kill(os.getpid(), signal.SIGKILL)
    return inspect_all(files, hashed)


def test_a_crash_of_a_decoder_names_its_file(tone, tmp_path, monkeypatch):
    names = [f"{number}.wav" for number in range(100)]
    names[20] = "fatal.wav"
    for name in names:
        (tmp_path / name).symlink_to(tone)
    monkeypatch.setattr(scan, "_WORTH_PROCESSES", 0)
    monkeypatch.setattr(scan, "inspect_all", inspect_or_crash)
    with pytest.raises(DataError) as error:
        measure(pd.DataFrame({"file": [str(tmp_path / name) for name in names]}))
    assert str(error.value).startswith(f"{tmp_path / 'fatal.wav'}: its decoder crashes")


def test_many_small_files_are_worth_processes(tmp_path, monkeypatch):
    pools, make = [], scan._pool
    monkeypatch.setattr(scan, "_pool", lambda processes: pools.append(processes) or make(processes))
    names = [str(tmp_path / f"{number}.ogg") for number in range(1001)]
    assert len(measure(pd.DataFrame({"file": names}))[1]) == 1001
    assert len(pools) == 1
    measure(pd.DataFrame({"file": names[1:]}))
    assert len(pools) == 1


def test_an_interrupt_does_not_wait_for_what_has_not_begun(tone, monkeypatch):
    asked, shut = [], ProcessPoolExecutor.shutdown
    monkeypatch.setattr(scan, "_WORTH_PROCESSES", 0)
    monkeypatch.setattr(
        ProcessPoolExecutor, "shutdown", lambda pool, *args, **how: asked.append(how) or shut(pool, *args, **how)
    )

    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(rows_of(tone), progress=interrupt)
    assert asked[0] == {"cancel_futures": True}


STOPPED = """
import os, signal, sys
from contextlib import contextmanager
from datamodules.manifest import scan
from lightning_app.commands import prepare
from lightning_app.cli import main

@contextmanager
def stopping(verb):
    yield lambda done, total: how()

if __name__ == "__main__":
    # Who starts the tests in the background has them ignore it, and all that they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    scan._WORTH_PROCESSES = 0
    prepare._progress = stopping
    how = {"SIGTERM": lambda: os.kill(os.getpid(), signal.SIGTERM), "SIGINT": lambda: os.killpg(0, signal.SIGINT)}
    how = how[sys.argv[1]]
    sys.exit(main(["prepare", "table", sys.argv[2], "--out", sys.argv[3]]))
"""


# A cluster tells the main process alone; a terminal tells the decoders, too.
@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_a_stopped_prepare_leaves_no_decoder_behind(tone, tmp_path, name, code):
    for number in range(320):
        (tmp_path / f"{number}.wav").symlink_to(tone)
    (tmp_path / "mine.csv").write_text("path\n" + "".join(f"{number}.wav\n" for number in range(320)))
    (tmp_path / "stopped.py").write_text(STOPPED)
    words = [sys.executable, "stopped.py", name, "mine.csv", "out.csv"]
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join([str(CHECKOUT), os.environ.get("PYTHONPATH", "")])}
    with subprocess.Popen(
        words, cwd=tmp_path, env=paths, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as ran:
        try:
            said = ran.communicate(timeout=300)[1]  # ends when the last process has closed the stream
        finally:
            with suppress(ProcessLookupError):
                os.killpg(ran.pid, signal.SIGKILL)
    assert ran.returncode == code, said
    assert "Traceback" not in said
    assert not (tmp_path / "out.csv").exists()


def test_the_column_of_oddities_is_made_where_there_are_any(tone):
    assert "oddity" not in measure(rows_of(tone))[0]
