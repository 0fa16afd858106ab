"""LAION-CLAP with a Cnn14 (PANN) audio tower."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from models.released.cnn14_front_end import FIXED, check_front_end, cnn14_rules
from models.released.detect import require_kind
from models.released.files import read_state
from models.released.load_state import install, rename

ORIGIN = "LAION has released no Cnn14; this is a checkpoint trained with LAION-AI/CLAP and --amodel PANN-14"
PARTS = ["audio.", "text.model.", "audio_projection.", "text_projection.", "log_scale"]
SPARE = r"^audio\.fc_audioset\."
# The *_transform layers and the second scale take part only in training with --clap-mlploss.
IGNORED = rf"audio_branch\.{FIXED}|(audio|text)_transform\.|logit_scale_t$"
RULES = (
    *cnn14_rules(r"audio_branch\."),
    (r"text_branch\.", "text.model."),
    (r"(audio|text)_projection\.", r"\1_projection."),
    (r"logit_scale_a$", "log_scale"),
)


def rename_laion(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give the tensors of a LAION checkpoint, without ``module.`` before them, the names of a Clap."""
    return rename(state, RULES, IGNORED)


class LaionCnn14:
    """Both towers, both projections and the scale of a LAION-CLAP.

    Needs models.audio.Cnn14, RoBERTa or BERT with its pooler, and models.projection.MlpProjection.

    Args:
        path: Checkpoint of LAION's training script, of one process or of several.

    Reference: Wu et al., "Large-scale contrastive language-audio pretraining", ICASSP 2023.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self, clap: nn.Module) -> str:
        """Fill the whole of ``clap`` and return one line about it.

        Raises:
            WeightsError: If the file is missing or does not fit the model exactly.
        """
        state = {k.removeprefix("module."): v for k, v in read_state(self.path, "state_dict", ORIGIN).items()}
        require_kind(state, "LAION-CLAP with Cnn14", self.path.name)
        check_front_end(clap.audio, state, "audio_branch.", self.path.name)
        return install(clap, rename_laion(state), PARTS, self.path.name, SPARE)
