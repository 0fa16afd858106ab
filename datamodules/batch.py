"""What a batch holds: the contract between data and stages."""

from typing import TypedDict

from torch import Tensor


class ClipBatch(TypedDict):
    """N clips of speech.

    Attributes:
        wave: [N, T] float32 in [-1, 1], mono at the encoder's rate, padded at the end; T is 0 where ``features`` holds
            all that the stage would hear.
        length: [N] int64, samples of each clip before padding.
        label: [N] int64, the class in logit order; -1 where a clip has none.
        rating: [N, 3] float32, valence, arousal and dominance on 1 to 7; NaN where not rated.
        caption: [N] int64, the clip's caption as a row of ``captions``.
        captions: The U distinct captions of this batch.
        tag: [N] int64, the clip's tags as a row of ``tags``.
        tags: The V distinct strings of tags of this batch; empty where the data have no tags.
        features: What frozen towers made of the batch, by tower: ``audio`` [N, D] and ``local`` [N, L] of the clips,
            ``caption`` [U, D] and ``tag`` [V, D] of the texts. A tower that is absent has to be run.
        id: The clips' names in the manifest.
        corpus: The corpus of each clip.
        skipped: One line for each recording that could not be read and was left out, under ``on_bad_audio: skip``.
    """

    wave: Tensor
    length: Tensor
    label: Tensor
    rating: Tensor
    caption: Tensor
    captions: list[str]
    tag: Tensor
    tags: list[str]
    features: dict[str, Tensor]
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
