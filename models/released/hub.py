"""Single files of a hub model, or of a folder that holds one."""

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from models.errors import WeightsError
from models.pretrained import loading
from models.released.files import read_state

WEIGHTS = ("model.safetensors", "pytorch_model.bin")


def hub_weights(source: str, revision: str | None = None) -> dict[str, Tensor]:
    """Read all tensors of a model, under the names that they were released with.

    Args:
        source: Folder, or name on the Hugging Face hub.
        revision: Commit of a hub name.

    Raises:
        WeightsError: If there is no ``model.safetensors`` or ``pytorch_model.bin``, or it cannot be read.
    """
    return read_state(hub_file(source, WEIGHTS, revision), "model", f"It is from {source}")


def hub_config(source: str, revision: str | None = None) -> dict[str, Any]:
    """Read the ``config.json`` of a model.

    Raises:
        WeightsError: If it is not there, or is no JSON object.
    """
    with loading(source, "config.json"):
        config: dict[str, Any] = dict(
            json.loads(hub_file(source, ("config.json",), revision).read_text(encoding="utf-8"))
        )
    return config


def hub_file(source: str, names: tuple[str, ...], revision: str | None = None) -> Path:
    """Find the first of some files, in a folder or on the hub, where it is downloaded once.

    Raises:
        WeightsError: If none is there; the message says how to get them.
    """
    from transformers.utils.hub import cached_file

    reason = f"it has no {' or '.join(names)}"
    try:
        for name in names:
            found = cached_file(source, name, revision=revision, _raise_exceptions_for_missing_entries=False)
            if found is not None:
                return Path(found)
    except OSError as error:
        reason = str(error).strip().split("\n")[0]
    raise WeightsError(
        f"{source}: cannot be loaded ({reason}). Download it once with `hf download {source}`, or set source to a "
        "folder that holds it"
    )
