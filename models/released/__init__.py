"""Weights that others have released, read into our models."""

from models.released.huggingface_clap import HuggingFaceClap
from models.released.laion_cnn14 import LaionCnn14
from models.released.laion_htsat import LaionHtsat
from models.released.msclap2022 import MsClap2022
from models.released.msclap2023 import MsClap2023
from models.released.msp_dim_wav2vec2 import MspDimWav2vec2
from models.released.odyssey_wavlm import OdysseyWavlm
from models.released.panns import Panns
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
