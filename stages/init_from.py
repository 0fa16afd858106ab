"""Parsing of ``init_from``: parts of earlier stages, and the parts of this one that they become. Imports no torch."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from stages.errors import CheckpointError

InitFrom = Mapping[str, str] | str | Path | None
# `:clap.audio` at the end; what ends in .ckpt is a file, whatever colons it has.
_PART = re.compile(r"(?P<path>.+):(?P<part>[A-Za-z_]\w*(\.\w+)*)(?<!\.ckpt)")


class PartSource(Protocol):
    """Source of parts: a checkpoint, or a planned run that is going to write one."""

    @property
    def path(self) -> Path:
        """The checkpoint's file, which need not be there yet."""

    @property
    def stage(self) -> str:
        """Class path of the stage that writes it, such as ``stages.acpt.ACPT``."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """The stage's arguments, as in its configuration."""

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of its parts, such as ``clap``."""

    @property
    def labels(self) -> list[str] | None:
        """Class names in logit order."""

    @property
    def words(self) -> list[str] | None:
        """The classes as words in prompts."""

    @property
    def label_set(self) -> str | list[str] | dict[str, Any] | None:
        """Its label set, in the form of ``data.labels``."""

    @property
    def seconds(self) -> float | None:
        """Length of the training clips in seconds."""

    @property
    def crop(self) -> str | None:
        """Position of the training crops: ``middle``, ``random``."""

    @property
    def pad(self) -> str | None:
        """Filling of shorter clips: ``zero``, ``repeat``."""

    @property
    def resample_via(self) -> int | None:
        """Rate in Hz to which all training audio was resampled first; None for none."""

    def holds(self, part: str) -> bool:
        """Return whether it has a part, such as ``clap`` or ``clap.audio``."""

    def config(self, part: str) -> Any:
        """Return the configuration of a part; None if it has none of its own."""


Source = TypeVar("Source", bound=PartSource)


@dataclass(frozen=True)
class Transfer(Generic[Source]):
    """Hand-over of one part.

    Args:
        target: Attribute of the receiving stage, dotted: ``clap.audio``.
        source: Source of the part.
        part: Its name there.
    """

    target: str
    source: Source
    part: str


def plan_transfers(
    init_from: InitFrom, own: Sequence[str], required: Sequence[str], open_source: Callable[[Path], Source]
) -> list[Transfer[Source]]:
    """List the parts to hand over.

    A path alone hands over every part that both sides have. A mapping such as
    ``{clap.audio: runs/ser/best.ckpt:audio}`` hands over exactly its targets; the part is named after a colon, and
    otherwise has the target's own name, in full or its end: ``clap.audio``, else ``audio``. A part comes before what is
    handed over inside it, in whatever order they were named.

    Args:
        init_from: A path, a mapping of targets to sources, or None.
        own: The receiving stage's parts.
        required: Those of them that must be handed over.
        open_source: Called with the path of each source.

    Raises:
        CheckpointError: If a source lacks a part that is asked for, a target is no part of the stage, or a part that is
            required has no source.
    """
    if init_from is None:
        return []
    if not isinstance(init_from, Mapping):
        source = open_source(Path(init_from))
        shared = [part for part in own if part in required or source.holds(part)]
        return [Transfer(part, source, _held(source, [part])) for part in shared or own[:1]]
    _require_targets(list(init_from), own, required)
    found = []
    for target in sorted(init_from, key=lambda name: name.count(".")):
        path, part = split_source(init_from[target])
        source = open_source(path)
        found.append(Transfer(target, source, _held(source, [part] if part else _endings(target))))
    return found


def split_source(text: str) -> tuple[Path, str | None]:
    """Split a source into file and part.

    >>> split_source("runs/ser/best.ckpt:audio")
    (PosixPath('runs/ser/best.ckpt'), 'audio')
    >>> split_source("runs/10:30/best.ckpt")
    (PosixPath('runs/10:30/best.ckpt'), None)
    """
    named = _PART.fullmatch(text)
    if named is None:
        return Path(text), None
    return Path(named["path"]), named["part"]


def source_files(init_from: Any) -> list[Path]:
    """Return the distinct files in an ``init_from``; none for a value that is no ``init_from``."""
    if isinstance(init_from, str | Path):
        return [Path(init_from)]
    if not isinstance(init_from, Mapping):
        return []
    return list(dict.fromkeys(split_source(str(text))[0] for text in init_from.values()))


def part_config(settings: Any, part: str) -> Any:
    """Look up a part's configuration in the arguments of a stage.

    Args:
        settings: The stage's ``init_args``.
        part: Such as ``clap.audio``.

    >>> part_config({"clap": {"class_path": "models.clap.Clap", "init_args": {"dim": 512}}}, "clap.dim")
    512
    """
    for name in part.split("."):
        if isinstance(settings, Mapping) and "class_path" in settings:
            settings = settings.get("init_args")
        settings = settings.get(name) if isinstance(settings, Mapping) else None
    return settings


def missing_part(source: PartSource, part: str) -> CheckpointError:
    """Make the error that a source lacks a part."""
    parts = ", ".join(source.parts) or "none"
    return CheckpointError(
        f"{source.path}: has no part {part!r} ({source.stage} wrote it, with the parts {parts}); "
        "start from another stage's checkpoint, or say which of its parts becomes which of this stage's: "
        f"model.init_args.init_from: {{{part}: {source.path}:PART}}"
    )


def _held(source: PartSource, names: Sequence[str]) -> str:
    """Return the first of these names that is a part of a source."""
    for name in names:
        if source.holds(name):
            return name
    raise missing_part(source, names[0])


def _endings(target: str) -> list[str]:
    """Return a name and its ends, such as ``clap.audio`` and ``audio``."""
    names = target.split(".")
    return [".".join(names[first:]) for first in range(len(names))]


def _require_targets(targets: Sequence[str], own: Sequence[str], required: Sequence[str]) -> None:
    for target in targets:
        if target.partition(".")[0] not in own:
            raise CheckpointError(
                f"model.init_args.init_from: this stage has no part {target!r}; expected one of {', '.join(own)}, or "
                f"a part of one, such as {own[0]}.NAME"
            )
    for part in required:
        if part in own and not any(target == part or target.startswith(f"{part}.") for target in targets):
            raise CheckpointError(
                f"model.init_args.init_from: names no source for {part}, which this stage cannot train itself; "
                f"add {part}: PATH"
            )
