"""Checkpoints of stages: what one holds, and how its parts come back, strictly."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast

import torch
from torch import Tensor, nn

from models.other_versions import CONSTANT, named_as_here
from models.pretrained import Pretrained
from stages.checkpoint_validation import require_content
from stages.errors import CheckpointError
from stages.init_from import missing_part, part_config


class LeftOut(TypedDict):
    """Tensors of a pretrained module that a checkpoint leaves out, for a file elsewhere holds them.

    Attributes:
        source: Where the file is from: a hub name, a folder, or ``package:NAME/FOLDER``.
        revision: Commit of a hub name.
        sha256: Of the file.
        tensors: Their names in the module.
    """

    source: str
    revision: str | None
    sha256: str
    tensors: list[str]


class CheckpointContent(TypedDict):
    """What a checkpoint holds, beside what Lightning resumes from: tensors and plain values alone.

    Attributes:
        state_dict: Tensors by name, such as ``clap.audio.fc1.weight``; without those of ``left_out``.
        hyper_parameters: The stage's arguments as its configuration says them, and its class as ``_class_path``.
        emoclap: The release that wrote it.
        left_out: Frozen tensors that are what their source holds, by the name of the pretrained module.
        label_set: The label set, as ``data.labels`` takes it: by its name, as a list of labels, or in full.
        training_speakers: Every speaker that it, or a stage before it, was trained on, as ``corpus/name``.
        selection_speakers: The speakers by whose scores it was chosen.
        seconds: Length of the training clips; null in a stage that hears none.
        crop: Which part of each clip that was: ``middle``, ``random``.
        sample_rate: Rate of the training clips in Hz.
        pad: How shorter clips were filled: ``zero``, ``repeat``.
        resample_via: Rate in Hz through which the training clips passed first; null for none.
    """

    state_dict: dict[str, Tensor]
    hyper_parameters: dict[str, Any]
    emoclap: str
    left_out: NotRequired[dict[str, LeftOut]]
    label_set: NotRequired[str | list[str] | dict[str, Any] | None]
    training_speakers: NotRequired[list[str]]
    selection_speakers: NotRequired[list[str]]
    seconds: NotRequired[float | None]
    crop: NotRequired[str | None]
    sample_rate: NotRequired[int | None]
    pad: NotRequired[str | None]
    resample_via: NotRequired[int | None]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A checkpoint that was read and checked; a ``stages.init_from.PartSource``.

    Args:
        content: What it holds; not to be changed.
        path: Where it is from, for messages.
    """

    content: CheckpointContent
    path: Path

    @classmethod
    def open(cls, path: str | Path) -> "Checkpoint":
        """Read a file, memory-mapped; one that has not changed is read once per process.

        Whoever writes it anew meanwhile puts another file in its place, as ``AtomicCheckpointIO`` does.

        Raises:
            CheckpointError: If it is not there, is no checkpoint of a stage, or of another release.
        """
        path = Path(path)
        if not path.is_file():
            raise CheckpointError(f"{path}: no such checkpoint{near_checkpoints(path)}")
        stat = path.stat()
        return cls(_read(path.absolute(), stat.st_mtime_ns, stat.st_size, str(path)), path)

    @property
    def stage(self) -> str:
        """Class path of the stage that wrote it, such as ``stages.acpt.ACPT``."""
        return str(self.settings.get("_class_path", "an unknown class"))

    @property
    def settings(self) -> dict[str, Any]:
        """The stage's arguments, as its configuration says them."""
        return self.content["hyper_parameters"]

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of its parts, such as ``clap``."""
        names = [*self.content["state_dict"], *self.left_out]
        return tuple(sorted({name.partition(".")[0] for name in names}))

    @property
    def left_out(self) -> dict[str, LeftOut]:
        """Frozen tensors that are what their source holds, by the name of the pretrained module."""
        return self.content.get("left_out", {})

    @property
    def labels(self) -> list[str] | None:
        """Class names in logit order."""
        return self.settings.get("labels")

    @property
    def words(self) -> list[str] | None:
        """The classes as prompts name them."""
        return self.settings.get("words")

    @property
    def label_set(self) -> str | list[str] | dict[str, Any] | None:
        """Its label set, as ``data.labels`` takes it."""
        return self.content.get("label_set")

    @property
    def seconds(self) -> float | None:
        """Length of the clips that it was trained on."""
        return self.content.get("seconds")

    @property
    def crop(self) -> str | None:
        """Which part of each clip it was trained on: ``middle``, ``random``."""
        return self.content.get("crop")

    @property
    def pad(self) -> str | None:
        """How shorter clips were filled: ``zero``, ``repeat``."""
        return self.content.get("pad")

    @property
    def resample_via(self) -> int | None:
        """Rate in Hz through which all of its training audio passed first; None for none."""
        return self.content.get("resample_via")

    @property
    def sample_rate(self) -> int | None:
        """Rate in Hz of the clips that it was trained on."""
        return self.content.get("sample_rate")

    @property
    def training_speakers(self) -> set[str]:
        """Every speaker that it, or a stage before it, was trained on, as ``corpus/name``."""
        return set(self.content.get("training_speakers", []))

    @property
    def selection_speakers(self) -> set[str]:
        """The speakers by whose scores it was chosen."""
        return set(self.content.get("selection_speakers", []))

    def holds(self, part: str) -> bool:
        """Whether it has a part, such as ``clap`` or ``clap.audio``."""
        names = [*self.content["state_dict"], *(f"{module}." for module in self.left_out)]
        return any(name.startswith(f"{part}.") for name in names)

    def config(self, part: str) -> Any:
        """The configuration that a part is built from; None where it has none of its own."""
        return part_config(self.settings, part)

    def load(self, part: str, into: nn.Module) -> set[str]:
        """Load a part's tensors, strictly, and return their names, as the module has them.

        Names that another version of transformers or torch has for a tensor are read as ours; the constants of other
        versions (``position_ids``) are ignored. What the checkpoint leaves out must be from the same file as when it
        was written.

        Args:
            part: Such as ``clap`` or ``clap.audio``.
            into: What receives the tensors.

        Raises:
            CheckpointError: If there is no such part, or names, shapes or pretrained files differ.
        """
        if not self.holds(part):
            raise missing_part(self, part)
        prefix = f"{part}."
        elsewhere = self._tensors_elsewhere(part, into)
        own = into.state_dict()
        stored = self.content["state_dict"]
        found = {name.removeprefix(prefix): stored[name] for name in stored if name.startswith(prefix)}
        found = named_as_here(found, own)
        if problems := _differences(own, found, elsewhere):
            raise CheckpointError(
                f"{self.path}: part {part!r} does not fit this model: {'; '.join(problems)}; "
                f"leave model.init_args.{part} out to take the architecture from the checkpoint"
            )
        into.load_state_dict(found, strict=False)
        return set(found)

    def _tensors_elsewhere(self, part: str, into: nn.Module) -> set[str]:
        """The names of the tensors of a part that are left out, once their files are known to be the same."""
        names: set[str] = set()
        for module, record in self.left_out.items():
            if not f"{module}.".startswith(f"{part}."):
                continue
            name = module.removeprefix(part).removeprefix(".")
            self._require_same_file(part, name, record, into)
            names |= {f"{name}.{tensor}".removeprefix(".") for tensor in record["tensors"]}
        return set(named_as_here(dict.fromkeys(names, torch.empty(0)), into.state_dict()))

    def _require_same_file(self, part: str, name: str, record: LeftOut, into: nn.Module) -> None:
        pretrained = _pretrained_modules(into).get(name)
        if pretrained is None:
            raise CheckpointError(
                f"{self.path}: leaves out the weights of {name or part!r}, which are those of {record['source']}, and "
                f"this model has none from there; leave model.init_args.{part} out to take the architecture from the "
                "checkpoint"
            )
        if pretrained.sha256 != record["sha256"]:
            raise CheckpointError(
                f"{self.path}: was trained on another {name or part!r}: the sha256 of its weights was "
                f"{record['sha256'][:12]} ({_named(record['source'], record['revision'])}), that of "
                f"{_named(pretrained.source, pretrained.revision)} is {pretrained.sha256[:12]}; pin the revision that "
                "it was trained with"
            )


def leave_out_pretrained(
    module: nn.Module, weights: Mapping[str, Tensor], changed: Collection[str]
) -> tuple[dict[str, Tensor], dict[str, LeftOut]]:
    """Split a module's tensors into those that a checkpoint keeps, and those that a file elsewhere holds.

    Kept is what trains or has changed, and what no file holds. The buffers of a pretrained module are kept as soon as
    one of its parameters trains.

    Args:
        module: The stage.
        weights: Its tensors by name.
        changed: Names of the tensors that were trained, or loaded over what their module was built with.
    """
    trains = {name for name, value in module.named_parameters(remove_duplicate=False) if value.requires_grad}
    parameters = {name for name, _ in module.named_parameters(remove_duplicate=False)}
    kept, left_out = dict(weights), dict[str, LeftOut]()
    for prefix, pretrained in _pretrained_modules(module).items():
        inside = [name for name in kept if name.startswith(f"{prefix}.")]
        buffers_rest = trains.isdisjoint(inside)
        rest = [
            name for name in inside
            if name not in trains and name not in changed and (name in parameters or buffers_rest)
        ]  # fmt: skip
        if not rest:
            continue
        left_out[prefix] = LeftOut(
            source=pretrained.source,
            revision=pretrained.revision,
            sha256=pretrained.sha256,
            tensors=[name.removeprefix(f"{prefix}.") for name in rest],
        )
        for name in rest:
            del kept[name]
    return kept, left_out


def _pretrained_modules(module: nn.Module) -> dict[str, Pretrained]:
    """The modules inside a module whose tensors are a file's, by name."""
    # Not by getattr: a wrapper such as peft's has every attribute of what it wraps.
    found = {name: vars(part).get("pretrained") for name, part in module.named_modules()}
    return {name: pretrained for name, pretrained in found.items() if isinstance(pretrained, Pretrained)}


