"""What is sure to fail is found before anything runs: files that are not there, and that nobody makes."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from datamodules.corpora import prepare_command
from lightning_app.chain.matrix import Run
from lightning_app.chain.plan import PlannedRun
from lightning_app.config.files import is_file
from lightning_app.errors import ExitCode, RefusedRun
from lightning_app.runs.files import BEST_CKPT
from stages.init_from import source_files

# Files that a stage reads first of all, and the exit code it would end with without them.
READ = {
    "data.manifest": ExitCode.DATA,
    "model.init_from": ExitCode.MODEL,
    "model.weights.path": ExitCode.MODEL,
    "ckpt_path": ExitCode.MODEL,
}


def require_inputs(runs: Iterable[Run], steps: Iterable[PlannedRun]) -> None:
    """Refuse to start where a manifest or weights are not there and no stage of the chain makes it.

    Args:
        runs: All runs of the chain.
        steps: Those that are planned.

    Raises:
        RefusedRun: Names each file and the first stage that reads it.
    """
    made = {path for run in runs for path in (*_outputs(run), run.folder / BEST_CKPT)}
    absent: dict[str, tuple[str, str]] = {}
    for step in steps:
        if step.state == "done" or not step.run.stage.lightning:
            continue
        for key in READ:
            # Only `init_from` may name several.
            for file in source_files((step.run.settings or {}).get(key)):
                if file not in made and not is_file(file):
                    absent.setdefault(str(file), (step.run.title, key))
    if absent:
        lines = [_absence(name, *where) for name, where in absent.items()]
        raise RefusedRun("\n".join(lines), READ[next(iter(absent.values()))[1]])


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
    make = f": {prepare_command(Path(name))}" if key == "data.manifest" else ""
    return f"stage {title}: {key}: {name} is not there, and no stage of this chain makes it{make}"
