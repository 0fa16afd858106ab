"""What a command takes from earlier stages before anything is built: architecture and classes are said once."""

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from inspect import Parameter
from pathlib import Path
from typing import Any, TextIO

from datamodules.clips.dataset import AudioReading
from lightning_app.config.files import PACKAGE_ROOT, flatten, merge, resolve
from lightning_app.config.trust import DOTTED, Trust, refusal, require_trusted, still_taken
from lightning_app.errors import ConfigError
from lightning_app.runs.checkpoint_io import verify
from lightning_app.runs.files import LAST_CKPT
from stages.checkpoint import Checkpoint
from stages.checkpoint_file import near_checkpoints
from stages.checkpoint_validation import require_plain
from stages.errors import CheckpointError
from stages.init_from import InitFrom, PartSource, Transfer, plan_transfers, source_files
from stages.stage import Stage

# The data say these, by a link that is not there yet when a command is read.
LINKED = ("labels", "words")


def checkpoint_file(settings: Mapping[str, Any]) -> str | None:
    """The file that ``ckpt_path`` means by a word: ``best`` and ``last`` are the run folder's; None for any other.

    Raises:
        ConfigError: If it is a word of Lightning's that names a file which nobody here has checked.
    """
    word, folder = settings.get("ckpt_path"), settings.get("trainer.default_root_dir") or "."
    if word in ("best", "last"):
        return str(Path(folder) / f"{word}.ckpt")
    if isinstance(word, str) and (word == "hpc" or word.partition(":")[0] == "registry"):
        raise ConfigError(f"ckpt_path: expected a file, best or last (of {folder}), found {word!r}")
    return None


def open_checkpoint(path: Path) -> Checkpoint:
    """Open a checkpoint that a stage starts from.

    Raises:
        CheckpointError: If it is not there (says which command makes it), or damaged.
    """
    if not path.is_file():
        what = "is no checkpoint" if path.is_dir() else "is not there"
        remedy = "" if path.is_dir() else _remedy(path)
        raise CheckpointError(f"model.init_args.init_from: {path} {what}{near_checkpoints(path)}{remedy}")
    return _open_verified(path)


def _open_verified(path: Path) -> Checkpoint:
    verify(path)
    return Checkpoint.open(path)


def inherited_settings(
    verb: str,
    settings: Mapping[str, Any],
    open_source: Callable[[Path], PartSource] = open_checkpoint,
    is_there: Callable[[Path], bool] = Path.is_file,
) -> dict[str, Any]:
    """What earlier stages hold for a command, as settings over which the command's own are laid.

    The sources are the checkpoint that the command resumes or tests (``ckpt_path``), else those that its stage starts
    from (``init_from``). The stage gets the configuration of each part that it takes; the data get the classes of the
    first source that has any, and outside training the length of clip that it was trained on.

    Args:
        verb: The command's, such as ``fit``.
        settings: What it says, under dotted keys without ``init_args``.
        open_source: Called with the path of each source.
        is_there: Whether a source is there, or is going to be.

    Raises:
        CheckpointError: If a checkpoint is not there (says which command makes it), unsound, of another stage than
            is resumed, or asks for classes that the command does not trust.
        ConfigError: If the stage's class cannot be found.
    """
    stage = settings.get("model.class_path", settings.get("model"))
    init_from = settings.get("model.init_from")
    resumed = resumed_checkpoint(verb, settings, is_there)
    if not isinstance(stage, str) or not (resumed or source_files(init_from)):
        return {}
    trust = Trust.of(settings)
    kind = _imported(stage, trust)
    if resumed:
        if open_source is open_checkpoint:
            open_source = _open_verified
        _require_stage(open_source(Path(resumed)), stage)
    said: InitFrom = resumed or init_from
    first: PartSource | None
    if kind.evaluates:
        first = open_source(source_files(said)[0])
        init_args = evaluated_stage(first, settings, trust)
    else:
        transfers = _transfers(kind, said, bool(resumed), open_source)
        first = next((transfer.source for transfer in transfers if transfer.source.labels), None)
        init_args = _configurations(transfers, kind, settings, trust)
    inherited: dict[str, Any] = {"model": {"class_path": stage, "init_args": init_args}}
    data = settings.get("data.class_path", settings.get("data"))
    if isinstance(data, str) and first is not None:
        known = inspect.signature(_imported(data, trust)).parameters
        if told := _of_data(first, known, tested=verb != "fit"):
            inherited["data"] = {"class_path": data, "init_args": told}
    return inherited


