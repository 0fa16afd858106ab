import importlib
import inspect
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from lightning_app.config.class_source import arguments
from lightning_app.config.defaults import with_defaults

ROOT = Path(__file__).parents[3]
MODULE = """
from dataclasses import dataclass
from never_run import Base as Renamed
LIMIT = 3.5
class Plain:
    def __init__(self, a, b: int = -2, *, c=LIMIT, d, e=("x", "y"), f=make()): ...
class Child(Plain): ...
class Open(Renamed):
    def __init__(self, a, **more): ...
class Grandchild(Renamed): ...
class Unknown(somewhere.Base): ...
class Mixin: ...
class Mixed(Mixin, Plain): ...
class Half(somewhere.Mixin, Plain): ...
class Typed(Plain, Generic[T]): ...
@dataclass(frozen=True)
class Data:
    a: int
    b: str = "b"
@dataclass
class More(Data):
    c: float = LIMIT
class Nothing: ...
@dataclass
class Foreign(somewhere.Data):
    c: float
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {"never_imported": MODULE, "broken": "def ("}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("from .code import Plain as Shown\nfrom .code import *\n")
        (tmp_path / name / "code.py").write_text(text)
    (tmp_path / "never_run.py").write_text("raise SystemExit('it ran')\n")
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.parametrize(
    ("name", "names", "defaults", "is_open"),
    [
        ("code.Plain", "abcdef", {"b": -2, "c": 3.5, "e": ["x", "y"], "f": "make()"}, False),
        ("Shown", "abcdef", {"b": -2, "c": 3.5, "e": ["x", "y"], "f": "make()"}, False),
        ("Child", "abcdef", {"b": -2, "c": 3.5, "e": ["x", "y"], "f": "make()"}, False),
        ("code.Open", "a", {}, True),
        ("code.Grandchild", "", {}, True),
        ("code.Unknown", "", {}, True),
        ("code.Mixed", "abcdef", {"b": -2, "c": 3.5, "e": ["x", "y"], "f": "make()"}, False),
        ("code.Half", "abcdef", {"b": -2, "c": 3.5, "e": ["x", "y"], "f": "make()"}, True),
        ("code.Typed", "abcdef", {"b": -2, "c": 3.5, "e": ["x", "y"], "f": "make()"}, False),
        ("code.Foreign", "c", {}, True),
        ("code.Data", "ab", {"b": "b"}, False),
        ("code.More", "abc", {"b": "b", "c": 3.5}, False),
        ("code.Nothing", "", {}, False),
    ],
)
def test_a_class_is_read_and_not_imported(
    mine: None, name: str, names: str, defaults: dict[str, Any], is_open: bool
) -> None:
    found = arguments(f"never_imported.{name}")
    assert found is not None
    assert (found.names, found.defaults, found.open) == (tuple(names), defaults, is_open)
    assert not {"never_imported", "never_imported.code", "never_run"} & set(sys.modules)


@pytest.mark.parametrize(
    "path", ["never_imported.code.Gone", "broken.code.Plain", "nowhere.X", "X", "", "a b.c", "..X", "never_imported..X"]
)
def test_what_is_not_there(mine: None, path: str) -> None:
    assert arguments(path) is None


def named_classes() -> set[str]:
    found = {"lightning_app.callbacks.checkpoint.StageCheckpoint", "lightning.pytorch.Trainer"}
    for file in [*(ROOT / "stages").glob("*.yaml"), *(ROOT / "configs").rglob("*.yaml")]:
        found |= set(_class_paths(yaml.safe_load(file.read_text())))
    return found


def _class_paths(tree: Any) -> list[str]:
    if isinstance(tree, dict):
        own = [tree["class_path"]] if "." in str(tree.get("class_path", "")) else []
        return own + [path for value in tree.values() for path in _class_paths(value)]
    return [path for value in tree for path in _class_paths(value)] if isinstance(tree, list) else []


@pytest.mark.parametrize("path", sorted(named_classes()))
def test_what_is_read_is_what_python_sees(path: str) -> None:
    module, _, name = path.rpartition(".")
    seen = inspect.signature(getattr(importlib.import_module(module), name)).parameters
    found = arguments(path)
    assert found is not None
    if found.open:
        return
    assert found.names == tuple(seen)
    for key, value in found.defaults.items():
        real = seen[key].default
        real = list(real) if isinstance(real, tuple) else real
        assert value == real or isinstance(value, str), key
    given = {key for key, parameter in seen.items() if parameter.default is not inspect.Parameter.empty}
    assert set(found.defaults) == given


def test_defaults_below_keys_and_inside_lists() -> None:
    loss = {"class_path": "losses.InfoNCE"}
    filled = with_defaults({"model.loss": "losses.InfoNCE", "model.more": [loss, 3], "data.text": "losses are high"})
    assert filled["model.loss.targets"] == "identity"
    assert filled["model.more"] == [{"class_path": "losses.InfoNCE", "init_args": {"targets": "identity"}}, 3]
    assert not [key for key in filled if key.startswith("data.text.")]
    said = {"class_path": "losses.InfoNCE", "init_args": {"targets": "label"}}
    assert with_defaults({"a": [said]})["a"] == [said]
    assert with_defaults({"a.class_path": "losses.InfoNCE", "a.targets": "label"})["a.targets"] == "label"
    whole = with_defaults({"a.class_path": "models.clap.Clap", "a.audio_projection.class_path": "models.x.Y"})
    assert "a.audio_projection" not in whole
