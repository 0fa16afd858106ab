"""Files that others have released: reading their tensors without running anything, and telling their kinds apart."""

import json
import pickle
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from models.errors import WeightsError
from models.pretrained import loading

# Training scripts leave numpy numbers (best scores) beside the tensors; these rebuild a number and do nothing else.
_scalar = np.float64(0).__reduce__()[0]
NUMPY_NUMBERS: list[Any] = [_scalar, (_scalar, "numpy.core.multiarray.scalar"), np.dtype]
NUMPY_NUMBERS += [type(np.dtype(kind)) for kind in (np.float64, np.float32, np.int64, np.bool_)]

# Keys under which files keep their tensors.
STATE_KEYS = ("model", "state_dict")
HUB_WEIGHTS = ("model.safetensors", "pytorch_model.bin")


class FileKind(NamedTuple):
    """Kind of a released file.

    Args:
        name: As people know it.
        pattern: Matches the beginning of a tensor's name that only files of this kind hold.
        use: How to read it, as part of a sentence.
    """

    name: str
    pattern: str
    use: str


# Pengi and clapcap hold the audio tower of msclap 2023 as well, so they stand before it.
KINDS = (
    FileKind("Pengi", r"caption_decoder\.", "it writes text in place of comparing with it, and nothing here reads it"),
    FileKind("clapcap", r"clap_project\.|gpt\.", "it writes captions, and nothing here reads it"),
    FileKind("AudioCLIP", r"audio\.fbsp\.", "nothing here reads it"),
    FileKind("msclap 2023", r"audio_encoder\.base\.htsat\.", "read it with models.released.MsClap2023"),
    FileKind("msclap 2022", r"audio_encoder\.base\.conv_block1\.", "read it with models.released.MsClap2022"),
    FileKind("LAION-CLAP with HTSAT", r"audio_branch\.layers\.", "read it with models.released.LaionHtsat"),
    FileKind("LAION-CLAP with Cnn14", r"audio_branch\.conv_block1\.", "read it with models.released.LaionCnn14"),
    FileKind("transformers' ClapModel", r"audio_model\.audio_encoder\.", "read its folder with HuggingFaceClap"),
    FileKind("Wav2CLIP", r"audio_encoder\.layer1\.", "read it with models.released.Wav2Clip"),
    FileKind("HTSAT trained to tag AudioSet", r"sed_model\.", "it has no text tower, and nothing here reads it"),
    FileKind("PANNs Cnn14", r"conv_block1\.", "read it with models.released.Panns"),
    FileKind("a checkpoint of this program", r"clap\.(audio|text)\.", "name it in model.init_args.init_from"),
)


def read_released(path: Path, kind: str, origin: str) -> dict[str, Tensor]:
    """Read the tensors of a released file, and refuse a file that is known to be of another kind.

    ``module.``, which training on several devices puts before every name, is removed.

    Args:
        path: The file.
        kind: Expected ``FileKind``, by its name.
        origin: Where people get the file, for the message when it is not there.

    Raises:
        WeightsError: If the file is missing, unreadable or of another kind; the message says which.
    """
    state = read_state(path, origin)
    if all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    for known in KINDS:
        if any(re.match(known.pattern, name) for name in state):
            if known.name != kind:
                raise WeightsError(f"{path.name} looks like {known.name}, not like {kind}: {known.use}")
            break
    return state


def read_state(path: Path, origin: str) -> dict[str, Tensor]:
    """Read the tensors of a ``.safetensors`` file, or of one that torch.save wrote.

    Args:
        path: The file.
        origin: Where people get the file, for the message when it is not there.

    Raises:
        WeightsError: If the file is missing, unreadable, or has no state dict where it should be.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: no such file. {origin}")
    content = _read(path)
    state = content
    if isinstance(content, dict):
        state = next((content[key] for key in STATE_KEYS if key in content), content)
    if not isinstance(state, dict) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        found = sorted(map(str, content))[:5] if isinstance(content, dict) else type(content).__name__
        raise WeightsError(
            f"{path}: expected tensors by name, alone or under {' or '.join(STATE_KEYS)}, found {found}. {origin}"
        )
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


def hub_weights(source: str, revision: str | None = None) -> dict[str, Tensor]:
    """Read all tensors of a model, under the names that they were released with.

    Args:
        source: Folder, or name on the Hugging Face hub.
        revision: Commit of a hub name.

    Raises:
        WeightsError: If there is no ``model.safetensors`` or ``pytorch_model.bin``, or it cannot be read.
    """
    return read_state(_hub_file(source, HUB_WEIGHTS, revision), f"It is from {source}")


def hub_config(source: str, revision: str | None = None) -> dict[str, Any]:
    """Read the ``config.json`` of a model.

    Raises:
        WeightsError: If it is not there, or is no JSON object.
    """
    with loading(source, "config.json"):
        file = _hub_file(source, ("config.json",), revision)
        return dict(json.loads(file.read_text(encoding="utf-8")))


def _hub_file(source: str, names: tuple[str, ...], revision: str | None) -> Path:
    """Find the first of some files, in a folder or on the hub, from where it is downloaded once."""
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
