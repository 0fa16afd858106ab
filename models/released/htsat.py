"""HTSAT as its authors release it: names for transformers' ClapAudioModel, and a check of the spectrogram."""

import re
from collections.abc import Mapping
from dataclasses import asdict, replace

import torch
from torch import Tensor, nn

from models.audio.htsat import Htsat, HtsatInput
from models.audio.spectrogram import LogMel
from models.errors import WeightsError
from models.load_state import Rule

TOWER = "audio.model.audio_encoder."
# The spectrogram follows from settings, the masks from the size; the rest tags AudioSet.
HTSAT_UNUSED = r"(spectrogram_extractor|logmel_extractor|tscam_conv|head)\.|layers\.\d+\.blocks\.\d+\.attn_mask$"
FILTERS = ((48000, 50, 14000), (44100, 50, 8000), (44100, 50, 14000), (32000, 50, 14000), (32000, 50, 8000))
"""Rate, fmin and fmax of known mel filters."""


def htsat_rules(prefix: str) -> tuple[Rule, ...]:
    """Return the rules that rename tensors of HTSAT, whose names begin with a pattern."""
    block = rf"{prefix}(layers\.\d+\.blocks\.\d+\.)"
    return (
        (rf"{block}norm1\.", rf"{TOWER}\1layernorm_before."),
        (rf"{block}norm2\.", rf"{TOWER}\1layernorm_after."),
        (rf"{block}attn\.proj\.", rf"{TOWER}\1attention.output.dense."),
        (rf"{block}attn\.", rf"{TOWER}\1attention.self."),
        (rf"{block}mlp\.fc1\.", rf"{TOWER}\1intermediate.dense."),
        (rf"{block}mlp\.fc2\.", rf"{TOWER}\1output.dense."),
        (rf"{prefix}bn0\.", rf"{TOWER}batch_norm."),
        (rf"{prefix}(patch_embed\.|layers\.\d+\.downsample\.|norm\.)", rf"{TOWER}\1"),
    )


def split_qkv(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Split queries, keys and values, which HTSAT keeps in one tensor in this order."""
    split = {}
    for name, tensor in state.items():
        if re.search(r"\.attn\.qkv\.(weight|bias)$", name):
            for part, third in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                split[name.replace(".qkv.", f".{part}.")] = third
        else:
            split[name] = tensor
    return split


def check_htsat(
    encoder: Tensor | nn.Module, state: Mapping[str, Tensor], prefix: str, file: str, trained: HtsatInput
) -> None:
    """Compare the encoder's spectrogram with that which released weights were trained on.

    Args:
        encoder: The model's audio tower.
        state: Tensors as the file names them.
        prefix: Beginning of HTSAT's names.
        file: For messages.
        trained: Spectrogram of the released code. Unless its scale is ``htk``, the mel filters are the file's own.

    Raises:
        WeightsError: If the encoder is no Htsat, or has another spectrogram; the message says what to set.
    """
    if not isinstance(encoder, Htsat):
        raise WeightsError(f"{file} holds an HTSAT, the model's audio encoder is a {type(encoder).__name__}")
    if trained.scale == "slaney":
        trained = _with_filters(trained, state.get(f"{prefix}logmel_extractor.melW"), file)
    found = asdict(encoder.spectrogram)
    differing = []
    for key, expected in asdict(trained).items():
        if found[key] != expected:
            differing.append(f"{key}: {_text(expected)} (it has {_text(found[key])})")
    if differing:
        raise WeightsError(
            f"{file} was trained on another spectrogram than the audio encoder computes; set in its "
            f"init_args.spectrogram: {', '.join(differing)}"
        )


def _with_filters(trained: HtsatInput, filters_FM: Tensor | None, file: str) -> HtsatInput:
    """Infer rate and band from the file's filter bank."""
    if filters_FM is None:
        raise WeightsError(f"{file} has no mel filters (logmel_extractor.melW); the spectrogram it needs is unknown")
    for rate, fmin, fmax in FILTERS:
        bank_FM = LogMel(rate, trained.window, trained.hop, trained.mels, fmin, fmax).filters_FM
        if bank_FM.shape == filters_FM.shape and torch.allclose(bank_FM, filters_FM.cpu().float(), 1e-3, 1e-6):
            filter_rate = None if rate == trained.sample_rate else rate
            return replace(trained, fmin=float(fmin), fmax=float(fmax), filter_rate=filter_rate)
    raise WeightsError(
        f"{file} was trained with mel filters that are not known here; its spectrogram cannot be computed"
    )


def _text(value: float | str | None) -> str:
    if value is None:
        return "null"
    return value if isinstance(value, str) else f"{value:g}"
