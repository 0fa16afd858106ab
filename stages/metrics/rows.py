"""Measures of all clips at once, which keep their rows until the end."""

from abc import abstractmethod

import torch
from torch import Tensor

from stages.metrics.measure import Measure, Shared


class RowMeasure(Measure):
    """A measure that keeps D numbers of each clip, over batches and ranks, in the order of the clips' own numbers.

    So row n is the same clip for every model that hears the same clips, and a trial that draws rows draws the same
    clips for all of them: their trials are pairs.

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
        """What is kept of a batch, [N, D]; all of it becomes float32."""

    def update(self, clips: Shared) -> None:
        # An int64 is kept as the bits of two float32: all that is kept has one type, and no number is rounded.
        number_N2 = clips.clip_N[:, None].view(torch.float32)
        rows_ND = torch.cat([number_N2, self.rows(clips).detach().float()], dim=1)
        assert isinstance(self.flat, list)  # a tensor only between gathering and reset
        self.flat.append(rows_ND.flatten())
        self.width = torch.full_like(self.width, rows_ND.shape[1])

    def kept(self) -> Tensor:
        """All rows, [N, D], ordered by the clips' numbers; [0, 0] before the first batch."""
        flat = torch.cat(self.flat) if isinstance(self.flat, list) and self.flat else self.flat
        if not isinstance(flat, Tensor) or not len(flat):
            return torch.empty(0, 0, device=self.device)
        rows_ND = flat.view(-1, int(self.width))
        number_N = rows_ND[:, :2].contiguous().view(torch.int64).flatten()
        return rows_ND[number_N.argsort(stable=True), 2:]
