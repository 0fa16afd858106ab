"""Emotion classifier that is trained on text alone and used on audio."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn

from datamodules.batch import PromptBatch
from losses.arcface import ArcFaceLoss
from models.clap import Clap
from models.classifier import CosineClassifier
from models.projection import unit
from models.recognition import LearnedPrompts, LinearRecogniser, Recogniser, columns_of, zero_shot
from models.soft_prompt import SoftPrompt
from stages.acpt import PromptCallable
from stages.stage import Stage

ClassifierCallable = Callable[[int, int], nn.Module]


class TextClassifier(Stage):
    """Linear classifier, trained on the unit embeddings of the learned prompts, K contexts x C classes, without audio.

    Args:
        clap: Audio-text model, frozen; by default that of ``init_from``.
        labels: Class names in logit order; linked from the data.
        words: The classes as prompts name them; linked from the data.
        prompt: Called with the text encoder's width and the number of classes; by default that of ``init_from``.
        classifier: Called with the width of the shared space and the number of classes.
        loss: Objective on the classifier's output: ``losses.ArcFaceLoss`` on cosines, or
            ``torch.nn.CrossEntropyLoss`` on the logits of ``models.classifier.LinearClassifier``.
        init_from: Checkpoint of the prompt tuning; its parts ``clap`` and ``prompt`` are loaded when fitting starts.
        noise: Standard deviation of Gaussian noise on the training embeddings, in units of their length; 0 for none.
        optimizer: Called with the classifier's parameters.

    Reference: CLEP-DG, section 3.5.
    """

    parts = ("clap", "prompt", "classifier")
    required_parts = ("clap", "prompt")
    trained_labels: list[str]

    def __init__(
        self,
        clap: Clap,
        labels: list[str],
        words: list[str],
        prompt: PromptCallable = SoftPrompt,
        classifier: ClassifierCallable = CosineClassifier,
        loss: nn.Module = ArcFaceLoss(),  # noqa: B008  # has no state
        init_from: dict[str, str] | str | Path | None = None,
        noise: float = 0.0,
        optimizer: OptimizerCallable = torch.optim.SGD,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.clap = clap.requires_grad_(False).eval()
        self.prompt = prompt(clap.text.width, len(labels)).requires_grad_(False)
        self.classifier = classifier(clap.width, len(labels))
        self.loss = loss
        self.noise = noise
        self.trained_labels = labels
        self.words = words
        self.init_from = init_from
        self.optimizer = optimizer
        self._feature_KCE: Tensor | None = None

    @property
    def contexts(self) -> int:
        """Number of contexts, K."""
        return len(self.prompt.context_KCLD)

    def forward(self, embedding_NE: Tensor) -> Tensor:
        """Score unit embeddings of texts or clips, [N, C]."""
        return self.classifier(embedding_NE)  # type: ignore[no-any-return]

    def recognisers(self, labels: Sequence[str], words: Sequence[str], templates: Sequence[str]) -> list[Recogniser]:
        encoder = self.clap.clip_encoder()
        columns = columns_of(labels, self.trained_labels)
        return [
            *zero_shot(encoder, self.clap.embed_text, labels, words, templates),
            LearnedPrompts(encoder, labels, self._features()[:, columns]),
            LinearRecogniser(encoder, labels, self.classifier, columns),
        ]

    def training_step(self, batch: PromptBatch, _: int) -> Tensor:
        feature_NE = self._features()[batch["context"], batch["label"]]
        if self.noise:
            noise_NE = torch.randn_like(feature_NE) * self.noise / feature_NE.shape[1] ** 0.5
            feature_NE = unit(feature_NE + noise_NE)
        score_NC = self(feature_NE)
        loss: Tensor = self.loss(score_NC, batch["label"])
        accuracy = (score_NC.argmax(1) == batch["label"]).float().mean()
        self.log("train/loss", loss, on_step=False, on_epoch=True, prog_bar=True)
        self.log("train/accuracy", accuracy, on_step=False, on_epoch=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return self.optimizer(self.classifier.parameters())

    @torch.no_grad()
    def _features(self) -> Tensor:
        """Embed all prompts once, as they never change: unit embeddings [K, C, E]."""
        if self._feature_KCE is None:
            self._feature_KCE = self.clap.project_text(self.prompt(self.words, self.clap.text))
        return self._feature_KCE
