"""The audio-text model: two towers, two projections, one temperature."""

import math
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.audio.encoder import AudioEncoder
from models.projection import MlpProjection
from models.text import TextEncoder

MAX_LOG_SCALE = math.log(100)


class Clap(nn.Module):
    """Contrastive language-audio model: unit embeddings of clips and texts in one space.

    Args:
        audio: Audio tower.
        text: Text tower.
        dim: Width of the shared space, E.
        audio_projection: From the audio tower's width to E; LAION's two-layer MLP by default.
        text_projection: Likewise for the text tower.
        freeze_audio: Keep the audio tower as it is: no gradients, no dropout, no running statistics.
        freeze_text: Likewise for the text tower; on in CLEP-DG.
        temperature: Initial temperature; learned as the logarithm of its inverse, the scale, which stays in [1, 100].

    Raises:
        ValueError: If the temperature is not positive.

    Attributes:
        sample_rate: In Hz, of the waveforms that the audio tower hears.
        width: E.

    Reference: Wu et al., "Large-scale contrastive language-audio pretraining", ICASSP 2023.
    """

    def __init__(
        self,
        audio: AudioEncoder,
        text: TextEncoder,
        dim: int = 512,
        audio_projection: nn.Module | None = None,
        text_projection: nn.Module | None = None,
        freeze_audio: bool = False,
        freeze_text: bool = True,
        temperature: float = 0.07,
    ) -> None:
        super().__init__()
        if temperature <= 0:
            raise ValueError(f"temperature is {temperature:g}; expected a number above 0, such as 0.07")
        self.audio, self.text = audio, text
        self.audio_projection = audio_projection or MlpProjection(audio.width, dim)
        self.text_projection = text_projection or MlpProjection(text.width, dim)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / temperature)))
        self.frozen = [tower for tower, frozen in ((audio, freeze_audio), (text, freeze_text)) if frozen]
        for tower in self.frozen:
            tower.requires_grad_(False)
        self.sample_rate, self.width = audio.sample_rate, dim
        self.train()

    def train(self, mode: bool = True) -> Self:
        """Set the mode of all but the frozen towers, whose dropout and running statistics must rest."""
        super().train(mode)
        for tower in self.frozen:
            tower.eval()
        return self

    @property
    def scale(self) -> Tensor:
        """One over the temperature, 0-d."""
        return self.log_scale.exp()

    @torch.no_grad()
    def clamp_scale(self) -> None:
        """Bring the learned scale back into [1, 100], as LAION-CLAP does after every step."""
        self.log_scale.clamp_(0, MAX_LOG_SCALE)

    def embed_audio(self, wave_NT: Tensor, length_N: Tensor) -> Tensor:
        """Unit embeddings of N clips: [N, T] in [-1, 1], with their true lengths in samples -> [N, E]."""
        return F.normalize(self.audio_projection(self.audio(wave_NT, length_N)), dim=-1)

    def embed_text(self, texts: list[str]) -> Tensor:
        """Unit embeddings of N texts, [N, E]."""
        return self.project_text(self.text(texts))

    def project_text(self, pooled_ND: Tensor) -> Tensor:
        """Unit embeddings of what the text tower has pooled: [..., D] -> [..., E]."""
        return F.normalize(self.text_projection(pooled_ND), dim=-1)
