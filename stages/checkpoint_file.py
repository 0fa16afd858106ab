"""Reading of a checkpoint's file: once, memory-mapped, and without running code."""

import re
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import torch

from stages.checkpoint_validation import require_content
from stages.errors import CheckpointError


def read_content(path: Path) -> dict[str, Any]:
    """Read and check a file; a file that has not changed is read once per process.

    Raises:
        CheckpointError: If it is missing, is no checkpoint of a stage, or of another release.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint{near_checkpoints(path)}")
    stat = path.stat()
    # Checkpoints of one stage have the same size, and time stamps are coarse: the inode shows that a file was replaced.
    return _read(path.absolute(), (stat.st_ino, stat.st_mtime_ns, stat.st_size), str(path))


def near_checkpoints(path: Path) -> str:
    """End a message about a missing checkpoint with those in it, beside it, or in folders with similar names."""
    if path.is_dir():
        inside = sorted(path.glob("*.ckpt"))
        return f"; it is a folder, which holds {', '.join(map(str, inside)) or 'no checkpoint'}"
    near = sorted(path.parent.glob("*.ckpt"))
    if not near:
        like = [file.parent.name for file in path.parent.parent.glob(f"*/{path.name}")]
        near = [path.parent.parent / name / path.name for name in get_close_matches(path.parent.name, like, n=3)]
    return f"; there is {', '.join(map(str, near))}" if near else ""


@lru_cache(maxsize=8)
def _read(file: Path, version: tuple[int, int, int], path: str) -> dict[str, Any]:
    """Read a file; ``version`` makes the cache read a replaced file anew."""
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
            f"{path}: is damaged or no checkpoint ({_short_reason(reason)}); run the stage that writes it again"
        ) from error
    require_content(content, Path(path))
    return cast(dict[str, Any], content)


def _short_reason(reason: str) -> str:
    """Shorten torch's message, without its advice to load the file unsafely."""
    if reason.startswith("Weights only"):
        return "its pickle cannot be read"
    if reason.startswith("mmap can only"):
        return "it is no archive of torch"
    return reason.split("\n")[0][:120]
