"""Weights that somebody published: the tensors of an audio-text model, under other names."""

from pathlib import Path

import torch
from torch import nn

from models.errors import WeightsError


class PublishedWeights:
    """Weights of a whole `Clap`, whose audio tower its authors call ``ear``.

    Args:
        path: File written by ``torch.save``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self, clap: nn.Module) -> str:
        """Load them, strictly, and return one line about it.

        Raises:
            WeightsError: If the file is not there, or does not fit the model.
        """
        try:
            found = torch.load(self.path, map_location="cpu", weights_only=True)
            clap.load_state_dict({name.replace("ear.", "audio.", 1): tensor for name, tensor in found.items()})
        except (OSError, RuntimeError) as error:
            raise WeightsError(f"{self.path}: {error}") from error
        return f"{self.path}: {len(found)} tensors"
