"""Microsoft's CLAP of 2022: Cnn14 at 44.1 kHz and BERT."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from models.released.cnn14_front_end import FIXED, check_front_end, cnn14_rules
from models.released.detect import require_kind
from models.released.files import read_state
from models.released.load_state import install, rename

ORIGIN = "CLAP_weights_2022.pth is at https://huggingface.co/microsoft/msclap"
PARTS = ["audio.", "text.model.", "audio_projection.", "text_projection.", "log_scale"]
# The text embedding is BERT's first token, so its pooler is in the file but may be absent from the model.
SPARE = r"^audio\.fc_audioset\.|^text\.model\.pooler\."
RULES = (
    *cnn14_rules(r"audio_encoder\.base\."),
    (r"audio_encoder\.projection\.", "audio_projection."),
    (r"caption_encoder\.base\.", "text.model."),
    (r"caption_encoder\.projection\.", "text_projection."),
    (r"logit_scale$", "log_scale"),
)


def rename_msclap(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give the tensors of the released file the names of a Clap."""
    return rename(state, RULES, ignored=rf"audio_encoder\.base\.{FIXED}")


class MsClap2022:
    """Both towers, both projections and the scale of msclap 2022.

    Needs models.audio.Cnn14 at 44.1 kHz, BERT read at its first token, and models.projection.ResidualProjection.

    Args:
        path: ``CLAP_weights_2022.pth`` from the Hugging Face hub, microsoft/msclap (MIT licence).

    Reference: Elizalde et al., "CLAP: Learning audio concepts from natural language supervision", ICASSP 2023.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self, clap: nn.Module) -> str:
        """Fill the whole of ``clap`` and return one line about it.

        Raises:
            WeightsError: If the file is missing or does not fit the model exactly.
        """
        state = read_state(self.path, "model", ORIGIN)
        require_kind(state, "msclap 2022", self.path.name)
        check_front_end(clap.audio, state, "audio_encoder.base.", self.path.name)
        return install(clap, rename_msclap(state), PARTS, self.path.name, SPARE)
