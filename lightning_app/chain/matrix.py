"""A chain and its matrix become runs: one for every stage and every combination of what reaches it."""

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lightning_app.chain.file import Chain, ChainStage, Setting, Start, is_file_name, stages_in
from lightning_app.chain.reading import ChildReader, Question, Reader
from lightning_app.config.command_line import said
from lightning_app.errors import ConfigError
from lightning_app.runs.files import BEST_CKPT
from lightning_app.runs.fingerprint import Fingerprint, command_fingerprint, fingerprint


@dataclass(frozen=True)
class Run:
    """One run of one stage.

    Args:
        stage: The stage.
        cell: Label of each axis that reaches the stage or one it needs.
        folder: Its run folder.
        arguments: Its command line, from the verb on.
        depends_on: Folders of the runs that must be done before it.
        settings: What the parser makes of its command, under dotted keys; None where it has not been asked.
    """

    stage: ChainStage
    cell: dict[str, str]
    folder: Path
    arguments: tuple[str, ...]
    depends_on: tuple[Path, ...]
    settings: Mapping[str, Any] | None = None

    @property
    def title(self) -> str:
        """Stage and cell, as ``acpt seed=1``."""
        return " ".join([self.stage.name, *(f"{axis}={label}" for axis, label in self.cell.items())])

    def fingerprint(self) -> Fingerprint:
        """The fingerprint of its command, with its inputs as they are at this moment."""
        if self.settings is None:
            return fingerprint(self.arguments)
        return command_fingerprint(self.stage.verb, self.settings)


def expand_matrix(chain: Chain, overrides: dict[Setting, Any] | None = None, read: Reader | None = None) -> list[Run]:
    """Return every run of a chain, each after those it needs, cell by cell.

    Cells share a run when no axis in which they differ reaches its stage or a stage it needs.

    Args:
        chain: The chain.
        overrides: Settings that win over those of the chain file.
        read: Asks the parser, which says which stages take a key for ``*``; a process of its own by default.

    Raises:
        ConfigError: If stages need each other in a circle, or a setting for ``*`` reaches no stage.
    """
    return list(_Expansion(chain, overrides or {}, read or ChildReader()).runs().values())


