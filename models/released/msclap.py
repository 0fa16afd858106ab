"""Microsoft's CLAP: Cnn14 and BERT in 2022, HTSAT and GPT-2 in 2023."""

from pathlib import Path

from torch import nn

from models.audio.htsat import HtsatInput
from models.load_state import install, rename
from models.released.cnn14 import AUDIOSET_HEAD, SPECTROGRAM, check_front_end, cnn14_rules
from models.released.files import read_released
from models.released.htsat import HTSAT_UNUSED, check_htsat, htsat_rules, split_qkv

RULES = (
    (r"audio_encoder\.projection\.", "audio_projection."),
    (r"caption_encoder\.base\.", "text.model."),
    (r"caption_encoder\.projection\.", "text_projection."),
    (r"logit_scale$", "log_scale"),
)


class MsClap2022:
    """Both towers, both projections and the scale of msclap 2022.

    Needs models.audio.Cnn14 at 44.1 kHz, BERT read at its first token, and models.projection.ResidualProjection.

    Args:
        path: ``CLAP_weights_2022.pth`` from the Hugging Face hub, microsoft/msclap (MIT license).

    Reference: Elizalde et al., "CLAP: Learning audio concepts from natural language supervision", ICASSP 2023.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self, clap: nn.Module) -> str:
        """Fill all of ``clap`` and return one line about it.

        Raises:
            WeightsError: If the file is missing or does not fit the model exactly.
        """
        origin = "CLAP_weights_2022.pth is at https://huggingface.co/microsoft/msclap"
        state = read_released(self.path, "msclap 2022", origin)
        check_front_end(clap.audio, state, "audio_encoder.base.", self.path.name)
        rules = (*cnn14_rules(r"audio_encoder\.base\."), *RULES)
        tensors = rename(state, rules, ignored=rf"audio_encoder\.base\.{SPECTROGRAM}")
        # The text embedding is BERT's first token, so its pooler is in the file but may be absent from the model.
        return install(clap, tensors, self.path.name, optional=rf"{AUDIOSET_HEAD}|^text\.model\.pooler\.")


class MsClap2023:
    """Both towers, both projections and the scale of msclap 2023.

    Needs models.audio.Htsat at 44.1 kHz and 7 s with padding ``repeat``, GPT-2 read at the end of the text, and
    models.projection.ResidualProjection. The mel filters are compared with those in the file: the configuration that
    was released beside it says 50 to 8000 Hz at 44.1 kHz, the released code makes filters of 50 to 14000 Hz for 32 kHz.

    Args:
        path: ``CLAP_weights_2023.pth`` from the Hugging Face hub, microsoft/msclap (MIT license).

    Reference: Elizalde et al., "Natural language supervision for general-purpose audio representations", ICASSP 2024.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self, clap: nn.Module) -> str:
        """Fill all of ``clap`` and return one line about it.

        Raises:
            WeightsError: If the file is missing or does not fit the model exactly.
        """
        origin = "CLAP_weights_2023.pth is at https://huggingface.co/microsoft/msclap"
        state = read_released(self.path, "msclap 2023", origin)
        spectrogram = HtsatInput(sample_rate=44100, window=1024, hop=320, mels=64, seconds=7)
        check_htsat(clap.audio, state, "audio_encoder.base.htsat.", self.path.name, spectrogram)
        rules = (*htsat_rules(r"audio_encoder\.base\.htsat\."), *RULES)
        # Old versions of transformers kept GPT-2's causal masks beside its weights.
        masks = r"caption_encoder\.base\.h\.\d+\.attn\.(bias|masked_bias)$"
        ignored = rf"audio_encoder\.base\.htsat\.({HTSAT_UNUSED})|{masks}"
        return install(clap, rename(split_qkv(state), rules, ignored), self.path.name)
