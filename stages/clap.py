"""Contrastive training of an audio-text model."""

from pathlib import Path
from typing import Any, Protocol

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn

from datamodules.batch import ClipBatch
from losses.infonce import InfoNCE
from models.clap import Clap
from stages.metrics import EmotionMetrics
from stages.optim import ParamGroup, WarmupCosine, group_parameters
from stages.stage import Stage
from stages.templates import require_emotion


class ReleasedWeights(Protocol):
    """Weights that somebody published, as in ``models.released``."""

    def load(self, clap: nn.Module) -> str:
        """Load them, and say in one line what was loaded."""


class ContrastiveTraining(Stage):
    """Pull each clip towards its caption in the shared space; CLAP becomes CLEP.

    Args:
        clap: Audio-text model.
        labels: Class names in logit order; linked from the data.
        words: The classes as prompts name them; linked from the data.
        loss: Contrastive objective.
        template: Zero-shot prompt of the validation metric, with ``{emotion}``.
        init_from: Checkpoint of an earlier stage; its part ``clap`` is loaded when fitting starts.
        weights: Released weights to start from in place of ``init_from``; see ``models.released``.
        optimizer: Called with the parameter groups.
        scheduler: Learning rates over the run, stepped after every batch; null keeps them.
        groups: Parameters with learning rates of their own; the rest takes the optimiser's.

    Reference: CLEP-DG, section 3.3 and 4.2.
    """

    def __init__(
        self,
        clap: Clap,
        labels: list[str],
        words: list[str],
        loss: InfoNCE = InfoNCE(),  # noqa: B008  # has no state
        template: str = "this is a sound of {emotion}",
        init_from: Path | None = None,
        weights: ReleasedWeights | None = None,
        optimizer: OptimizerCallable = torch.optim.Adam,
        scheduler: LRSchedulerCallable | None = None,
        groups: list[ParamGroup] | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        require_emotion(template, "model.init_args.template")
        self.clap, self.loss, self.words, self.template = clap, loss, words, template
        self.init_from, self.weights = init_from, weights
        self.optimizer, self.scheduler, self.groups = optimizer, scheduler, groups or []
        self.metrics = EmotionMetrics(labels)
        self._pooled: dict[str, Tensor] = {}

    def setup(self, stage: str) -> None:
        super().setup(stage)
        if stage == "fit" and self.weights is not None and self.init_from is None:
            self.print(self.weights.load(self.clap))

    def on_train_start(self) -> None:
        # Not earlier: counting the steps makes the loader, which must know how far a resumed run has come.
        scheduler = self.lr_schedulers()
        if isinstance(scheduler, WarmupCosine) and scheduler.total_steps is None:
            scheduler.run_over(int(self.trainer.estimated_stepping_batches))

    def training_step(self, batch: ClipBatch, _: int) -> Tensor:
        audio_NE = self.clap.embed_audio(batch["wave"], batch["length"])
        text_UE = self.clap.project_text(self._pool(batch["captions"]))
        loss: Tensor = self.loss(audio_NE, text_UE, batch["caption"], self.clap.scale, batch["caption_label"])
        self.log("train/loss", loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(batch["id"]))
        self.log("train/scale", self.clap.scale, on_step=False, on_epoch=True, batch_size=len(batch["id"]))
        return loss

    def on_train_batch_start(self, *_: Any) -> None:
        # Here too: a checkpoint of the last step is written before the hook of its end.
        self.clap.clamp_scale()

    def on_train_batch_end(self, *_: Any) -> None:
        self.clap.clamp_scale()

    def validation_step(self, batch: ClipBatch, _: int) -> None:
        if batch["id"]:
            prompts = [self.template.format(emotion=word) for word in self.words]
            text_CE = self.clap.project_text(self._pool(prompts))
            audio_NE = self.clap.embed_audio(batch["wave"], batch["length"])
            self.metrics.update((audio_NE @ text_CE.T).argmax(1), batch["label"])

    def on_validation_epoch_end(self) -> None:
        scores = self.metrics.compute()
        self.log("val/UA", scores["UA"], prog_bar=True)
        self.log("val/WA", scores["WA"])
        self.metrics.reset()

    def configure_optimizers(self) -> Any:
        optimizer = self.optimizer(group_parameters(self, self.groups))
        if self.scheduler is None:
            return optimizer
        scheduler = self.scheduler(optimizer)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _pool(self, texts: list[str]) -> Tensor:
        """What the text tower makes of texts, [U, D]; a frozen tower reads each text once in its life."""
        if any(p.requires_grad for p in self.clap.text.parameters()):
            return self.clap.text(texts)  # type: ignore[no-any-return]
        unread = [text for text in texts if text not in self._pooled]
        if unread:
            with torch.no_grad():
                self._pooled.update(zip(unread, self.clap.text(unread), strict=True))
        return torch.stack([self._pooled[text] for text in texts]).to(self.device)