def resumed_checkpoint(
    verb: str, settings: Mapping[str, Any], is_there: Callable[[Path], bool] = Path.is_file
) -> str | None:
    """The checkpoint that a command takes everything from, not only parts; None if there is none.

    It is the one that the command names, else the run folder's last one, which a stopped run goes on from, where what
    it started from is gone.

    Args:
        verb: The command's, such as ``fit``.
        settings: What it says, under dotted keys without ``init_args``.
        is_there: Whether a source is there, or is going to be.
    """
    if named := settings.get("ckpt_path"):
        return str(named)
    last = Path(settings.get("trainer.default_root_dir") or ".") / LAST_CKPT
    sources = source_files(settings.get("model.init_from"))
    if verb != "fit" or all(map(is_there, sources)) or not last.is_file():
        return None
    return str(last) if _open_verified(last).stage == settings.get("model.class_path") else None


def tested_reading(source: PartSource) -> dict[str, Any]:
    """How recordings are read for a trained model, as settings of ``data.audio``: what its training says of that."""
    reading: dict[str, Any] = {}
    if source.pad is not None:
        reading["pad"] = source.pad
    if source.resample_via is not None:
        reading["resample_via"] = source.resample_via
    # What was trained on the same part of each clip is tested on as much; random stretches stand for any length.
    if source.crop == "middle" and source.seconds:
        reading["seconds"] = source.seconds
    return reading


def evaluated_stage(source: PartSource, settings: Mapping[str, Any], trust: Trust) -> dict[str, Any]:
    """Configure the stage that wrote a checkpoint, to be evaluated: without what training alone asks for.

    Args:
        source: The checkpoint, or the plan of the run that writes it.
        settings: The command's, under dotted keys: what they say under ``model.stage`` is left out.
        trust: Whose classes may be imported.

    Returns:
        The argument ``stage``, with class and arguments.

    Raises:
        CheckpointError: If the checkpoint does not say which class wrote it, or one that the command does not trust.
    """
    if not DOTTED.fullmatch(source.stage):
        raise CheckpointError(f"{source.path}: does not say which stage wrote it; run the stage that writes it again")
    require_trusted({"class_path": source.stage}, source.path, trust, "model.stage")
    written_by = _imported(source.stage, trust)
    if not (isinstance(written_by, type) and issubclass(written_by, Stage)):
        raise CheckpointError(f"{source.path}: {source.stage} is said to have written it, and is no stage")
    known = inspect.signature(written_by).parameters
    left_out = written_by.training_only
    init_args = {key: source.settings[key] for key in known if key in source.settings and key not in left_out}
    return _accepted({"stage": {"class_path": source.stage, "init_args": init_args}}, source, settings, trust)


def _transfers(
    kind: type[Stage], init_from: InitFrom, resumes: bool, open_source: Callable[[Path], PartSource]
) -> list[Transfer[PartSource]]:
    """The parts that a stage takes over, before it is built."""
    accepted = inspect.signature(kind).parameters
    # What is None by default, such as SmoothCLAP's second tower, is not there before somebody says so.
    optional = [name for name, argument in accepted.items() if argument.default is None]
    own = [part for part in kind.parts if part not in optional]
    required = () if resumes else [part for part in kind.required_parts if part in own]
    return plan_transfers(init_from, own, required, open_source)


def _configurations(
    transfers: Iterable[Transfer[PartSource]], kind: type[Stage], settings: Mapping[str, Any], trust: Trust
) -> dict[str, Any]:
    """What a stage's arguments take from the parts that are handed over; some have no configuration of their own."""
    accepted = inspect.signature(kind).parameters
    init_args: dict[str, Any] = {}
    for transfer in transfers:
        config = transfer.source.config(transfer.part)
        if config is not None and transfer.target.partition(".")[0] in accepted:
            tree = _below_target(transfer.target, config, settings, accepted)
            init_args = merge(init_args, _accepted(tree, transfer.source, settings, trust))
    return init_args


