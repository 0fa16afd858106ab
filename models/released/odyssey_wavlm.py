"""The WavLM of the Odyssey 2024 challenge's baseline, for arousal, dominance and valence."""

from typing import Any, Literal

from torch import Tensor, nn

from models.audio.encoder import AudioEncoder
from models.audio.pooling import AttentiveStatistics, MeanPooling
from models.audio.speech import SpeechTower
from models.errors import WeightsError
from models.pretrained import pretrained_file
from models.released.hub import hub_config, hub_weights
from models.released.load_state import install, rename

PARTS = ["tower.", "statistics.", "hidden.", "out."]
# Blanks frames in training alone; some releases leave it out.
IGNORED = r"ssl_model\.masked_spec_embed$"
FACTORS = "tower.model.encoder.pos_conv_embed.conv.parametrizations.weight.original"
RULES = (
    # Older versions of torch name the two factors of a normalised weight so.
    (r"ssl_model\.encoder\.pos_conv_embed\.conv\.weight_g$", f"{FACTORS}0"),
    (r"ssl_model\.encoder\.pos_conv_embed\.conv\.weight_v$", f"{FACTORS}1"),
    (r"ssl_model\.", "tower.model."),
    (r"pool_model\.sap_linear\.", "statistics.linear."),
    (r"pool_model\.attention$", "statistics.attention"),
    (r"ser_model\.fc\.0\.", "hidden."),
    (r"ser_model\.out\.0\.", "out."),
)


class OdysseyWavlm(AudioEncoder):
    """WavLM large, attentive statistics and a head, trained on MSP-Podcast 1.11: EmotionRankCLAP's audio encoder.

    The paper's "1024-dimensional embeddings via attentive statistics pooling" are not what the pooling gives, 2048 of
    them; ``pooling`` has every reading. Waveforms are scaled by the mean and standard deviation that the release names.

    Args:
        source: Name on the Hugging Face hub (MIT licence), or folder with its ``config.json`` and weights.
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
        self.source, self.revision, self.pooling = source, revision, pooling
        config = hub_config(source, revision)
        absent = {"mean", "std", "hidden_size"} - config.keys()
        if absent:
            raise WeightsError(f"{source}: its config.json has no {', '.join(sorted(absent))}, as the challenge's have")
        level, width = (float(config["mean"]), float(config["std"])), int(config["hidden_size"])
        self.tower = SpeechTower(_wavlm(backbone, backbone_revision), "scalar", *level)
        self.statistics, self.mean = AttentiveStatistics(self.tower.width), MeanPooling(self.tower.width)
        self.hidden = nn.Sequential(nn.Linear(self.statistics.width, width), nn.LayerNorm(width), nn.ReLU())
        self.out = nn.Linear(width, 3)
        install(self, rename(hub_weights(source, revision), RULES, IGNORED), PARTS, source)
        self.pretrained = pretrained_file(source, revision)
        # What the embedding does not pass through would never have a gradient.
        self.out.requires_grad_(False)
        self.hidden.requires_grad_(pooling == "head")
        self.statistics.requires_grad_(pooling != "mean")
        self.width = {"attentive": self.statistics.width, "head": width}.get(pooling, self.tower.width)

    def forward(self, wave_NT: Tensor, length_N: Tensor) -> Tensor:
        """Return what ``pooling`` names, [N, D]."""
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
        attributes_N3: Tensor = self.out(self.hidden(self.statistics(*self.tower(wave_NT, length_N))))
        return attributes_N3


def _wavlm(backbone: str, revision: str | None) -> Any:
    from transformers import WavLMConfig, WavLMModel

    described = hub_config(backbone, revision)
    if described.get("model_type") != "wavlm":
        raise WeightsError(
            f"{backbone} is a {described.get('model_type')} model; set backbone to microsoft/wavlm-large"
        )
    config = WavLMConfig.from_dict(described)
    # Without SpecAugment there is no vector for it, which a release may lack.
    config.mask_time_prob = config.mask_feature_prob = 0.0
    return WavLMModel(config)
