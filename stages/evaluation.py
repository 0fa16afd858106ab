"""Emotion recognition with what earlier stages left: zero-shot, learned prompts, the text-trained classifier."""

from pathlib import Path
from typing import TypedDict, cast

import torch
from torch import Tensor, nn

from datamodules.batch import ClipBatch
from losses.similarity import similarity
from models.clap import Clap
from models.soft_prompt import SoftPrompt
from models.unit import unit
from stages.acpt import PromptCallable
from stages.clap import ReleasedWeights
from stages.classifier import ClassifierCallable
from stages.frozen import FrozenTower, frozen_tower
from stages.metrics.measure import Measure, Shared, Trials, numbers
from stages.stage import Stage
from stages.templates import require_emotion

# The paper's template first: it alone is the zero-shot baseline, all together are the ensemble.
TEMPLATES = (
    "this is a sound of {emotion}",
    "This is a {emotion} sound",
    "a {emotion} voice",
    "the speaker sounds {emotion}",
    "a person speaking in a {emotion} tone",
    "speech that expresses a {emotion} feeling",
)


class ClipScores(TypedDict):
    """What one batch of clips was recognised as.

    Attributes:
        id: The clips' names.
        corpus: Their corpora.
        label: [N] the truth, in logit order.
        scores: For each system [N, C]: cosines, or the classifier's output; the largest wins.
        embedding: [N, E] unit embeddings.
        caption: [N, E] unit embeddings of the clips' captions; [N, 0] where nothing is measured on them.
        rating: [N, 3] valence, arousal and dominance; NaN where not rated.
        skipped: One line for each recording that could not be read.
    """

    id: list[str]
    corpus: list[str]
    label: Tensor
    scores: dict[str, Tensor]
    embedding: Tensor
    caption: Tensor
    rating: Tensor
    skipped: list[str]


