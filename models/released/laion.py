"""LAION-CLAP: of LAION's training script, with Cnn14 or HTSAT, and of transformers."""

from pathlib import Path

from torch import Tensor, nn

from models.audio.htsat import Htsat, HtsatInput, read_input
from models.errors import WeightsError
from models.load_state import install, rename
from models.pretrained import from_pretrained
from models.released.cnn14 import AUDIOSET_HEAD, SPECTROGRAM, check_front_end, cnn14_rules
from models.released.files import read_released
from models.released.htsat import HTSAT_UNUSED, check_htsat, htsat_rules, split_qkv

RULES = (
    (r"text_branch\.", "text.model."),
    (r"(audio|text)_projection\.", r"\1_projection."),
    (r"logit_scale_a$", "log_scale"),
)
# The *_transform layers and the second scale take part only in training with --clap-mlploss.
UNUSED = r"(audio|text)_transform\.|logit_scale_t$"
TRANSFORMERS_RULES = (
    (r"audio_model\.", "audio.model."),
    (r"text_model\.", "text.model."),
    (r"(audio|text)_projection\.linear1\.", r"\1_projection.0."),
    (r"(audio|text)_projection\.linear2\.", r"\1_projection.2."),
    (r"logit_scale_a$", "log_scale"),
)


class LaionCnn14:
    """Both towers, both projections and the scale of a LAION-CLAP with a Cnn14 (PANN) audio tower.

    Needs models.audio.Cnn14, RoBERTa or BERT with its pooler, and models.projection.MlpProjection.

    Args:
        path: Checkpoint of LAION's training script, of one process or of several.

    Reference: Wu et al., "Large-scale contrastive language-audio pretraining", ICASSP 2023.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self, clap: nn.Module) -> str:
        """Fill all of ``clap`` and return one line about it.

        Raises:
            WeightsError: If the file is missing or does not fit the model exactly.
        """
        origin = "LAION has released no Cnn14; this is a checkpoint trained with LAION-AI/CLAP and --amodel PANN-14"
        state = read_released(self.path, "LAION-CLAP with Cnn14", origin)
        check_front_end(clap.audio, state, "audio_branch.", self.path.name)
        rules = (*cnn14_rules(r"audio_branch\."), *RULES)
        tensors = rename(state, rules, ignored=rf"audio_branch\.{SPECTROGRAM}|{UNUSED}")
        return install(clap, tensors, self.path.name, optional=AUDIOSET_HEAD)


class LaionHtsat:
    """Both towers, both projections and the scale of a LAION-CLAP with an HTSAT audio tower.

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
        """Fill all of ``clap`` and return one line about it.

        Raises:
            WeightsError: If the file is missing or does not fit the model exactly.
        """
        origin = (
            "630k-audioset-best.pt, music_speech_audioset_epoch_15_esc_89.98.pt and others are at "
            "https://huggingface.co/lukewys/laion_clap"
        )
        state = read_released(self.path, "LAION-CLAP with HTSAT", origin)
        # With fusion the spectrogram came from torchaudio, although the file has the other filters all the same.
        fusion = "audio_branch.patch_embed.mel_conv2d.weight" in state
        spectrogram = HtsatInput(scale="htk" if fusion else "slaney")
        check_htsat(clap.audio, state, "audio_branch.", self.path.name, spectrogram)
        rules = (*htsat_rules(r"audio_branch\."), *RULES)
        tensors = rename(split_qkv(state), rules, ignored=rf"audio_branch\.({HTSAT_UNUSED})|{UNUSED}")
        return install(clap, tensors, self.path.name)


class HuggingFaceClap:
    """Both towers, both projections and the scale of transformers' ``ClapModel``: HTSAT and RoBERTa.

    Needs models.audio.Htsat, RoBERTa with its pooler, and models.projection.MlpProjection.

    Args:
        source: Folder written by ``save_pretrained``, or a hub name: ``laion/clap-htsat-unfused``,
            ``laion/clap-htsat-fused``, ``laion/larger_clap_general``.
        revision: Commit of a hub name.

    Reference: Wu et al., "Large-scale contrastive language-audio pretraining", ICASSP 2023.
    """

    def __init__(self, source: str = "laion/clap-htsat-unfused", revision: str | None = None) -> None:
        self.source = source
        self.revision = revision

    def load(self, clap: nn.Module) -> str:
        """Fill all of ``clap`` and return one line about it.

        Raises:
            WeightsError: If the source is missing or does not fit the model exactly.
        """
        from transformers import ClapModel

        state = from_pretrained(ClapModel, self.source, self.revision).state_dict()
        self._check_input(clap.audio)
        # The second scale takes part only in a training objective that no released model uses.
        return install(clap, rename(state, TRANSFORMERS_RULES, ignored=r"logit_scale_t$"), self.source)

    def _check_input(self, encoder: Tensor | nn.Module) -> None:
        if not isinstance(encoder, Htsat):
            raise WeightsError(f"{self.source} holds an HTSAT, the model's audio encoder is a {type(encoder).__name__}")
        expected = read_input(self.source, self.revision)
        if encoder.spectrogram != expected:
            raise WeightsError(
                f"{self.source} was trained on {expected}, the audio encoder computes {encoder.spectrogram}; set its "
                "spectrogram"
            )
