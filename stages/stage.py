"""What every stage has in common: named parts, and how they are handed from stage to stage."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, cast

from lightning.pytorch import LightningModule
from torch import nn

from models.recognition import Recogniser
from stages.checkpoint import Checkpoint, CheckpointContent
from stages.checkpoint_validation import require_content
from stages.frozen import FrozenTower
from stages.init_from import InitFrom, plan_transfers
from stages.left_out import leave_out_pretrained
from stages.release import RELEASE_KEY, release


class Stage(LightningModule):
    """A LightningModule whose parts come from, and are kept for, other stages.

    A subclass names in ``parts`` the attributes that make up its model, and in ``required_parts`` those that it cannot
    train itself. Its argument ``init_from`` says what it starts from: a checkpoint, of which it takes every part that
    both have, or a mapping of parts to checkpoints (``stages.init_from``). Resuming needs no earlier checkpoint, for a
    stage's own, ``resumed_from``, holds all of its parts. The command line sets it, and who gives a trainer a
    ``ckpt_path`` sets it as well: the trainer knows of no checkpoint yet, or of an earlier one, when a stage is set up.

    ``in_batch_loss`` says that the loss compares the clips of a batch with each other, so that a batch is no sum of
    smaller ones.
    """

    parts: ClassVar[tuple[str, ...]] = ("clap",)
    required_parts: ClassVar[tuple[str, ...]] = ("clap",)
    in_batch_loss: ClassVar[bool] = False
    init_from: InitFrom = None
    resumed_from: Path | None = None
    # Whether it evaluates another stage: it tests and predicts from that one's checkpoint, and its outputs are written.
    evaluates: ClassVar[bool] = False
    # Arguments that only training asks for: an evaluation is built without them.
    training_only: ClassVar[tuple[str, ...]] = ("init_from", "weights", "loss", "optimizer", "scheduler", "groups")
    # Classes that its recognisers were trained for; None where any can be asked for.
    trained_labels: list[str] | None = None

    def __init__(self) -> None:
        super().__init__()
        # Pretrained tensors are absent from checkpoints; on_load_checkpoint checks what strict loading would.
        self.strict_loading = False
        self._initialized = False
        self._changed: set[str] = set()

    @property
    def sample_rate(self) -> int:
        """Rate in Hz of the waveforms that the audio tower hears."""
        return int(self.get_submodule("clap").sample_rate)  # type: ignore[arg-type]

    @property
    def audio_towers(self) -> tuple[str, ...]:
        """Names of the towers that are given waveforms: ``audio``, ``local``."""
        return ("audio",)

    @property
    def frozen_towers(self) -> dict[str, FrozenTower]:
        """Towers that do not change while this stage runs, by name: ``audio``, ``local``, ``text``.

        The app has them run once for each clip and text, and keeps what they made; ask when all weights are in place.
        """
        return {}

    def recognisers(self, labels: Sequence[str], words: Sequence[str], templates: Sequence[str]) -> list[Recogniser]:
        """What this stage recognises emotion with; ask when all weights are in place, on the device that is to run.

        Args:
            labels: The classes that are asked for.
            words: These classes as texts name them.
            templates: Zero-shot prompts with ``{emotion}``.

        Raises:
            LabelError: If a class is asked for that the stage was not trained for.
        """
        return []

    def part_modules(self) -> dict[str, nn.Module]:
        """The parts that there are: an optional one may be None."""
        found = {part: getattr(self, part) for part in self.parts}
        return {part: module for part, module in found.items() if isinstance(module, nn.Module)}

    def setup(self, stage: str) -> None:
        """Load what ``init_from`` hands over, once: a test after training is of what was trained.

        Raises:
            CheckpointError: If a part is not there, or does not fit.
        """
        if self._initialized or self.resumed_from is not None:
            return
        self._initialized = True
        own = list(self.part_modules())
        for transfer in plan_transfers(self.init_from, own, self.required_parts, Checkpoint.open):
            loaded = transfer.source.load(transfer.part, self.get_submodule(transfer.target))
            self.note_changed(transfer.target, loaded)

    def note_changed(self, target: str, names: set[str] | None = None) -> None:
        """Note tensors that are no longer what their module was built with, so that checkpoints keep them.

        Args:
            target: Part of the stage, such as ``clap``.
            names: Of the tensors in it; None for all.
        """
        names = set(self.get_submodule(target).state_dict()) if names is None else names
        self._changed |= {f"{target}.{name}" for name in names}

    def on_train_epoch_start(self) -> None:
        # A callback may freeze them again before anything is saved.
        named = self.named_parameters(remove_duplicate=False)
        self._changed |= {name for name, parameter in named if parameter.requires_grad}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        kept, left_out = leave_out_pretrained(self, checkpoint["state_dict"], self._changed)
        checkpoint |= {"state_dict": kept, "left_out": left_out, RELEASE_KEY: release()}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        path = Path("the checkpoint to resume from")
        require_content(checkpoint, path)
        own = Checkpoint(cast(CheckpointContent, checkpoint), path)
        for part, module in self.part_modules().items():
            self.note_changed(part, own.load(part, module))