def near_checkpoints(path: Path) -> str:
    """The end of a message about a missing checkpoint: which ones lie in it, beside it, or in a folder like its."""
    if path.is_dir():
        inside = sorted(path.glob("*.ckpt"))
        return f"; it is a folder, which holds {', '.join(map(str, inside)) or 'no checkpoint'}"
    near = sorted(path.parent.glob("*.ckpt"))
    if not near:
        like = [file.parent.name for file in path.parent.parent.glob(f"*/{path.name}")]
        near = [path.parent.parent / name / path.name for name in get_close_matches(path.parent.name, like, n=3)]
    return f"; there is {', '.join(map(str, near))}" if near else ""


@lru_cache(maxsize=8)
def _read(file: Path, mtime_ns: int, size: int, path: str) -> CheckpointContent:
    """Read a file; its time and size are there so that one that was replaced is read anew."""
    try:
        content: Any = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:
        # torch raises whatever the unpickler or the zip reader met, depending on where the file is damaged.
        reason = str(error).strip()
        if code := re.search(r"GLOBAL ([\w.]+)", reason):
            raise CheckpointError(
                f"{path}: holds code ({code.group(1)}), which was not run; the checkpoint of a stage holds tensors and "
                "plain values alone"
            ) from error
        raise CheckpointError(
            f"{path}: is damaged or no checkpoint ({_without_torchs_advice(reason)}); run the stage that writes it "
            "again"
        ) from error
    require_content(content, Path(path))
    return cast(CheckpointContent, content)


def _without_torchs_advice(reason: str) -> str:
    """The first line of what torch says; it would have people load a file unsafely, or save it anew."""
    if reason.startswith("Weights only"):
        return "its pickle cannot be read"
    if reason.startswith("mmap can only"):
        return "it is no archive of torch"
    return reason.split("\n")[0][:120]


def _differences(own: Mapping[str, Tensor], found: Mapping[str, Tensor], elsewhere: set[str]) -> list[str]:
    """In what the tensors found, and those that lie elsewhere, are not a module's own."""
    absent = own.keys() - found.keys() - elsewhere
    missing = sorted(name for name in absent if not re.search(CONSTANT, name))
    extra = sorted((found.keys() | elsewhere) - own.keys())
    shapes = sorted(name for name in own.keys() & found.keys() if own[name].shape != found[name].shape)
    problems = []
    if missing:
        problems.append(f"missing {', '.join(missing[:4])}")
    if extra:
        problems.append(f"unexpected {', '.join(extra[:4])}")
    problems += [f"{name} is {tuple(found[name].shape)}, expected {tuple(own[name].shape)}" for name in shapes[:4]]
    return problems


def _named(source: str, revision: str | None) -> str:
    return f"{source} at {revision}" if revision else source
