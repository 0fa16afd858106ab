"""Contrastive loss with soft targets from similarities within each modality."""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from losses.batch import ContrastiveBatch, ContrastiveLoss
from losses.errors import LossInputError, one_of, positive, within
from losses.logits import similarity


class SoftTargets(ContrastiveLoss):
    """Symmetric KL divergence between predicted and softened distributions over the batch.

    The target of clip i is ``y_i = (1 - beta) * onehot_i + beta * q_i`` with
    ``q = (1 - gamma) * q_a2a + gamma * q_t2t``: similarities of the clips in local audio features, and in text. The
    loss is ``1/(2N) sum_i KL(y_i|p_i) + KL(p_i|y_i)`` over audio-to-text and text-to-audio predictions p.

    ``beta = 0`` is InfoNCE, without ``KL(p|y)``, which is infinite for a one-hot target. All else is computed with
    logarithms of the targets, so targets that underflow are not lost.

    Attributes:
        target_entropy: Mean entropy of the q_i of the last forward, in nats, from 0 (q is the identity) to log N
            (q is uniform); None before, and where ``beta`` is 0.

    Args:
        gamma: Weight of text against audio in q, 0 to 1; the paper's optimum is 0.5, its set-up 0.1.
        beta: Weight of q against the identity, 0 to 1; the paper's optimum is 0.1, its set-up 0.5.
        a2a_temperature: Of the similarities of local audio features, positive.
        t2t_temperature: Of the similarities of texts, positive.
        prediction_temperature: Divides the scaled cosines once more, as printed; positive.
        t2t: Texts to compare: ``tags``, the ``caption``, or ``both``, the mean of both distributions.
        t2a_target: The target of caption i: ``rows`` is y_i, as printed; ``transposed`` is column i of y, made to
            sum to 1.
        detach: Let no gradient flow through the targets, which otherwise move with the text encoder.
        normalize_local: Scale local features to unit length. Without, their products are so large that q is nearly
            the identity.
        center_local: Subtract the batch's mean local feature first, for features that all point one way.
        floor: The logarithm of a target is at least that of the floor, 0 to 0.5; it bounds what a
            target that is practically 0 can cost. 0 is the printed formula.

    Raises:
        LossSettingError: If a setting is none of its choices or out of range.

    Reference: SmoothCLAP, equations 4 to 11.
    """

    target_entropy: Tensor | None = None

    def __init__(
        self,
        gamma: float = 0.5,
        beta: float = 0.1,
        a2a_temperature: float = 0.05,
        t2t_temperature: float = 0.05,
        prediction_temperature: float = 1.0,
        t2t: Literal["tags", "caption", "both"] = "tags",
        t2a_target: Literal["rows", "transposed"] = "rows",
        detach: bool = True,
        normalize_local: bool = True,
        center_local: bool = False,
        floor: float = 1e-8,
    ) -> None:
        super().__init__()
        within("SoftTargets: gamma", gamma, 0, 1)
        within("SoftTargets: beta", beta, 0, 1)
        within("SoftTargets: floor", floor, 0, 0.5)
        positive("SoftTargets: a2a_temperature", a2a_temperature)
        positive("SoftTargets: t2t_temperature", t2t_temperature)
        positive("SoftTargets: prediction_temperature", prediction_temperature)
        one_of("SoftTargets: t2t", t2t, ("tags", "caption", "both"))
        one_of("SoftTargets: t2a_target", t2a_target, ("rows", "transposed"))
        self.gamma = gamma
        self.beta = beta
        self.a2a_temperature = a2a_temperature
        self.t2t_temperature = t2t_temperature
        self.prediction_temperature = prediction_temperature
        self.t2t = t2t
        self.t2a_target = t2a_target
        self.detach = detach
        self.normalize_local = normalize_local
        self.center_local = center_local
        self.log_floor = math.log(floor) if floor else -math.inf
        self.required_fields = ("local",) if beta > 0 and gamma < 1 else ()
        self.required_texts = ("tags",) if beta > 0 and gamma > 0 and t2t != "caption" else ()

    def forward(self, pairs: ContrastiveBatch) -> Tensor:
        """Return a non-negative scalar, the same on every rank.

        Raises:
            LossInputError: If the pairs lack what ``required_fields`` or ``required_texts`` names.
        """
        pairs = pairs.gathered()
        scale = pairs.scale / self.prediction_temperature
        logit_NN = (scale * similarity(pairs.audio_NE, pairs.text_UE)).index_select(1, pairs.caption_N)
        to_text_NN = logit_NN.log_softmax(1)
        to_audio_NN = logit_NN.T.log_softmax(1)
        if self.beta == 0:
            return -(to_text_NN.diagonal() + to_audio_NN.diagonal()).mean() / 2
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.detach):
            log_y_NN = self._log_target(pairs)
            log_y_t2a_NN = log_y_NN if self.t2a_target == "rows" else log_y_NN.T.log_softmax(1)
        return (self._divergence(log_y_NN, to_text_NN) + self._divergence(log_y_t2a_NN, to_audio_NN)).mean() / 2

    def _divergence(self, log_y_NN: Tensor, log_p_NN: Tensor) -> Tensor:
        """Return ``KL(y|p) + KL(p|y)``, which is ``sum (y - p) (log y - log p)``, of each row."""
        return ((log_y_NN.exp() - log_p_NN.exp()) * (log_y_NN.clamp(min=self.log_floor) - log_p_NN)).sum(1)

    def _log_target(self, pairs: ContrastiveBatch) -> Tensor:
        terms = []
        if self.gamma < 1:
            terms.append(math.log(1 - self.gamma) + self._local_log_softmax(pairs))
        if self.gamma > 0:
            terms.append(math.log(self.gamma) + self._text_log_softmax(pairs))
        log_q_NN = _logsumexp(terms)
        self.target_entropy = -(log_q_NN.exp() * log_q_NN).sum(1).mean().detach()
        log_y_NN = math.log(self.beta) + log_q_NN
        # With beta = 1 this adds log 0, that is nothing.
        identity_N = torch.full_like(log_y_NN[0], math.log1p(-self.beta) if self.beta < 1 else -math.inf)
        diagonal_N = torch.logaddexp(log_y_NN.diagonal(), identity_N)
        return log_y_NN.diagonal_scatter(diagonal_N)

    def _local_log_softmax(self, pairs: ContrastiveBatch) -> Tensor:
        if pairs.local_NL is None:
            raise LossInputError("SoftTargets: gamma < 1 needs local audio features; the model gives none")
        local_NL = _wide(pairs.local_NL)
        if self.center_local:
            local_NL = local_NL - local_NL.mean(0)
        if self.normalize_local:
            local_NL = F.normalize(local_NL, dim=1)
        return (similarity(local_NL, local_NL) / self.a2a_temperature).log_softmax(1)

    def _text_log_softmax(self, pairs: ContrastiveBatch) -> Tensor:
        terms = []
        if self.t2t != "caption":
            if "tags" not in pairs.texts:
                raise LossInputError(
                    f"SoftTargets: t2t {self.t2t!r} needs tags of each clip; the data have none: write them, or set "
                    "t2t to caption"
                )
            terms.append((_cosines(pairs.texts["tags"]) / self.t2t_temperature).log_softmax(1))
        if self.t2t != "tags":
            cosine_UU = _cosines(pairs.text_UE) / self.t2t_temperature
            cosine_NN = cosine_UU.index_select(0, pairs.caption_N).index_select(1, pairs.caption_N)
            terms.append(cosine_NN.log_softmax(1))
        return _logsumexp(terms) - math.log(len(terms))


def _cosines(text_NE: Tensor) -> Tensor:
    """Return the cosines of all pairs of rows, which have any length in a model trained without unit vectors."""
    unit_NE = F.normalize(_wide(text_NE), dim=1)
    return similarity(unit_NE, unit_NE)


def _wide(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _logsumexp(terms: list[Tensor]) -> Tensor:
    return terms[0] if len(terms) == 1 else torch.logaddexp(*terms)
