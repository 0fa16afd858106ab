"""CLAP as transformers' ClapModel: HTSAT and RoBERTa."""

from collections.abc import Mapping

from torch import Tensor, nn

from models.audio.htsat import Htsat, read_input
from models.errors import WeightsError
from models.pretrained import from_pretrained
from models.released.load_state import install, rename

PARTS = ["audio.", "text.model.", "audio_projection.", "text_projection.", "log_scale"]
# The second scale takes part only in a training objective that no released model uses.
IGNORED = r"logit_scale_t$"
RULES = (
    (r"audio_model\.", "audio.model."),
    (r"text_model\.", "text.model."),
    (r"(audio|text)_projection\.linear1\.", r"\1_projection.0."),
    (r"(audio|text)_projection\.linear2\.", r"\1_projection.2."),
    (r"logit_scale_a$", "log_scale"),
)


def rename_huggingface(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give the tensors of a ClapModel the names of a Clap."""
    return rename(state, RULES, IGNORED)


class HuggingFaceClap:
    """Both towers, both projections and the scale of a ClapModel.

    Needs models.audio.Htsat, RoBERTa with its pooler, and models.projection.MlpProjection.

    Args:
        source: Folder written by ``save_pretrained``, or a hub name: ``laion/clap-htsat-unfused``,
            ``laion/clap-htsat-fused``, ``laion/larger_clap_general``.
        revision: Commit of a hub name.

    Reference: Wu et al., "Large-scale contrastive language-audio pretraining", ICASSP 2023.
    """

    def __init__(self, source: str = "laion/clap-htsat-unfused", revision: str | None = None) -> None:
        self.source, self.revision = source, revision

    def load(self, clap: nn.Module) -> str:
        """Fill the whole of ``clap`` and return one line about it.

        Raises:
            WeightsError: If the source is missing or does not fit the model exactly.
        """
        from transformers import ClapModel

        state = from_pretrained(ClapModel, self.source, self.revision).state_dict()
        self._check_input(clap.audio)
        return install(clap, rename_huggingface(state), PARTS, self.source)

    def _check_input(self, encoder: Tensor | nn.Module) -> None:
        if not isinstance(encoder, Htsat):
            raise WeightsError(f"{self.source} holds an HTSAT, the model's audio encoder is a {type(encoder).__name__}")
        wanted = read_input(self.source, self.revision)
        if encoder.spectrogram != wanted:
            raise WeightsError(
                f"{self.source} hears {wanted}, the audio encoder {encoder.spectrogram}; set its spectrogram"
            )
