"""Putting renamed tensors into a model, all of them or none."""

import re
from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor, nn

from models.errors import WeightsError
from models.other_versions import CONSTANT, named_as_here

NOTHING = r"(?!)"
"""A pattern that no name matches."""

Rule = tuple[str, str]
"""A pattern on a foreign name, anchored at its start, and what replaces it: our name."""


def rename(state: Mapping[str, Tensor], rules: Sequence[Rule], ignored: str) -> dict[str, Tensor]:
    """Rename tensors by the first rule that matches.

    A name that no rule matches is kept, so that ``install`` finds no place for it and says so.

    Args:
        state: Tensors by foreign name.
        rules: Tried in order.
        ignored: Pattern of foreign names that have no counterpart here and are left out.
    """
    return {_rename(name, rules): tensor for name, tensor in state.items() if not re.match(ignored, name)}


def install(clap: nn.Module, state: Mapping[str, Tensor], parts: Iterable[str], file: str, spare: str = NOTHING) -> str:
    """Copy tensors into a model whose parts they must fill exactly.

    Nothing is copied unless everything fits. Names that another version of transformers or torch has for a tensor fit.

    Args:
        clap: The model.
        state: Tensors by the model's own names.
        parts: Beginnings of the names that ``state`` must fill.
        file: Name of the source, for messages.
        spare: Pattern of names that the model may have no place for.

    Returns:
        One line that says how many tensors were loaded.

    Raises:
        WeightsError: If names or shapes differ.
    """
    begins = tuple(parts)
    wanted = {name: tensor for name, tensor in clap.state_dict().items() if name.startswith(begins)}
    state = named_as_here(state, wanted)
    problems = _named("missing from the file", wanted.keys() - state.keys(), CONSTANT)
    problems += _named("without a place in the model", state.keys() - wanted.keys(), spare)
    shared = sorted(wanted.keys() & state.keys())
    problems += [
        f"{name} is {list(state[name].shape)} in the file and {list(wanted[name].shape)} in the model"
        for name in shared
        if state[name].shape != wanted[name].shape
    ]
    if problems:
        raise WeightsError(
            f"{file} does not fit the model; nothing was loaded.\n  " + "\n  ".join(problems) + "\n"
            "Give the model the encoders and projections that these weights were made for"
        )
    clap.load_state_dict({name: state[name] for name in shared}, strict=False)
    return f"{file}: loaded {len(shared)} tensors into {', '.join(part.rstrip('.') for part in begins)}"


def _rename(name: str, rules: Sequence[Rule]) -> str:
    for pattern, ours in rules:
        renamed, hits = re.subn(f"^{pattern}", ours, name)
        if hits:
            return renamed
    return name


def _named(what: str, names: Iterable[str], tolerated: str) -> list[str]:
    listed = sorted(name for name in names if not re.search(tolerated, name))
    return [f"{len(listed)} {what}: {', '.join(listed)}"] if listed else []
