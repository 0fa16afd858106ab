"""Damaged and hostile manifests: read as far as they are sound, or refused by a DataError; nothing else."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datamodules.manifest.reading import read_manifest

CELLS = [
    *(
        "",
        " ",
        "anger",
        "Angry",
        "train",
        "1e308",
        "-1",
        "nan",
        "inf",
        "3,5",
        "٣",
        "1_0",
        "9" * 400,
        "=1+1",
        "\0",
        "\r",
    ),
    *(
        "../../etc/passwd",
        "/dev/zero",
        "a.wav",
        "a" * 300,
        "\ud7ff",
        "\ufeff",
        "🙂",
        "f" * 64,
        '"',
        '""',
        ",",
        ";",
        "\n",
    ),
]
COLUMNS = ["id", "path", "start", "end", "duration", "sample_rate", "speaker", "gender", "split", "emotion", "valence"]
COLUMNS += ["sha256", "oddity", "fold_speaker", "fold_", "transcript", "x", "file"]
SEED = 20_260


def damaged(data: bytes, draw: np.random.Generator) -> bytes:
    """Some bytes changed, cut out, repeated or put in."""
    changed = bytearray(data)
    for _ in range(draw.integers(1, 6)):
        first, last = sorted(draw.integers(0, len(changed) + 1, 2))
        last = min(last, first + int(draw.integers(1, 64)))
        kind = draw.integers(5)
        if kind == 0:
            changed[first:last] = draw.bytes(last - first)
        elif kind == 1:
            del changed[first:last]
        elif kind == 2:
            changed[first:first] = changed[first:last] * int(draw.integers(1, 50))
        elif kind == 3 and len(changed):
            changed[min(first, len(changed) - 1)] ^= 1 << int(draw.integers(8))
        elif draw.random() < 0.2:
            del changed[first:]
    return bytes(changed)


def columns_of(draw: np.random.Generator) -> dict[str, list[str]]:
    names = draw.permutation(COLUMNS)[: draw.integers(1, 9)].tolist()
    names += ["path"] if draw.random() < 0.8 and "path" not in names else []
    rows = int(draw.integers(1, 6))
    return {name: [CELLS[draw.integers(len(CELLS))] for _ in range(rows)] for name in names}


def csv_case(draw: np.random.Generator) -> bytes:
    text = pd.DataFrame(columns_of(draw)).to_csv(index=False)
    data = text.encode(["utf-8", "utf-8-sig", "utf-16", "utf-8"][draw.integers(4)], "surrogatepass")
    return damaged(data, draw) if draw.random() < 0.7 else data


def parquet_case(draw: np.random.Generator) -> bytes:
    columns: dict[str, pa.Array] = {}
    for name, cells in columns_of(draw).items():
        kinds: list[Callable[[], pa.Array]] = [
            lambda cells=cells: pa.array(cells),  # type: ignore[misc]
            lambda cells=cells: pa.array(cells).dictionary_encode(),  # type: ignore[misc]
            lambda cells=cells: pa.array([cell.encode() for cell in cells]),  # type: ignore[misc]
            lambda cells=cells: pa.array([[cell] for cell in cells]),  # type: ignore[misc]
            lambda cells=cells: pa.array([{"a": cell} for cell in cells]),  # type: ignore[misc]
            lambda cells=cells: pa.array(draw.normal(size=len(cells)) * 10.0 ** draw.integers(-3, 300)),  # type: ignore[misc]
            lambda cells=cells: pa.array(draw.integers(-3, 9, len(cells))),  # type: ignore[misc]
            lambda cells=cells: pa.array(draw.random(len(cells)) < 0.5),  # type: ignore[misc]
            lambda cells=cells: pa.nulls(len(cells)),  # type: ignore[misc]
            lambda cells=cells: pa.array(draw.integers(0, 9, len(cells))).cast(pa.timestamp("ns")),  # type: ignore[misc]
            lambda cells=cells: pa.array(draw.integers(0, 9, len(cells))).cast(pa.decimal128(30)),  # type: ignore[misc]
        ]
        columns[name] = kinds[draw.integers(len(kinds)) if draw.random() < 0.4 else 0]()
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, compression=["none", "snappy", "zstd"][draw.integers(3)])
    return damaged(sink.getvalue(), draw) if draw.random() < 0.7 else sink.getvalue()


@pytest.mark.parametrize("cases", [200, pytest.param(10_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("ending", "make"), [("csv", csv_case), ("parquet", parquet_case)])
def test_damaged_manifests(
    ending: str,
    make: Callable[[np.random.Generator], bytes],
    cases: int,
    outcome: Callable[[str, Path, Callable[[], object]], object],
    tmp_path: Path,
) -> None:
    (tmp_path / "a.wav").touch()
    path, accepted = tmp_path / f"m.{ending}", 0
    for case in range(cases):
        path.write_bytes(make(np.random.default_rng([SEED, case])))
        rows = outcome(f"case {case} of {ending}", path, lambda: read_manifest(path, check_files=case % 2 == 0))  # noqa: B023
        if rows is not None:
            accepted += 1
            assert {"id", "path", "file"} <= set(rows), f"case {case}"  # type: ignore[call-overload]
    assert 0 < accepted < cases / 2
