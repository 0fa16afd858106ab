"""Similarity of two sets of embeddings, in a precision that a temperature of 1/100 does not spoil."""

import torch
from torch import Tensor


def similarity(x_NE: Tensor, y_ME: Tensor) -> Tensor:
    """Return the dot products [..., N, M] of rows; of unit rows, their cosines.

    Half-precision inputs are widened, and autocast is off: one bfloat16 step near a cosine of 1 is 0.004, which a
    scale of 100 makes 0.4 of a logit. The result is float32, or float64 when an input is.
    """
    dtype = torch.promote_types(torch.promote_types(x_NE.dtype, y_ME.dtype), torch.float32)
    with torch.autocast(x_NE.device.type, enabled=False):
        return x_NE.to(dtype) @ y_ME.to(dtype).mT
