"""transformers' ``from_pretrained``, quiet and strict, and which file the weights are from."""

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

# As transformers looks for them; an index names the files that a large model's weights are spread over.
WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)


@dataclass(frozen=True)
class Pretrained:
    """The file that a module's tensors are from, as the module's attribute ``pretrained``.

    A checkpoint leaves such tensors out while nothing has changed them, and knows the file again by its digest.

    Args:
        source: Hub name, folder, or ``package:NAME/FOLDER``.
        revision: Commit of a hub name.
        sha256: Of the file; of the files' digests where there are several.
    """

    source: str
    revision: str | None
    sha256: str


def from_pretrained(
    model: Any,
    source: str,
    revision: str | None = None,
    key_mapping: dict[str, str] | None = None,
    optional: tuple[str, ...] = (),
    name: str | None = None,
) -> Any:
    """Load a model of transformers, and refuse one that would be partly random; it has an attribute ``pretrained``.

    Args:
        model: Class of transformers.
        source: Folder, or name on the Hugging Face hub.
        revision: Commit of a hub name.
        key_mapping: Patterns on the names in the file, and what replaces them.
        optional: Beginnings of names that may be missing, because the caller discards those parts.
        name: What a user calls the source; null for ``source`` itself.

    Raises:
        WeightsError: If the source cannot be found, or lacks tensors of the model.
    """
    if source.startswith((".", "/", "~")) and not Path(source).is_dir():
        raise WeightsError(f"{source}: no such folder; set source to one that save_pretrained wrote, or to a hub name")
    with loading(source, "model.safetensors"), _quiet():
        # Code that comes with weights is never run; transformers would ask on the terminal.
        loaded, report = model.from_pretrained(
            source,
            revision=revision,
            key_mapping=key_mapping,
            output_loading_info=True,
            trust_remote_code=False,
        )
    missing = sorted(name for name in report["missing_keys"] if not name.startswith(optional))
    if missing:
        raise WeightsError(f"{source}: lacks tensors of a {model.__name__}: {', '.join(missing)}")
    loaded.pretrained = pretrained_file(source, revision, name)
    # In training mode, as any new module is: Lightning keeps the mode it finds, and freezing is for others to decide.
    return loaded.train()


def pretrained_file(source: str, revision: str | None = None, name: str | None = None) -> Pretrained | None:
    """Identify the weights of a model that was loaded from a source; None if they lie in no file that is known.

    Args:
        source: Folder, or name on the Hugging Face hub.
        revision: Commit of a hub name.
        name: What a user calls the source; null for ``source`` itself.
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
        whole = digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
        return Pretrained(name or source, revision, whole)
    return None


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content; one that has not changed is read once per process."""
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
    """A file of a model that has been loaded; nothing is downloaded."""
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
    """Turn whatever goes wrong while transformers reads a model's files into one message.

    Args:
        source: Folder, or name on the Hugging Face hub.
        file: The file that is read, for the message.

    Raises:
        WeightsError: If it is not there, cannot be read, or would run code of its own.
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
            f"{source}: its {file} cannot be read ({type(error).__name__}: {reason}); is it whole, and of this model?"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide progress bars and reports of unused tensors; what is missing is checked here."""
    from transformers import utils

    logging: Any = utils.logging
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
