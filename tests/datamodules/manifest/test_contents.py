"""A file that changed is noticed; one that did not is looked at, and not read."""

import hashlib
import os
import threading
from pathlib import Path

import pytest

from datamodules.manifest import contents
from datamodules.manifest.contents import Contents, stamp_of


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Three files and their SHA-256."""
    found = {}
    for number in range(3):
        path = tmp_path / f"{number}.wav"
        path.write_bytes(bytes([number]) * 1000)
        found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were read to their end, as they come."""
    seen: list[str] = []
    digest = contents.sha256
    monkeypatch.setattr(contents, "sha256", lambda path: (seen.append(path.name), digest(path))[1])
    return seen


def test_a_file_is_read_again_only_when_it_changes(tmp_path: Path, files: dict[str, str], read: list[str]) -> None:
    cache = tmp_path / "cache"
    assert Contents(cache).changed(files) == {}
    assert sorted(read) == ["0.wav", "1.wav", "2.wav"]
    assert Contents(cache).changed(files) == {}
    assert len(read) == 3
    first, second, _ = files
    os.utime(first, (1, 1))  # another time, the same content
    Path(second).write_bytes(b"\7" * 1000)  # the same size, another content
    os.utime(second, (2, 2))
    [(name, problem)] = Contents(cache).changed(files).items()
    assert read[3:] == ["0.wav", "1.wav"]
    assert name == second
    assert files[second][:12] in problem
    assert hashlib.sha256(b"\7" * 1000).hexdigest()[:12] in problem
    assert "lightning-cli prepare" in problem
    assert list(Contents(cache).changed(files)) == [second]
    assert len(read) == 5


def test_what_was_hashed_before_is_not_read(tmp_path: Path, files: dict[str, str], read: list[str]) -> None:
    Contents(tmp_path / "cache").remember(
        {stamp: sha256 for file, sha256 in files.items() if (stamp := stamp_of(file))}
    )
    assert Contents(tmp_path / "cache").changed(files) == {}
    assert read == []


def test_missing_files_damaged_tables_and_folders_without_permission(
    tmp_path: Path, files: dict[str, str], read: list[str]
) -> None:
    cache = tmp_path / "cache"
    Contents(cache).changed(files)
    [table] = (cache / "contents").glob("*.npy")
    table.write_bytes(table.read_bytes()[:40])
    gone = next(iter(files))
    Path(gone).unlink()
    with pytest.warns(UserWarning, match="damaged"):
        assert Contents(cache).changed(files) == {}
    assert len(read) == 5
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    files[list(files)[1]] = "0" * 64
    with pytest.warns(UserWarning, match="cannot be written"):
        assert list(Contents(blocked).changed(files)) == [list(files)[1]]
    assert list(Contents(None).changed(files)) == [list(files)[1]]


def test_ranks_share_the_reading(tmp_path: Path, files: dict[str, str], read: list[str]) -> None:
    files[list(files)[2]] = "0" * 64
    barrier = threading.Barrier(2)
    found: dict[int, dict[str, str]] = {}

    def work(rank: int) -> None:
        found[rank] = Contents(tmp_path / "cache").changed(files, rank, 2, barrier.wait)

    ranks = [threading.Thread(target=work, args=(rank,)) for rank in range(2)]
    for thread in ranks:
        thread.start()
    for thread in ranks:
        thread.join()
    assert sorted(read) == ["0.wav", "1.wav", "2.wav"]
    assert list(found[0]) == list(found[1]) == [list(files)[2]]


def test_a_rank_that_looks_later_reads_its_whole_share(tmp_path: Path, files: dict[str, str], read: list[str]) -> None:
    """The first of two has finished before the second looks at what is not known yet."""
    Contents(tmp_path / "cache").changed(dict([*files.items()][::2]))
    before_barrier: list[str] = []
    Contents(tmp_path / "cache").changed(files, 1, 2, lambda: before_barrier.extend(read[2:]))
    assert before_barrier == ["1.wav"]
