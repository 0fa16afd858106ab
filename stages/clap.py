"""Contrastive training of an audio-text model: CLEP, EmotionRankCLAP, SmoothCLAP and their baselines."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn

from datamodules.batch import ClipBatch, TextColumn
from losses.batch import ContrastiveBatch, ContrastiveLoss
from losses.gather import gather
from losses.infonce import InfoNCE
from losses.logits import similarity
from models.audio.encoder import AudioEncoder
from models.clap import Clap
from models.recognition import Recogniser, zero_shot
from stages.errors import SettingError, check_template
from stages.frozen import FrozenTower, frozen_tower
from stages.metrics import EmotionMetrics
from stages.optim import ParamGroup, configure, start_schedule
from stages.stage import Stage


class ReleasedWeights(Protocol):
    """Released weights, as in ``models.released``."""

    def load(self, clap: nn.Module) -> str:
        """Load the weights, and return one line about what was loaded."""


class ClapTraining(Stage):
    """Contrastive training of clips and captions in a shared space; the loss defines what belongs together.

    Args:
        clap: Audio-text model.
        labels: Class names in logit order; linked from the data.
        words: The classes as prompts name them; linked from the data.
        loss: Contrastive objective.
        local: Frozen extractor of local audio features, by which a loss compares clips; null uses the pooled output of
            the audio tower.
        template: Zero-shot prompt of the validation metric, with ``{emotion}``.
        init_from: Checkpoint of an earlier stage, or a mapping such as ``{clap.audio: runs/ser/best.ckpt:audio}``.
        weights: Released weights to start from in place of ``init_from``; see ``models.released``.
        optimizer: Called with the parameter groups.
        scheduler: Learning rates over the run, stepped after every batch; null keeps them.
        groups: Parameters with learning rates of their own; the others use the optimizer's.

    Reference: CLEP-DG, section 3.3; EmotionRankCLAP, section 3; SmoothCLAP, section 2.
    """

    parts = ("clap", "local")
    in_batch_loss = True
    training_only = (*Stage.training_only, "local")

    def __init__(
        self,
        clap: Clap,
        labels: list[str],
        words: list[str],
        loss: ContrastiveLoss = InfoNCE(),  # noqa: B008  # has no state
        local: AudioEncoder | None = None,
        template: str = "this is a sound of {emotion}",
        init_from: dict[str, str] | str | Path | None = None,
        weights: ReleasedWeights | None = None,
        optimizer: OptimizerCallable = torch.optim.Adam,
        scheduler: LRSchedulerCallable | None = None,
        groups: list[ParamGroup] | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        check_template(template, "model.init_args.template")
        self.clap = clap
        self.loss = loss
        self.words = words
        self.template = template
        if local is not None and local.sample_rate != clap.sample_rate:
            raise SettingError(
                f"model.init_args.local hears {local.sample_rate} Hz and the audio tower {clap.sample_rate} Hz, but "
                "they are given the same waveforms; choose two of one rate"
            )
        # eval() lasts: Lightning gives every module back the mode that it had.
        self.local = None if local is None else local.requires_grad_(False).eval()
        self.init_from = init_from
        self.weights = weights
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.groups = groups or []
        self.metrics = EmotionMetrics(labels)
        self._pooled: dict[str, Tensor] = {}
        self._frozen: dict[str, FrozenTower] | None = None

    def setup(self, stage: str) -> None:
        super().setup(stage)
        starts = self.init_from is None and self.resumed_from is None
        if stage == "fit" and self.weights is not None and starts:
            self.print(self.weights.load(self.clap))
            self.note_changed("clap")

    @property
    def audio_towers(self) -> tuple[str, ...]:
        return ("audio", "local") if self._compares_local and self.local is not None else ("audio",)

    @property
    def required_texts(self) -> tuple[str, ...]:
        return ("caption",)

    @property
    def frozen_towers(self) -> dict[str, FrozenTower]:
        if self._frozen is None:
            self._frozen = {}
            if self.clap.freeze_audio:
                self._frozen["audio"] = frozen_tower(self.clap.audio)
            if self.local is not None and self._compares_local:
                self._frozen["local"] = frozen_tower(self.local)
            if self.clap.freeze_text:
                self._frozen["text"] = frozen_tower(self.clap.text)
        return self._frozen

    @property
    def _compares_local(self) -> bool:
        return "local" in self.loss.required_fields

    def on_train_start(self) -> None:
        start_schedule(self)

    def training_step(self, batch: ClipBatch, _: int) -> Tensor:
        pairs = self.pairs(batch)
        loss: Tensor = self.loss(pairs)
        size = len(batch["id"])
        self.log("train/loss", loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=size)
        self.log("train/scale", self.clap.scale, on_step=False, on_epoch=True, batch_size=size)
        # A projection that ends in ReLU can give zeros, which have no direction and learn nothing.
        zeros = (pairs.audio_NE == 0).all(1).float().mean()
        self.log("train/zero_embeddings", zeros, on_step=False, on_epoch=True, batch_size=size)
        # 0 where soft targets have collapsed to one-hot ones, the logarithm of the batch size where they are uniform.
        if (entropy := getattr(self.loss, "target_entropy", None)) is not None:
            self.log("train/target_entropy", entropy, on_step=False, on_epoch=True, batch_size=size)
        return loss

    def pairs(self, batch: ClipBatch) -> ContrastiveBatch:
        """Embed this rank's batch for the loss."""
        pooled_ND = self._run_tower("audio", self.clap.audio, batch)
        known: dict[str, Tensor] = {"label_N": batch["label"], "rating_NR": batch["rating"]}
        if self._compares_local:
            # Under autocast the tower's type depends on whether there is a clip; the loss compares in float32 anyway.
            known["local_NL"] = self._local_features(batch, pooled_ND).float()
        # A rank without clips takes part with no rows: what one rank gathers, all must.
        caption = batch["texts"]["caption"]
        texts: dict[str, Tensor] = {}
        for name in self.loss.required_texts:
            if name in batch["texts"]:
                column = batch["texts"][name]
                texts[name] = self.clap.project_text(self._pooled_texts(column))[column.row]
        return ContrastiveBatch(
            audio_NE=self.clap.project_audio(pooled_ND),
            text_UE=self.clap.project_text(self._pooled_texts(caption)),
            caption_N=caption.row,
            scale=self.clap.scale,
            texts=texts,
            columns={name: batch["columns"][name] for name in self.loss.required_columns if name in batch["columns"]},
            **known,
        )

    def recognisers(self, labels: Sequence[str], words: Sequence[str], templates: Sequence[str]) -> list[Recogniser]:
        return zero_shot(self.clap.clip_encoder(), self.clap.embed_text, labels, words, templates)

    def on_train_batch_start(self, *_: Any) -> None:
        # Here too: a checkpoint of the last step is written before the hook of its end.
        self.clap.clamp_scale()

    def on_train_batch_end(self, *_: Any) -> None:
        self.clap.clamp_scale()

    def validation_step(self, batch: ClipBatch, _: int) -> None:
        """Log loss and scores; a rank without clips takes part, as the loss is that of all ranks' clips."""
        pairs = self.pairs(batch)
        size = len(gather(pairs.caption_N))
        if not size:
            return  # nothing of this batch could be read, on any rank
        self.log("val/loss", self.loss(pairs), on_epoch=True, batch_size=size)
        prompts = [self.template.format(emotion=word) for word in self.words]
        text_CE = self.clap.project_text(self._pool(prompts))
        known = batch["label"] >= 0
        self.metrics.update(similarity(pairs.audio_NE, text_CE).argmax(1)[known], batch["label"][known])

    def on_validation_epoch_end(self) -> None:
        scores = self.metrics.compute()
        self.log("val/UA", scores["UA"], prog_bar=True)
        self.log("val/WA", scores["WA"])
        self.metrics.reset()

    def configure_optimizers(self) -> OptimizerLRScheduler:
        return configure(self, self.optimizer, self.groups, self.scheduler)

    def _run_tower(self, name: str, tower: AudioEncoder, batch: ClipBatch) -> Tensor:
        """Return an audio tower's output for the clips, [N, D]: computed before, or now."""
        if name in batch["features"]:
            return batch["features"][name]
        if not batch["id"]:
            return self.clap.scale.new_zeros(0, tower.width)
        return tower(batch["wave"], batch["length"])  # type: ignore[no-any-return]

    @torch.no_grad()
    def _local_features(self, batch: ClipBatch, pooled_ND: Tensor) -> Tensor:
        if self.local is None:
            return pooled_ND.detach()
        return self._run_tower("local", self.local, batch)

    def _pooled_texts(self, texts: TextColumn) -> Tensor:
        """Return the text tower's output for the distinct texts, [U, D]: computed before, or now."""
        return self._pool(texts.distinct) if texts.vectors is None else texts.vectors

    def _pool(self, texts: list[str]) -> Tensor:
        """Run the text tower on texts, [U, D]; a frozen tower runs once for each text."""
        if not texts:
            return self.clap.scale.new_zeros(0, self.clap.text.width)
        if not self.clap.is_frozen(self.clap.text):
            return self.clap.text(texts)  # type: ignore[no-any-return]
        new = [text for text in texts if text not in self._pooled]
        if new:
            with torch.no_grad():
                self._pooled.update(zip(new, self.clap.text(new), strict=True))
        return torch.stack([self._pooled[text] for text in texts]).to(self.device)
