"""Reading a file of weights without running anything that is written in it."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from models.errors import WeightsError

# Training scripts leave numpy numbers (best scores) beside the tensors; these rebuild a number and do nothing else.
_scalar = np.float64(0).__reduce__()[0]
NUMPY_NUMBERS: list[Any] = [_scalar, (_scalar, "numpy.core.multiarray.scalar"), np.dtype]
NUMPY_NUMBERS += [type(np.dtype(kind)) for kind in (np.float64, np.float32, np.int64, np.bool_)]


PARTS = ("model", "state_dict")
"""Where the files that are known here keep their tensors."""


def read_state(path: Path, part: str, origin: str) -> dict[str, Tensor]:
    """Read the tensors of a ``.safetensors`` file, or of one that torch.save wrote.

    Args:
        path: The file.
        part: Key under which such files keep their state dict (``model``, ``state_dict``).
        origin: Where people get the file, for the message when it is not there.

    Raises:
        WeightsError: If the file is missing, unreadable, or has no state dict where it should be.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: no such file. {origin}")
    content = _read(path)
    state = content
    if isinstance(content, dict):
        # A file of another kind keeps it elsewhere, and only its tensors tell which kind that is.
        state = next((content[key] for key in (part, *PARTS) if key in content), content)
    if not isinstance(state, dict) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        held = sorted(map(str, content))[:5] if isinstance(content, dict) else type(content).__name__
        raise WeightsError(f"{path}: expected tensors by name under {part!r}, found {held}. {origin}")
    return state


def _read(path: Path) -> Any:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with torch.serialization.safe_globals(NUMPY_NUMBERS):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path}: holds more than tensors and numbers, or is not a file of torch.save; it is not opened, "
            "since that could run code. Save its state dict alone, with torch.save or safetensors"
        ) from error
    except (RuntimeError, EOFError, OSError, SafetensorError) as error:
        raise WeightsError(f"{path}: cannot be read ({error}); is the download complete?") from error
