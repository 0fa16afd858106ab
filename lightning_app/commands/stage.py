"""Lightning's verbs: a stage and its data from configuration, with our rules about checkpoints and run folders."""

import logging
import sys
import warnings
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

from datamodules.clips.data import ClipData
from datamodules.clips.work_log import death_of_a_worker
from datamodules.emotion_data import EmotionDataModule
from datamodules.stop_signals import Stopped, stop_if_asked
from lightning_app.bfloat16 import guard_convolutions
from lightning_app.callbacks.captions import WriteCaptions
from lightning_app.callbacks.checkpoint import StageCheckpoint
from lightning_app.callbacks.config import SaveConfig
from lightning_app.callbacks.done import WriteDone
from lightning_app.callbacks.features import TellData
from lightning_app.callbacks.guards import FiniteStep, StepSeed, overflow
from lightning_app.callbacks.logger import RunLogger
from lightning_app.callbacks.predictions import WriteEvaluation
from lightning_app.callbacks.preempt import Preempt
from lightning_app.callbacks.progress import ProgressLines
from lightning_app.callbacks.provenance import Provenance
from lightning_app.callbacks.same_data import SameData
from lightning_app.callbacks.skipped import ListSkipped
from lightning_app.config.beside import require_not_beside
from lightning_app.config.files import ConfigError, as_text, compose
from lightning_app.config.messages import short_parse_error, users_mistake
from lightning_app.config.optimizer_check import require_possible_optimizer
from lightning_app.config.preflight import require_sound_training
from lightning_app.config.trainer_messages import missing_package, trainer_mistake
from lightning_app.config.trust import Trust, asks_only
from lightning_app.exit_codes import ExitCode
from lightning_app.runs.checkpoint_io import AtomicCheckpointIO, verify
from lightning_app.runs.files import BEST_CKPT
from lightning_app.runs.fingerprint import Fingerprint, command_settings, fingerprint
from lightning_app.runs.folder import OVERWRITE, ROOT, AlreadyDone, RunFolder, in_own_folder
from lightning_app.runs.inherit import checkpoint_file, inherited_settings, require_same_stage
from stages.errors import CheckpointError
from stages.stage import Stage

# It looks at a finished run, whose files are to stay.
WRITES_NOTHING = ("validate",)


class StageParser(LightningArgumentParser):
    """Refuses abbreviated options, and says a mistake in few lines."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("allow_abbrev", False)
        super().__init__(*args, **kwargs)

    def parse_args(self, args: Any = None, **kwargs: Any) -> Any:  # type: ignore[override]
        # A parser inside another one is handed an option whose value has been read, with null as Python writes it.
        if args is not None and not self.exit_on_error:
            args = [f"{word.removesuffix('=None')}=null" if word.endswith("=None") else word for word in args]
        return super().parse_args(args, **kwargs)

    def error(self, message: str, ex: Exception | None = None) -> Any:
        if not self.exit_on_error:
            # A parser inside another one: the outer one adds where it happened.
            super().error(message, ex)
        raise ConfigError(message)


class StageCLI(LightningCLI):
    """Runs one stage in one run folder.

    Args:
        arguments: The words of the command line, from the verb on.
        print_of: The command's fingerprint, kept in ``done.json``.
        folder: The run folder, which the command takes when it knows where it is.
        settings: The command's, under dotted keys; empty where it only asks.
    """

    def __init__(
        self, arguments: list[str], print_of: Fingerprint, folder: RunFolder, settings: Mapping[str, Any]
    ) -> None:
        self.arguments, self.print_of, self.folder = arguments, print_of, folder
        self.done = WriteDone(arguments, print_of, folder.accept)
        super().__init__(
            Stage,
            EmotionDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            auto_configure_optimizers=False,
            seed_everything_default=1,
            save_config_callback=None if arguments[0] in WRITES_NOTHING else SaveConfig,
            parser_class=StageParser,
            args=_composed(inherited_settings(arguments, settings)),
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_lightning_class_args(StageCheckpoint, "checkpoint")
        parser.set_defaults(
            {"trainer.use_distributed_sampler": False, "trainer.log_every_n_steps": 10, "trainer.max_epochs": 1}
        )
        parser.link_arguments("trainer.default_root_dir", "checkpoint.dirpath")
        parser.link_arguments("seed_everything", "data.init_args.seed", compute_fn=int)
        parser.link_arguments("data.class_labels", "model.init_args.labels", apply_on="instantiate")
        parser.link_arguments("data.class_words", "model.init_args.words", apply_on="instantiate")

    def _parse_ckpt_path(self) -> None:
        """Leave the configuration alone: Lightning's own puts what the checkpoint stores over the user's flags."""

    @property
    def checkpoint(self) -> StageCheckpoint:
        """What keeps the run's checkpoints."""
        return cast(StageCheckpoint, self._get(self.config_init, "checkpoint"))

    @property
    def writes(self) -> bool:
        """Whether the run folder is the command's: who only looks at a run, or tries a few batches, leaves it alone."""
        tries = self.config[self.subcommand]["trainer"]["fast_dev_run"]
        return self.subcommand not in WRITES_NOTHING and not tries

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        try:
            super().parse_arguments(parser, args)
        except ConfigError as error:
            raise ConfigError(short_parse_error(str(error), self.arguments)) from error

    def instantiate_classes(self) -> None:
        try:
            super().instantiate_classes()
        except ValueError as error:
            if users_mistake(error) is not None:
                raise
            if (missing := missing_package(str(error))) is not None:
                raise missing from error
            # A constructor's own words about a value that it cannot work with.
            raise ConfigError(short_parse_error(str(error), self.arguments)) from error
        resumed = self.config[self.subcommand].get("ckpt_path")
        self.model.resumed_from = Path(resumed) if resumed else None

    def before_instantiate_classes(self) -> None:
        stop_if_asked()
        config = self.config[self.subcommand]
        if config.get("weights_only") is False:
            raise ConfigError("weights_only: a checkpoint is always read without running code of its own; leave it out")
        if self.subcommand == "fit":
            require_sound_training(config)
            require_possible_optimizer(config["model"])
        require_not_beside(config["data"], self.arguments)
        if self.writes:
            resumed = self.folder.take(Path(config["trainer"]["default_root_dir"] or "."), config.get("ckpt_path"))
            config["ckpt_path"] = str(resumed) if resumed else config.get("ckpt_path")
        if config.get("ckpt_path"):
            path = Path(config["ckpt_path"])
            verify(path)
            require_same_stage(path, config["model"], sys.stderr)
        elif self.subcommand != "fit" and not _class(config["model"]["class_path"]).evaluates:
            raise CheckpointError(
                f"{self.subcommand}: without --ckpt_path the model is random; name this stage's checkpoint, such as "
                f"--ckpt_path {config['trainer']['default_root_dir'] or 'RUN'}/{BEST_CKPT}"
            )

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        config = self.config[self.subcommand]
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


