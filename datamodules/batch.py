"""What a batch holds: the contract between data and stages."""

from typing import TypedDict

from torch import Tensor


class ClipBatch(TypedDict):
    """N clips of speech.

    Attributes:
        wave: [N, T] float32 in [-1, 1], mono at the encoder's rate, padded at the end.
        length: [N] int64, samples of each clip before padding.
        label: [N] int64, the class in logit order.
        caption: [N] int64, the clip's caption as a row of ``captions``.
        caption_label: [U] int64, the class that each caption speaks of; for one that clips of several classes have, a
            number of its own beyond the classes.
        captions: The U distinct captions of the whole split, the same table in every batch and on every rank.
        id: The clips' names in the manifest.
        corpus: The corpus of each clip.
        skipped: One line for each recording that could not be read and was left out, under ``on_bad_audio: skip``.
    """

    wave: Tensor
    length: Tensor
    label: Tensor
    caption: Tensor
    caption_label: Tensor
    captions: list[str]
    id: list[str]
    corpus: list[str]
    skipped: list[str]


class TextBatch(TypedDict):
    """M texts that describe emotional speech.

    Attributes:
        text: The texts.
        label: [M] int64, the class in logit order.
    """

    text: list[str]
    label: Tensor


class PromptBatch(TypedDict):
    """N learned prompts, each a context and a class.

    Attributes:
        context: [N] int64, which of the K contexts.
        label: [N] int64, the class in logit order.
    """

    context: Tensor
    label: Tensor
