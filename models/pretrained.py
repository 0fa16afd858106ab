"""Loading of transformers' models, quiet and strict, and the file that their weights are from."""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from models.errors import WeightsError

# In transformers' order; an index names the files of a large model's weights.
WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)


@dataclass(frozen=True)
class Pretrained:
    """File that a module's tensors are from; stored in the module's attribute ``pretrained``.

    A checkpoint leaves such tensors out while they are unchanged, and identifies the file by its digest.

    Args:
        source: Hub name, folder, or ``package:NAME/FOLDER``.
        revision: Commit of a hub name.
        sha256: Digest of the file; of the files' digests where there are several.
    """

    source: str
    revision: str | None
    sha256: str


def from_pretrained(
    cls: Any,
    source: str,
    revision: str | None = None,
    key_mapping: dict[str, str] | None = None,
    optional: tuple[str, ...] = (),
    name: str | None = None,
) -> Any:
    """Load a model of transformers with an attribute ``pretrained``; refuse one that would be partly random.

    Args:
        cls: Class of transformers.
        source: Folder, or name on the Hugging Face hub.
        revision: Commit of a hub name.
        key_mapping: Patterns on the names in the file, and what replaces them.
        optional: Beginnings of names that may be missing, because the caller discards those parts.
        name: Name of the source in settings and messages; null for ``source`` itself.

    Raises:
        WeightsError: If the source cannot be found, or lacks tensors of the model.
    """
    if source.startswith((".", "/", "~")) and not Path(source).is_dir():
        raise WeightsError(f"{source}: no such folder; set source to one that save_pretrained wrote, or to a hub name")
    with loading(source, "model.safetensors"), _silenced():
        # Code that comes with weights is never run; transformers would ask on the terminal.
        loaded, report = cls.from_pretrained(
            source,
            revision=revision,
            key_mapping=key_mapping,
            output_loading_info=True,
            trust_remote_code=False,
        )
    missing = sorted(name for name in report["missing_keys"] if not name.startswith(optional))
    if missing:
        raise WeightsError(f"{source}: lacks tensors of a {cls.__name__}: {', '.join(missing)}")
    loaded.pretrained = pretrained_file(source, revision, name)
    # In training mode like any new module: Lightning keeps the mode it finds, and freezing is up to the caller.
    return loaded.train()


def pretrained_file(source: str, revision: str | None = None, name: str | None = None) -> Pretrained | None:
    """Identify the weights of a model that was loaded from a source; None if they are in no known file.

    Args:
        source: Folder, or name on the Hugging Face hub.
        revision: Commit of a hub name.
        name: Name of the source in settings and messages; null for ``source`` itself.
    """
    for file in WEIGHTS:
        found = _cached(source, file, revision)
        if found is None:
            continue
        digests = [file_sha256(found)]
        if file.endswith(".index.json"):
            shards = sorted(set(json.loads(found.read_text(encoding="utf-8"))["weight_map"].values()))
            paths = [_cached(source, shard, revision) for shard in shards]
            digests += [file_sha256(path) for path in paths if path is not None]
        digest = digests[0]
        if len(digests) > 1:
            digest = hashlib.sha256("".join(digests).encode()).hexdigest()
        return Pretrained(name or source, revision, digest)
    return None


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content; a file that has not changed is read once per process."""
    stored = path.resolve()
    if stored.parent.name == "blobs" and re.fullmatch(r"[0-9a-f]{64}", stored.name):
        # The hub's cache names a file by its digest.
        return stored.name
    stat = stored.stat()
    return _sha256(stored, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=4096)
def _sha256(path: Path, mtime_ns: int, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _cached(source: str, file: str, revision: str | None) -> Path | None:
    """Find a file of a model that has been loaded; nothing is downloaded."""
    from transformers.utils.hub import cached_file

    try:
        found = cached_file(
            source,
            file,
            revision=revision,
            local_files_only=True,
            _raise_exceptions_for_gated_repo=False,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
        )
    except OSError:
        return None
    return Path(found) if found else None


@contextmanager
def loading(source: str, file: str) -> Iterator[None]:
    """Turn any error of transformers in reading a model's files into one message.

    Args:
        source: Folder, or name on the Hugging Face hub.
        file: Name of the file, for the message.

    Raises:
        WeightsError: If the file is missing, cannot be read, or would run code of its own.
    """
    try:
        yield
    except (WeightsError, MemoryError):
        raise
    except Exception as error:
        # The parsers of a damaged file raise all kinds: KeyError, RecursionError, UnpicklingError, SafetensorError.
        reason = str(error).strip().split("\n")[0][:300]
        if "trust_remote_code" in str(error):
            raise WeightsError(
                f"{source}: comes with code of its own, which is never run; choose a model that transformers knows"
            ) from error
        if isinstance(error, OSError | ValueError):
            raise WeightsError(
                f"{source}: cannot be loaded ({reason}). Download it once with `hf download {source}`, or set source "
                "to a folder that save_pretrained wrote"
            ) from error
        raise WeightsError(
            f"{source}: its {file} cannot be read ({type(error).__name__}: {reason}); is it complete,"
            " and of this model?"
        ) from error


@contextmanager
def _silenced() -> Iterator[None]:
    """Hide progress bars and reports of unused tensors; ``from_pretrained`` reports the missing ones."""
    from transformers import utils

    logging: Any = utils.logging
    verbosity = logging.get_verbosity()
    progress_bar = logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if progress_bar:
            logging.enable_progress_bar()
