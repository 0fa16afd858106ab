"""Base class of stages: named parts, and their hand-over from stage to stage."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, cast

from lightning.pytorch import LightningModule
from torch import nn

from models.recognition import Recogniser
from stages.checkpoint import Checkpoint, CheckpointContent
from stages.checkpoint_validation import require_content
from stages.errors import CheckpointError
from stages.frozen import FrozenTower
from stages.init_from import InitFrom, Transfer, plan_transfers
from stages.left_out import leave_out_pretrained
from stages.release import RELEASE_KEY, release


class Stage(LightningModule):
    """LightningModule whose parts are handed over between stages.

    A subclass names in ``parts`` the attributes that make up its model, and in ``required_parts`` those that it cannot
    train itself. Its argument ``init_from`` is a checkpoint, from which every part that both have is loaded, or a
    mapping of parts to checkpoints (``stages.init_from``). Resuming needs no earlier checkpoint, for a
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
    # True for a stage that tests and predicts from the checkpoint of another one, and whose outputs are written.
    evaluates: ClassVar[bool] = False
    # Arguments of training alone: an evaluation is built without them.
    training_only: ClassVar[tuple[str, ...]] = ("init_from", "weights", "loss", "optimizer", "scheduler", "groups")
    # Classes that its recognisers were trained for; None if they recognise any.
    trained_labels: list[str] | None = None

    def __init__(self) -> None:
        super().__init__()
        # Pretrained tensors are absent from checkpoints; on_load_checkpoint checks what strict loading would.
        self.strict_loading = False
        self._initialized = False
        self._changed: set[str] = set()

    @property
    def sample_rate(self) -> int:
        """Sampling rate of the audio tower's input in Hz."""
        return int(self.get_submodule("clap").sample_rate)  # type: ignore[arg-type]

    @property
    def audio_towers(self) -> tuple[str, ...]:
        """Names of the towers whose input is waveforms: ``audio``, ``local``."""
        return ("audio",)

    @property
    def frozen_towers(self) -> dict[str, FrozenTower]:
        """Towers that do not change while this stage runs, by name: ``audio``, ``local``, ``text``.

        The app has them run once for each clip and text, and keeps what they made; ask when all weights are in place.
        """
        return {}

    @property
    def required_texts(self) -> tuple[str, ...]:
        """Names of the texts about each clip without which this stage cannot train, validate or test."""
        return ()

    def recognisers(self, labels: Sequence[str], words: Sequence[str], templates: Sequence[str]) -> list[Recogniser]:
        """Make this stage's recognisers; call it when all weights are loaded, on the device that is to run them.

        Args:
            labels: The requested classes.
            words: These classes as words in texts.
            templates: Zero-shot prompts with ``{emotion}``.

        Raises:
            LabelError: If the stage was not trained for a requested class.
        """
        return []

    def part_modules(self) -> dict[str, nn.Module]:
        """Return the modules of the parts, without optional ones that are None."""
        found = {part: getattr(self, part) for part in self.parts}
        return {part: module for part, module in found.items() if isinstance(module, nn.Module)}

    def setup(self, stage: str) -> None:
        """Load the parts of ``init_from``, once: a test after training keeps the trained weights.

        Raises:
            CheckpointError: If a part is missing or does not fit, or lacks tensors that another source has replaced.
        """
        if self._initialized or self.resumed_from is not None:
            return
        self._initialized = True
        own = list(self.part_modules())
        for transfer in plan_transfers(self.init_from, own, self.required_parts, Checkpoint.open):
            into = self.get_submodule(transfer.target)
            self._require_unchanged(transfer, transfer.source.left_out_names(transfer.part, into))
            self.note_changed(transfer.target, transfer.source.load(transfer.part, into))

    def note_changed(self, target: str, names: set[str] | None = None) -> None:
        """Note tensors that differ from those that their module was built with, so that checkpoints keep them.

        Args:
            target: Part of the stage, such as ``clap``.
            names: Names of the tensors in it; None for all.
        """
        names = set(self.get_submodule(target).state_dict()) if names is None else names
        self._changed |= {f"{target}.{name}" for name in names}

    def _require_unchanged(self, transfer: Transfer[Checkpoint], left_out: set[str]) -> None:
        """Refuse a part without tensors, taken to be those of a file, that an outer part has just replaced."""
        target, path = transfer.target, transfer.source.path
        replaced = sorted(self._changed & {f"{target}.{name}" for name in left_out})
        if replaced:
            raise CheckpointError(
                f"model.init_args.init_from: {target} is to be that of {path}, which has no weights of its own for "
                f"{', '.join(replaced[:4])}: they were frozen there, as in their pretrained file; the source of the "
                f"part around it has replaced them by trained ones. Leave {target} out to keep the trained ones, or "
                "name, in place of the part around it, those of its other parts that you want"
            )

    def on_train_epoch_start(self) -> None:
        # A callback may freeze them again before a checkpoint is saved.
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
