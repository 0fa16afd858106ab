"""The chain file: which stages there are, what each starts from, and what a matrix repeats them over."""

import difflib
import itertools
import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from lightning_app.cli import LIGHTNING_VERBS
from lightning_app.config.files import find_config, is_file, merge
from lightning_app.config.yaml_file import load_yaml, where
from lightning_app.errors import ConfigError

VERBS = (*LIGHTNING_VERBS, "prepare")
Setting = tuple[str, str]  # stage, or "*", and dotted key
Start = str | dict[str, str] | None


@dataclass(frozen=True)
class ChainStage:
    """One stage of a chain.

    Args:
        name: Its name in the chain file; also the name of its run folder.
        verb: ``fit``, ``validate``, ``test``, ``predict`` or ``prepare``.
        configs: Configuration files, later over earlier.
        args: Further words of the command line.
        start: The stage or the checkpoint file whose weights it starts from, or a mapping of its parts to stages and
            files (`clap.audio: ser:audio`); None for fresh weights.
        after: Stages that must be done before it.
        outputs: Files that it leaves outside its run folder.
    """

    name: str
    verb: str
    configs: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    start: Start = None
    after: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()

    @property
    def lightning(self) -> bool:
        """Whether the stage is a LightningModule, which writes its own done.json."""
        return self.verb in LIGHTNING_VERBS


@dataclass(frozen=True)
class Chain:
    """A chain file as it was read; ``axes`` is axis -> label -> (stage, key) -> value.

    ``plugins`` are the folders, and ``trust`` the packages, of the modules that a user adds: for every stage.
    """

    path: Path
    name: str
    runs: Path
    stages: dict[str, ChainStage]
    settings: dict[Setting, Any] = field(default_factory=dict)
    axes: dict[str, dict[str, dict[Setting, Any]]] = field(default_factory=dict)
    launcher: dict[str, Any] | None = None
    report: dict[str, Any] | None = None
    plugins: tuple[Path, ...] = ()
    trust: tuple[str, ...] = ()


def read_chain(path: Path) -> Chain:
    """Read and check a chain file.

    Raises:
        ConfigError: For anything it does not know, with ``file:line:column`` and what may have been meant.
    """
    content = _content(path, ())
    reader = _Reader(path)
    reader.known(content, ("name", "runs", "launcher", "set", "matrix", "stages", "report", "plugins", "trust"), ())
    for key in ("runs", "stages"):
        if not content.get(key):
            raise ConfigError(f"{path}: key `{key}` is missing")
    reader.configured = _configured_by_axes(content.get("matrix"))
    stages = {name: reader.stage(name, entry) for name, entry in reader.mapping(content["stages"], "stages").items()}
    reader.names = tuple(stages)
    for stage in stages.values():
        for other in stage.after:
            reader.one_of(other, reader.names, ("stages", stage.name, "after"), "stage")
        for other in stages_in(stage.start):
            reader.one_of(other, reader.names, ("stages", stage.name, "from"), "stage")
    matrix = reader.mapping(content.get("matrix"), "matrix")
    axes = {name: reader.axis(name, entry) for name, entry in matrix.items() if entry is not None}
    reader.disjoint(axes)
    return Chain(
        path=path,
        name=str(content.get("name", path.stem)),
        runs=Path(str(content["runs"])),
        stages=stages,
        settings=reader.settings(reader.mapping(content.get("set"), "set")),
        axes=axes,
        launcher=reader.mapping(content.get("launcher"), "launcher") or None,
        report=reader.mapping(content["report"], "report") if "report" in content else None,
        plugins=tuple(path.parent / folder for folder in reader.words(content.get("plugins"), "plugins")),
        trust=reader.words(content.get("trust"), "trust"),
    )


def _content(path: Path, trail: tuple[Path, ...]) -> dict[str, Any]:
    """Read a chain file, laid over the one that its ``config:`` names; an axis that is null there is left out."""
    content = load_yaml(path)
    base = content.pop("config", None)
    if base is None:
        return content
    below = path.parent / str(base)
    if path in trail or not is_file(below):
        raise ConfigError(
            f"{where(path, ['config'])}: {base} {'includes this file' if path in trail else 'is not there'}"
        )
    return merge(_content(below, (*trail, path)), content)


