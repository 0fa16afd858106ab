"""Weights that others have released, loaded into our models."""

from models.released.cnn14 import Panns
from models.released.dimensional import MspDimWav2vec2, OdysseyWavlm
from models.released.laion import HuggingFaceClap, LaionCnn14, LaionHtsat
from models.released.msclap import MsClap2022, MsClap2023
from models.released.wav2clip import Wav2Clip

__all__ = [
    "HuggingFaceClap",
    "LaionCnn14",
    "LaionHtsat",
    "MsClap2022",
    "MsClap2023",
    "MspDimWav2vec2",
    "OdysseyWavlm",
    "Panns",
    "Wav2Clip",
]
