"""LAION-CLAP with an HTSAT audio tower, as LAION's training script writes it."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from models.audio.htsat import HtsatInput
from models.released.detect import require_kind
from models.released.files import read_state
from models.released.htsat_tensors import UNUSED, check_htsat, htsat_rules, split_qkv
from models.released.load_state import install, rename

ORIGIN = (
    "630k-audioset-best.pt, music_speech_audioset_epoch_15_esc_89.98.pt and others are at "
    "https://huggingface.co/lukewys/laion_clap"
)
PARTS = ["audio.", "text.model.", "audio_projection.", "text_projection.", "log_scale"]
# The *_transform layers and the second scale take part only in training with --clap-mlploss.
IGNORED = rf"audio_branch\.({UNUSED})|(audio|text)_transform\.|logit_scale_t$"
RULES = (
    *htsat_rules(r"audio_branch\."),
    (r"text_branch\.", "text.model."),
    (r"(audio|text)_projection\.", r"\1_projection."),
    (r"logit_scale_a$", "log_scale"),
)


def rename_laion_htsat(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give the tensors of a LAION checkpoint, without ``module.`` before them, the names of a Clap."""
    return rename(split_qkv(state), RULES, IGNORED)


class LaionHtsat:
    """Both towers, both projections and the scale of a LAION-CLAP.

    Needs models.audio.Htsat of the checkpoint's size, RoBERTa with its pooler, and models.projection.MlpProjection.
    A checkpoint trained with feature fusion needs ``enable_fusion: true`` in the config of Htsat and ``scale: htk`` in
    its spectrogram.

    Args:
        path: Checkpoint of LAION's training script, such as those at lukewys/laion_clap (CC0-1.0).

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
        require_kind(state, "LAION-CLAP with HTSAT", self.path.name)
        # With fusion the spectrogram came from torchaudio, not from the filters that are in the file all the same.
        fused = "audio_branch.patch_embed.mel_conv2d.weight" in state
        check_htsat(
            clap.audio, state, "audio_branch.", self.path.name, HtsatInput(scale="htk") if fused else HtsatInput()
        )
        return install(clap, rename_laion_htsat(state), PARTS, self.path.name)
