"""Checkpoints that are whole or not there, and that say when they were damaged."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from stages.handoff import CheckpointError


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the target, flushes to the disk, and renames; keeps a SHA-256 beside each checkpoint.

    The digest file (``best.ckpt.sha256``, readable by ``sha256sum --check``) is compared before anything is unpickled.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        with _temporary(target) as new, _temporary(digest_file(target)) as new_digest:
            with new.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            new_digest.write_text(f"{_sha256(new)}  {target.name}\n")
            # Without a digest a checkpoint is read unchecked; with an old one a new checkpoint would be refused.
            digest_file(target).unlink(missing_ok=True)
            os.replace(new, target)
            os.replace(new_digest, digest_file(target))

    def load_checkpoint(self, path: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        verify(Path(path))
        return super().load_checkpoint(path, *args, **kwargs)

    def remove_checkpoint(self, path: Any) -> None:
        super().remove_checkpoint(path)
        digest_file(Path(path)).unlink(missing_ok=True)


def digest_file(checkpoint: Path) -> Path:
    """Where a checkpoint's digest is kept."""
    return checkpoint.with_name(f"{checkpoint.name}.sha256")


def verify(checkpoint: Path) -> None:
    """Refuse a checkpoint that is not what was saved.

    Raises:
        CheckpointError: If its digest is not the one that is kept beside it.
    """
    kept = digest_file(checkpoint)
    if checkpoint.is_file() and kept.is_file() and kept.read_text().split()[:1] != [_sha256(checkpoint)]:
        raise CheckpointError(
            f"{checkpoint}: is damaged: its sha256 is not the one in {kept.name}; run its stage again, or take another "
            "checkpoint of that folder"
        )


@contextmanager
def _temporary(target: Path) -> Iterator[Path]:
    """An empty file beside ``target``, with the permissions of any new file, and gone in the end."""
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    os.close(handle)
    try:
        os.chmod(name, 0o666 & ~_umask())
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _umask() -> int:
    """The process's mask; mkstemp makes private files, and finished ones are to be as any other."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
