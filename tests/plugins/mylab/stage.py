"""A stage of one's own: an audio tower and a linear layer, trained on labelled clips, without any text."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn

from datamodules.batch import ClipBatch
from models.audio.encoder import AudioEncoder
from models.recognition import ClipEncoder, LinearRecogniser, Recogniser, columns_of
from stages.init_from import InitFrom
from stages.stage import Stage


class SupervisedSER(Stage):
    """Train an audio tower and a linear layer by cross-entropy: the baseline of most papers.

    Args:
        audio: Audio tower.
        labels: Class names in logit order; linked from the data.
        words: Not used; linked from the data.
        init_from: Checkpoint whose audio tower it starts from.
        optimizer: Called with the parameters.
    """

    parts = ("audio", "head")
    required_parts = ()

    def __init__(
        self,
        audio: AudioEncoder,
        labels: list[str],
        words: list[str],
        init_from: InitFrom = None,
        optimizer: OptimizerCallable = torch.optim.Adam,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.trained_labels, self.init_from, self.optimizer = labels, init_from, optimizer
        self.audio, self.head = audio, nn.Linear(audio.width, len(labels))

    @property
    def sample_rate(self) -> int:
        return self.audio.sample_rate

    def training_step(self, batch: ClipBatch, _: int) -> Tensor:
        logit_NC = self.head(self.audio(batch["wave"], batch["length"]))
        loss = F.cross_entropy(logit_NC, batch["label"])
        self.log("train/loss", loss, on_step=False, on_epoch=True, batch_size=len(logit_NC))
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return self.optimizer(self.parameters())

    def recognisers(self, labels: Sequence[str], words: Sequence[str], templates: Sequence[str]) -> list[Recogniser]:
        columns = columns_of(labels, self.trained_labels)
        return [LinearRecogniser(ClipEncoder(self.audio), labels, self.head, columns, name="supervised")]
