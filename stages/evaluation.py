"""Emotion recognition with what earlier stages left: zero-shot, learned prompts, the text-trained classifier."""

from pathlib import Path
from typing import TypedDict, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datamodules.batch import ClipBatch
from models.clap import Clap
from models.soft_prompt import SoftPrompt
from stages.acpt import PromptCallable
from stages.classifier import ClassifierCallable
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
        skipped: One line for each recording that could not be read.
    """

    id: list[str]
    corpus: list[str]
    label: Tensor
    scores: dict[str, Tensor]
    embedding: Tensor
    skipped: list[str]


class Evaluation(Stage):
    """Recognise the emotion of every clip by each system that the checkpoint holds the parts of; trains nothing.

    Args:
        clap: Audio-text model; by default that of ``init_from``.
        labels: Class names in logit order; linked from the data. They may be a part of the checkpoint's.
        words: The classes as prompts name them; linked from the data.
        init_from: Checkpoint of any stage.
        prompt: Learned prompts; by default those of ``init_from``, if it has them.
        classifier: Text-trained classifier; by default that of ``init_from``, if it has one.
        trained_labels: The classes of prompts and classifier; by default those of ``init_from``.
        trained_words: Those classes as prompts name them; likewise.
        templates: Zero-shot prompts with ``{emotion}``: the first is the system "zero-shot", all are its ensemble.
    """

    parts = needs = ("clap", "prompt", "classifier")
    loads_when = ("test", "predict", "validate")

    def __init__(
        self,
        clap: Clap,
        labels: list[str],
        words: list[str],
        init_from: Path,
        prompt: PromptCallable | None = None,
        classifier: ClassifierCallable | None = None,
        trained_labels: list[str] | None = None,
        trained_words: list[str] | None = None,
        templates: list[str] = list(TEMPLATES),  # noqa: B006  # never changed
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        for place, template in enumerate(templates):
            require_emotion(template, f"model.init_args.templates[{place}]")
        trained = trained_labels or labels
        self.clap, self.labels, self.words, self.init_from = clap, labels, words, init_from
        self.prompt: nn.Module | None = prompt(clap.text.width, len(trained)) if prompt else None
        self.classifier: nn.Module | None = classifier(clap.width, len(trained)) if classifier else None
        self.trained_labels, self.trained_words, self.templates = trained, trained_words or words, templates
        self._text_CE: dict[str, Tensor] = {}

    def setup(self, stage: str) -> None:
        absent = [label for label in self.labels if label not in self.trained_labels]
        if (self.prompt or self.classifier) is not None and absent:
            raise LabelError(
                f"data.init_args.labels: {', '.join(absent)} is no class of what {self.init_from} was trained for "
                f"({', '.join(self.trained_labels)}); train it for these labels, or leave {', '.join(absent)} out"
            )
        super().setup(stage)

    def on_test_start(self) -> None:
        template_TCE = torch.stack([self._embed(template) for template in self.templates])
        self._text_CE = {"zero-shot": template_TCE[0], "zero-shot ensemble": F.normalize(template_TCE.mean(0), dim=-1)}
        if self.prompt is not None:
            self._text_CE["ACPT prompts"] = self._prompts().mean(0)

    def test_step(self, batch: ClipBatch, batch_idx: int) -> ClipScores:
        audio_NE = (
            self.clap.embed_audio(batch["wave"], batch["length"]) if batch["id"] else self._text_CE["zero-shot"][:0]
        )
        scores = {system: audio_NE @ text_CE.T for system, text_CE in self._text_CE.items()}
        if self.classifier is not None:
            scores["text-trained classifier"] = self.classifier(audio_NE)[:, self._own_columns()]
        return ClipScores(
            id=batch["id"],
            corpus=batch["corpus"],
            label=batch["label"],
            scores=scores,
            embedding=audio_NE,
            skipped=batch["skipped"],
        )

    def on_predict_start(self) -> None:
        self.on_test_start()

    def predict_step(self, batch: ClipBatch, batch_idx: int) -> ClipScores:
        """As ``test_step``; clips may have no label, -1."""
        return self.test_step(batch, batch_idx)

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
