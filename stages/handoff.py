"""What one stage leaves in a checkpoint and the next one takes from it: named parts, strictly."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from models.other_versions import CONSTANT, named_as_here
from stages.checkpoint_content import CheckpointError, require_content

__all__ = [
    "CheckpointError",
    "digest",
    "load_part",
    "near_checkpoints",
    "read_checkpoint",
    "rebuilt_towers",
    "source_digests",
    "stage_of",
]


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint: tensors and plain values only.

    Raises:
        CheckpointError: If it is not there, is no checkpoint, or a later release's.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint{near_checkpoints(path)}")
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # torch raises whatever the unpickler or the zip reader met, depending on where the file is damaged.
        reason = str(error).strip()
        if code := re.search(r"GLOBAL ([\w.]+)", reason):
            raise CheckpointError(
                f"{path}: holds code ({code.group(1)}), which was not run; the checkpoint of a stage holds tensors and "
                "plain values alone"
            ) from error
        # torch would have people load it unsafely.
        first = "its pickle cannot be read" if reason.startswith("Weights only") else reason.split("\n")[0][:120]
        raise CheckpointError(
            f"{path}: is damaged or no checkpoint ({first}); run the stage that writes it again"
        ) from error
    require_content(content, path)
    return cast(dict[str, Any], content)


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


def stage_of(checkpoint: Mapping[str, Any]) -> str:
    """The class of the stage that wrote a checkpoint, such as ``stages.acpt.ACPT``."""
    return str(checkpoint["hyper_parameters"].get("_class_path", "an unknown class"))


def load_part(checkpoint: Mapping[str, Any], part: str, module: nn.Module, path: Path) -> int:
    """Load the tensors stored under ``part.`` into a module, strictly, and return how many there are.

    Names that another version of transformers or torch has for a tensor are read as ours; the constants of other
    versions (``position_ids``) are left out. Towers that a checkpoint leaves out, because their source holds them, must
    be the same as when it was written.

    Args:
        checkpoint: What `read_checkpoint` returned.
        part: Such as ``clap``.
        module: What receives the tensors.
        path: Where the checkpoint is from, for the message.

    Raises:
        CheckpointError: If there is no such part, or names, shapes or rebuilt towers differ.
    """
    weights: dict[str, Tensor] = checkpoint["state_dict"]
    if part in checkpoint.get("rebuilt", {}):
        _require_same_source(part, module, checkpoint["rebuilt"][part], path)
        return 0
    found = {name.removeprefix(f"{part}."): tensor for name, tensor in weights.items() if name.startswith(f"{part}.")}
    if not found:
        raise CheckpointError(
            f"{path}: has no part {part!r} ({stage_of(checkpoint)} wrote it, with the parts "
            f"{', '.join(sorted({name.split('.')[0] for name in weights}))}); start from another stage's checkpoint"
        )
    rebuilt = {
        name.removeprefix(f"{part}."): digest
        for name, digest in checkpoint.get("rebuilt", {}).items()
        if name.startswith(f"{part}.")
    }
    _require_same_sources(module, rebuilt, path)
    own = module.state_dict()
    expected = {name for name in own if not name.startswith(tuple(f"{tower}." for tower in rebuilt))}
    found = named_as_here(found, expected)
    missing = sorted(name for name in expected - set(found) if not re.search(CONSTANT, name))
    extra = sorted(set(found) - expected)
    shapes = [name for name in expected & set(found) if own[name].shape != found[name].shape]
    if missing or extra or shapes:
        problems = [
            *([f"missing {', '.join(missing[:4])}"] if missing else []),
            *([f"unexpected {', '.join(extra[:4])}"] if extra else []),
            *(f"{n} is {tuple(found[n].shape)}, expected {tuple(own[n].shape)}" for n in sorted(shapes)[:4]),
        ]
        raise CheckpointError(
            f"{path}: part {part!r} does not fit this model: {'; '.join(problems)}; "
            f"leave model.init_args.{part} out to take the architecture from the checkpoint"
        )
    module.load_state_dict(found, strict=False)
    return len(found)


def rebuilt_towers(module: nn.Module, known: dict[str, str]) -> dict[str, str]:
    """Digests, by name, of the towers that a checkpoint may leave out: they still are what their source holds.

    Args:
        module: The stage.
        known: Digests of the towers as they came from their source.
    """
    towers = dict(_towers(module))
    return {
        name: source_digest
        for name, source_digest in known.items()
        if not any(p.requires_grad for p in towers[name].parameters()) and digest(towers[name]) == source_digest
    }


def source_digests(module: nn.Module) -> dict[str, str]:
    """Digests, by name, of the towers inside a module that were built from a source (a hub name or a folder)."""
    return {name: digest(tower) for name, tower in _towers(module)}


# A digest reads every weight, and is asked for at each checkpoint: what nobody has written to since is not read again.
_known_digests: WeakKeyDictionary[nn.Module, tuple[Any, str]] = WeakKeyDictionary()


def digest(module: nn.Module) -> str:
    """SHA-256 of a module's parameters and buffers, by name."""
    weights = sorted(module.state_dict().items())
    state = [(name, tensor.data_ptr(), tensor.device, tensor._version) for name, tensor in weights]
    if _known_digests.get(module, (None, ""))[0] == state:
        return _known_digests[module][1]
    total = hashlib.sha256()
    for name, tensor in weights:
        total.update(name.encode())
        total.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    _known_digests[module] = (state, total.hexdigest())
    return total.hexdigest()


def _towers(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, part in module.named_modules():
        if isinstance(getattr(part, "source", None), str):
            yield name, part


def _require_same_sources(module: nn.Module, rebuilt: Mapping[str, str], path: Path) -> None:
    towers = dict(_towers(module))
    for name, expected in rebuilt.items():
        if name not in towers:
            raise CheckpointError(f"{path}: leaves out the tower {name!r}, which this model does not have")
        _require_same_source(name, towers[name], expected, path)


def _require_same_source(name: str, tower: nn.Module, expected: str, path: Path) -> None:
    found = digest(tower)
    if found != expected:
        raise CheckpointError(
            f"{path}: was trained on another {name!r}: its digest was {expected[:12]}, that of "
            f"{getattr(tower, 'source', 'this one')} is {found[:12]}; pin the revision that it was trained with"
        )
