"""Features on disk: what goes in comes out, whoever writes beside us and whatever happens to a file."""

import errno
import multiprocessing
import os
import tempfile
import time
import warnings
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules import files as files_module
from datamodules.cache import key_of
from datamodules.kept_rows import KeptRows

WIDTH = 5


def key(number: int) -> bytes:
    return key_of("text", str(number))


def feature(number: int) -> np.ndarray:
    return np.random.default_rng(number).standard_normal(WIDTH).astype(np.float32)


def add(store: KeptRows, numbers: list[int]) -> None:
    store.add([key(number) for number in numbers], np.array([feature(number) for number in numbers]))


def expected(numbers: list[int]) -> np.ndarray:
    return np.array([feature(number) for number in numbers]).reshape(len(numbers), WIDTH)


def shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.npy"))


@settings(max_examples=30, deadline=None)
@given(
    batches=st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=6), min_size=1, max_size=4),
    data=st.data(),
)
def test_what_is_added_is_read_in_any_order_and_as_often_as_asked(
    batches: list[list[int]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        writer = KeptRows(Path(folder))
        for batch in batches:
            add(writer, batch)
        wanted = data.draw(st.lists(st.sampled_from(sorted({number for batch in batches for number in batch}))))
        keys = [key(number) for number in wanted]
        for store in (writer, KeptRows(Path(folder))):
            assert store.missing(keys) == []
            np.testing.assert_array_equal(store.read(keys), expected(wanted))


def test_missing_names_each_key_at_its_first_place(tmp_path: Path) -> None:
    store = KeptRows(tmp_path)
    add(store, [1])
    keys = [key(number) for number in (3, 1, 2, 3, 2)]
    assert store.missing(keys) == [0, 2]
    np.testing.assert_array_equal(np.isnan(store.read(keys)).all(1), [True, False, True, True, True])
    assert store.missing([]) == []
    assert len(store.read([])) == 0


def test_the_first_feature_of_a_key_stays(tmp_path: Path) -> None:
    store = KeptRows(tmp_path)
    add(store, [1])
    store.add([key(1), key(2)], np.zeros((2, WIDTH), np.float32))
    np.testing.assert_array_equal(store.read([key(1), key(2)]), [feature(1), np.zeros(WIDTH)])


def test_a_shard_is_named_after_its_bytes_and_holds_no_pickle(tmp_path: Path) -> None:
    import hashlib

    add(KeptRows(tmp_path / "new" / "folder", {"tower": "a tower"}), [1, 2])
    (path,) = shards(tmp_path / "new" / "folder")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == path.stem
    assert np.load(path, allow_pickle=False)["feature"].shape == (2, WIDTH)
    about = (path.parent / "meta.json").read_text()
    assert '"tower": "a tower"' in about
    assert f'"width": {WIDTH}' in about
    assert '"created": "20' in about
    assert len(list(path.parent.iterdir())) == 2


@pytest.mark.parametrize("where", [0, 130, 160, 200, -1])
def test_a_flipped_bit_costs_one_shard(tmp_path: Path, where: int) -> None:
    writer = KeptRows(tmp_path)
    add(writer, [1, 2])
    add(writer, [3, 4])
    keys = [key(number) for number in (1, 2, 3, 4)]
    np.testing.assert_array_equal(writer.read(keys), expected([1, 2, 3, 4]))
    (damaged,) = [path for path in shards(tmp_path) if np.load(path)["key"][0].tobytes() == key(3)]
    content = bytearray(damaged.read_bytes())
    content[where] ^= 4
    damaged.write_bytes(content)
    with pytest.warns(UserWarning, match=f"{damaged.name}: damaged") as told:
        store = KeptRows(tmp_path)
    assert len(told) == 1
    assert store.missing(keys) == [2, 3]
    assert not damaged.exists()
    add(store, [3, 4])
    assert damaged.exists()
    np.testing.assert_array_equal(store.read(keys), expected([1, 2, 3, 4]))


@pytest.mark.parametrize("left", [0, 10, 128, 250])
def test_a_truncated_shard_is_dropped(tmp_path: Path, left: int) -> None:
    add(KeptRows(tmp_path), [1, 2])
    (path,) = shards(tmp_path)
    path.write_bytes(path.read_bytes()[:left])
    with pytest.warns(UserWarning, match="damaged"):
        store = KeptRows(tmp_path)
    assert len(store) == 0
    assert shards(tmp_path) == []


def test_what_a_killed_writer_left_is_not_read(tmp_path: Path) -> None:
    add(KeptRows(tmp_path), [1])
    (tmp_path / ".x.part").write_bytes(shards(tmp_path)[0].read_bytes()[:100])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store = KeptRows(tmp_path)
    assert len(store) == 1


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    add(KeptRows(tmp_path), [1])
    for name in ("notes.txt", "mine.npy", "0" * 64):
        (tmp_path / name).write_text("mine")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(KeptRows(tmp_path)) == 1
    assert (tmp_path / "mine.npy").read_text() == "mine"


def test_a_feature_of_another_width_is_refused_before_it_is_written(tmp_path: Path) -> None:
    store = KeptRows(tmp_path)
    add(store, [1])
    with pytest.raises(ValueError, match="features of 2 numbers among some of 5"):
        store.add([key(2)], np.zeros((1, 2), np.float32))
    assert len(shards(tmp_path)) == 1


def test_a_file_in_the_folders_place_is_one_warning(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    store = KeptRows(blocked / "features")
    with pytest.warns(UserWarning, match=r"features: cannot be written \(.*held in memory"):
        add(store, [1, 2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        add(store, [3])
    assert not store.writable
    np.testing.assert_array_equal(store.read([key(3), key(1)]), expected([3, 1]))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("mode", [0o500, 0o000])
def test_a_folder_without_permission_is_one_warning(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    try:
        store = KeptRows(tmp_path / "features")
        with pytest.warns(UserWarning, match="Permission denied"):
            add(store, [1])
        np.testing.assert_array_equal(store.read([key(1)]), expected([1]))
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_keeps_what_is_there_and_holds_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    store = KeptRows(tmp_path)
    add(store, [1])

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files_module.os, step, full)
    with pytest.warns(UserWarning, match="No space left on device"):
        add(store, [2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        add(store, [3])
    np.testing.assert_array_equal(store.read([key(n) for n in (3, 2, 1)]), expected([3, 2, 1]))
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".npy"]
    np.testing.assert_array_equal(KeptRows(tmp_path).read([key(1)]), expected([1]))
    assert KeptRows(tmp_path).missing([key(2)]) == [0]


def test_a_killed_write_leaves_no_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files_module.os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        add(KeptRows(tmp_path), [1])
    assert list(tmp_path.iterdir()) == []


def _write_many(folder: Path, start: Event, first: int) -> None:
    store = KeptRows(folder)
    start.wait(300)
    for batch in range(20):
        add(store, [first + 10 * batch + row for row in range(10)])


@pytest.mark.parametrize("firsts", [(0, 0), (0, 95)], ids=["same keys", "overlapping keys"])
def test_two_writers_and_a_reader_at_once(tmp_path: Path, firsts: tuple[int, int]) -> None:
    context = multiprocessing.get_context("fork")  # spawned processes would import for seconds
    start = context.Event()
    writers = [context.Process(target=_write_many, args=(tmp_path, start, first)) for first in firsts]
    for writer in writers:
        writer.start()
    start.set()
    everything = sorted({first + row for first in firsts for row in range(200)})
    seen, deadline = KeptRows(tmp_path), time.monotonic() + 300
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        while len(seen) < len(everything) and time.monotonic() < deadline:
            seen.refresh()
            there = [number for number in everything if not seen.missing([key(number)])]
            if there:
                np.testing.assert_array_equal(seen.read([key(number) for number in there]), expected(there))
        for writer in writers:
            writer.join(300)
        assert [writer.exitcode for writer in writers] == [0, 0]
        again = KeptRows(tmp_path)
    assert len(again) == len(everything)
    np.testing.assert_array_equal(again.read([key(number) for number in everything]), expected(everything))
    assert sorted({path.suffix for path in tmp_path.iterdir()}) == [".json", ".npy"]
