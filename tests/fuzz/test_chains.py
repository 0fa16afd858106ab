"""Damaged and hostile chain files, and marks of runs: planned, or refused by a ConfigError; nothing else."""

import json
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from lightning_app.chain.file import read_chain
from lightning_app.chain.matrix import expand_matrix
from lightning_app.chain.plan import plan, require_inputs
from lightning_app.chain.reading import Answer, Question, read_runs
from lightning_app.config.command_line import said
from lightning_app.errors import ConfigError

SEED, SECONDS = 7_919, 60
STAGE = """
model: {class_path: stages.clap.ClapTraining, init_args: {init_from: null, loss: {class_path: losses.InfoNCE}}}
data: {class_path: datamodules.clips.data.ClipData, init_args: {manifest: m.csv, labels: six, split: {fold: 0}}}
"""
WORDS: list[Any] = [
    None, True, 0, -1, 3.5, float("nan"), 10**30, "", " ", "a", "clep", "acpt", "a.yaml", "b.yaml", "none.yaml",
    "m.csv", "x" * 300,
    "x/" * 2500, "\0", "..", "/", "/dev/zero", "a.ckpt", "*", "*.seed_everything", "clep.data.split.fold", "fit",
    "prepare", "stages.clap.ClapTraining", "os.system", "🙂", "=", "a=b", "{", "--x", "run\nning", [], {}, [[]],
    [None], [{}], {"": 1}, {"a": None}, {"values": [1], "keys": ["clep.data.split.fold"]},
    {"values": [], "keys": []}, [1, 1],
]  # fmt: skip
WHOLE: dict[str, Any] = {
    "name": "toy",
    "runs": "runs",
    "set": {"*": {"seed_everything": 1}, "clep": {"trainer.max_epochs": 2}},
    "matrix": {
        "fold": {"values": [0, 1], "keys": ["clep.data.init_args.split.fold"]},
        "loss": {"one": {"acpt.model.loss": "losses.InfoNCE"}, "two": {"acpt.config": "b.yaml", "acpt.from": None}},
    },
    "stages": {
        "corpus": {"verb": "prepare", "args": ["demo", "--out", "m.csv"], "output": "m.csv"},
        "clep": {"verb": "fit", "config": "a.yaml", "after": ["corpus"]},
        "acpt": {"verb": "fit", "config": ["a.yaml", "b.yaml"], "from": "clep"},
        "evaluation": {"verb": "test", "config": "a.yaml", "from": "acpt"},
    },
    "launcher": {"class_path": "Slurm", "init_args": {"gpus": 2}},
    "report": {"title": "A title"},
}


def altered(tree: Any, draw: np.random.Generator) -> Any:
    """A copy of a tree in which something is replaced, left out, renamed or added, somewhere."""
    if not isinstance(tree, dict | list) or not tree or draw.random() < 0.15:
        return WORDS[draw.integers(len(WORDS))]
    if isinstance(tree, list):
        place = int(draw.integers(len(tree)))
        return [altered(item, draw) if number == place else item for number, item in enumerate(tree)]
    keys = list(tree)
    key = keys[draw.integers(len(keys))]
    copy = dict(tree)
    kind = draw.integers(8)
    if kind == 0:
        del copy[key]
    elif kind == 1:
        copy[str(WORDS[draw.integers(len(WORDS))])] = copy.pop(key)
    elif kind == 2:
        copy[keys[draw.integers(len(keys))]] = tree[key]
    else:
        copy[key] = altered(tree[key], draw)
    return copy


def damaged(text: str, draw: np.random.Generator) -> bytes:
    data = bytearray(text.encode("utf-8", "surrogatepass"))
    for _ in range(draw.integers(1, 4)):
        first = int(draw.integers(len(data) + 1))
        last = min(len(data), first + int(draw.integers(1, 20)))
        kind = draw.integers(3)
        if kind == 0:
            data[first:last] = draw.bytes(last - first)
        elif kind == 1:
            del data[first:last]
        else:
            data[first:first] = [b"{", b"[", b": ", b"\n  - ", b"&a *a", b"\t", b"!!python/name:os.system ", b"<<: "][
                draw.integers(8)
            ]
    return bytes(data)


def chain_text(draw: np.random.Generator) -> bytes:
    tree: Any = WHOLE
    for _ in range(draw.integers(0, 4)):
        tree = altered(tree, draw)
    text = yaml.safe_dump(tree, allow_unicode=True, default_flow_style=bool(draw.integers(2)))
    return damaged(text, draw) if draw.random() < 0.3 else text.encode("utf-8", "surrogatepass")


def mark(draw: np.random.Generator) -> bytes:
    """What done.json or started.json may have become."""
    tree: Any = {
        "command": ["fit"],
        "fingerprint": {"config": "0", "inputs": {"m.csv": "1"}, "settings": {"verb": "fit"}},
        "outputs": {"best.ckpt": "2"}, "metrics": {}, "versions": {}, "started": "", "finished": "", "seconds": 1.0,
        "host": "",
    }  # fmt: skip
    for _ in range(draw.integers(0, 3)):
        tree = altered(tree, draw)
    text = json.dumps(tree)
    return damaged(text, draw) if draw.random() < 0.2 else text.encode()


def as_said(questions: Sequence[Question]) -> list[Answer]:
    """What commands say: the classes that they name are not asked."""
    return [Answer(settings=said(question.words[1:])) for question in questions]


@pytest.mark.parametrize("cases", [200, pytest.param(10_000, marks=pytest.mark.slow)])
def test_damaged_chains(cases: int, bounds: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.yaml", "b.yaml"):
        Path(name).write_text(STAGE)
    Path("m.csv").write_text("path\n")
    Path("runs/clep/fold=0").mkdir(parents=True)
    planned = refused = 0
    for case in range(cases):
        draw = np.random.default_rng([SEED, case])
        Path("chain.yaml").write_bytes(chain_text(draw))
        for name in ("done.json", "started.json"):
            Path("runs/clep/fold=0", name).unlink(missing_ok=True)
            if draw.random() < 0.5:
                Path("runs/clep/fold=0", name).write_bytes(mark(draw))
        signal.alarm(SECONDS)
        try:
            runs = read_runs(expand_matrix(read_chain(Path("chain.yaml")), {}, as_said), as_said)
            require_inputs(runs, plan(runs))
            planned += 1
        except ConfigError:
            refused += 1
        except Exception as error:
            raise AssertionError(f"case {case}: {error!r}") from error
    assert min(planned, refused) > cases / 10