def _class(class_path: str) -> type[Stage]:
    """The class of a stage that the parser has accepted."""
    module, _, name = class_path.rpartition(".")
    found: type[Stage] = getattr(import_module(module), name)
    return found


def run_stage(arguments: Sequence[str]) -> int:
    """Run a Lightning verb and return its exit code: 0, 5 if recordings were skipped, 143 if preempted.

    Args:
        arguments: The words of the command line, from the verb on.
    """
    _quiet()
    words = [word for word in arguments if word != OVERWRITE]
    asks = asks_only(words)
    settings = {} if asks else command_settings(words[1:])
    # Of the folder that the configuration names: that of `predict` holds no checkpoint.
    if (checkpoint := checkpoint_file(settings)) is not None:
        words = [*words, f"--ckpt_path={checkpoint}"]
    if not asks:
        words = in_own_folder(words)
        settings = command_settings(words[1:])
    print_of = Fingerprint("", {}) if asks else fingerprint(words)
    with RunFolder(words, print_of, overwrite=OVERWRITE in arguments) as folder, Trust.of(settings).enforced():
        own = None if asks or settings.get("ckpt_path") else folder.goes_on_from(Path(settings.get(ROOT) or "."))
        # What the stage before left is needed no more then: its settings, too, are in the run's own checkpoint.
        settings = {**settings, "ckpt_path": str(own)} if own else settings
        return _run(words, print_of, folder, settings)


def _run(words: list[str], print_of: Fingerprint, folder: RunFolder, settings: Mapping[str, Any]) -> int:
    try:
        cli = StageCLI(words, print_of, folder, settings)
    except AlreadyDone as done:
        print(f"lightning-cli {words[0]}: {done}", file=sys.stderr)
        return 0
    except (KeyboardInterrupt, SystemExit) as ended:
        # Lightning ends an interrupted run with the exit code of an error.
        if not isinstance(ended, KeyboardInterrupt) and not isinstance(ended.__context__, KeyboardInterrupt):
            raise
        print(f"lightning-cli {words[0]}: error: interrupted{folder.way_on()}", file=sys.stderr)
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
    if cli.subcommand == "fit":
        cli.checkpoint.ensure_best(cli.trainer)
    if cli.writes:
        cli.done.write(cli.trainer)
    if lines := cli.skipped.lines:
        where = "see skipped.csv" if cli.writes else f"the first: {lines[0]}"
        print(f"lightning-cli: {len(lines)} recordings were skipped; {where}", file=sys.stderr)
        return ExitCode.SKIPPED
    return 0


def _composed(arguments: Sequence[str]) -> list[str]:
    """The command line with all its configuration files as one, in front of all flags, which are to win over it."""
    tree, flags = compose(arguments[1:])
    return [arguments[0], f"--config={as_text(tree)}", *flags]


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
        r"LightningCLI's args parameter is intended",  # the words are the command line's, and what init_from adds
    ):
        warnings.filterwarnings("ignore", message=message)
