"""Lightning's verbs: a stage and its data from configuration, with our rules about checkpoints and run folders."""

import logging
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer
from lightning.pytorch.cli import LightningCLI

from datamodules.clips.data import ClipData
from datamodules.clips.work_log import death_of_a_worker
from datamodules.emotion_data import EmotionDataModule
from datamodules.stop_signals import Stopped, stop_if_asked
from lightning_app.callbacks.checkpoint import StageCheckpoint
from lightning_app.callbacks.clip_lists import ListSkipped, WriteCaptions
from lightning_app.callbacks.features import TellData
from lightning_app.callbacks.numerics import FiniteStep, guard_convolutions, overflow
from lightning_app.callbacks.predictions import WriteEvaluation
from lightning_app.callbacks.preempt import Preempt
from lightning_app.callbacks.progress import ProgressLines, RunLogger
from lightning_app.callbacks.provenance import Provenance
from lightning_app.callbacks.records import SaveConfig, WriteDone
from lightning_app.callbacks.reproducibility import SameData, StepSeed
from lightning_app.config.checks import require_manifest, require_possible_optimizer, require_valid_training
from lightning_app.config.command_line import asks_only, said
from lightning_app.config.messages import missing_package, short_parse_error, trainer_mistake, users_mistake
from lightning_app.config.parser import Command, read_command
from lightning_app.errors import ConfigError, ExitCode
from lightning_app.runs.checkpoint_io import AtomicCheckpointIO, verify
from lightning_app.runs.files import BEST_CKPT
from lightning_app.runs.fingerprint import Fingerprint, command_fingerprint
from lightning_app.runs.folder import OVERWRITE, AlreadyDone, RunFolder, in_own_folder
from lightning_app.runs.inherit import checkpoint_file, require_same_stage
from stages.errors import CheckpointError
from stages.stage import Stage

# It looks at a finished run, whose files are to stay.
WRITES_NOTHING = ("validate",)


class StageCLI(LightningCLI):
    """Builds one stage, its data and its trainer from a command that was read.

    Args:
        command: The command.
        print_of: Its fingerprint, kept in ``done.json``.
        folder: The run folder, which the command takes when it knows where it is.
    """

    def __init__(self, command: Command, print_of: Fingerprint, folder: RunFolder) -> None:
        self.command, self.verb, self.folder = command, command.verb, folder
        self.done = WriteDone(list(command.words), print_of, folder.accept)
        super().__init__(
            Stage,
            EmotionDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            auto_configure_optimizers=False,
            save_config_callback=None if self.verb in WRITES_NOTHING else SaveConfig,
            run=False,
        )

    def setup_parser(self, *_: Any) -> None:
        self.parser = self.command.parser

    def parse_arguments(self, *_: Any) -> None:
        self.config = self.command.config

    def run(self) -> None:
        """Call the trainer's method of the verb's name."""
        own = {name: self.config_init[name] for name in ("ckpt_path", "weights_only", "verbose") if name in self.config}
        getattr(self.trainer, self.verb)(self.model, datamodule=self.datamodule, **own)

    @property
    def checkpoint(self) -> StageCheckpoint:
        """What keeps the run's checkpoints."""
        return cast(StageCheckpoint, self._get(self.config_init, "checkpoint"))

    @property
    def writes(self) -> bool:
        """Whether the run folder is the command's: who only looks at a run, or tries a few batches, leaves it alone."""
        tries = self.config["trainer"]["fast_dev_run"]
        return self.verb not in WRITES_NOTHING and not tries

    def instantiate_classes(self) -> None:
        try:
            super().instantiate_classes()
        except ValueError as error:
            if users_mistake(error) is not None:
                raise
            if (missing := missing_package(str(error))) is not None:
                raise missing from error
            # A constructor's own words about a value that it cannot work with.
            raise ConfigError(short_parse_error(str(error), self.command.words)) from error
        resumed = self.config.get("ckpt_path")
        self.model.resumed_from = Path(resumed) if resumed else None

    def before_instantiate_classes(self) -> None:
        stop_if_asked()
        config = self.config
        if config.get("weights_only") is False:
            raise ConfigError("weights_only: a checkpoint is always read without running code of its own; leave it out")
        if self.verb == "fit":
            require_valid_training(config)
            require_possible_optimizer(config["model"])
        require_manifest(config["data"], self.command.words)
        if self.writes:
            resumed = self.folder.take(Path(config["trainer"]["default_root_dir"] or "."), config.get("ckpt_path"))
            config["ckpt_path"] = str(resumed) if resumed else config.get("ckpt_path")
        if config.get("ckpt_path"):
            path = Path(config["ckpt_path"])
            verify(path)
            require_same_stage(path, config["model"], sys.stderr)
        elif self.verb != "fit" and not self.command.stage.evaluates:
            raise CheckpointError(
                f"{self.verb}: without --ckpt_path the model is random; name this stage's checkpoint, such as "
                f"--ckpt_path {config['trainer']['default_root_dir'] or 'RUN'}/{BEST_CKPT}"
            )

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        config = self.config
        folder, seed = Path(config["trainer"]["default_root_dir"] or "."), int(config["seed_everything"] or 0)
        callbacks = list(self._get(self.config_init, "trainer").get("callbacks") or [])
        self.skipped = ListSkipped(self.writes)
        callbacks += [TellData(), StepSeed(seed), FiniteStep(), Preempt(), self.skipped, Provenance(), SameData()]
        if self.writes:
            self.folder.begin()
            callbacks += [WriteCaptions(), self.done]
        if self.writes and self.model.evaluates and isinstance(self.datamodule, ClipData):
            callbacks.append(WriteEvaluation(seed, record=self.done.metrics.update))
        own: dict[str, Any] = {"callbacks": callbacks}
        if not sys.stdout.isatty() and config["trainer"]["enable_progress_bar"] is None:
            own["enable_progress_bar"] = False
            callbacks.append(ProgressLines())
        chosen = self._get(self.config_init, "trainer")
        if chosen.get("logger") in (None, True):
            own["logger"] = RunLogger(folder, resume=bool(config.get("ckpt_path"))) if self.writes else False
        plugins = chosen.get("plugins") or []
        own["plugins"] = [*(plugins if isinstance(plugins, list) else [plugins]), AtomicCheckpointIO()]
        trainer = super().instantiate_trainer(**own, **kwargs)
        guard_convolutions(trainer)
        return trainer


