"""Measurement of a shared space: its metrics on the clips of a test and on their captions."""

from typing import cast

import torch
from torch import Tensor, nn

from datamodules.batch import ClipBatch, TextColumn
from models.clap import Clap
from stages.metrics.space_metric import SharedSpace, SpaceMetric, Trials, numbers


class SpaceMeasurement(nn.Module):
    """Metrics that see every clip of a test beside its caption.

    Args:
        clap: The model whose space is measured.
        metrics: What is measured of it.
    """

    def __init__(self, clap: Clap, metrics: list[SpaceMetric]) -> None:
        super().__init__()
        self.clap, self.metrics = clap, nn.ModuleList(metrics)

    def start(self) -> None:
        """Embed the metrics' own texts, before the first batch."""
        for metric in self._metrics():
            metric.start(self._embed)

    def update(self, batch: ClipBatch, audio_NE: Tensor) -> Tensor:
        """Take in a batch, and return the embeddings of its captions, [N, E].

        Args:
            batch: N clips.
            audio_NE: Their unit embeddings.
        """
        if not batch["id"]:
            # Where nothing could be read there are no rows, but as many columns as elsewhere.
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
        """Return the trials of each metric, and begin anew."""
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
