"""Evaluation of a trained stage: each of its recognisers, on every clip."""

from pathlib import Path
from typing import TypedDict, cast

import torch
from torch import Tensor

from datamodules.batch import ClipBatch
from models.clap import Clap
from models.errors import LabelError
from models.recognition import TEMPLATES, Output, Recogniser, columns_of, embed, recognise
from stages.checkpoint import Checkpoint
from stages.clap import ClapTraining, ReleasedWeights
from stages.errors import check_templates
from stages.frozen import FrozenTower, frozen_tower
from stages.init_from import source_files
from stages.metrics.confusion import SCORES, ClassScore
from stages.metrics.space_metric import SpaceMetric, Trials
from stages.space_measurement import SpaceMeasurement
from stages.stage import Stage


class ClipOutputs(TypedDict):
    """Outputs of one batch of clips.

    Attributes:
        id: Names of the clips.
        corpus: Their corpora.
        label: [N] the true class, in logit order; -1 where unknown.
        outputs: Output of each system, by its name.
        embedding: [N, E] of the clips.
        caption: [N, E] unit embeddings of the clips' captions; [N, 0] without metrics of the space.
        rating: [N, 3] valence, arousal and dominance; NaN where not rated.
        skipped: One line for each unreadable recording.
    """

    id: list[str]
    corpus: list[str]
    label: Tensor
    outputs: dict[str, Output]
    embedding: Tensor
    caption: Tensor
    rating: Tensor
    skipped: list[str]


