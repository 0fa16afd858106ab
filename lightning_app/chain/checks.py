"""What is sure to fail is found before anything runs: misspelt keys, and files that nobody makes."""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from datamodules.manifest.whereabouts import making
from lightning_app.chain.matrix import Run
from lightning_app.chain.plan import PlannedRun
from lightning_app.cli import NO_CACHE
from lightning_app.config.class_source import arguments
from lightning_app.config.files import ConfigError, is_file
from lightning_app.config.hints import SECTIONS, TOP
from lightning_app.errors import MissingInputError
from lightning_app.exit_codes import ExitCode
from lightning_app.runs.files import BEST_CKPT
from lightning_app.runs.fingerprint import command_settings
from lightning_app.runs.folder import OVERWRITE
from stages.init_from import source_files

# Options of the command itself, which are no settings of a run.
OF_THE_COMMAND = (NO_CACHE, OVERWRITE, "--plugins", "--trust")
# Files that a stage reads first of all, and the exit code it would end with without them.
READ = {
    "data.manifest": ExitCode.DATA,
    "model.init_from": ExitCode.MODEL,
    "model.weights.path": ExitCode.MODEL,
    "ckpt_path": ExitCode.MODEL,
}


def require_known_keys(runs: Iterable[Run]) -> None:
    """Refuse a key, of the chain file or of ``--set``, that the class of its section does not take.

    Classes whose source cannot be found are left to the stage.

    Raises:
        ConfigError: Names the stage, the key and what may have been meant.
    """
    for run in runs:
        if not run.stage.lightning:
            continue
        settings = command_settings(run.arguments[1:])
        for word in run.arguments:
            option = word.partition("=")[0]
            key = option.removeprefix("--").removesuffix("+")
            if word.startswith("--") and option not in OF_THE_COMMAND and (wrong := _wrong_part(key, settings)):
                section, name, known = wrong
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(known)}"
                place = f"{section}: " if section else ""
                raise ConfigError(f"stage {run.stage.name}: {place}there is no option {name!r} ({key}); {hint}")


def _wrong_part(key: str, settings: Mapping[str, Any]) -> tuple[str, str, Sequence[str]] | None:
    """The section, the name in it that is not known, and the names that are."""
    section, *names = [part for part in key.split(".") if part != "init_args"]
    if section not in (*TOP, "print_config"):
        return "", section, TOP
    path = SECTIONS.get(section) or _class_of(section, settings)
    for name in names:
        taken = arguments(path) if path and name != "class_path" else None
        if taken is None or taken.open:
            return None
        if name not in taken.names:
            return section, name, taken.names
        section = f"{section}.{name}"
        path = _class_of(section, settings)
    return None


def _class_of(section: str, settings: Mapping[str, Any]) -> str | None:
    value = settings.get(f"{section}.class_path", settings.get(section))
    return value if isinstance(value, str) else None


def require_inputs(runs: Iterable[Run], steps: Iterable[PlannedRun]) -> None:
    """Refuse to start where a manifest or weights are not there and no stage of the chain makes it.

    Args:
        runs: All runs of the chain.
        steps: Those that are planned.

    Raises:
        MissingInputError: Names each file and the first stage that reads it.
    """
    made = {path for run in runs for path in (*_outputs(run), run.folder / BEST_CKPT)}
    absent: dict[str, tuple[str, str]] = {}
    for step in steps:
        if step.state == "done" or not step.run.stage.lightning:
            continue
        settings = command_settings(step.run.arguments[1:])
        for key in READ:
            # Only `init_from` may name several.
            for file in source_files(settings.get(key)):
                if file not in made and not is_file(file):
                    absent.setdefault(str(file), (step.run.title, key))
    if absent:
        lines = [_absence(name, *where) for name, where in absent.items()]
        raise MissingInputError("\n".join(lines), READ[next(iter(absent.values()))[1]])


def _outputs(run: Run) -> Iterator[Path]:
    """What a run says it leaves outside its folder, by ``output`` or by ``--out``."""
    yield from map(Path, run.stage.outputs)
    for before, word in zip(["", *run.arguments], run.arguments, strict=False):
        name, equals, value = word.partition("=")
        if name == "--out" and equals:
            yield Path(value)
        elif before == "--out":
            yield Path(word)


def _absence(name: str, title: str, key: str) -> str:
    make = f": {making(Path(name))}" if key == "data.manifest" else ""
    return f"stage {title}: {key}: {name} is not there, and no stage of this chain makes it{make}"
