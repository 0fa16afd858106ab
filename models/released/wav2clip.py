"""Wav2CLIP: a ResNet-18 for audio in the space of CLIP."""

from pathlib import Path

from torch import nn

from models.audio.resnet18 import ResNet18
from models.errors import WeightsError
from models.load_state import install, rename
from models.pretrained import from_pretrained
from models.released.files import read_released

PARTS = ("audio.", "audio_projection.", "text.model.", "text_projection.")
# Tensors of the training: the unused classifier of the ResNet, the projection of images, the temperatures.
IGNORED = r"audio_encoder\.(fc|spectrogram)\.|image_transform\.|loss_fn"
RULES = (
    (r"audio_encoder\.", "audio."),
    (r"audio_transform\.sequential\.0\.", "audio_projection.0."),
    (r"audio_transform\.sequential\.3\.", "audio_projection.2."),
)
CLIP_RULES = ((r"text_model\.", "text.model."), (r"text_projection\.", "text_projection."))


class Wav2Clip:
    """The audio tower and its projection from Wav2CLIP, the text tower and its projection from CLIP.

    Needs models.audio.ResNet18, models.projection.MlpProjection for audio, models.clip_text.ClipText and a linear
    ``text_projection`` without bias. The temperature stays as it is: no text took part in Wav2CLIP's training.

    Args:
        path: ``Wav2CLIP.pt`` from the releases of descriptinc/lyrebird-wav2clip (MIT license).
        clip: Folder written by ``save_pretrained``, or a hub name: the CLIP whose space Wav2CLIP learned.
        revision: Commit of a hub name.

    Reference: Wu et al., "Wav2CLIP: Learning robust audio representations from CLIP", ICASSP 2022.
    """

    def __init__(self, path: Path, clip: str = "openai/clip-vit-base-patch32", revision: str | None = None) -> None:
        self.path = path
        self.clip = clip
        self.revision = revision

    def load(self, clap: nn.Module) -> str:
        """Fill both towers and both projections of ``clap`` and return one line about it.

        Raises:
            WeightsError: If a file is missing or does not fit the model exactly.
        """
        from transformers import CLIPTextModelWithProjection

        origin = "Wav2CLIP.pt is at https://github.com/descriptinc/lyrebird-wav2clip/releases/tag/v0.1.0-alpha"
        state = read_released(self.path, "Wav2CLIP", origin)
        if not isinstance(clap.audio, ResNet18):
            raise WeightsError(
                f"{self.path.name} holds a ResNet-18, the model's audio encoder is a {type(clap.audio).__name__}"
            )
        text = from_pretrained(CLIPTextModelWithProjection, self.clip, self.revision).state_dict()
        tensors = rename(state, RULES, IGNORED) | rename(text, CLIP_RULES)
        return install(clap, tensors, f"{self.path.name} and {self.clip}", PARTS)
