"""Acoustic context prompt tuning: soundscapes as learned token embeddings, from text alone."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor

from datamodules.batch import TextBatch
from losses.logits import similarity
from losses.prompts import ContextDiversity, PromptCrossEntropy, PromptRanking, mean_pairwise_cosine
from models.clap import Clap
from models.recognition import LearnedPrompts, Recogniser, columns_of, zero_shot
from models.soft_prompt import SoftPrompt
from stages.stage import Stage

PromptCallable = Callable[[int, int], SoftPrompt]


class ACPT(Stage):
    """Prompt tuning of K contexts: under each, texts about an emotion shall be nearest to that emotion's prompt.

    One training step uses the whole text set and all contexts.

    Args:
        clap: Audio-text model, frozen; by default that of ``init_from``.
        labels: Class names in logit order; linked from the data.
        words: The classes as prompts name them; linked from the data.
        prompt: Called with the text encoder's width and the number of classes.
        init_from: Checkpoint of the stage before; its part ``clap`` is loaded when fitting starts.
        cross_entropy: Equation 1.
        ranking: Equation 2.
        diversity_weight: Weight of the mean absolute cosine between contexts; 0 as in the paper.
        temperature: Of equation 1; null for that of the audio-text model.
        context_words: One phrase for each context to start from; null starts from random vectors as in the paper.
        optimizer: Called with the prompt's parameters.

    Reference: CLEP-DG, section 3.4.
    """

    parts = ("clap", "prompt")
    trained_labels: list[str]

    def __init__(
        self,
        clap: Clap,
        labels: list[str],
        words: list[str],
        prompt: PromptCallable = SoftPrompt,
        init_from: dict[str, str] | str | Path | None = None,
        cross_entropy: PromptCrossEntropy = PromptCrossEntropy(),  # noqa: B008  # has no state
        ranking: PromptRanking = PromptRanking(),  # noqa: B008  # has no state
        diversity_weight: float = 0.0,
        temperature: float | None = None,
        context_words: list[str] | None = None,
        optimizer: OptimizerCallable = torch.optim.SGD,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        # eval() lasts: Lightning gives every module back the mode that it had.
        self.clap = clap.requires_grad_(False).eval()
        self.prompt = prompt(clap.text.width, len(labels))
        self.trained_labels = labels
        self.words = words
        self.init_from = init_from
        self.cross_entropy = cross_entropy
        self.ranking = ranking
        self.diversity = ContextDiversity()
        self.diversity_weight = diversity_weight
        self.temperature = temperature
        self.context_words = context_words
        self.optimizer = optimizer
        self._text_ME: Tensor | None = None

    def setup(self, stage: str) -> None:
        super().setup(stage)
        if stage == "fit" and self.context_words is not None:
            self.prompt.start_from(self.context_words, self.clap.text)

    def forward(self) -> Tensor:
        """Embed all prompts: unit embeddings [K, C, E]."""
        return self.clap.project_text(self.prompt(self.words, self.clap.text))

    def recognisers(self, labels: Sequence[str], words: Sequence[str], templates: Sequence[str]) -> list[Recogniser]:
        encoder = self.clap.clip_encoder()
        prompt_KCE = self()[:, columns_of(labels, self.trained_labels)]
        return [
            *zero_shot(encoder, self.clap.embed_text, labels, words, templates),
            LearnedPrompts(encoder, labels, prompt_KCE),
        ]

    def training_step(self, batch: TextBatch, _: int) -> Tensor:
        text_ME = self._texts(batch["text"])
        label_M = batch["label"]
        prompt_KCE = self()
        scale = self.clap.scale
        if self.temperature is not None:
            scale = scale.new_tensor(1 / self.temperature)
        losses = {
            "cross_entropy": self.cross_entropy(text_ME, label_M, prompt_KCE, scale),
            "ranking": self.ranking(text_ME, label_M, prompt_KCE),
            "diversity": self.diversity_weight * self.diversity(prompt_KCE.mean(1)),
        }
        total = torch.stack(list(losses.values())).sum()
        accuracy = (similarity(text_ME, prompt_KCE).argmax(-1) == label_M).float().mean()
        contexts = mean_pairwise_cosine(prompt_KCE.detach().mean(1))
        logged = {"train/accuracy": accuracy, "train/context_cosine": contexts}
        logged |= {f"train/{name}": value for name, value in losses.items()}
        self.log("train/loss", total, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(label_M))
        self.log_dict(logged, on_step=False, on_epoch=True, batch_size=len(label_M))
        return total

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return self.optimizer(self.prompt.parameters())

    @torch.no_grad()
    def _texts(self, texts: list[str]) -> Tensor:
        """Embed the text set once, as it never changes: unit embeddings [M, E]."""
        if self._text_ME is None:
            chunks = [self.clap.embed_text(texts[first : first + 256]) for first in range(0, len(texts), 256)]
            self._text_ME = torch.cat(chunks)
        return self._text_ME