def _configured_by_axes(matrix: Any) -> frozenset[str]:
    """Stages that some axis gives a configuration in each of its variants."""
    found: set[str] = set()
    for entry in matrix.values() if isinstance(matrix, dict) else ():
        variants = [each for each in entry.values() if isinstance(each, dict)] if isinstance(entry, dict) else []
        keys = [{key.removesuffix(".config") for key in variant if key.endswith(".config")} for variant in variants]
        found |= set.intersection(*keys) if keys else set()
    return frozenset(found)


def is_file_name(source: str) -> bool:
    """Whether a source in ``from`` names a checkpoint file rather than a stage; a part may be named behind it."""
    return ".ckpt" in source


def stages_in(start: Start) -> tuple[str, ...]:
    """The stages that a ``from`` names, each once."""
    if start is None:
        return ()
    sources = start.values() if isinstance(start, dict) else [start]
    return tuple(dict.fromkeys(source.partition(":")[0] for source in sources if not is_file_name(source)))


class _Reader:
    """Checks the parts of one chain file; every complaint names its place."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names: tuple[str, ...] = ()
        self.configured: frozenset[str] = frozenset()

    def fail(self, keys: Sequence[str], problem: str) -> NoReturn:
        raise ConfigError(f"{where(self.path, keys)}: {problem}")

    def one_of(self, word: str, choices: Iterable[str], keys: Sequence[str], what: str) -> None:
        choices = list(choices)
        if word not in choices:
            near = difflib.get_close_matches(word, choices, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected one of: {', '.join(choices)}"
            self.fail(keys, f"unknown {what} {word!r}; {hint}")

    def known(self, entry: dict[str, Any], keys: Sequence[str], place: tuple[str, ...]) -> None:
        for key in entry:
            self.one_of(key, keys, (*place, key), "key")

    def mapping(self, value: Any, *place: str) -> dict[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.fail(place, f"expected `key: value` lines, found {value!r}")
        return value

    def words(self, value: Any, *place: str) -> tuple[str, ...]:
        """Return one word or a list of words as a tuple."""
        if value is None:
            return ()
        items = value if isinstance(value, list) else [value]
        for item in items:
            if isinstance(item, dict | list):
                self.fail(place, f"expected a word or a list of words, found {value!r}")
        return tuple(item if isinstance(item, str) else json.dumps(item) for item in items)

    def stage(self, name: str, entry: Any) -> ChainStage:
        place = ("stages", name)
        if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
            self.fail(place, f"stage name {name!r}: use letters, digits, _ and -")
        entry = self.mapping(entry, *place)
        self.known(entry, ("verb", "config", "args", "from", "after", "output"), place)
        verb = str(entry.get("verb", "fit"))
        self.one_of(verb, VERBS, (*place, "verb"), "verb")
        configs = self.words(entry.get("config"), *place, "config")
        if verb in LIGHTNING_VERBS and not configs and name not in self.configured:
            self.fail(place, f"stage {name!r} needs `config:`, one or several YAML files, here or from an axis")
        if verb not in LIGHTNING_VERBS and (configs or "from" in entry):
            self.fail(place, f"stage {name!r}: `{verb}` takes `args`, not `config` or `from`")
        return ChainStage(
            name=name,
            verb=verb,
            configs=tuple(self.config(config, (*place, "config")) for config in configs),
            args=self.words(entry.get("args"), *place, "args"),
            start=self.start(entry.get("from"), *place, "from"),
            after=self.words(entry.get("after"), *place, "after"),
            outputs=self.words(entry.get("output"), *place, "output"),
        )

    def start(self, value: Any, *place: str) -> Start:
        """Read ``from``: a stage or a checkpoint, or a mapping of parts to them."""
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, dict) and value and all(isinstance(each, str) for each in value.values()):
            return value
        self.fail(place, f"expected a stage, or `part: stage` lines such as `clap.audio: ser`, found {value!r}")

    def config(self, name: str, place: Sequence[str]) -> str:
        """Return the path of a configuration file: beside the chain file, as given, or installed with the package."""
        beside = self.path.parent / name
        try:
            path = beside if is_file(beside) else find_config(name)
        except ConfigError as error:
            self.fail(place, str(error))
        near = os.path.relpath(path)
        return str(path) if near.startswith("..") else near

    def settings(self, entry: dict[str, Any]) -> dict[Setting, Any]:
        """Read ``set:``: STAGE or ``*``, then dotted keys."""
        settings: dict[Setting, Any] = {}
        for name, values in entry.items():
            self.one_of(name, ("*", *self.names), ("set", name), "stage")
            for key, value in self.mapping(values, "set", name).items():
                if key == "config":
                    self.fail(("set", name, key), f"give the files to the stage: `stages: {name}: config:`")
                settings[name, key] = value
        return settings

    def axis(self, name: str, entry: Any) -> dict[str, dict[Setting, Any]]:
        """Read one axis in its long form (label -> settings) or its short one (``values`` and ``keys``)."""
        place = ("matrix", name)
        if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
            self.fail(place, f"axis name {name!r}: use letters, digits, _ and -")
        entry = self.mapping(entry, *place)
        if not entry:
            self.fail(place, f"axis {name!r} has no values")
        if {"values", "keys"} & set(entry):
            self.known(entry, ("values", "keys"), place)
            return self.short_axis(name, entry)
        return {
            self.label(label, (*place, label)): {
                (setting := self.setting(key, (*place, label, key))): self.files(setting, value, (*place, label, key))
                for key, value in self.mapping(variant, *place, label).items()
            }
            for label, variant in entry.items()
        }

    def files(self, setting: Setting, value: Any, place: tuple[str, ...]) -> Any:
        """Find the files of ``STAGE.config``, which an axis adds to the stage's own; other values stay as they are."""
        if setting[1] != "config":
            return value
        return tuple(self.config(name, place) for name in self.words(value, *place))

    def short_axis(self, name: str, entry: dict[str, Any]) -> dict[str, dict[Setting, Any]]:
        place = ("matrix", name)
        values, keys = entry.get("values"), self.words(entry.get("keys"), *place, "keys")
        if not isinstance(values, list) or not values or not keys:
            self.fail(place, f"axis {name!r} needs `values:`, a list, and `keys:`, what they set (STAGE.KEY)")
        targets = [self.setting(key, (*place, "keys")) for key in keys]
        labels = [re.sub(r"[^\w.+-]+", "-", v if isinstance(v, str) else json.dumps(v)) for v in values]
        for label in labels:
            if labels.count(label) > 1:
                self.fail((*place, "values"), f"axis {name!r} has the value {label} twice")
        return {label: dict.fromkeys(targets, value) for label, value in zip(labels, values, strict=True)}

    def label(self, label: str, place: Sequence[str]) -> str:
        if not re.fullmatch(r"[\w.+-]+", label):
            self.fail(place, f"label {label!r} names a folder: use letters, digits and . + - _")
        return label

    def setting(self, text: str, place: Sequence[str]) -> Setting:
        stage, dot, key = text.partition(".")
        if not dot or not key:
            self.fail(place, f"expected STAGE.KEY, such as {self.names[-1]}.trainer.max_epochs, found {text!r}")
        self.one_of(stage, ("*", *self.names), place, "stage")
        return stage, key

    def disjoint(self, axes: dict[str, dict[str, dict[Setting, Any]]]) -> None:
        """Refuse two axes that set the same key of the same stage: one would silently win."""
        keys = {name: set().union(*variants.values()) for name, variants in axes.items()}
        for (one, of_one), (other, of_other) in itertools.combinations(keys.items(), 2):
            for stage, key in sorted(of_one & of_other):
                self.fail(("matrix", other), f"axes {one!r} and {other!r} both set {stage}.{key}")
