"""Names that other versions of transformers and torch have for the same tensors."""

import re
from collections.abc import Collection, Mapping

from torch import Tensor

CONSTANT = r"(^|\.)(num_batches_tracked|position_ids|token_type_ids)$"
"""Counters and constants that some versions write and others do not; nothing follows from them in evaluation."""

ALIASES = (
    # The factors of a normalised weight: before torch 2.0, and since.
    (".weight_g", ".parametrizations.weight.original0"),
    (".weight_v", ".parametrizations.weight.original1"),
    # Layer normalisation as TensorFlow's BERT has it, and as torch has it.
    (".gamma", ".weight"),
    (".beta", ".bias"),
)
"""Ends of names: the older, the newer. Either may be the one that a module has."""


def named_as_here(tensors: Mapping[str, Tensor], wanted: Collection[str]) -> dict[str, Tensor]:
    """Give tensors of another version the names that a module has for them, and leave its constants out.

    A name that is wanted as it is, or that nothing here knows, is kept; the caller compares names in the end.

    Args:
        tensors: By the names of whichever version wrote them.
        wanted: The module's own names.
    """
    renamed = {_renamed(name, wanted): tensor for name, tensor in tensors.items()}
    return {name: tensor for name, tensor in renamed.items() if name in wanted or not re.search(CONSTANT, name)}


def _renamed(name: str, wanted: Collection[str]) -> str:
    if name in wanted:
        return name
    for older, newer in ALIASES:
        for theirs, ours in ((older, newer), (newer, older)):
            if name.endswith(theirs) and (alias := name.removesuffix(theirs) + ours) in wanted:
                return alias
    return name
