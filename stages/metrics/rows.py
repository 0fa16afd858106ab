"""Measures of all clips at once, which keep their rows until the end."""

from abc import abstractmethod

import torch
from torch import Tensor

from stages.metrics.measure import Measure, Shared


class RowMeasure(Measure):
    """A measure that keeps D numbers of each clip, over batches and ranks, in an order that neither decides.

    Kept rows are flat, so that a rank that was given no clip can take part in the gathering: all it can offer is an
    empty vector.
    """

    flat: list[Tensor] | Tensor
    width: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("flat", [], dist_reduce_fx="cat")
        self.add_state("width", torch.tensor(0), dist_reduce_fx="max")

    @abstractmethod
    def rows(self, clips: Shared) -> Tensor:
        """What is kept of a batch: float32, [n, D] with n up to N."""

    def update(self, clips: Shared) -> None:
        rows_ND = self.rows(clips).detach().float()
        assert isinstance(self.flat, list)  # a tensor only between gathering and reset
        self.flat.append(rows_ND.flatten())
        self.width = torch.full_like(self.width, rows_ND.shape[1])

    def kept(self) -> Tensor:
        """All rows, [N, D], in lexicographic order; [0, 0] before the first batch.

        Values order them, not their bits' hash: rounding that depends on how clips were batched leaves the order as
        it is, and the values of the measure change by no more than rounding.
        """
        flat = torch.cat(self.flat) if isinstance(self.flat, list) and self.flat else self.flat
        if not isinstance(flat, Tensor) or not len(flat):
            return torch.empty(0, int(self.width), device=self.device)
        rows_ND = flat.view(-1, int(self.width))
        place_N = torch.unique(rows_ND.nan_to_num(), dim=0, return_inverse=True)[1]
        return rows_ND[place_N.argsort(stable=True)]
