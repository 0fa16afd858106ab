"""Vectors of length 1, in a precision in which their length is 1."""

import torch
from torch import Tensor

# A ReLU can leave a vector of zeros, which has no direction: it stays zero, and its gradient finite in any precision.
EPS = 1e-8


def unit(x_NE: Tensor) -> Tensor:
    """Divide each row by its length: [..., E] -> [..., E]; rows shorter than 1e-8 stay as they are.

    Half-precision rows are widened first: in bfloat16, which has 8 bits, lengths would be off by 0.4 %, and most of
    what tells two cosines near 1 apart would be lost. The result is float32, or float64 where the input is.
    """
    with torch.autocast(x_NE.device.type, enabled=False):
        x_NE = x_NE.to(torch.promote_types(x_NE.dtype, torch.float32))
        length_N1 = x_NE.norm(dim=-1, keepdim=True)
        unit_NE: Tensor = x_NE / length_N1.where(length_N1 > EPS, 1.0)
    return unit_NE
