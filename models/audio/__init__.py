"""Audio encoders: waveform in, one vector per clip out."""

from models.audio.cnn14 import Cnn14
from models.audio.encoder import AudioEncoder
from models.audio.htsat import Htsat
from models.audio.pooling import AttentiveStatistics, FirstFrame, MeanPooling, Pooling
from models.audio.resnet18 import ResNet18
from models.audio.spectrogram import LogMel
from models.audio.speech import SpeechEncoder, SpeechTower
from models.audio.whisper import WhisperSpeechEncoder

__all__ = [
    "AttentiveStatistics",
    "AudioEncoder",
    "Cnn14",
    "FirstFrame",
    "Htsat",
    "LogMel",
    "MeanPooling",
    "Pooling",
    "ResNet18",
    "SpeechEncoder",
    "SpeechTower",
    "WhisperSpeechEncoder",
]
