"""Telling released files apart by the names of their tensors."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from models.errors import WeightsError


class Kind(NamedTuple):
    """A kind of file.

    Args:
        name: As people know it.
        pattern: Matches the beginning of a name that only files of this kind hold.
        use: What reads it, as part of a sentence.
    """

    name: str
    pattern: str
    use: str


# Pengi and clapcap hold the audio tower of msclap 2023 as well, so they stand before it.
KINDS = (
    Kind("Pengi", r"caption_decoder\.", "it writes text in place of comparing with it, and nothing here reads it"),
    Kind("clapcap", r"clap_project\.|gpt\.", "it writes captions, and nothing here reads it"),
    Kind("AudioCLIP", r"audio\.fbsp\.", "nothing here reads it"),
    Kind("msclap 2023", r"audio_encoder\.base\.htsat\.", "read it with models.released.MsClap2023"),
    Kind("msclap 2022", r"audio_encoder\.base\.conv_block1\.", "read it with models.released.MsClap2022"),
    Kind("LAION-CLAP with HTSAT", r"audio_branch\.layers\.", "read it with models.released.LaionHtsat"),
    Kind("LAION-CLAP with Cnn14", r"audio_branch\.conv_block1\.", "read it with models.released.LaionCnn14"),
    Kind("transformers' ClapModel", r"audio_model\.audio_encoder\.", "read its folder with HuggingFaceClap"),
    Kind("Wav2CLIP", r"audio_encoder\.layer1\.", "read it with models.released.Wav2Clip"),
    Kind("HTSAT trained to tag AudioSet", r"sed_model\.", "it has no text tower, and nothing here reads it"),
    Kind("PANNs Cnn14", r"conv_block1\.", "read it with models.released.Panns"),
    Kind("a checkpoint of this program", r"clap\.(audio|text)\.", "name it in model.init_args.init_from"),
)


def require_kind(names: Iterable[str], wanted: str, file: str) -> None:
    """Refuse a file that is known to be of another kind; let one of no known kind pass.

    Args:
        names: Of the file's tensors, as the file has them but for a leading ``module.``.
        wanted: The name of the kind that the caller reads.
        file: For the message.

    Raises:
        WeightsError: If the file is of another kind; the message says which.
    """
    listed = list(names)
    for kind in KINDS:
        if any(re.match(kind.pattern, name) for name in listed):
            if kind.name != wanted:
                raise WeightsError(f"{file} looks like {kind.name}, not like {wanted}: {kind.use}")
            return
