"""Audio encoders: waveform in, one vector per clip out."""

from models.audio.cnn14 import Cnn14
from models.audio.encoder import AudioEncoder
from models.audio.htsat import Htsat
from models.audio.logmel import LogMel

__all__ = ["AudioEncoder", "Cnn14", "Htsat", "LogMel"]
