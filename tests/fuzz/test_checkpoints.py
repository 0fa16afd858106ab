"""Damaged and hostile checkpoints: taken from, or refused by a CheckpointError, before any class of theirs is known."""

import copy
import io
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lightning_app.errors import ConfigError
from lightning_app.runs.checkpoint_io import digest_file, verify
from lightning_app.runs.inherit import inherited_settings, require_same_stage
from stages.checkpoint import Checkpoint
from stages.errors import CheckpointError

SEED = 20_262
AUDIO = {"class_path": "models.audio.Cnn14", "init_args": {"width_multiplier": 0.03125, "mask_padding": True}}
TEXT = {"class_path": "models.text.TextEncoder", "init_args": {"source": "nobody/nothing", "sha256": None}}
SOUND: dict[str, Any] = {
    "state_dict": {"clap.audio.a": torch.zeros(2, 2), "prompt.context_KCLD": torch.ones(3)},
    "hyper_parameters": {
        "_class_path": "stages.acpt.ACPT",
        "clap": {"class_path": "models.clap.Clap", "init_args": {"dim": 16, "audio": AUDIO, "text": TEXT}},
        "prompt": {"class_path": "models.soft_prompt.SoftPrompt", "init_args": {"contexts": 12}},
        "labels": ["anger", "sadness"],
        "words": ["angry", "sad"],
        "init_from": "runs/clep/best.ckpt",
    },
    "left_out": {"clap.text": {"source": "hub/text", "revision": None, "sha256": "0" * 64, "tensors": ["weight"]}},
    "training_speakers": ["buzz/ann", "buzz/bob"],
    "label_set": "iemocap4",
    "seconds": 1.2,
    "emoclap": "0.2.0",
    "epoch": 3,
    "loops": {"a": [1, (2, 3)]},
}
COMMANDS: list[dict[str, Any]] = [
    {"model.class_path": "stages.acpt.ACPT", "model.init_from": "FILE"},
    {"model.class_path": "stages.acpt.ACPT", "ckpt_path": "FILE", "model.prompt.class_path": "SoftPrompt"},
    {"model": "stages.classifier.TextClassifier", "model.init_from": "FILE"},
    {
        "model.class_path": "stages.evaluation.Evaluation",
        "model.init_from": "FILE",
        "data": "datamodules.clips.data.ClipData",
    },
    {"model.class_path": "stages.clap.ClapTraining", "model.init_from": {"clap.audio": "FILE"}},
]
endless: list[Any] = []
endless.append(endless)
deep: list[Any] = []
for _ in range(400):
    deep = [deep]
ODD: list[Any] = [
    *(None, True, 0, -1, 2**70, float("nan"), "", "a.b", "os.system", "torch.hub.load", "x" * 5000, "\0", b"bytes"),
    *([], {}, (), set(), [[]], [{}], {"a": {}}, {1: 2}, {None: 1}, {"class_path": None}, {"class_path": ["a"]}),
    *({"class_path": "strange_module.Evil"}, {"class_path": "models.clap.Clap", "init_args": "x"}, endless, deep),
    *(
        {"class_path": "models.clap.Clap", "init_args": [1]},
        torch.zeros(2),
        {"a": torch.zeros(1)},
        torch.float16,
        1 + 2j,
    ),
]


def places(tree: Any, trail: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value in a tree of dicts and lists, down to a depth that sound ones have."""
    if trail:
        yield trail
    inside = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in inside if len(trail) < 8 else ():
        yield from places(value, (*trail, key))


def altered(draw: np.random.Generator) -> dict[str, Any]:
    """A sound checkpoint with some values replaced by odd ones, left out, or under other keys."""
    content = copy.deepcopy(SOUND)
    for _ in range(draw.integers(1, 4)):
        ways = list(places(content))
        *trail, last = ways[draw.integers(len(ways))]
        parent = content
        for key in trail:
            parent = parent[key]
        kind = draw.integers(4)
        if kind == 0:
            del parent[last]
        elif kind == 1 and isinstance(parent, dict):
            parent["odd" if draw.random() < 0.5 else 7] = parent[last]
        else:
            parent[last] = ODD[draw.integers(len(ODD))]
        if not content:
            return content
    return content


def saved(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def damaged(data: bytes, draw: np.random.Generator) -> bytes:
    """Some bytes changed, cut out or repeated."""
    changed = bytearray(data)
    for _ in range(draw.integers(1, 5)):
        first = int(draw.integers(len(changed) + 1))
        last = first + int(draw.integers(1, 80))
        kind = draw.integers(4)
        if kind == 0:
            changed[first:last] = draw.bytes(last - first)
        elif kind == 1:
            del changed[first:last]
        elif kind == 2:
            changed[first:first] = changed[first:last]
        else:
            del changed[first:]
        if not changed:
            break
    return bytes(changed)


def outcome(path: Path, command: dict[str, Any]) -> str:
    """``taken``, or ``refused`` by one of our errors; anything else is raised."""
    settings = {key: str(path) if value == "FILE" else value for key, value in command.items()}
    if isinstance(settings.get("model.init_from"), dict):
        settings["model.init_from"] = {"clap.audio": str(path)}
    try:
        verify(path)
        checkpoint = Checkpoint.open(path)
        _ = checkpoint.stage, checkpoint.parts, checkpoint.training_speakers, checkpoint.config("clap.audio")
        inherited_settings("fit", settings)
        class_path = settings.get("model.class_path", settings.get("model"))
        require_same_stage(path, {"class_path": class_path, "init_args": {}}, io.StringIO())
    except (CheckpointError, ConfigError):
        return "refused"
    return "taken"


@pytest.mark.parametrize(
    "cases", [pytest.param(200, id="some"), pytest.param(10_000, id="many", marks=pytest.mark.slow)]
)
@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_checkpoints(bounds: None, tmp_path: Path, cases: int) -> None:
    path, whole = tmp_path / "best.ckpt", saved(SOUND)
    path.write_bytes(whole)
    assert [outcome(path, command) for command in COMMANDS[:2]] == ["taken", "taken"]
    seen = {"taken": 0, "refused": 0}
    for case in range(cases):
        draw = np.random.default_rng([SEED, case])
        content = altered(draw) if draw.random() < 0.7 else None
        path.write_bytes(damaged(whole, draw) if content is None else saved(content))
        if draw.random() < 0.1:
            digest_file(path).write_bytes(draw.bytes(int(draw.integers(0, 90))))
        else:
            digest_file(path).unlink(missing_ok=True)
        signal.alarm(60)
        try:
            seen[outcome(path, COMMANDS[draw.integers(len(COMMANDS))])] += 1
        except Exception as error:
            raise AssertionError(f"case {case} of seed {SEED}: {error!r} for {str(content)[:300]}") from error
    assert min(seen.values()) > cases // 50, seen
    assert "strange_module" not in sys.modules
