"""Loading of tensors under foreign names: of other programs, and of other versions of transformers and torch."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from torch import Tensor, nn

from models.errors import WeightsError

NO_NAME = r"(?!)"
"""Pattern that matches no name."""

CONSTANT = r"(^|\.)(num_batches_tracked|position_ids|token_type_ids)$"
"""Counters and constants that some versions write and others do not; they change no output in evaluation."""

CLAP_PARTS = ("audio.", "text.model.", "audio_projection.", "text_projection.", "log_scale")
"""Beginnings of the names of all tensors of a Clap."""

ALIASES = (
    # The factors of a normalized weight: before torch 2.0, and since.
    (".weight_g", ".parametrizations.weight.original0"),
    (".weight_v", ".parametrizations.weight.original1"),
    # Layer normalization as TensorFlow's BERT has it, and as torch has it.
    (".gamma", ".weight"),
    (".beta", ".bias"),
)
"""Ends of names: the older, the newer. A module may have either."""

Rule = tuple[str, str]
"""A pattern on a foreign name, anchored at its start, and its replacement: our name."""


def rename(state: Mapping[str, Tensor], rules: Sequence[Rule], ignored: str = NO_NAME) -> dict[str, Tensor]:
    """Rename tensors by the first rule that matches.

    A name that no rule matches is kept, so that ``install`` reports it.

    Args:
        state: Tensors by foreign name.
        rules: Tried in order.
        ignored: Pattern of foreign names that have no counterpart here and are left out.
    """
    return {_rename(name, rules): tensor for name, tensor in state.items() if not re.match(ignored, name)}


def install(
    module: nn.Module,
    state: Mapping[str, Tensor],
    file: str,
    parts: Iterable[str] = CLAP_PARTS,
    optional: str = NO_NAME,
) -> str:
    """Copy tensors into a module whose parts they must fill exactly.

    Nothing is copied unless everything fits. Names that another version of transformers or torch has for a tensor fit.

    Args:
        module: Receives the tensors.
        state: Tensors by the module's own names.
        file: Name of the source, for messages.
        parts: Beginnings of the names that ``state`` must fill; by default all of a Clap.
        optional: Pattern of names that the module may lack.

    Returns:
        One line with the number of tensors that were loaded.

    Raises:
        WeightsError: If names or shapes differ.
    """
    beginnings = tuple(parts)
    expected = {name: tensor for name, tensor in module.state_dict().items() if name.startswith(beginnings)}
    state = translate_names(state, expected)
    problems = _listed("missing from the file", expected.keys() - state.keys(), CONSTANT)
    problems += _listed("without a place in the model", state.keys() - expected.keys(), optional)
    shared = sorted(expected.keys() & state.keys())
    for name in shared:
        found, needed = list(state[name].shape), list(expected[name].shape)
        if found != needed:
            problems.append(f"{name} is {found} in the file and {needed} in the model")
    if problems:
        raise WeightsError(
            f"{file} does not fit the model; nothing was loaded.\n  " + "\n  ".join(problems) + "\n"
            "Give the model the encoders and projections that these weights were made for"
        )
    module.load_state_dict({name: state[name] for name in shared}, strict=False)
    return f"{file}: loaded {len(shared)} tensors into {', '.join(part.rstrip('.') for part in beginnings)}"


def translate_names(tensors: Mapping[str, Tensor], expected: Collection[str]) -> dict[str, Tensor]:
    """Give tensors of another version the names that a module has for them, and leave its constants out.

    A name that is expected as it is, or that has no alias, is kept; the caller compares names afterwards.

    Args:
        tensors: By the names of whichever version wrote them.
        expected: The module's own names.
    """
    renamed = {_translated(name, expected): tensor for name, tensor in tensors.items()}
    return {name: tensor for name, tensor in renamed.items() if name in expected or not re.search(CONSTANT, name)}


def _translated(name: str, expected: Collection[str]) -> str:
    if name in expected:
        return name
    for older, newer in ALIASES:
        for theirs, ours in ((older, newer), (newer, older)):
            alias = name.removesuffix(theirs) + ours
            if name.endswith(theirs) and alias in expected:
                return alias
    return name


def _rename(name: str, rules: Sequence[Rule]) -> str:
    for pattern, ours in rules:
        renamed, matches = re.subn(f"^{pattern}", ours, name)
        if matches:
            return renamed
    return name


def _listed(problem: str, names: Iterable[str], tolerated: str) -> list[str]:
    listed = sorted(name for name in names if not re.search(tolerated, name))
    return [f"{len(listed)} {problem}: {', '.join(listed)}"] if listed else []
