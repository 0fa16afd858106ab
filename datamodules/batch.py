"""What a batch holds: the contract between data and stages."""

from typing import NamedTuple, TypedDict

from torch import Tensor


class TextColumn(NamedTuple):
    """One text for each of N clips, of which some may be equal.

    Attributes:
        row: [N] int64, each clip's text as a row of ``distinct``.
        distinct: The U distinct texts.
        vectors: [U, D] float32, what a frozen text encoder made of them; None where it has to be run.
    """

    row: Tensor
    distinct: list[str]
    vectors: Tensor | None = None


class ClipBatch(TypedDict):
    """N clips of speech.

    Attributes:
        wave: [N, T] float32 in [-1, 1], mono at the encoder's rate, padded at the end; T is 0 where ``features`` holds
            all that the stage would hear.
        length: [N] int64, samples of each clip before padding.
        label: [N] int64, the class in logit order; -1 where a clip has none.
        rating: [N, 3] float32, valence, arousal and dominance on 1 to 7; NaN where not rated.
        texts: What is written about the clips, by name: ``caption``, ``tags``, any others that the data have.
        columns: [N] float32 each, further columns of the manifest as numbers, by name; NaN where a cell is empty.
        features: What frozen encoders made of the clips: ``audio`` [N, D] and ``local`` [N, L]. One that is absent has
            to be run.
        id: The clips' names in the manifest.
        corpus: The corpus of each clip.
        skipped: One line for each recording that could not be read and was left out, under ``on_bad_audio: skip``.
    """

    wave: Tensor
    length: Tensor
    label: Tensor
    rating: Tensor
    texts: dict[str, TextColumn]
    columns: dict[str, Tensor]
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
