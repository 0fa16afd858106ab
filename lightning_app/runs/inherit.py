"""What a command takes from checkpoints before anything is built: architecture and classes are said once."""

import inspect
import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

from datamodules.labels import LABEL_SETS
from lightning_app.config.checkpoint_trust import require_trusted, still_taken
from lightning_app.config.files import PACKAGE_ROOT, ConfigError, flatten, resolve
from lightning_app.config.trust import Trust, refusal
from lightning_app.runs.checkpoint_io import verify
from stages.checkpoint_content import CheckpointError, require_plain
from stages.handoff import near_checkpoints, read_checkpoint, stage_of
from stages.stage import Stage

# The data say these, by a link that is not there yet when a command is read.
LINKED = ("labels", "words")
PARTS = ("clap", "prompt", "classifier", "audio", "head")


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


def inherited_settings(arguments: list[str], settings: Mapping[str, Any]) -> list[str]:
    """Put what a checkpoint holds in front of a command line, where every setting of the user's own beats it.

    The checkpoint is the one that the command resumes or tests (``ckpt_path``), else the one that its stage starts from
    (``init_from``). The stage gets the configuration of each part that it takes and the checkpoint has; the data get
    its classes, and outside training the length of clip that it was trained on.

    Args:
        arguments: The words of the command line, from the verb on.
        settings: Its settings under dotted keys, without ``init_args``.

    Raises:
        CheckpointError: If the checkpoint is not there (says which command makes it), unsound, of another stage than
            is resumed, or asks for classes that the command does not trust.
        ConfigError: If the stage's class cannot be found.
    """
    stage = settings.get("model.class_path", settings.get("model"))
    resumed, source = settings.get("ckpt_path"), settings.get("model.init_from")
    named = resumed or source
    if not isinstance(stage, str) or not isinstance(named, str):
        return arguments
    trust, path = Trust.of(settings), Path(named)
    if not resumed and not path.is_file():
        what = "is no checkpoint" if path.is_dir() else "is not there"
        remedy = "" if path.is_dir() else _remedy(path)
        raise CheckpointError(f"model.init_args.init_from: {path} {what}{near_checkpoints(path)}{remedy}")
    verify(path)
    checkpoint = read_checkpoint(path)
    if resumed:
        _require_stage(checkpoint, path, stage)
    stored = checkpoint["hyper_parameters"]
    stage_class = _imported(stage, trust)
    accepted = inspect.signature(stage_class).parameters
    init_args = {part: stored[part] for part in PARTS if part in accepted and stored.get(part) is not None}
    if getattr(stage_class, "evaluates", False):
        init_args = {"stage": evaluated_stage(stored, path, trust)}
    if settings.get("model.take") == "audio" and not resumed:
        init_args = {"clap": {"class_path": "models.clap.Clap", "init_args": {"audio": _audio_tower(stored, path)}}}
    require_plain(init_args, path, "hyper_parameters")
    init_args = still_taken(init_args, settings)
    require_trusted(init_args, path, trust)
    # A view's name says what is merged into its labels; a view that was made of a list has none of ours.
    labels = checkpoint["view"] if checkpoint.get("view") in LABEL_SETS else stored.get("labels")
    inherited: dict[str, Any] = {"model": {"class_path": stage, "init_args": init_args}}
    data = settings.get("data.class_path", settings.get("data"))
    if isinstance(data, str):
        # What was trained on the same part of each clip is tested on as much; random stretches stand for any length.
        alike = arguments[0] != "fit" and checkpoint.get("crop") == "middle"
        said = {"labels": labels, "seconds": checkpoint.get("seconds") if alike else None}
        known = inspect.signature(_imported(data, trust)).parameters
        if told := {key: value for key, value in said.items() if value and key in known}:
            inherited["data"] = {"class_path": data, "init_args": told}
    return [arguments[0], "--config", json.dumps(inherited), *arguments[1:]]


def evaluated_stage(stored: Mapping[str, Any], path: Path, trust: Trust) -> dict[str, Any]:
    """Configure the stage that wrote a checkpoint, to be evaluated: without what training alone asks for.

    Args:
        stored: Its settings, as the checkpoint has them.
        path: The checkpoint, for messages.
        trust: Whose classes may be imported.

    Raises:
        CheckpointError: If the checkpoint does not say which class wrote it, or one that the command does not trust.
    """
    class_path = stored.get("_class_path")
    if not isinstance(class_path, str):
        raise CheckpointError(f"{path}: does not say which stage wrote it; run the stage that writes it again")
    require_trusted({"class_path": class_path}, path, trust, "model.stage")
    written_by = _imported(class_path, trust)
    if not (isinstance(written_by, type) and issubclass(written_by, Stage)):
        raise CheckpointError(f"{path}: {class_path} is said to have written it, and is no stage")
    known = inspect.signature(written_by).parameters
    init_args = {key: stored[key] for key in known if key in stored and key not in written_by.training_only}
    return {"class_path": class_path, "init_args": init_args}


def _audio_tower(stored: Mapping[str, Any], path: Path) -> Any:
    """The configuration of the audio tower in a checkpoint's settings, on its own or inside an audio-text model."""
    tower, clap = stored.get("audio"), stored.get("clap")
    if tower is None and isinstance(clap, dict) and isinstance(clap.get("init_args"), dict):
        tower = clap["init_args"].get("audio")
    if tower is None:
        raise CheckpointError(f"{path}: has no audio tower ({stored.get('_class_path')} wrote it); start from another")
    return tower


def _require_stage(checkpoint: Mapping[str, Any], path: Path, stage: str) -> None:
    if stage_of(checkpoint) != stage:
        raise CheckpointError(
            f"ckpt_path: {path} is a checkpoint of {stage_of(checkpoint)}, and this stage is {stage}; "
            "ckpt_path resumes the same stage and nothing else. To start from that checkpoint's weights: "
            f"--model.init_args.init_from={path}"
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
    checkpoint = read_checkpoint(path)
    _require_stage(checkpoint, path, model["class_path"])
    stored = {
        key: value
        for key, value in checkpoint["hyper_parameters"].items()
        if not key.startswith("_") and key not in LINKED
    }
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
