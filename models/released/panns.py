"""PANNs: Cnn14 trained to tag AudioSet."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from models.released.cnn14_front_end import FIXED, check_front_end, cnn14_rules
from models.released.detect import require_kind
from models.released.files import read_state
from models.released.load_state import install, rename

ORIGIN = "Cnn14_16k_mAP=0.438.pth (16 kHz) and Cnn14_mAP=0.431.pth (32 kHz) are at https://zenodo.org/records/3987831"
SPARE = r"^audio\.fc_audioset\."


def rename_panns(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give the tensors of a PANNs file the names of a Clap with a Cnn14."""
    return rename(state, cnn14_rules(""), ignored=FIXED)


class Panns:
    """A released Cnn14 for the audio tower; the text tower and the projections stay as they are.

    The classifier of AudioSet's tags is loaded if the encoder has one.

    Args:
        path: File from Zenodo record 3987831.

    Reference: Kong et al., "PANNs: Large-Scale Pretrained Audio Neural Networks", TASLP 2020.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self, clap: nn.Module) -> str:
        """Fill ``clap.audio`` and return one line about it.

        Raises:
            WeightsError: If the file is missing or does not fit the encoder exactly.
        """
        state = read_state(self.path, "model", ORIGIN)
        require_kind(state, "PANNs Cnn14", self.path.name)
        check_front_end(clap.audio, state, "", self.path.name)
        return install(clap, rename_panns(state), ["audio."], self.path.name, SPARE)
