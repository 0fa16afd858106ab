"""Weights that others have released, read into our models."""

from models.released.huggingface_clap import HuggingFaceClap
from models.released.laion_cnn14 import LaionCnn14
from models.released.msclap2022 import MsClap2022
from models.released.panns import Panns

__all__ = ["HuggingFaceClap", "LaionCnn14", "MsClap2022", "Panns"]
