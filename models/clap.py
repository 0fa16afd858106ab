"""The audio-text model: two towers, two projections, one temperature."""

import math
from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor, nn

from models.audio.encoder import AudioEncoder
from models.projection import MlpProjection, unit
from models.recognition.recogniser import ClipEncoder
from models.text import TextEncoder

ProjectionCallable = Callable[[int, int], nn.Module]


class Clap(nn.Module):
    """Contrastive language-audio model: unit embeddings of clips and texts in one space, in float32 or wider.

    Args:
        audio: Audio tower.
        text: Text tower.
        dim: Width of the shared space, E.
        audio_projection: Called with the audio tower's width and E; null is LAION's two-layer MLP.
        text_projection: Likewise with the text tower's width.
        freeze_audio: Freeze the audio tower: no gradients, no dropout, no update of running statistics.
        freeze_text: Likewise for the text tower; on in CLEP-DG.
        temperature: Initial temperature; learned as the logarithm of its inverse, the scale.
        min_temperature: Lower bound of the learned temperature; LAION-CLAP's 0.01 is a scale of 100.
        max_temperature: Upper bound.
        learn_temperature: Train the temperature.
        unit_in_training: Compare unit vectors in training, too; ParaCLAP's code normalizes only in evaluation.

    Raises:
        ValueError: If the temperature is not positive, or outside its bounds.

    Attributes:
        sample_rate: Sampling rate of the audio tower's input in Hz.
        width: E.

    Reference: Wu et al., "Large-scale contrastive language-audio pretraining", ICASSP 2023.
    """

    def __init__(
        self,
        audio: AudioEncoder,
        text: TextEncoder,
        dim: int = 512,
        audio_projection: ProjectionCallable | None = None,
        text_projection: ProjectionCallable | None = None,
        freeze_audio: bool = False,
        freeze_text: bool = True,
        temperature: float = 0.07,
        min_temperature: float = 0.01,
        max_temperature: float = 1.0,
        learn_temperature: bool = True,
        unit_in_training: bool = True,
    ) -> None:
        super().__init__()
        if temperature <= 0:
            raise ValueError(f"temperature is {temperature:g}; expected a number above 0, such as 0.07")
        if learn_temperature and not 0 < min_temperature <= temperature <= max_temperature:
            raise ValueError(
                f"temperature is {temperature:g}; expected min_temperature <= temperature <= max_temperature, "
                f"and these are {min_temperature:g} and {max_temperature:g}"
            )
        self.audio = audio
        self.text = text
        self.audio_projection = (audio_projection or MlpProjection)(audio.width, dim)
        self.text_projection = (text_projection or MlpProjection)(text.width, dim)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / temperature)), requires_grad=learn_temperature)
        self._log_bounds = (-math.log(max_temperature), -math.log(min_temperature))
        self.unit_in_training = unit_in_training
        self.freeze_audio = freeze_audio
        self.freeze_text = freeze_text
        for tower in (audio, text):
            if self.is_frozen(tower):
                tower.requires_grad_(False)
        self.sample_rate = audio.sample_rate
        self.width = dim
        self.train()

    def train(self, mode: bool = True) -> Self:
        """Set the mode of all modules but the frozen towers, which stay in evaluation mode."""
        super().train(mode)
        for tower in (self.audio, self.text):
            if self.is_frozen(tower):
                tower.eval()
        return self

    def is_frozen(self, tower: nn.Module) -> bool:
        """Return whether one of the two towers is frozen."""
        return self.freeze_audio if tower is self.audio else self.freeze_text

    @property
    def scale(self) -> Tensor:
        """One over the temperature, 0-d."""
        return self.log_scale.exp()

    @torch.no_grad()
    def clamp_scale(self) -> None:
        """Clamp the learned temperature to its bounds, as LAION-CLAP does after every step."""
        if self.log_scale.requires_grad:
            self.log_scale.clamp_(*self._log_bounds)

    def embed_audio(self, wave_NT: Tensor, length_N: Tensor) -> Tensor:
        """Embed N clips: waveforms [N, T] in [-1, 1] and their lengths in samples -> unit embeddings [N, E]."""
        return self.project_audio(self.audio(wave_NT, length_N))

    def clip_encoder(self) -> ClipEncoder:
        """Make the encoder of clips for this model's recognisers."""
        return ClipEncoder(self.audio, self.project_audio)

    def embed_text(self, texts: list[str]) -> Tensor:
        """Embed N texts: unit embeddings [N, E]."""
        return self.project_text(self.text(texts))

    def project_audio(self, pooled_ND: Tensor) -> Tensor:
        """Project pooled outputs of the audio tower to unit embeddings: [..., D] -> [..., E]."""
        return self._unit(self.audio_projection(pooled_ND))

    def project_text(self, pooled_ND: Tensor) -> Tensor:
        """Project pooled outputs of the text tower to unit embeddings: [..., D] -> [..., E]."""
        return self._unit(self.text_projection(pooled_ND))

    def _unit(self, x_NE: Tensor) -> Tensor:
        if self.unit_in_training or not self.training:
            return unit(x_NE)
        return x_NE.to(torch.promote_types(x_NE.dtype, torch.float32))
