"""Checkpoints that are whole or not there, and that say when they were damaged."""

import os
import sys
import zipfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from datamodules.files import replacing
from lightning_app.runs.fingerprint import sha256
from lightning_app.runs.storage import writing
from stages.errors import CheckpointError


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the target, flushes to the disk, and renames; keeps a SHA-256 beside each checkpoint.

    The digest file (``best.ckpt.sha256``, readable by ``sha256sum --check``) is compared before anything is unpickled.
    A new checkpoint's digest is there, as ``best.ckpt.sha256.next``, before the checkpoint is: at no moment is there a
    checkpoint without one.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Save a checkpoint.

        Raises:
            StorageError: If the disk is full or the folder cannot be written; the checkpoint of before is still there.
        """
        target = Path(path)
        with writing(target):
            # What is entered last is in its place first: the digest before the checkpoint.
            with replacing(target) as new, replacing(_next_digest_file(target)) as new_digest:
                with new.open("wb") as file:
                    torch.save(checkpoint, file)
                new_digest.write_text(f"{sha256(new)}  {target.name}\n")
            os.replace(_next_digest_file(target), digest_file(target))
            _flush_folder(target.parent)

    def load_checkpoint(self, path: Any, map_location: Any = "cpu", weights_only: bool | None = None) -> dict[str, Any]:
        """Read tensors and plain values only: whatever ``weights_only`` says, no code of a checkpoint is run."""
        verify(Path(path))
        content: dict[str, Any] = super().load_checkpoint(path, map_location, weights_only=True)
        return content

    def remove_checkpoint(self, path: Any) -> None:
        super().remove_checkpoint(path)
        for digest in (digest_file(Path(path)), _next_digest_file(Path(path))):
            digest.unlink(missing_ok=True)


def digest_file(checkpoint: Path) -> Path:
    """Where a checkpoint's digest is kept."""
    return checkpoint.with_name(f"{checkpoint.name}.sha256")


def _next_digest_file(checkpoint: Path) -> Path:
    """Where the digest is kept of a checkpoint that is just being put into its place."""
    return checkpoint.with_name(f"{checkpoint.name}.sha256.next")


def verify(checkpoint: Path) -> None:
    """Refuse a checkpoint that is not what was saved; say so where nothing was kept to compare it with.

    Raises:
        CheckpointError: If its digest is not the one that is kept beside it, or, without one, the checksums inside it
            do not hold; names a checkpoint of the same folder that is whole.
    """
    if not checkpoint.is_file():
        return
    kept = _kept_digests(checkpoint)
    if kept and sha256(checkpoint) not in kept:
        problem = f"its sha256 is not the one in {digest_file(checkpoint).name}"
    elif not kept and (damaged := _damaged_record(checkpoint)):
        problem = f"the checksum of {damaged} does not hold"
    else:
        if not kept:
            _say_unchecked(checkpoint)
        return
    others = [path for path in sorted(checkpoint.parent.glob("*.ckpt")) if path != checkpoint]
    whole = [str(path) for path in others if sha256(path) in _kept_digests(path)]
    remedy = f"take {' or '.join(whole)}, which is whole, or run its stage again" if whole else "run its stage again"
    raise CheckpointError(f"{checkpoint}: is damaged: {problem}; {remedy}")


def _kept_digests(checkpoint: Path) -> list[str]:
    files = [path for path in (digest_file(checkpoint), _next_digest_file(checkpoint)) if path.is_file()]
    return [" ".join(path.read_text(errors="replace").split()[:1]) for path in files]


def _damaged_record(checkpoint: Path) -> str | None:
    """The first part of a checkpoint whose own checksum does not hold; what is no archive is told by its reader."""
    if not zipfile.is_zipfile(checkpoint):
        return None
    try:
        with zipfile.ZipFile(checkpoint) as archive:
            return archive.testzip()
    except Exception as error:
        # Of a damaged archive: no zip file, no deflated data, an early end, a password, another program's compression.
        return f"the archive ({str(error) or type(error).__name__})"


@lru_cache(maxsize=256)
def _say_unchecked(checkpoint: Path) -> None:
    missing = digest_file(checkpoint).name
    print(f"lightning-cli: {checkpoint}: there is no {missing} to compare it with", file=sys.stderr)


def _flush_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, too: until then a power cut may undo the renaming."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
