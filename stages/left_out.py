"""Frozen tensors of pretrained files, which a checkpoint leaves out, and the check that their file is the same."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TypedDict

from torch import Tensor, nn

from models.pretrained import Pretrained
from stages.errors import CheckpointError


class LeftOut(TypedDict):
    """Tensors of a pretrained module that a checkpoint leaves out.

    Attributes:
        source: Source of their file: a hub name, a folder, or ``package:NAME/FOLDER``.
        revision: Commit of a hub name.
        sha256: Digest of the file.
        tensors: Their names in the module.
    """

    source: str
    revision: str | None
    sha256: str
    tensors: list[str]


def leave_out_pretrained(
    module: nn.Module, weights: Mapping[str, Tensor], changed: Collection[str]
) -> tuple[dict[str, Tensor], dict[str, LeftOut]]:
    """Split a module's tensors into those that a checkpoint keeps, and those that it leaves out.

    Tensors that train, have changed, or are in no pretrained file are kept. The buffers of a pretrained module are kept
    as soon as one of its tensors trains or has changed.

    Args:
        module: The stage.
        weights: Its tensors by name.
        changed: Names of the tensors that were trained or loaded since their module was built.
    """
    parameters = dict(module.named_parameters(remove_duplicate=False))
    trains = {name for name, parameter in parameters.items() if parameter.requires_grad}
    kept = dict(weights)
    left_out: dict[str, LeftOut] = {}
    for prefix, pretrained in pretrained_modules(module).items():
        inside = [name for name in kept if name.startswith(f"{prefix}.")]
        buffers_rest = (trains | set(changed)).isdisjoint(inside)
        rest = [name for name in inside if name not in trains and (name in parameters or buffers_rest)]
        rest = [name for name in rest if name not in changed]
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


def pretrained_modules(module: nn.Module) -> dict[str, Pretrained]:
    """Return the modules inside a module that were loaded from a pretrained file, by name."""
    # Not by getattr: a wrapper such as peft's has every attribute of what it wraps.
    found = {}
    for name, part in module.named_modules():
        pretrained = vars(part).get("pretrained")
        if isinstance(pretrained, Pretrained):
            found[name] = pretrained
    return found


def require_same_file(record: LeftOut, into: nn.Module, name: str, part: str, path: Path) -> None:
    """Refuse a module whose weights are from another file than those that a checkpoint left out.

    Args:
        record: The tensors that were left out.
        into: Module that receives the part.
        name: Name of the pretrained module inside it; empty for itself.
        part: The part of the checkpoint, for the message.
        path: The checkpoint, likewise.

    Raises:
        CheckpointError: If the file is another one, or the module was not loaded from a file.
    """
    pretrained = pretrained_modules(into).get(name)
    if pretrained is None:
        raise CheckpointError(
            f"{path}: leaves out the weights of {name or part!r}, which are those of {record['source']}, and "
            f"this model has none from there; leave model.init_args.{part} out to take the architecture from the "
            "checkpoint"
        )
    if pretrained.sha256 != record["sha256"]:
        raise CheckpointError(
            f"{path}: was trained on another {name or part!r}: the sha256 of its weights was "
            f"{record['sha256'][:12]} ({_named(record['source'], record['revision'])}), that of "
            f"{_named(pretrained.source, pretrained.revision)} is {pretrained.sha256[:12]}; pin the revision that "
            "it was trained with"
        )


def _named(source: str, revision: str | None) -> str:
    return f"{source} at {revision}" if revision else source
