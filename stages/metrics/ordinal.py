"""Ordinal consistency: rank correlation of described and retrieved valence or arousal."""

from collections.abc import Callable
from typing import Literal, Protocol

import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from stages.errors import SettingError, optional_module
from stages.metrics.rank import kendall_tau
from stages.metrics.space_metric import GatheredMetric, SharedSpace, Trials

BLOCK = 512
FORBIDDEN = -1e3
VALUES = tuple(step / 2 for step in range(1, 15))


class Describer(Protocol):
    """Writer of descriptions of speaking styles."""

    def describe(self, valence: float, arousal: float, variant: int = 0) -> str:
        """Describe ratings on 1 to 7; another variant gives other words."""
        ...


class OrdinalConsistency(GatheredMetric):
    """VOC or AOC: Kendall's tau of described values and ratings of the clips that the descriptions retrieve.

    In each list one attribute runs through all ``values``, while the other is fixed; the next list has the next fixed
    value, and after the last the first one again, with another variant of the words. A description retrieves the clip
    with the nearest embedding by cosine. Clips that are not rated are left out. Tau is NaN for a list whose retrieved
    clips are all rated the same, and for all lists where there are fewer clips than descriptions.

    Args:
        describe: Writer of the descriptions.
        attribute: Attribute that varies within a list: valence gives the metric VOC, arousal AOC.
        lists: Number of lists.
        values: Values of both attributes, in the order of the list; null is 0.5 to 7 in steps of 0.5, as in the paper,
            although the scale starts at 1.
        retrieve: ``greedy`` gives one description after the other the nearest clip that is left; ``optimal`` is the
            assignment with the largest sum of similarities.
        once: Retrieve a clip at most once in each ``list``, or in ``all`` lists together.
        tau: Variant of Kendall's tau.
        balanced: Leave out the lists of an incomplete cycle of fixed values, such as the last 2 of 100.

    Raises:
        SettingError: If there is no list, or not two different values.

    Reference: EmotionRankCLAP, section 4.2.2.
    """

    def __init__(
        self,
        describe: Describer,
        attribute: Literal["valence", "arousal"] = "valence",
        lists: int = 100,
        values: list[float] | None = None,
        retrieve: Literal["greedy", "optimal"] = "greedy",
        once: Literal["list", "all"] = "list",
        tau: Literal["b", "a"] = "b",
        balanced: bool = False,
    ) -> None:
        super().__init__()
        self.values = list(VALUES if values is None else values)
        if lists < 1:
            raise SettingError(f"lists must be at least 1, got {lists}")
        if len(set(self.values)) < 2:
            raise SettingError(f"values must be at least two different numbers, got {self.values}")
        cycles = lists // len(self.values)
        self.lists = cycles * len(self.values) if balanced and cycles else lists
        self.describer = describe
        self.attribute = attribute
        self.retrieve = retrieve
        self.once = once
        self.tau: Literal["a", "b"] = tau
        self.texts: Tensor | None = None

    def start(self, embed: Callable[[list[str]], Tensor]) -> None:
        described = [text for number in range(self.lists) for text in self.descriptions(number)]
        distinct = list(dict.fromkeys(described))
        index = {text: row for row, text in enumerate(distinct)}
        self.texts = embed(distinct)
        self.row_LK = torch.tensor([index[text] for text in described]).view(self.lists, -1)

    def descriptions(self, number: int) -> list[str]:
        """Write the texts of one list, counted from 0."""
        cycle, step = divmod(number, len(self.values))
        fixed = self.values[step]
        if self.attribute == "valence":
            return [self.describer.describe(value, fixed, cycle) for value in self.values]
        return [self.describer.describe(fixed, value, cycle) for value in self.values]

    def features(self, clips: SharedSpace) -> Tensor:
        rating_N = clips.rating_NR[:, 0 if self.attribute == "valence" else 1]
        return torch.cat([clips.audio_NE.float(), rating_N[:, None].float()], dim=1)

    def compute(self) -> dict[str, Trials]:
        """Return one tau for each list, by the name VOC or AOC."""
        rows_ND = self.gathered()
        rows_ND = rows_ND[~rows_ND[:, -1:].isnan().any(1)]
        audio_NE, rating_N = rows_ND[:, :-1], rows_ND[:, -1:].flatten().cpu()
        name = f"{self.attribute[0].upper()}OC"
        needed = len(self.values)
        if self.once == "all":
            needed *= self.lists
        if len(audio_NE) < needed:
            rank_zero_warn(
                f"{name} cannot be measured: {needed} different clips with a rating of {self.attribute} are needed, "
                f"there are {len(audio_NE)}"
            )
            return {name: Trials([float("nan")] * self.lists, "higher")}
        clip_LK = self._retrieve(audio_NE, needed)
        value_LK = torch.tensor(self.values).expand(self.lists, -1)
        return {name: Trials(kendall_tau(value_LK, rating_N[clip_LK], self.tau).tolist(), "higher")}

    def _retrieve(self, audio_NE: Tensor, depth: int) -> Tensor:
        """Retrieve the clip of each description, [L, K]."""
        if self.texts is None:
            raise RuntimeError("start() embeds the descriptions; call it before compute()")
        # A description's clip is among its ``depth`` nearest ones, as no more descriptions compete for them.
        near = [(text_BE @ audio_NE.T).topk(depth) for text_BE in torch.split(self.texts.to(audio_NE), BLOCK)]
        similarity_UD, clip_UD = (torch.cat(part).cpu() for part in zip(*near, strict=True))
        taken_N = torch.zeros(len(audio_NE), dtype=torch.bool)
        choose = CHOICES[self.retrieve]
        chosen = []
        for row_K in self.row_LK:
            clip_K = choose(similarity_UD[row_K], clip_UD[row_K], taken_N)
            chosen.append(clip_K)
            if self.once == "all":
                taken_N[clip_K] = True
        return torch.stack(chosen)


def _greedy(similarity_KD: Tensor, clip_KD: Tensor, taken_N: Tensor) -> Tensor:
    """Give one description after the other the nearest clip that is left."""
    taken_N = taken_N.clone()
    chosen = []
    for clip_D in clip_KD:
        clip = clip_D[~taken_N[clip_D]][0]
        taken_N[clip] = True
        chosen.append(clip)
    return torch.stack(chosen)


def _optimal(similarity_KD: Tensor, clip_KD: Tensor, taken_N: Tensor) -> Tensor:
    """Find the assignment with the largest sum of similarities, among clips that are left."""
    optimize = optional_module("scipy.optimize", "SciPy (BSD-3-Clause)", "retrieve: optimal")
    clip_C, column_KD = torch.unique(clip_KD, return_inverse=True)
    # A description with a clip beyond its nearest ones could have one of these instead, which no other has.
    gain_KC = torch.full((len(clip_KD), len(clip_C)), FORBIDDEN, dtype=torch.float64)
    gain_KC.scatter_(1, column_KD, similarity_KD.double())
    gain_KC[:, taken_N[clip_C]] = FORBIDDEN
    _, column_K = optimize.linear_sum_assignment(gain_KC.numpy(), maximize=True)
    chosen_K: Tensor = clip_C[torch.from_numpy(column_K)]
    return chosen_K


CHOICES = {"greedy": _greedy, "optimal": _optimal}
