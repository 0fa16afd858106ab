"""Overlap of the two modalities in the shared space."""

from collections.abc import Iterator

import torch
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor

from stages.errors import SettingError
from stages.metrics.distances import (
    centroid_gap,
    dimension_wasserstein,
    exact_wasserstein,
    mmd2_of_samples,
    sliced_wasserstein,
)
from stages.metrics.space_metric import GatheredMetric, SharedSpace, Trials

SHARE = 0.8


class Alignment(GatheredMetric):
    """MMD and Wasserstein distances between clips and captions, in trials on random samples of pairs; lower is better.

    Each trial draws ``pairs`` pairs without replacement, but at most 80 % of all: a trial on every pair would repeat
    the trial before. Trial k draws the same clips for every model that is tested on them, so that two models
    are compared pair by pair. Trials share pairs, so their deviation is the noise of sampling, not that of training or
    of another test set. They also share the kernel's bandwidth, the median distance of all embeddings of both
    modalities, and the directions of the projections. Fewer than two pairs in a sample give NaN.

    Args:
        trials: Number of samples.
        pairs: Pairs in a sample.
        projections: Random directions of the sliced distance.
        exact: Pairs of each sample for the exact W2 by POT, such as 1000; null omits it.
        seed: Of samples and directions.

    Raises:
        SettingError: If a setting is outside its range.

    Reference: EmotionRankCLAP, section 4.2.1, which names neither bandwidth nor kind of Wasserstein distance.
    """

    def __init__(
        self, trials: int = 30, pairs: int = 5000, projections: int = 256, exact: int | None = None, seed: int = 0
    ) -> None:
        super().__init__()
        for name, value, least in (("trials", trials, 1), ("pairs", pairs, 2), ("projections", projections, 1)):
            if value < least:
                raise SettingError(f"{name} of the alignment must be at least {least}, got {value}")
        if exact is not None and exact < 2:
            raise SettingError(f"exact must be null or at least 2 pairs, got {exact}")
        self.trials = trials
        self.pairs = pairs
        self.projections = projections
        self.exact = exact
        self.seed = seed

    def features(self, clips: SharedSpace) -> Tensor:
        return torch.cat([clips.audio_NE, clips.text_NE], dim=1)

    def compute(self) -> dict[str, Trials]:
        """Return MMD2 (unbiased, squared), MMD (its root, 0 where it is negative), sliced W2, dimension W1, gap."""
        audio_NE, text_NE = self.gathered().tensor_split(2, dim=1)
        rows_TM = self._draw(len(audio_NE)).to(audio_NE.device)
        mmd2_T = mmd2_of_samples(audio_NE, text_NE, rows_TM)
        # max() keeps its first argument where that is NaN.
        values = {"MMD": [max(value, 0.0) ** 0.5 for value in mmd2_T], "MMD2": mmd2_T}
        for rows_M in rows_TM:
            for name, value in self._distances(audio_NE[rows_M], text_NE[rows_M]):
                values.setdefault(name, []).append(value)
        return {name: Trials(trials, "lower") for name, trials in values.items()}

    def _draw(self, count: int) -> Tensor:
        """Draw the rows of each sample, [T, M]."""
        size = min(self.pairs, int(SHARE * count))
        if size < self.pairs:
            rank_zero_info(f"alignment: there are {count} pairs; each of the {self.trials} trials draws {size} of them")
        draw = torch.Generator().manual_seed(self.seed)
        return torch.stack([torch.randperm(count, generator=draw)[:size] for _ in range(self.trials)])

    def _distances(self, audio_ME: Tensor, text_ME: Tensor) -> Iterator[tuple[str, float]]:
        yield "sliced W2", sliced_wasserstein(audio_ME, text_ME, self.projections, self.seed)
        yield "dimension W1", dimension_wasserstein(audio_ME, text_ME)
        yield "centroid gap", centroid_gap(audio_ME, text_ME)
        if self.exact is not None:
            yield "exact W2", exact_wasserstein(audio_ME[: self.exact], text_ME[: self.exact])
