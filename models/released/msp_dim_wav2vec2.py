"""audEERING's wav2vec 2.0 for arousal, dominance and valence."""

import torch
from torch import Tensor, nn

from models.audio.pooling import MeanPooling, PoolingName
from models.audio.speech import Normalize, SpeechEncoder
from models.released.hub import hub_weights
from models.released.load_state import NOTHING, install, rename

HEAD = "classifier."
RULES = ((r"classifier\.dense\.", "hidden."), (r"classifier\.out_proj\.", "out."))


class MspDimWav2vec2(SpeechEncoder):
    """wav2vec 2.0, pruned to 12 layers and fine-tuned on MSP-Podcast 1.7, with its head.

    To embed clips, models.audio.SpeechEncoder reads the same release without the head. The weights are licensed
    CC BY-NC-SA 4.0: not for commercial use.

    Args:
        source: Name on the Hugging Face hub, or folder with the same files.
        revision: Commit of a hub name.
        pooling: Of the embedding; the attributes follow from the mean.
        normalize: ``clip`` as the release does, or ``none`` as ParaCLAP does.

    Raises:
        WeightsError: If the source is missing or holds something else.

    Reference: Wagner et al., "Dawn of the transformer era in speech emotion recognition", TPAMI 2023.
    """

    def __init__(
        self,
        source: str = "audeering/wav2vec2-large-robust-12-ft-emotion-msp-dim",
        revision: str | None = None,
        pooling: PoolingName = "mean",
        normalize: Normalize = "clip",
    ) -> None:
        super().__init__(source, revision, pooling, normalize)
        self.mean = MeanPooling(self.tower.width)
        self.hidden = nn.Linear(self.tower.width, self.tower.width)
        self.out = nn.Linear(self.tower.width, 3)
        # No part of the embedding, so nothing that trains on it could give these a gradient.
        self.hidden.requires_grad_(False)
        self.out.requires_grad_(False)
        head = {name: tensor for name, tensor in hub_weights(source, revision).items() if name.startswith(HEAD)}
        install(self, rename(head, RULES, NOTHING), ["hidden.", "out."], source)

    def attributes(self, wave_NT: Tensor, length_N: Tensor) -> Tensor:
        """Return arousal, dominance and valence, in this order, [N, 3], each about 0 to 1 for MSP-Podcast's 1 to 7."""
        mean_ND = self.mean(*self.tower(wave_NT, length_N))
        attributes_N3: Tensor = self.out(torch.tanh(self.hidden(mean_ND)))
        return attributes_N3