class _Expansion:
    def __init__(self, chain: Chain, overrides: dict[Setting, Any], read: Reader) -> None:
        self.chain, self.read = chain, read
        self.fixed = self.spread(chain.settings)
        self.axes = {
            axis: {label: self.spread(variant) for label, variant in variants.items()}
            for axis, variants in chain.axes.items()
        }
        self.overrides = self.spread(overrides)
        self.touched = {
            axis: {stage for variant in variants.values() for stage, _ in variant}
            for axis, variants in self.axes.items()
        }

    def spread(self, settings: dict[Setting, Any]) -> dict[Setting, Any]:
        """Write ``*`` out: every Lightning stage that has the key. What names a stage wins over what does not."""
        wide: dict[Setting, Any] = {}
        for (stage, key), value in settings.items():
            if stage != "*":
                continue
            reached = [name for name, each in self.chain.stages.items() if each.lightning and self.takes(name, key)]
            if not reached:
                raise ConfigError(f"{self.chain.path}: `*` with {key}: no stage takes this key")
            wide |= {(name, key): value for name in reached}
        return wide | {setting: value for setting, value in settings.items() if setting[0] != "*"}

    def takes(self, stage: str, key: str) -> bool:
        """Whether a stage has a key: the command line's own and the trainer's always, others if the parser says so."""
        name = ".".join(part for part in key.split(".") if part != "init_args")
        if "." not in name or name.startswith("trainer."):
            return True
        return any(leaf == name or leaf.startswith(f"{name}.") for leaf in self.keys[stage])

    @cached_property
    def keys(self) -> dict[str, set[str]]:
        """The keys of each Lightning stage, in any of its variants."""
        asked = [(name, words) for name, stage in self.chain.stages.items() for words in self.variants(stage)]
        questions = [Question(words, str(self.chain.runs / name / BEST_CKPT)) for name, words in asked]
        keys: dict[str, set[str]] = {name: set() for name in self.chain.stages}
        for (name, words), answer in zip(asked, self.read(questions), strict=True):
            # Of a command that is not whole without the chain's settings, what it says itself is all that is known.
            keys[name] |= set(said(words[1:]) if answer.settings is None else answer.settings)
        return keys

    def variants(self, stage: ChainStage) -> list[tuple[str, ...]]:
        """A stage's command without the settings of the chain, once with each of the files that axes add to it."""
        if not stage.lightning:
            return []
        variants = [variant for axis in self.chain.axes.values() for variant in axis.values()]
        added = [
            tuple(file for name in ("*", stage.name) for file in variant.get((name, "config"), ()))
            for variant in variants
        ]
        start = _init_from(stage.start, {name: self.chain.runs / name for name in self.chain.stages})
        found = []
        for more in dict.fromkeys(added or [()]):
            files = (*stage.configs, *more)
            found.append((stage.verb, *(f"--config={file}" for file in files), *stage.args, *start))
        return found

    def runs(self) -> dict[Path, Run]:
        cells = [dict(zip(self.axes, labels, strict=True)) for labels in itertools.product(*self.axes.values())]
        graphs = [self.graph(cell) for cell in cells]
        for graph in graphs:
            _ordered(graph, list(self.chain.stages), self.chain.path)  # also a circle that nothing else needs
        needed = {other for graph in graphs for upstream in graph.values() for other in upstream}
        last = [name for name in self.chain.stages if name not in needed]
        found: dict[Path, Run] = {}
        for cell, graph in zip(cells, graphs, strict=True):
            for run in self.cell_runs(cell, graph, last):
                found.setdefault(run.folder, run)
        return found

    def value(self, cell: dict[str, str], stage: str) -> dict[str, Any]:
        """Return what a cell sets for a stage, key by key, the strongest last."""
        layers = [self.fixed, *(self.axes[axis][label] for axis, label in cell.items()), self.overrides]
        return {key: value for layer in layers for (name, key), value in layer.items() if name == stage}

    def start(self, cell: dict[str, str], stage: ChainStage) -> Start:
        """What a stage starts from in a cell: an axis or an override may say ``STAGE.from``."""
        start = self.value(cell, stage.name).get("from", stage.start)
        sources = start.values() if isinstance(start, dict) else [start]
        if not all(isinstance(source, str | None) for source in sources):
            raise ConfigError(
                f"{self.chain.path}: {stage.name}.from: expected a stage or a checkpoint, found {start!r}"
            )
        trained = [name for name, other in self.chain.stages.items() if other.verb == "fit" and name != stage.name]
        for name in stages_in(start):
            if name not in trained:
                raise ConfigError(
                    f"{self.chain.path}: {stage.name}.from: {name!r} is no stage with weights; "
                    f"expected one of: {', '.join(trained)}"
                )
        return start

    def graph(self, cell: dict[str, str]) -> dict[str, tuple[str, ...]]:
        """Return what each stage depends on in a cell."""
        return {
            stage.name: tuple(dict.fromkeys((*stages_in(self.start(cell, stage)), *stage.after)))
            for stage in self.chain.stages.values()
        }

    def cell_runs(self, cell: dict[str, str], graph: dict[str, tuple[str, ...]], last: list[str]) -> Iterator[Run]:
        reach: dict[str, set[str]] = {}
        folders: dict[str, Path] = {}
        for name in _ordered(graph, last, self.chain.path):
            stage = self.chain.stages[name]
            own = {axis for axis, stages in self.touched.items() if name in stages}
            reach[name] = own.union(*(reach[other] for other in graph[name]))
            labels = {axis: label for axis, label in cell.items() if axis in reach[name]}
            if stage.outputs and labels:
                raise ConfigError(
                    f"{self.chain.path}: axis {next(iter(labels))!r} reaches stage {name!r}, whose output "
                    f"{stage.outputs[0]} is one file for all cells"
                )
            folder = self.chain.runs / name
            if labels:
                folder /= ",".join(f"{axis}={label}" for axis, label in labels.items())
            folders[name] = folder
            arguments = self.arguments(cell, stage, folder, folders)
            yield Run(stage, labels, folder, tuple(arguments), tuple(folders[other] for other in graph[name]))

    def arguments(self, cell: dict[str, str], stage: ChainStage, folder: Path, folders: dict[str, Path]) -> list[str]:
        values = self.value(cell, stage.name)
        configs = (*stage.configs, *values.get("config", ()))
        words = [stage.verb, *(word for config in configs for word in ("--config", config)), *stage.args]
        words += _init_from(self.start(cell, stage), folders)
        words += [f"--{key}={_word(value)}" for key, value in values.items() if key not in ("from", "config")]
        return [*words, f"--trainer.default_root_dir={folder}"] if stage.lightning else words


def _init_from(start: Start, folders: dict[str, Path]) -> list[str]:
    """What a stage starts from, as an option of its command."""
    if not start:
        return []
    if isinstance(start, dict):
        start = json.dumps({target: _checkpoint(source, folders) for target, source in start.items()})
    else:
        start = _checkpoint(start, folders)
    return [f"--model.init_args.init_from={start}"]


def _checkpoint(source: str, folders: dict[str, Path]) -> str:
    """The checkpoint that a source in ``from`` means, with the part that is named behind it."""
    if is_file_name(source):
        return source
    stage, colon, part = source.partition(":")
    return f"{folders[stage] / BEST_CKPT}{colon}{part}"


def _ordered(graph: dict[str, tuple[str, ...]], last: list[str], path: Path) -> list[str]:
    """Return the last stages and all they need, what is needed first."""
    order: list[str] = []

    def visit(name: str, trail: tuple[str, ...]) -> None:
        if name in trail:
            circle = " -> ".join([*trail[trail.index(name) :], name])
            raise ConfigError(f"{path}: stages need each other in a circle: {circle}")
        if name not in order:
            for other in graph[name]:
                visit(other, (*trail, name))
            order.append(name)

    for name in last:
        visit(name, ())
    return order


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
