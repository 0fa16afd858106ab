"""A stage with a part and an output of its own: a linear probe of audio embeddings, which also answers in words."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from datamodules.batch import ClipBatch
from models.clap import Clap
from models.recognition import LinearRecogniser, Recogniser, Texts, columns_of
from stages.init_from import InitFrom
from stages.stage import Stage


class FewShotProbe(Stage):
    """Train a linear layer on the embeddings of clips; the audio-text model stays as it is.

    Args:
        clap: Audio-text model, frozen; by default that of ``init_from``.
        labels: Class names in logit order; linked from the data.
        words: The classes as texts name them; linked from the data.
        init_from: Checkpoint of an earlier stage; its part ``clap`` is loaded.
        lr: Learning rate.
    """

    parts = ("clap", "probe")
    required_parts = ("clap",)
    trained_labels: list[str]

    def __init__(
        self,
        clap: Clap,
        labels: list[str],
        words: list[str],
        init_from: InitFrom = None,
        lr: float = 0.05,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.clap = clap.requires_grad_(False).eval()
        self.probe = nn.Linear(clap.width, len(labels))
        self.trained_labels, self.init_from, self.lr = labels, init_from, lr

    def training_step(self, batch: ClipBatch, _: int) -> Tensor:
        logit_NC = self.probe(self.clap.clip_encoder()(batch))
        loss = cross_entropy(logit_NC, batch["label"])
        self.log("train/loss", loss, on_step=False, on_epoch=True, batch_size=len(logit_NC))
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.probe.parameters(), self.lr)

    def recognisers(self, labels: Sequence[str], words: Sequence[str], templates: Sequence[str]) -> list[Recogniser]:
        encoder, columns = self.clap.clip_encoder(), columns_of(labels, self.trained_labels)
        probe = LinearRecogniser(encoder, labels, self.probe, columns, name="few-shot probe")
        return [probe, InWords(probe, words)]


class InWords(Recogniser):
    """A sentence about each clip, in place of scores.

    Args:
        probe: What scores the classes.
        words: The classes as texts name them.
    """

    def __init__(self, probe: LinearRecogniser, words: Sequence[str]) -> None:
        super().__init__("few-shot probe in words", probe.encoder)
        self.probe, self.words = probe, words

    def forward(self, embedding_NE: Tensor) -> Texts:
        best_N2 = self.probe(embedding_NE).value.topk(2).indices.tolist()
        return Texts([f"sounds {self.words[first]}, or else {self.words[second]}" for first, second in best_N2])
