"""The one reader of command lines: whoever wants to know what a command of a stage says asks `read_command`."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any

from jsonargparse import Namespace
from lightning.pytorch import Trainer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

from datamodules.emotion_data import EmotionDataModule
from lightning_app.callbacks.checkpoint import StageCheckpoint
from lightning_app.cli import LIGHTNING_VERBS
from lightning_app.config.command_line import as_text, asks_only, compose, said
from lightning_app.config.files import flatten, merge
from lightning_app.config.messages import short_parse_error
from lightning_app.config.trust import Trust
from lightning_app.errors import ConfigError
from lightning_app.runs.inherit import inherited_settings
from stages.errors import CheckpointError
from stages.stage import Stage

Inherit = Callable[[str, Mapping[str, Any]], dict[str, Any]]


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


@dataclass(frozen=True)
class Command:
    """A command line of a stage, as it was read.

    Args:
        words: The command line, from the verb on.
        said: What its files and flags say, under dotted keys.
        inherited: What it takes from checkpoints, or took when it began, nested.
        parser: The parser that read it, which builds its classes.
        config: Its settings, as the parser has them.
        trust: Whose classes it may import.
    """

    words: tuple[str, ...]
    said: Mapping[str, Any]
    inherited: Mapping[str, Any]
    parser: StageParser
    config: Namespace
    trust: Trust

    @property
    def verb(self) -> str:
        """``fit``, ``validate``, ``test`` or ``predict``."""
        return self.words[0]

    @property
    def stage(self) -> type[Stage]:
        """The class of its stage."""
        module, _, name = self.config["model"]["class_path"].rpartition(".")
        found: type[Stage] = getattr(import_module(module), name)
        return found

    @cached_property
    def tree(self) -> dict[str, Any]:
        """All of its settings with every default, nested; what follows by a link from another one is left out."""
        text = self.parser.dump(self.config, format="json", skip_unset=False, skip_validation=True)
        return dict(json.loads(text))

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The same under dotted keys without ``init_args``; without what checkpoints say, known by their content."""
        taken = flatten(dict(self.inherited)).keys() - self.said.keys() - {"model.class_path", "data.class_path"}
        return {key: value for key, value in flatten(self.tree).items() if key not in taken}


def read_command(words: Sequence[str], inherit: Inherit = inherited_settings) -> Command:
    """Read a command line: its files, its flags, every default, and what the stage takes from checkpoints.

    Args:
        words: The command line, from the verb on.
        inherit: Gives what a command takes from earlier stages, from its verb and what it says.

    Raises:
        ConfigError: If something is wrong with it; says where, and what was expected.
        CheckpointError: If a checkpoint that it starts from is not there or unsound.
        SystemExit: After ``--help`` or ``--print_config``.
    """
    verb, *rest = words
    # Who only asks has nothing read or imported for it.
    spoken = {} if asks_only(rest) else said(rest)
    tree, flags = compose(rest)
    parser, trust, inherited = stage_parser(verb), Trust.of(spoken), inherit(verb, spoken)
    config = _parsed(parser, merge(inherited, tree), flags, words, trust)
    return Command(tuple(words), spoken, _begun_with(verb, spoken, inherited, inherit), parser, config, trust)


def _begun_with(verb: str, spoken: Mapping[str, Any], inherited: dict[str, Any], inherit: Inherit) -> dict[str, Any]:
    """What a command took from checkpoints when it began: a training that is resumed is still the same."""
    if verb != "fit" or not spoken.get("ckpt_path"):
        return inherited
    try:
        return inherit(verb, {key: value for key, value in spoken.items() if key != "ckpt_path"})
    except CheckpointError:
        # What it started from may be gone.
        return inherited


def read_data(words: Sequence[str]) -> Command:
    """Read the data of a command line and no more, as ``fit`` would; checkpoints are asked for labels nobody named.

    Args:
        words: The command line, from the verb on.

    Raises:
        ConfigError: If something is wrong with them.
        CheckpointError: If the checkpoint that has the labels is not there or unsound.
    """
    verb, *rest = words
    spoken, (tree, flags) = said(rest), compose(rest)
    inherited = {} if "data.labels" in spoken else inherited_settings(verb, spoken)
    parser, trust = StageParser(), Trust.of(spoken)
    _add_data(parser)
    own: dict[str, Any] = merge(inherited, tree)
    own = {name: own[name] for name in ("seed_everything", "data") if name in own}
    return Command(tuple(words), spoken, inherited, parser, _parsed(parser, own, flags, words, trust), trust)


def _parsed(
    parser: StageParser, tree: dict[str, Any], flags: Sequence[str], words: Sequence[str], trust: Trust
) -> Namespace:
    try:
        with trust.enforced():
            parsed: Namespace = parser.parse_args([f"--config={as_text(tree)}", *flags])
    except ConfigError as error:
        raise ConfigError(short_parse_error(str(error), words)) from error
    # No file of ours: the text of all files.
    parsed.pop("config", None)
    return parsed


def stage_parser(verb: str) -> StageParser:
    """The parser of a verb: the trainer, any stage, any data, our checkpoints, and the links between them."""
    parser = StageParser(prog=f"lightning-cli {verb}", description=LIGHTNING_VERBS[verb])
    _add_data(parser)
    parser.add_lightning_class_args(Stage, "model", subclass_mode=True)
    parser.add_lightning_class_args(Trainer, "trainer")
    parser.add_lightning_class_args(StageCheckpoint, "checkpoint")
    parser.set_defaults(
        {"trainer.use_distributed_sampler": False, "trainer.log_every_n_steps": 10, "trainer.max_epochs": 1}
    )
    parser.link_arguments("trainer.default_root_dir", "checkpoint.dirpath")
    parser.link_arguments("data.class_labels", "model.init_args.labels", apply_on="instantiate")
    parser.link_arguments("data.class_words", "model.init_args.words", apply_on="instantiate")
    parser.add_method_arguments(Trainer, verb, skip=set(LightningCLI.subcommands()[verb]))
    return parser


def _add_data(parser: StageParser) -> None:
    parser.add_argument("-c", "--config", action="config", help="A YAML file; repeatable, later ones win.")
    parser.add_argument("--seed_everything", type=int | bool, default=1, help="Seed of all random draws.")
    parser.add_lightning_class_args(EmotionDataModule, "data", subclass_mode=True, required=True)
    parser.link_arguments("seed_everything", "data.init_args.seed", compute_fn=int)
