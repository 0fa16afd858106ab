"""Towers that never change, and may therefore be run once for each clip and text in place of once in every step."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from stages.release import release


@dataclass(frozen=True)
class FrozenTower:
    """A tower whose output for an input is always the same.

    Args:
        name: For people.
        digest: SHA-256 of its weights and of its settings.
        module: The tower.
    """

    name: str
    digest: str
    module: nn.Module

    def __call__(self, *inputs: Any) -> Tensor:
        output: Tensor = self.module(*inputs)
        return output


def frozen_tower(module: nn.Module) -> FrozenTower:
    """Describe a tower by its weights, its settings and our release: two with equal digests compute the same."""
    whole = hashlib.sha256(digest(module).encode())
    whole.update(json.dumps(_settings(module), sort_keys=True).encode())
    for part in module.modules():
        # Texts become numbers before the first weight; the state of padding is the last batch's.
        if (tokenizer := getattr(getattr(part, "tokenizer", None), "backend_tokenizer", None)) is not None:
            rules = json.loads(tokenizer.to_str())
            whole.update(json.dumps({**rules, "padding": None, "truncation": None}, sort_keys=True).encode())
    # A new release may compute something else with the same weights.
    whole.update(release().encode())
    name = f"{type(module).__module__.rpartition('.')[0]}.{type(module).__name__}"
    return FrozenTower(f"{name} {getattr(module, 'source', '')}".strip(), whole.hexdigest(), module)


def _settings(module: nn.Module) -> dict[str, Any]:
    """What each module inside was told, weights aside: pooling, rates, strides. Where it came from does not matter."""
    plain = (str, int, float, bool, tuple, list)
    left_out = ("training", "source", "revision", "truncated")
    return {
        f"{name} {type(part).__module__}.{type(part).__qualname__}": {
            key: repr(value)
            for key, value in vars(part).items()
            if isinstance(value, plain) and not key.startswith("_") and key not in left_out
        }
        for name, part in module.named_modules()
    }


# A digest reads every weight, and is asked for at each checkpoint: what nobody has written to since is not read again.
_known_digests: WeakKeyDictionary[nn.Module, tuple[Any, str]] = WeakKeyDictionary()


def digest(module: nn.Module) -> str:
    """SHA-256 of a module's parameters and buffers, by name."""
    weights = sorted(module.state_dict().items())
    state = [(name, tensor.data_ptr(), tensor.device, tensor._version) for name, tensor in weights]
    if _known_digests.get(module, (None, ""))[0] == state:
        return _known_digests[module][1]
    total = hashlib.sha256()
    for name, tensor in weights:
        total.update(name.encode())
        total.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    _known_digests[module] = (state, total.hexdigest())
    return total.hexdigest()
