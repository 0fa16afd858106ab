"""Rank-N-Contrast across modalities: similarity in the shared space follows nearness of ratings."""

from collections.abc import Sequence
from typing import Literal, get_args

from torch import Tensor

from losses.batch import ContrastiveBatch, ContrastiveLoss
from losses.errors import LossInputError, LossSettingError, one_of, within
from losses.logits import similarity
from losses.ranked_terms import Ranking, ranked_terms

Attribute = Literal["valence", "arousal", "dominance"]


class RankNContrast(ContrastiveLoss):
    """Every caption in turn is a clip's positive, against the captions rated farther from the clip.

    For clip i and the caption of clip j the term is ``-log(exp(s_ij) / sum_{k in S_ij} exp(s_ik))``. The candidates
    are the captions of all N clips, the clip's own at distance 0 among them.

    As printed, S_ij has the captions that are strictly farther than j. The farthest one's set is then empty and its
    logarithm undefined, terms may be negative, and a learned temperature can push the loss down without bound. So by
    default S_ij holds j and its ties as well, as in the original Rank-N-Contrast: terms are defined, and at least 0.

    Args:
        attributes: Ratings that span the distance.
        distance: ``l2`` (the paper) or ``l1`` (the original) norm of the difference of ratings.
        negatives: ``inclusive``: S_ij = {k: d_ik >= d_ij - tie_eps}; ``strict``: S_ij = {k: d_ik > d_ij + tie_eps}.
        directions: ``audio_to_text`` (the paper) has clips as anchors; ``both`` is the mean with captions as anchors
            and clips as candidates.
        tie_eps: Distances that differ by no more are ties. Ties are meant in exact arithmetic, where 3.2 and 3.6 lie
            equally far from 3.4; binary fractions tell them apart by about 1e-7, and 1e-4 brings them together again.
            With 0 only equal distances are ties.
        normalizer: Divide by the ``valid`` terms, those whose S_ij is not empty, or by N^2 (``square``, as printed).
            With ``inclusive`` all are valid.
        standardize: Bring each attribute to a standard deviation of 1 over the batch first; ``tie_eps`` counts in
            this unit then.
        block_rows: Anchors that are ranked at once; bounds memory, and changes no value.

    Raises:
        LossSettingError: If a setting is none of its choices or out of range.

    Reference: EmotionRankCLAP, equations 3 and 4; Zha et al., "Rank-N-Contrast: Learning Continuous Representations
    for Regression", NeurIPS 2023.
    """

    required_fields = ("rating",)

    def __init__(
        self,
        attributes: Sequence[Attribute] = ("valence", "arousal"),
        distance: Literal["l2", "l1"] = "l2",
        negatives: Literal["inclusive", "strict"] = "inclusive",
        directions: Literal["audio_to_text", "both"] = "audio_to_text",
        tie_eps: float = 1e-4,
        normalizer: Literal["valid", "square"] = "valid",
        standardize: bool = False,
        block_rows: int = 128,
    ) -> None:
        super().__init__()
        one_of("RankNContrast: distance", distance, ("l2", "l1"))
        one_of("RankNContrast: negatives", negatives, ("inclusive", "strict"))
        one_of("RankNContrast: directions", directions, ("audio_to_text", "both"))
        one_of("RankNContrast: normalizer", normalizer, ("valid", "square"))
        within("RankNContrast: tie_eps", tie_eps, 0, 6)
        if block_rows < 1:
            raise LossSettingError(f"RankNContrast: block_rows is {block_rows}; expected 1 or more")
        self.attributes = _distinct(attributes)
        self.directions = directions
        self.normalizer = normalizer
        self.standardize = standardize
        self.ranking = Ranking(distance, negatives == "strict", tie_eps, block_rows)

    def forward(self, pairs: ContrastiveBatch) -> Tensor:
        """Return a scalar, the same on every rank; 0 without gradient when there is nothing to rank.

        Raises:
            LossInputError: If a clip lacks a rating of one of the attributes.
        """
        pairs = pairs.gathered()
        rating_NR = self._ratings(pairs)
        logit_NU = pairs.scale * similarity(pairs.audio_NE, pairs.text_UE)
        logit_NN = logit_NU.index_select(1, pairs.caption_N)
        total, count = ranked_terms(logit_NN, rating_NR, self.ranking)
        if self.directions == "both":
            # Distances are symmetric, so both directions have equally many terms.
            total = (total + ranked_terms(logit_NN.T, rating_NR, self.ranking)[0]) / 2
        terms = count.clamp(min=1) if self.normalizer == "valid" else max(logit_NN.numel(), 1)
        return total / terms

    def _ratings(self, pairs: ContrastiveBatch) -> Tensor:
        """Return the ratings of the chosen attributes, [N, R], standardized if so set."""
        fix = f"set data.split.require to [{', '.join(self.attributes)}] to leave out the clips without"
        if pairs.rating_NR is None:
            raise LossInputError(f"RankNContrast needs {' and '.join(self.attributes)} of each clip; got none; {fix}")
        rating_NR = pairs.rating_NR[:, [get_args(Attribute).index(name) for name in self.attributes]].double()
        if missing := int(rating_NR.isnan().any(1).sum()):
            raise LossInputError(
                f"RankNContrast needs {' and '.join(self.attributes)} of each clip; "
                f"{missing} of {len(rating_NR)} clips of a batch are not rated; {fix}"
            )
        if not self.standardize:
            return rating_NR
        centred_NR = rating_NR - rating_NR.mean(0)
        spread_R = centred_NR.square().mean(0).sqrt()
        return centred_NR / spread_R.where(spread_R > 0, 1)


def _distinct(attributes: Sequence[Attribute]) -> tuple[Attribute, ...]:
    for name in attributes:
        one_of("RankNContrast: attributes has an item that", name, get_args(Attribute))
    if not attributes or len(set(attributes)) < len(attributes):
        raise LossSettingError(
            f"RankNContrast: attributes is {list(attributes)}; expected one or more of valence, arousal and "
            "dominance, each once"
        )
    return tuple(attributes)
