"""What every stage has in common: named parts, hand-over, and checkpoints that hold no third party's weights."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule
from torch import nn

from models.recognition import Recogniser
from stages.frozen import FrozenTower
from stages.handoff import load_part, read_checkpoint, rebuilt_towers, source_digests


class Stage(LightningModule):
    """A LightningModule whose parts are loaded from, and kept for, other stages.

    A subclass sets ``parts``, the attributes that make up its model, ``needs``, those that it cannot train itself, and
    ``init_from``, the checkpoint of an earlier stage: when fitting starts, every part that the checkpoint holds is
    loaded from it, and those that are needed must be there. Testing or resuming needs no earlier checkpoint, for a
    stage's own, ``resumed_from``, holds all of its parts. The command line sets it, and who gives a trainer a
    ``ckpt_path`` sets it as well: the trainer knows of no checkpoint yet, or of an earlier one, when a stage is set up.

    ``in_batch_loss`` says that the loss compares the clips of a batch with each other, so that a batch is no sum of
    smaller ones.
    """

    parts: tuple[str, ...] = ("clap",)
    needs: tuple[str, ...] = ("clap",)
    init_from: Path | None = None
    resumed_from: Path | None = None
    in_batch_loss = False
    # Whether it evaluates another stage: it tests and predicts from that one's checkpoint, and its outputs are written.
    evaluates = False
    # Arguments that only training asks for: an evaluation is built without them.
    training_only: tuple[str, ...] = ("init_from", "weights", "loss", "optimizer", "scheduler", "groups")
    # Classes that its recognisers were trained for; None where any can be asked for.
    trained_labels: list[str] | None = None

    def __init__(self) -> None:
        super().__init__()
        # Rebuilt towers are absent from checkpoints; on_load_checkpoint checks what strict loading would.
        self.strict_loading = False
        self._sources: dict[str, str] = {}

    @property
    def sample_rate(self) -> int:
        """Rate in Hz of the waveforms that the audio tower hears."""
        return int(self.get_submodule("clap").sample_rate)  # type: ignore[arg-type]

    @property
    def hearing(self) -> tuple[str, ...]:
        """Names of the towers that are given waveforms: ``audio``, ``local``."""
        return ("audio",)

    @property
    def frozen_towers(self) -> dict[str, FrozenTower]:
        """Towers that do not change while this stage runs, by name: ``audio``, ``local``, ``text``.

        The data run them once for each clip and text and keep what they made; ask when all weights are in place.
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

    def remember_sources(self) -> None:
        """Note what the towers from elsewhere are like before anything is trained or loaded over them."""
        if not self._sources:
            self._sources = source_digests(self)

    def setup(self, stage: str) -> None:
        self.remember_sources()
        if self.init_from is not None and self.resumed_from is None and stage == "fit":
            checkpoint = read_checkpoint(self.init_from)
            held = {name.split(".")[0] for name in checkpoint["state_dict"]}
            for part in self.parts:
                module = getattr(self, part)
                if isinstance(module, nn.Module) and (part in held or part in self.needs):
                    load_part(checkpoint, part, module, self.init_from)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        rebuilt = rebuilt_towers(self, self._sources)
        prefixes = tuple(f"{name}." for name in rebuilt)
        weights = checkpoint["state_dict"]
        checkpoint["state_dict"] = {name: tensor for name, tensor in weights.items() if not name.startswith(prefixes)}
        checkpoint["rebuilt"] = rebuilt

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        path = Path("the checkpoint to resume from")
        for part in self.parts:
            module = getattr(self, part)
            if isinstance(module, nn.Module):
                load_part(checkpoint, part, module, path)
