"""Vectors of length 1 and their cosines, in a precision in which their length is 1."""

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


def similarity(x_NE: Tensor, y_ME: Tensor) -> Tensor:
    """Return the dot products [..., N, M] of rows; of unit rows, their cosines.

    Half-precision rows are widened, and autocast is off: one bfloat16 step near a cosine of 1 is 0.004, and ties would
    go to the first class. The result is float32, or float64 where an input is.
    """
    dtype = torch.promote_types(torch.promote_types(x_NE.dtype, y_ME.dtype), torch.float32)
    with torch.autocast(x_NE.device.type, enabled=False):
        return x_NE.to(dtype) @ y_ME.to(dtype).mT