class Evaluation(Stage):
    """Recognise the emotion of every clip by each system that the checkpoint holds the parts of; trains nothing.

    Args:
        clap: Audio-text model; by default that of ``init_from``.
        labels: Class names in logit order; linked from the data. They may be a part of the checkpoint's.
        words: The classes as prompts name them; linked from the data.
        init_from: Checkpoint of any stage; null where ``weights`` says what is evaluated.
        weights: Released weights to evaluate in place of ``init_from``; see ``models.released``.
        prompt: Learned prompts; by default those of ``init_from``, if it has them.
        classifier: Text-trained classifier; by default that of ``init_from``, if it has one.
        trained_labels: The classes of prompts and classifier; by default those of ``init_from``.
        trained_words: Those classes as prompts name them; likewise.
        templates: Zero-shot prompts with ``{emotion}``: the first is the system "zero-shot", all are its ensemble. A
            further system, "zero-shot words", takes the bare words, as SmoothCLAP does.
        measures: What is measured of the shared space itself, on the clips and their captions; see ``stages.metrics``.

    Attributes:
        measured: The trials of each metric of the measures; there after a test.
    """

    parts = needs = ("clap", "prompt", "classifier")
    loads_when = ("test", "predict", "validate")

    def __init__(
        self,
        clap: Clap,
        labels: list[str],
        words: list[str],
        init_from: Path | None = None,
        weights: ReleasedWeights | None = None,
        prompt: PromptCallable | None = None,
        classifier: ClassifierCallable | None = None,
        trained_labels: list[str] | None = None,
        trained_words: list[str] | None = None,
        templates: list[str] = list(TEMPLATES),  # noqa: B006  # never changed
        measures: list[Measure] | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        for place, template in enumerate(templates):
            require_emotion(template, f"model.init_args.templates[{place}]")
        trained = trained_labels or labels
        if init_from is None and weights is None:
            raise LabelError("model.init_args.init_from is null; name a checkpoint, or released weights in its place")
        self.clap, self.labels, self.words, self.init_from, self.weights = clap, labels, words, init_from, weights
        self.prompt: nn.Module | None = prompt(clap.text.width, len(trained)) if prompt else None
        self.classifier: nn.Module | None = classifier(clap.width, len(trained)) if classifier else None
        self.trained_labels, self.trained_words, self.templates = trained, trained_words or words, templates
        self.measures = nn.ModuleList(measures or [])
        self.measured: dict[str, Trials] = {}
        self._text_CE: dict[str, Tensor] = {}
        self._frozen: dict[str, FrozenTower] | None = None

    def setup(self, stage: str) -> None:
        absent = [label for label in self.labels if label not in self.trained_labels]
        if (self.prompt or self.classifier) is not None and absent:
            raise LabelError(
                f"data.init_args.labels: {', '.join(absent)} is no class of what {self.init_from} was trained for "
                f"({', '.join(self.trained_labels)}); train it for these labels, or leave {', '.join(absent)} out"
            )
        super().setup(stage)
        if self.weights is not None and self.init_from is None:
            self.print(self.weights.load(self.clap))

    @property
    def frozen_towers(self) -> dict[str, FrozenTower]:
        """Those that training kept frozen: what they make is shared with it, and with other cells of a matrix."""
        if self._frozen is None:
            frozen = {"audio": self.clap.audio, "text": self.clap.text} if self.measures else {"audio": self.clap.audio}
            self._frozen = {
                name: frozen_tower(tower)
                for name, tower in frozen.items()
                if any(tower is each for each in self.clap.frozen)
            }
        return self._frozen

    def on_test_start(self) -> None:
        for measure in self._all_measures():
            measure.start(self._embed_texts)
        self._embed_classes()

    def on_test_epoch_end(self) -> None:
        for measure in self._all_measures():
            self.measured |= measure.compute()
            measure.reset()

    def _all_measures(self) -> list[Measure]:
        return cast(list[Measure], list(self.measures))

    def _embed_classes(self) -> None:
        template_TCE = torch.stack([self._embed(template) for template in self.templates])
        self._text_CE = {
            "zero-shot": template_TCE[0],
            "zero-shot ensemble": unit(template_TCE.mean(0)),
            "zero-shot words": self._embed("{emotion}"),
        }
        if self.prompt is not None:
            self._text_CE["ACPT prompts"] = self._prompts().mean(0)

    def test_step(self, batch: ClipBatch, batch_idx: int) -> ClipScores:
        audio_NE = self._embed_clips(batch)
        # Where nothing could be read there are no rows, but as many columns as elsewhere.
        caption_NE = audio_NE if self.measures else audio_NE[:, :0]
        if self.measures and batch["id"]:
            caption_NE = self._embed_captions(batch)[batch["caption"]]
            clip_N, caption_U = (numbers(texts).to(audio_NE.device) for texts in (batch["id"], batch["captions"]))
            caption_N = caption_U[batch["caption"]]
            clips = Shared(audio_NE, caption_NE, clip_N, caption_N, batch["label"], batch["rating"])
            for measure in self._all_measures():
                measure.update(clips)
        return self._recognise(batch, audio_NE, caption_NE)

    def on_predict_start(self) -> None:
        self._embed_classes()

    def predict_step(self, batch: ClipBatch, batch_idx: int) -> ClipScores:
        """As ``test_step``, without measures; clips may have no label, -1."""
        audio_NE = self._embed_clips(batch)
        return self._recognise(batch, audio_NE, audio_NE[:, :0])

    def _recognise(self, batch: ClipBatch, audio_NE: Tensor, caption_NE: Tensor) -> ClipScores:
        scores = {system: similarity(audio_NE, text_CE) for system, text_CE in self._text_CE.items()}
        if self.classifier is not None:
            scores["text-trained classifier"] = self.classifier(audio_NE)[:, self._own_columns()]
        return ClipScores(
            id=batch["id"],
            corpus=batch["corpus"],
            label=batch["label"],
            scores=scores,
            embedding=audio_NE,
            caption=caption_NE,
            rating=batch["rating"],
            skipped=batch["skipped"],
        )

    def _embed_clips(self, batch: ClipBatch) -> Tensor:
        if not batch["id"]:
            return self._text_CE["zero-shot"][:0]
        if "audio" in batch["features"]:
            return self.clap.project_audio(batch["features"]["audio"])
        return self.clap.embed_audio(batch["wave"], batch["length"])

    def _embed_texts(self, texts: list[str]) -> Tensor:
        parts = [self.clap.embed_text(texts[first : first + 256]) for first in range(0, len(texts), 256)]
        return torch.cat(parts)

    def _embed_captions(self, batch: ClipBatch) -> Tensor:
        kept = batch["features"].get("caption")
        return self.clap.embed_text(batch["captions"]) if kept is None else self.clap.project_text(kept)

    @torch.no_grad()
    def text_points(self) -> tuple[Tensor, list[str], list[str]]:
        """Text embeddings for a map: [M, E], the label of each, and its kind, ``template`` or ``prompt``."""
        points, labels, kinds = [self._text_CE["zero-shot"]], list(self.labels), ["template"] * len(self.labels)
        if self.prompt is not None:
            prompt_KCE = self._prompts()
            points.append(prompt_KCE.flatten(0, 1))
            labels += self.labels * len(prompt_KCE)
            kinds += ["prompt"] * prompt_KCE.shape[0] * prompt_KCE.shape[1]
        return torch.cat(points), labels, kinds

    def _own_columns(self) -> list[int]:
        """Where the labels stand among those that prompts and classifier were trained on."""
        return [self.trained_labels.index(label) for label in self.labels]

    def _prompts(self) -> Tensor:
        """Unit embeddings of the learned prompts of the labels, [K, C, E]."""
        prompt = cast(SoftPrompt, self.prompt)
        return self.clap.project_text(prompt(self.trained_words, self.clap.text))[:, self._own_columns()]

    def _embed(self, template: str) -> Tensor:
        return self.clap.embed_text([template.format(emotion=word) for word in self.words])


class LabelError(ValueError):
    """Classes that the checkpoint does not know. Commands end with exit code 2."""

    exit_code = 2