def run_stage(arguments: Sequence[str]) -> int:
    """Run a Lightning verb and return its exit code: 0, 5 if recordings were skipped, 143 if preempted.

    Args:
        arguments: The words of the command line, from the verb on.
    """
    _quiet()
    words = [word for word in arguments if word != OVERWRITE]
    if not asks_only(words):
        words = in_own_folder(_with_checkpoint(words))
    command = read_command(words)
    print_of = command_fingerprint(command.verb, command.settings)
    with RunFolder(words, print_of, overwrite=OVERWRITE in arguments) as folder, command.trust.enforced():
        return _run(command, print_of, folder)


def _with_checkpoint(words: list[str]) -> list[str]:
    """The words with the file that ``--ckpt_path=best`` means, in the folder that the configuration names."""
    checkpoint = checkpoint_file(said(words[1:]))
    return words if checkpoint is None else [*words, f"--ckpt_path={checkpoint}"]


def _run(command: Command, print_of: Fingerprint, folder: RunFolder) -> int:
    try:
        cli = StageCLI(command, print_of, folder)
        cli.run()
    except AlreadyDone as done:
        print(f"lightning-cli {command.verb}: {done}", file=sys.stderr)
        return 0
    except (KeyboardInterrupt, SystemExit) as ended:
        # Lightning ends an interrupted run with the exit code of an error.
        if not isinstance(ended, KeyboardInterrupt) and not isinstance(ended.__context__, KeyboardInterrupt):
            raise
        print(f"lightning-cli {command.verb}: error: interrupted{folder.way_on()}", file=sys.stderr)
        return ExitCode.INTERRUPTED
    except MisconfigurationException as error:
        raise ConfigError(trainer_mistake(str(error))) from error
    except Stopped as stopped:
        print(f"lightning-cli: {stopped}", file=sys.stderr)
        return stopped.exit_code
    except RuntimeError as error:
        if (known := death_of_a_worker(error) or overflow(error)) is None:
            raise
        raise known from error
    if cli.verb == "fit":
        cli.checkpoint.ensure_best(cli.trainer)
    if cli.writes:
        cli.done.write(cli.trainer)
    if lines := cli.skipped.lines:
        where = "see skipped.csv" if cli.writes else f"the first: {lines[0]}"
        print(f"lightning-cli: {len(lines)} recordings were skipped; {where}", file=sys.stderr)
        return ExitCode.SKIPPED
    return 0


def _quiet() -> None:
    """Silence lines that say nothing about the user's run."""
    hidden = ("litlogger", "litmodels", "GPU available", "TPU available", "💡")
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(
        lambda record: not any(word in record.getMessage() for word in hidden)
    )
    for message in (
        r"`isinstance\(treespec, LeafSpec\)`",  # raised inside Lightning with torch 2.11
        r".*is an instance of `nn.Module` and is already saved",  # the configuration is saved, not the module
        r".*does not have many workers",
        r".*The number of training batches .* is smaller than the logging interval",
        r".*Checkpoint directory .* exists and is not empty",
        r"The dirpath has changed from",  # of the checkpoints, when another folder's is validated or resumed
        r"Experiment logs directory .* exists and is not empty",
        r".*module\(s\) in eval mode at the start of training",  # frozen towers
        r"You're resuming from a checkpoint that ended before the epoch ended",  # our sampler goes on where it was
        r"Total length of `list` across ranks is zero",  # no dev split
    ):
        warnings.filterwarnings("ignore", message=message)
