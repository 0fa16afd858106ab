"""The process that reads the commands of a chain: a list of questions a line comes in, a list of answers goes out."""

import json
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from datamodules.labels import EMOTIONS, LabelSet, LabelSetting, resolve_label_set
from lightning_app.chain.reading import Answer, Question
from lightning_app.cli import NO_CACHE
from lightning_app.config.messages import users_mistake
from lightning_app.config.parser import Command, read_command
from lightning_app.config.plugins import plugin_options, plugins
from lightning_app.runs.folder import OVERWRITE
from lightning_app.runs.inherit import inherited_settings, open_checkpoint, resumed_checkpoint
from stages.init_from import PartSource, part_config, source_files


@dataclass(frozen=True)
class PlannedCheckpoint:
    """The checkpoint that a command is going to write, as far as its settings tell.

    Args:
        path: Where it will be.
        stage: Class path of the stage.
        settings: The stage's arguments.
        parts: Names of its parts.
        reading: The settings of ``data.audio``; those of its source where it hears no clips itself.
        label_set: Its label set, in the form of ``data.labels``; None where its data have no classes.
    """

    path: Path
    stage: str
    settings: Mapping[str, Any]
    parts: tuple[str, ...]
    reading: Mapping[str, Any]
    label_set: LabelSetting | None

    @property
    def labels(self) -> list[str] | None:
        """Class names in logit order."""
        return self.settings.get("labels")

    @property
    def words(self) -> list[str] | None:
        """The classes as prompts name them."""
        return self.settings.get("words")

    @property
    def seconds(self) -> float | None:
        """Length of the clips that it is trained on."""
        return self.reading.get("seconds")

    @property
    def crop(self) -> str | None:
        """Which part of each clip it is trained on."""
        return self.reading.get("crop")

    @property
    def pad(self) -> str | None:
        """How shorter clips are filled."""
        return self.reading.get("pad")

    @property
    def resample_via(self) -> int | None:
        """Rate in Hz through which all of its training audio passes first."""
        return self.reading.get("resample_via")

    def holds(self, part: str) -> bool:
        """Whether it will have a part: a frozen one as well as one that trains."""
        return part in self.parts or self.config(part) is not None

    def config(self, part: str) -> Any:
        """The configuration that a part is built from."""
        return part_config(self.settings, part)


# Settings of ``data.audio`` that a stage after it, or its evaluation, takes over.
READING = ("seconds", "crop", "pad", "resample_via")

Planned = dict[Path, PartSource | None]


class _SourceIsWrong(Exception):
    """A command starts from another one, of which the mistake is told already."""


def read_all(questions: Iterable[Question], planned: Planned | None = None) -> list[Answer]:
    """Read commands in their order; one that starts from another takes over what that one resolves to.

    Args:
        questions: Each after those that it starts from.
        planned: The checkpoints of earlier commands; those of these commands are added.
    """
    planned = {} if planned is None else planned
    return [_answer(question, planned) for question in questions]


def _answer(question: Question, planned: Planned) -> Answer:
    leaves = Path(question.leaves)
    planned[leaves] = None
    words = [word for word in question.words if word not in (NO_CACHE, OVERWRITE)]
    inherit = partial(inherited_settings, open_source=partial(_open, planned), is_there=partial(_is_there, planned))
    try:
        with plugin_options(words) as words:
            command = read_command(words, inherit)
        planned[leaves] = planned_checkpoint(command, leaves, planned)
        return Answer(settings=command.settings)
    except _SourceIsWrong:
        return Answer()
    except Exception as error:
        if (mistake := users_mistake(error)) is None:
            raise
        return Answer(error=str(mistake), exit_code=mistake.exit_code)  # type: ignore[attr-defined]


def _open(planned: Planned, path: Path) -> PartSource:
    if path not in planned:
        return open_checkpoint(path)
    source = planned[path]
    if source is None:
        raise _SourceIsWrong
    return source


def _is_there(planned: Planned, path: Path) -> bool:
    return path in planned or path.is_file()


def planned_checkpoint(command: Command, path: Path, planned: Planned) -> PlannedCheckpoint:
    """What the checkpoint of a command is going to hold, but for its tensors and the speakers it was trained on.

    Args:
        command: The command that writes it.
        path: Where it will be.
        planned: The checkpoints of the commands before it.
    """
    model, data = command.tree["model"], command.tree["data"]["init_args"]
    settings, label_set = dict(model["init_args"]), None
    if said := data.get("labels"):
        in_full = isinstance(said, dict)
        label_set = resolve_label_set(LabelSet(**{**said, "labels": tuple(said["labels"])}) if in_full else said)
        words = [EMOTIONS[label].adjective for label in label_set.labels]
        settings |= {"labels": list(label_set.labels), "words": words}
    return PlannedCheckpoint(
        path=path,
        stage=model["class_path"],
        settings=settings,
        parts=tuple(part for part in command.stage.parts if settings.get(part) is not None),
        reading=data.get("audio") or _reading_before(command, planned),
        label_set=label_set.setting() if label_set is not None else None,
    )


def _reading_before(command: Command, planned: Planned) -> dict[str, Any]:
    """What a stage that hears no clips hands on: how the first stage before it that heard some read them."""
    resumed = resumed_checkpoint(command.verb, command.said, partial(_is_there, planned))
    files = source_files(resumed or command.tree["model"]["init_args"].get("init_from"))
    before = (_open(planned, file) for file in files)
    first = next((source for source in before if source.seconds is not None), None)
    return {} if first is None else {name: getattr(first, name) for name in READING}


def main() -> None:
    """Answer until the questions end."""
    # What a library prints is no answer.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with plugins([], []):
        for line in sys.stdin:
            questions = [Question(**question) for question in json.loads(line)]
            print(json.dumps([asdict(answer) for answer in read_all(questions)]), file=answers, flush=True)
