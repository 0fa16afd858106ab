"""Microsoft's CLAP of 2023: HTSAT at 44.1 kHz and GPT-2."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from models.audio.htsat import HtsatInput
from models.released.detect import require_kind
from models.released.files import read_state
from models.released.htsat_tensors import UNUSED, check_htsat, htsat_rules, split_qkv
from models.released.load_state import install, rename

ORIGIN = "CLAP_weights_2023.pth is at https://huggingface.co/microsoft/msclap"
PARTS = ["audio.", "text.model.", "audio_projection.", "text_projection.", "log_scale"]
HEARS = HtsatInput(sample_rate=44100, window=1024, hop=320, mels=64, seconds=7)
# Old versions of transformers kept GPT-2's causal masks beside its weights.
IGNORED = rf"audio_encoder\.base\.htsat\.({UNUSED})|caption_encoder\.base\.h\.\d+\.attn\.(bias|masked_bias)$"
RULES = (
    *htsat_rules(r"audio_encoder\.base\.htsat\."),
    (r"audio_encoder\.projection\.", "audio_projection."),
    (r"caption_encoder\.base\.", "text.model."),
    (r"caption_encoder\.projection\.", "text_projection."),
    (r"logit_scale$", "log_scale"),
)


def rename_msclap2023(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give the tensors of the released file the names of a Clap."""
    return rename(split_qkv(state), RULES, IGNORED)


class MsClap2023:
    """Both towers, both projections and the scale of msclap 2023.

    Needs models.audio.Htsat at 44.1 kHz and 7 s with padding ``repeat``, GPT-2 read at the end of the text, and
    models.projection.ResidualProjection. The mel filters are compared with those in the file: the configuration that
    was released beside it says 50 to 8000 Hz at 44.1 kHz, the released code makes filters of 50 to 14000 Hz for 32 kHz.

    Args:
        path: ``CLAP_weights_2023.pth`` from the Hugging Face hub, microsoft/msclap (MIT licence).

    Reference: Elizalde et al., "Natural language supervision for general-purpose audio representations", ICASSP 2024.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self, clap: nn.Module) -> str:
        """Fill the whole of ``clap`` and return one line about it.

        Raises:
            WeightsError: If the file is missing or does not fit the model exactly.
        """
        state = read_state(self.path, "model", ORIGIN)
        require_kind(state, "msclap 2023", self.path.name)
        check_htsat(clap.audio, state, "audio_encoder.base.htsat.", self.path.name, HEARS)
        return install(clap, rename_msclap2023(state), PARTS, self.path.name)
