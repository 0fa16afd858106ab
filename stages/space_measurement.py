"""Metrics of a shared space over the clips of a test and their captions."""

from typing import cast

import torch
from torch import Tensor, nn

from datamodules.batch import ClipBatch, TextColumn
from models.clap import Clap
from stages.metrics.space_metric import SharedSpace, SpaceMetric, Trials, numbers


class SpaceMeasurement(nn.Module):
    """Metrics of a shared space, updated with the clips of a test and their captions.

    Args:
        clap: Model of the space.
        metrics: Metrics of the space.
    """

    def __init__(self, clap: Clap, metrics: list[SpaceMetric]) -> None:
        super().__init__()
        self.clap = clap
        self.metrics = nn.ModuleList(metrics)

    def start(self) -> None:
        """Embed the metrics' own texts, before the first batch."""
        for metric in self._metrics():
            metric.start(self._embed)

    def update(self, batch: ClipBatch, audio_NE: Tensor) -> Tensor:
        """Update the metrics with a batch, and return the embeddings of its captions, [N, E].

        Args:
            batch: N clips.
            audio_NE: Their unit embeddings.
        """
        if not batch["id"]:
            # A batch of which nothing could be read has no rows, but as many columns as others.
            return audio_NE
        caption = batch["texts"]["caption"]
        caption_NE = self._embed_captions(caption)[caption.row]
        clip_N = numbers(batch["id"]).to(audio_NE.device)
        caption_N = numbers(caption.distinct).to(audio_NE.device)[caption.row]
        clips = SharedSpace(audio_NE, caption_NE, clip_N, caption_N, batch["label"], batch["rating"])
        for metric in self._metrics():
            metric.update(clips)
        return caption_NE

    def compute(self) -> dict[str, Trials]:
        """Return the trials of each metric, and reset it."""
        measured: dict[str, Trials] = {}
        for metric in self._metrics():
            measured |= metric.compute()
            metric.reset()
        return measured

    def _metrics(self) -> list[SpaceMetric]:
        return cast(list[SpaceMetric], list(self.metrics))

    def _embed_captions(self, caption: TextColumn) -> Tensor:
        if caption.vectors is None:
            return self.clap.embed_text(caption.distinct)
        return self.clap.project_text(caption.vectors)

    def _embed(self, texts: list[str]) -> Tensor:
        chunks = [self.clap.embed_text(texts[first : first + 256]) for first in range(0, len(texts), 256)]
        return torch.cat(chunks)