def _accepted(tree: dict[str, Any], source: PartSource, settings: Mapping[str, Any], trust: Trust) -> dict[str, Any]:
    """What a command accepts of a source's configuration: what its own settings leave, of classes that it trusts."""
    require_plain(tree, source.path, "hyper_parameters")
    left = still_taken(tree, settings)
    require_trusted(left, source.path, trust)
    return left


def _below_target(
    target: str, config: Any, settings: Mapping[str, Any], accepted: Mapping[str, Parameter]
) -> dict[str, Any]:
    """A configuration as a tree of arguments; a part inside another one needs the class of that one."""
    above, _, name = target.rpartition(".")
    if not above:
        return {name: config}
    said = settings.get(f"model.{above}.class_path", settings.get(f"model.{above}"))
    annotated: Any = accepted[above].annotation if above in accepted else None
    if not isinstance(said, str) and not inspect.isclass(annotated):
        raise ConfigError(
            f"model.init_args.init_from: {target} is handed over, and nothing says what {above} is; say "
            f"model.{above} in a --config"
        )
    class_path = said if isinstance(said, str) else f"{annotated.__module__}.{annotated.__qualname__}"
    return _below_target(above, {"class_path": class_path, "init_args": {name: config}}, settings, accepted)


def _of_data(source: PartSource, known: Mapping[str, Parameter], tested: bool) -> dict[str, Any]:
    """What the data take from a source: its classes, and outside training how recordings are read."""
    told: dict[str, Any] = {}
    if "labels" in known:
        told["labels"] = source.labels if source.label_set is None else source.label_set
    reads_audio = "audio" in known and known["audio"].annotation is AudioReading
    if reads_audio and tested and (reading := tested_reading(source)):
        told["audio"] = reading
    return told


def _require_stage(source: PartSource, stage: str) -> None:
    if source.stage != stage:
        raise CheckpointError(
            f"ckpt_path: {source.path} is a checkpoint of {source.stage}, and this stage is {stage}; "
            "ckpt_path resumes the same stage and nothing else. To start from that checkpoint's weights: "
            f"--model.init_args.init_from={source.path}"
        )


def require_same_stage(path: Path, model: Mapping[str, Any], out: TextIO) -> None:
    """Refuse to resume from another stage's checkpoint; list the settings in which the command differs from it.

    Args:
        path: The checkpoint.
        model: The command's ``model`` section.
        out: Where differences are listed; the command's own values hold.

    Raises:
        CheckpointError: If the checkpoint is not there, unsound, or another stage's.
    """
    checkpoint = Checkpoint.open(path)
    _require_stage(checkpoint, model["class_path"])
    stored = {key: value for key, value in checkpoint.settings.items() if not key.startswith("_") and key not in LINKED}
    # Through JSON, so that a path equals its text and a tuple its list.
    then, now = (flatten(json.loads(json.dumps(args, default=str))) for args in (stored, _plain(model["init_args"])))
    differ = [key for key in sorted(then.keys() & now.keys()) if then[key] != now[key]]
    for key in differ:
        print(f"lightning-cli: model.{key}: {now[key]} (the checkpoint was made with {then[key]})", file=out)


def _remedy(path: Path) -> str:
    """The command that would make a checkpoint: that of the stage whose run folder it lies in."""
    for file in sorted((PACKAGE_ROOT / "stages").glob("*.yaml")):
        folder = resolve(file).get("trainer", {}).get("default_root_dir")
        if folder and Path(folder) == path.parent:
            return f"; make it first: lightning-cli fit --config stages/{file.name}"
    return "; run the stage that writes it, or name another checkpoint with --model.init_args.init_from=PATH"


def _imported(class_path: str, trust: Trust) -> Any:
    if not trust.covers(class_path):
        raise ConfigError(f"class_path: {refusal(class_path, asks=False)}")
    module, _, name = class_path.rpartition(".")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"class_path: there is no class {class_path} ({error})") from error


def _plain(value: Any) -> Any:
    return value.as_dict() if hasattr(value, "as_dict") else value
