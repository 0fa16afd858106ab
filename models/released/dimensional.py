"""Released speech encoders with a head for arousal, dominance and valence."""

from typing import Any, Literal

import torch
from torch import Tensor, nn

from models.audio.encoder import AudioEncoder
from models.audio.pooling import AttentiveStatistics, MeanPooling, PoolingName
from models.audio.speech import Normalize, SpeechEncoder, SpeechTower
from models.errors import WeightsError
from models.load_state import install, rename
from models.pretrained import pretrained_file
from models.released.files import hub_config, hub_weights

MSP_DIM_RULES = ((r"classifier\.dense\.", "hidden."), (r"classifier\.out_proj\.", "out."))
# Blanks frames in training alone; some releases leave it out.
ODYSSEY_IGNORED = r"ssl_model\.masked_spec_embed$"
FACTORS = "tower.model.encoder.pos_conv_embed.conv.parametrizations.weight.original"
ODYSSEY_RULES = (
    # Older versions of torch name the two factors of a normalized weight so.
    (r"ssl_model\.encoder\.pos_conv_embed\.conv\.weight_g$", f"{FACTORS}0"),
    (r"ssl_model\.encoder\.pos_conv_embed\.conv\.weight_v$", f"{FACTORS}1"),
    (r"ssl_model\.", "tower.model."),
    (r"pool_model\.sap_linear\.", "statistics.linear."),
    (r"pool_model\.attention$", "statistics.attention"),
    (r"ser_model\.fc\.0\.", "hidden."),
    (r"ser_model\.out\.0\.", "out."),
)


class MspDimWav2vec2(SpeechEncoder):
    """wav2vec 2.0, pruned to 12 layers and fine-tuned on MSP-Podcast 1.7, with its head.

    To embed clips, models.audio.SpeechEncoder reads the same release without the head. The weights are licensed
    CC BY-NC-SA 4.0: not for commercial use.

    Args:
        source: Name on the Hugging Face hub, or folder with the same files.
        revision: Commit of a hub name.
        pooling: Pooling of the embedding; the attributes follow from the mean.
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
        # The embedding does not depend on the head, so training on it gives these no gradient.
        self.hidden.requires_grad_(False)
        self.out.requires_grad_(False)
        state = hub_weights(source, revision)
        head = {name: tensor for name, tensor in state.items() if name.startswith("classifier.")}
        install(self, rename(head, MSP_DIM_RULES), source, ["hidden.", "out."])

    def attributes(self, wave_NT: Tensor, length_N: Tensor) -> Tensor:
        """Return arousal, dominance and valence, in this order, [N, 3], each about 0 to 1 for MSP-Podcast's 1 to 7."""
        mean_ND = self.mean(*self.tower(wave_NT, length_N))
        attributes_N3: Tensor = self.out(torch.tanh(self.hidden(mean_ND)))
        return attributes_N3


class OdysseyWavlm(AudioEncoder):
    """WavLM large, attentive statistics and a head, trained on MSP-Podcast 1.11: EmotionRankCLAP's audio encoder.

    The paper's "1024-dimensional embeddings via attentive statistics pooling" are not what the pooling gives, 2048 of
    them; ``pooling`` has every reading. Waveforms are scaled by the mean and standard deviation that the release names.

    Args:
        source: Name on the Hugging Face hub (MIT license), or folder with its ``config.json`` and weights.
        revision: Commit of a hub name.
        pooling: ``attentive`` for mean and standard deviation, 2048; ``attentive_mean`` for the first half, 1024;
            ``head`` for the head's hidden layer, 1024 that are never negative; ``mean`` without attention, 1024.
        backbone: Name or folder whose ``config.json`` describes the WavLM; the release does not.
        backbone_revision: Commit of its hub name.

    Raises:
        WeightsError: If a source is missing, or the weights do not fit exactly.

    Reference: Goncalves et al., "Odyssey 2024 - Speech emotion recognition challenge", Odyssey 2024.
    """

    sample_rate = 16000

    def __init__(
        self,
        source: str = "3loi/SER-Odyssey-Baseline-WavLM-Multi-Attributes",
        revision: str | None = None,
        pooling: Literal["attentive", "attentive_mean", "head", "mean"] = "attentive",
        backbone: str = "microsoft/wavlm-large",
        backbone_revision: str | None = None,
    ) -> None:
        super().__init__()
        self.source = source
        self.revision = revision
        self.pooling = pooling
        config = hub_config(source, revision)
        absent = {"mean", "std", "hidden_size"} - config.keys()
        if absent:
            raise WeightsError(f"{source}: its config.json has no {', '.join(sorted(absent))}, as the challenge's have")
        width = int(config["hidden_size"])
        wavlm = _wavlm(backbone, backbone_revision)
        self.tower = SpeechTower(wavlm, "scalar", float(config["mean"]), float(config["std"]))
        self.statistics = AttentiveStatistics(self.tower.width)
        self.mean = MeanPooling(self.tower.width)
        self.hidden = nn.Sequential(nn.Linear(self.statistics.width, width), nn.LayerNorm(width), nn.ReLU())
        self.out = nn.Linear(width, 3)
        tensors = rename(hub_weights(source, revision), ODYSSEY_RULES, ODYSSEY_IGNORED)
        install(self, tensors, source, ["tower.", "statistics.", "hidden.", "out."])
        self.pretrained = pretrained_file(source, revision)
        # Layers that the embedding does not depend on would never have a gradient.
        self.out.requires_grad_(False)
        self.hidden.requires_grad_(pooling == "head")
        self.statistics.requires_grad_(pooling != "mean")
        self.width = {"attentive": self.statistics.width, "head": width}.get(pooling, self.tower.width)

    def forward(self, wave_NT: Tensor, length_N: Tensor) -> Tensor:
        """Return the embeddings that ``pooling`` names, [N, D]."""
        hidden_NLD, mask_NL = self.tower(wave_NT, length_N)
        if self.pooling == "mean":
            mean_ND: Tensor = self.mean(hidden_NLD, mask_NL)
            return mean_ND
        pooled_ND: Tensor = self.statistics(hidden_NLD, mask_NL)
        if self.pooling == "head":
            pooled_ND = self.hidden(pooled_ND)
        return pooled_ND[:, : self.width]

    def attributes(self, wave_NT: Tensor, length_N: Tensor) -> Tensor:
        """Return arousal, dominance and valence, in this order, [N, 3], each about 0 to 1 for MSP-Podcast's 1 to 7."""
        pooled_ND = self.statistics(*self.tower(wave_NT, length_N))
        attributes_N3: Tensor = self.out(self.hidden(pooled_ND))
        return attributes_N3


def _wavlm(backbone: str, revision: str | None) -> Any:
    from transformers import WavLMConfig, WavLMModel

    settings = hub_config(backbone, revision)
    kind = settings.get("model_type")
    if kind != "wavlm":
        raise WeightsError(f"{backbone} is a {kind} model; set backbone to microsoft/wavlm-large")
    config = WavLMConfig.from_dict(settings)
    # Without SpecAugment there is no vector for it, which a release may lack.
    config.mask_time_prob = config.mask_feature_prob = 0.0
    return WavLMModel(config)