class Evaluation(Stage):
    """Evaluation of every clip by each recogniser of a trained stage.

    Args:
        labels: Class names in logit order, linked from the data; all of the checkpoint's, or some of them.
        words: The classes as prompts name them; linked from the data.
        init_from: Checkpoint of any stage; null with ``weights``.
        stage: The stage that wrote ``init_from``, with its configuration; settings given here win.
        clap: Audio-text model that receives ``weights``.
        weights: Released weights to evaluate in place of ``init_from``; see ``models.released``.
        templates: Zero-shot prompts with ``{emotion}``: the first is the system "zero-shot", all are its ensemble.
        scores: Further scores of recognition beside UA, WA, WF1 and precision.
        space_metrics: Metrics of the space itself, on clips and captions; see ``stages.metrics``.

    Raises:
        LabelError: If there is nothing to evaluate, or a setting does not apply to it.

    Attributes:
        measured: Trials of each metric of the space, after a test.
    """

    evaluates = True
    parts = required_parts = ()

    def __init__(
        self,
        labels: list[str],
        words: list[str],
        init_from: Path | None = None,
        stage: Stage | None = None,
        clap: Clap | None = None,
        weights: ReleasedWeights | None = None,
        templates: list[str] = list(TEMPLATES),  # noqa: B006  # never changed
        scores: list[ClassScore] | None = None,
        space_metrics: list[SpaceMetric] | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        check_templates(templates, "model.init_args.templates")
        self.labels = labels
        self.words = words
        self.templates = templates
        self.init_from = init_from
        self.weights = weights
        self.stage = _evaluated(self, stage, clap)
        self.scores = [*SCORES, *(scores or [])]
        self.measurement = self._measurement(space_metrics or [])
        self.measured: dict[str, Trials] = {}
        self._recognisers: list[Recogniser] = []
        self._frozen: dict[str, FrozenTower] | None = None

    @property
    def space(self) -> Clap | None:
        """The shared space of clips and texts, where the evaluated stage has one."""
        clap = getattr(self.stage, "clap", None)
        return clap if isinstance(clap, Clap) else None

    @property
    def sample_rate(self) -> int:
        return self.stage.sample_rate

    @property
    def required_texts(self) -> tuple[str, ...]:
        return () if self.measurement is None else ("caption",)

    @property
    def frozen_towers(self) -> dict[str, FrozenTower]:
        """Towers that were frozen in training: their outputs are shared with it, and with other cells of a matrix."""
        if self._frozen is None:
            self._frozen = {}
            space = self.space
            if space is not None and space.freeze_audio:
                self._frozen["audio"] = frozen_tower(space.audio)
            if space is not None and space.freeze_text and self.measurement is not None:
                self._frozen["text"] = frozen_tower(space.text)
        return self._frozen

    def setup(self, stage: str) -> None:
        if self.stage.trained_labels is not None:
            columns_of(self.labels, self.stage.trained_labels)
        if self.init_from is not None:
            checkpoint = Checkpoint.open(source_files(self.init_from)[0])
            for part, module in self.stage.part_modules().items():
                checkpoint.load(part, module)
        elif self.weights is not None:
            self.print(self.weights.load(cast(Clap, self.space)))

    def on_test_start(self) -> None:
        if self.measurement is not None:
            self.measurement.start()
        self.on_predict_start()

    def on_predict_start(self) -> None:
        self._recognisers = self.stage.recognisers(self.labels, self.words, self.templates)
        if not self._recognisers:
            raise LabelError(f"{self.init_from}: {type(self.stage).__name__} has nothing that recognises emotion")

    def test_step(self, batch: ClipBatch, batch_idx: int) -> ClipOutputs:
        outputs = self.predict_step(batch, batch_idx)
        if self.measurement is not None:
            outputs["caption"] = self.measurement.update(batch, outputs["embedding"])
        return outputs

    def predict_step(self, batch: ClipBatch, batch_idx: int) -> ClipOutputs:
        """Recognise as ``test_step``, without the metrics of the space; clips may have no label, -1."""
        embeddings = embed(self._recognisers, batch)
        embedding_NE = next(iter(embeddings.values()))
        return ClipOutputs(
            id=batch["id"],
            corpus=batch["corpus"],
            label=batch["label"],
            outputs=recognise(self._recognisers, batch, embeddings),
            embedding=embedding_NE,
            caption=embedding_NE[:, :0],
            rating=batch["rating"],
            skipped=batch["skipped"],
        )

    def on_test_epoch_end(self) -> None:
        if self.measurement is not None:
            self.measured = self.measurement.compute()

    def text_points(self) -> tuple[Tensor, list[str], list[str]] | None:
        """Return text embeddings for a map, [M, E], the label of each, and its kind, ``template`` or ``prompt``.

        None if no recogniser compares clips with texts.
        """
        points: list[Tensor] = []
        kinds: list[str] = []
        for recogniser in self._recognisers:
            if (found := recogniser.text_points()) is not None:
                kind, text_MCE = found
                points.append(text_MCE.flatten(0, 1))
                kinds += [kind] * len(points[-1])
        if not points:
            return None
        return torch.cat(points), self.labels * (len(kinds) // len(self.labels)), kinds

    def _measurement(self, metrics: list[SpaceMetric]) -> SpaceMeasurement | None:
        if not metrics:
            return None
        if self.space is None:
            name = type(self.stage).__name__
            raise LabelError(f"model.init_args.space_metrics: {name} has no shared space of clips and texts to measure")
        return SpaceMeasurement(self.space, metrics)


def _evaluated(evaluation: Evaluation, stage: Stage | None, clap: Clap | None) -> Stage:
    """Return the stage to evaluate: that of a checkpoint, or one around released weights."""
    if evaluation.init_from is None and evaluation.weights is None:
        raise LabelError("model.init_args.init_from is null; name a checkpoint, or released weights in its place")
    if evaluation.init_from is not None:
        if clap is not None or stage is None:
            raise LabelError(
                "model.init_args.clap is the model of released weights (init_from null); what is evaluated of a "
                "checkpoint is its own, and model.init_args.stage says parts of it anew"
            )
        return stage
    if clap is None:
        raise LabelError("model.init_args.clap: released weights need the model that they belong to")
    return ClapTraining(clap, evaluation.labels, evaluation.words, weights=evaluation.weights)
