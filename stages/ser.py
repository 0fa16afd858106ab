"""Dimensional speech emotion recognition: valence, arousal and dominance of a clip."""

from collections.abc import Sequence
from pathlib import Path

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn

from datamodules.batch import ClipBatch
from losses.ccc import ConcordanceLoss
from losses.gather import gather
from models.audio.encoder import AudioEncoder
from models.recognition import DIMENSIONS, ClipEncoder, Dimensional, RatingHead, Recogniser
from stages.optim import ParamGroup, configure, start_schedule
from stages.stage import Stage


class DimensionalSER(Stage):
    """Regression of valence, arousal and dominance by an audio tower and a linear layer.

    EmotionRankCLAP and SmoothCLAP start from such towers and freeze them; this stage trains one.

    Args:
        audio: Audio tower.
        labels: Class names, linked from the data; not used.
        words: Likewise.
        dropout: Dropout before the linear layer.
        init_from: Checkpoint of an earlier stage of this kind.
        optimizer: Called with the parameter groups.
        scheduler: Learning rates over the run, stepped after every batch; null keeps them.
        groups: Parameters with learning rates of their own; the others use the optimizer's.

    Reference: Wagner et al., "Dawn of the Transformer Era in Speech Emotion Recognition", TPAMI 2023.
    """

    parts = ("audio", "head")
    required_parts = ("audio",)
    in_batch_loss = True

    def __init__(
        self,
        audio: AudioEncoder,
        labels: list[str],
        words: list[str],
        dropout: float = 0.2,
        init_from: dict[str, str] | str | Path | None = None,
        optimizer: OptimizerCallable = torch.optim.Adam,
        scheduler: LRSchedulerCallable | None = None,
        groups: list[ParamGroup] | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.audio = audio
        self.init_from = init_from
        self.dropout = nn.Dropout(dropout)
        self.head = RatingHead(audio.width)
        self.loss = ConcordanceLoss()
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.groups = groups or []
        self._predicted: list[Tensor] = []
        self._rated: list[Tensor] = []

    @property
    def sample_rate(self) -> int:
        return self.audio.sample_rate

    def forward(self, wave_NT: Tensor, length_N: Tensor) -> Tensor:
        """Predict valence, arousal and dominance of N clips on the scale from 1 to 7: [N, 3]."""
        return self.head(self.dropout(self.audio(wave_NT, length_N)))  # type: ignore[no-any-return]

    def recognisers(self, labels: Sequence[str], words: Sequence[str], templates: Sequence[str]) -> list[Recogniser]:
        return [Dimensional(ClipEncoder(self.audio), self.head)]

    def on_train_start(self) -> None:
        start_schedule(self)

    def training_step(self, batch: ClipBatch, _: int) -> Tensor:
        loss: Tensor = self.loss(self(batch["wave"], batch["length"]), batch["rating"])
        size = len(batch["id"])
        self.log("train/loss", loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=size)
        return loss

    def validation_step(self, batch: ClipBatch, _: int) -> None:
        if batch["id"]:
            self._predicted.append(self(batch["wave"], batch["length"]))
            self._rated.append(batch["rating"])

    def on_validation_epoch_end(self) -> None:
        """Log the concordance of all clips, from which the mean over batches would differ."""
        empty = self.head.weight.new_zeros(0, len(DIMENSIONS))
        predicted_NR = gather(torch.cat([empty, *self._predicted]))
        rating_NR = gather(torch.cat([empty, *self._rated]))
        self._predicted.clear()
        self._rated.clear()
        values = {}
        for column, name in enumerate(DIMENSIONS):
            predicted_N1 = predicted_NR[:, column, None]
            rating_N1 = rating_NR[:, column, None]
            if rating_N1.isfinite().any():
                values[f"val/CCC_{name}"] = 1 - self.loss(predicted_N1, rating_N1)
        if values:
            self.log_dict({**values, "val/CCC": torch.stack(list(values.values())).mean()}, prog_bar=True)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        return configure(self, self.optimizer, self.groups, self.scheduler)
