"""transformers' ``from_pretrained``, quiet and strict."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from models.errors import WeightsError


def from_pretrained(
    model: Any,
    source: str,
    revision: str | None = None,
    key_mapping: dict[str, str] | None = None,
    optional: tuple[str, ...] = (),
) -> Any:
    """Load a model of transformers, and refuse one that would be partly random.

    Args:
        model: Class of transformers.
        source: Folder, or name on the Hugging Face hub.
        revision: Commit of a hub name.
        key_mapping: Patterns on the names in the file, and what replaces them.
        optional: Beginnings of names that may be missing, because the caller discards those parts.

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
    # In training mode, as any new module is: Lightning keeps the mode it finds, and freezing is for others to decide.
    return loaded.train()


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
