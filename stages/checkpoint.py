"""Checkpoints of stages: their content, and strict loading of their parts."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast

import torch
from torch import Tensor, nn

from models.load_state import CONSTANT, translate_names
from stages.checkpoint_file import read_content
from stages.errors import CheckpointError
from stages.init_from import missing_part, part_config
from stages.left_out import LeftOut, require_same_file


class CheckpointContent(TypedDict):
    """Content of a checkpoint beside Lightning's own for resuming: tensors and plain values alone.

    Attributes:
        state_dict: Tensors by name, such as ``clap.audio.fc1.weight``; without those of ``left_out``.
        hyper_parameters: The stage's arguments as in its configuration, and its class as ``_class_path``.
        emoclap: The release that wrote it.
        left_out: Frozen tensors that are equal to those of their source, by the name of the pretrained module.
        label_set: The label set, in the form of ``data.labels``: its name, a list of labels, or in full.
        training_speakers: Every speaker that it, or a stage before it, was trained on, as ``corpus/name``.
        selection_speakers: The speakers by whose scores it was chosen.
        seconds: Length of the training clips in seconds; null for a stage without audio.
        crop: Position of the training crops: ``middle``, ``random``.
        sample_rate: Rate of the training clips in Hz.
        pad: Filling of shorter clips: ``zero``, ``repeat``.
        resample_via: Rate in Hz to which the training clips were resampled first; null for none.
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
    """Checkpoint that was read and checked; a ``stages.init_from.PartSource``.

    Args:
        content: Its content; not to be changed.
        path: Its file, for messages.
    """

    content: CheckpointContent
    path: Path

    @classmethod
    def open(cls, path: str | Path) -> "Checkpoint":
        """Read a file, memory-mapped; a file that has not changed is read once per process.

        A checkpoint must be replaced by another file, as by ``AtomicCheckpointIO``, never rewritten in place.

        Raises:
            CheckpointError: If it is missing, is no checkpoint of a stage, or of another release.
        """
        path = Path(path)
        content = read_content(path)
        return cls(cast(CheckpointContent, content), path)

    @property
    def stage(self) -> str:
        """Class path of the stage that wrote it, such as ``stages.acpt.ACPT``."""
        return str(self.settings.get("_class_path", "an unknown class"))

    @property
    def settings(self) -> dict[str, Any]:
        """The stage's arguments, as in its configuration."""
        return self.content["hyper_parameters"]

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of its parts, such as ``clap``."""
        names = [*self.content["state_dict"], *self.left_out]
        return tuple(sorted({name.partition(".")[0] for name in names}))

    @property
    def left_out(self) -> dict[str, LeftOut]:
        """Frozen tensors that are equal to those of their source, by the name of the pretrained module."""
        return self.content.get("left_out", {})

    @property
    def labels(self) -> list[str] | None:
        """Class names in logit order."""
        return self.settings.get("labels")

    @property
    def words(self) -> list[str] | None:
        """The classes as words in prompts."""
        return self.settings.get("words")

    @property
    def label_set(self) -> str | list[str] | dict[str, Any] | None:
        """Its label set, in the form of ``data.labels``."""
        return self.content.get("label_set")

    @property
    def seconds(self) -> float | None:
        """Length of the training clips in seconds."""
        return self.content.get("seconds")

    @property
    def crop(self) -> str | None:
        """Position of the training crops: ``middle``, ``random``."""
        return self.content.get("crop")

    @property
    def pad(self) -> str | None:
        """Filling of shorter clips: ``zero``, ``repeat``."""
        return self.content.get("pad")

    @property
    def resample_via(self) -> int | None:
        """Rate in Hz to which all training audio was resampled first; None for none."""
        return self.content.get("resample_via")

    @property
    def sample_rate(self) -> int | None:
        """Sampling rate of the training clips in Hz."""
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
        """Return whether it has a part, such as ``clap`` or ``clap.audio``."""
        names = [*self.content["state_dict"], *(f"{module}." for module in self.left_out)]
        return any(name.startswith(f"{part}.") for name in names)

    def config(self, part: str) -> Any:
        """Return the configuration of a part; None if it has none of its own."""
        return part_config(self.settings, part)

    def load(self, part: str, into: nn.Module) -> set[str]:
        """Load a part's tensors, strictly, and return their names, as the module has them.

        Names that another version of transformers or torch has for a tensor are read as ours; the constants of other
        versions (``position_ids``) are ignored. Tensors that the checkpoint leaves out must be from the same file
        as when it was written, and are not loaded: they must not have changed since the module was built.

        Args:
            part: Such as ``clap`` or ``clap.audio``.
            into: Module that receives the tensors.

        Raises:
            CheckpointError: If the part is missing, or names, shapes or pretrained files differ.
        """
        if not self.holds(part):
            raise missing_part(self, part)
        prefix = f"{part}."
        elsewhere = self.left_out_names(part, into)
        own = into.state_dict()
        stored = self.content["state_dict"]
        found = {name.removeprefix(prefix): stored[name] for name in stored if name.startswith(prefix)}
        found = translate_names(found, own)
        if problems := _differences(own, found, elsewhere):
            raise CheckpointError(
                f"{self.path}: part {part!r} does not fit this model: {'; '.join(problems)}; "
                f"leave model.init_args.{part} out to take the architecture from the checkpoint"
            )
        into.load_state_dict(found, strict=False)
        return set(found)

    def left_out_names(self, part: str, into: nn.Module) -> set[str]:
        """Return the names of a part's tensors that are left out, as the module has them.

        Raises:
            CheckpointError: If the module's are from another file.
        """
        names: set[str] = set()
        for module, record in self.left_out.items():
            if not f"{module}.".startswith(f"{part}."):
                continue
            name = module.removeprefix(part).removeprefix(".")
            require_same_file(record, into, name, part, self.path)
            names |= {f"{name}.{tensor}".removeprefix(".") for tensor in record["tensors"]}
        return set(translate_names(dict.fromkeys(names, torch.empty(0)), into.state_dict()))


def _differences(own: Mapping[str, Tensor], found: Mapping[str, Tensor], elsewhere: set[str]) -> list[str]:
    """Describe how the tensors found, and those left out, differ from a module's own."""
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
