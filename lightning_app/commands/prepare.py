"""`lightning-cli prepare`: from the folder of a corpus to a manifest.

Heavy imports happen in `run`, so that --help answers at once.
"""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from datamodules.corpora import Corpus, corpus_names, find_corpus
from datamodules.errors import DataError
from lightning_app.errors import ConfigError, ExitCode

if TYPE_CHECKING:
    import jsonargparse
    import pandas as pd

DESCRIPTION = (
    "Turn a corpus into a manifest, the table of clips that every other command reads. "
    "A published corpus: `lightning-cli prepare emodb ROOT --out data/emodb/manifest.csv`. "
    "Your own recordings, listed in a table: `lightning-cli prepare table mine.csv --out data/mine/manifest.csv`; it "
    "needs the column path, and may have emotion, speaker and every other column of a manifest. "
    "A synthetic corpus, made here in about a minute: `lightning-cli prepare demo --out data/demo/manifest.csv`."
)
# What is given in place of a corpus that lies in a folder.
TABLE, DEMO = "table", "demo"
SPEAKER_FOLDS = 5
RANDOM_FOLDS = 10


def add_arguments(parser: "jsonargparse.ArgumentParser") -> None:
    """Declare the verb's arguments."""
    from jsonargparse import ActionYesNo

    parser.description = DESCRIPTION
    parser.add_argument(
        "corpus",
        type=str,
        help=f"Whose layout ROOT has: {', '.join(corpus_names())} (`{DEMO}` has none: it is made). `{TABLE}` for a "
        "table of your own, or a module of your own that holds CORPUS, such as mylab.mycorpus.",
    )
    parser.add_argument("root", nargs="?", type=str, help="Folder of the corpus, or your table (.csv, .parquet).")
    parser.add_argument("--out", type=str, required=True, help="Manifest to write (.csv or .parquet).")
    parser.add_argument(
        "--map",
        type=str,
        action="append",
        help="Translate a label of your table: hap=happiness, once per label, or a CSV file with the columns label and "
        "emotion. An empty right side (x=) leaves those clips without a label.",
    )
    parser.add_argument(
        "--hash", action=ActionYesNo(no_prefix="no-"), default=True, help="Whether to record each file's sha256."
    )
    parser.add_argument(
        "--on_bad_audio",
        choices=("error", "skip"),
        default="error",
        help="What to do about missing, unreadable, empty, cut or contradictory recordings: stop with exit code 3, or "
        "leave them out, list them, and end with exit code 5.",
    )
    parser.add_argument(
        "--known_bad", choices=("skip", "keep"), default="skip", help="What to do about clips known to be unusable."
    )
    parser.add_argument("--clips", type=int, default=1440, help="demo: number of clips.")
    parser.add_argument("--seed", type=int, default=1, help="demo: another seed, another corpus.")
    parser.add_argument("--workers", type=int, default=None, help="demo: processes; default: one per core.")


def run(config: "jsonargparse.Namespace") -> int:
    """Write the manifest, print its path, and report to stderr.

    Returns:
        0, or 5 where recordings were left out because they are bad.

    Raises:
        ConfigError: an unknown corpus, or arguments that do not go together.
        DataError: see `datamodules.manifest.reading`, `datamodules.corpora` and `datamodules.manifest.scan`.
    """
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    out = Path(config.out)
    corpus = None if config.corpus == TABLE else _corpus(config.corpus)
    _check_arguments(config, out)
    if config.corpus == DEMO:
        return _demo(out, config.clips, config.seed, config.workers)
    from datamodules.manifest.reading import read_manifest, write_manifest
    from lightning_app.commands.prepare_summary import summarize

    rows, notes = _table(config) if corpus is None else _published(config, corpus)
    rows, bad = _measured(rows, config.hash, config.on_bad_audio)
    write_manifest(_with_folds(rows), out)
    _say(*summarize(read_manifest(out), corpus), *notes)
    if bad:
        _say(f"left out, {len(bad)} bad recordings:", *(f"  {reason}" for reason in bad))
    sys.stdout.write(f"{out}\n")
    return ExitCode.SKIPPED if bad else ExitCode.OK


def _corpus(name: str) -> Corpus:
    try:
        return find_corpus(name)
    except DataError as error:
        raise ConfigError(f"prepare {name}: {error}") from error


def _check_arguments(config: "jsonargparse.Namespace", out: Path) -> None:
    if out.suffix not in (".csv", ".parquet"):
        raise ConfigError(f"--out {out}: found the ending {out.suffix!r}, expected .csv or .parquet")
    if (config.root is None) != (config.corpus == DEMO):
        expected = "takes no folder" if config.corpus == DEMO else "needs the corpus's folder"
        expected = "needs your table" if config.corpus == TABLE else expected
        raise ConfigError(f"prepare {config.corpus} {expected}: lightning-cli prepare --help shows examples")
    if config.map and config.corpus != TABLE:
        raise ConfigError(f"--map translates the labels of a table; prepare {config.corpus} knows its own")
    if config.root is not None and out.resolve() == Path(config.root).resolve():
        raise ConfigError(f"--out {out}: that is the table itself; choose another name, so that yours stays as it is")
    if config.clips < 1 or (config.workers is not None and config.workers < 1):
        raise ConfigError("--clips and --workers: expected 1 or more")


def _published(config: "jsonargparse.Namespace", corpus: Corpus) -> tuple["pd.DataFrame", list[str]]:
    """Rows of a published corpus without the clips known to be bad, and a note about those."""
    from datamodules.manifest.tables import table_of

    if corpus.rows is None:
        raise ConfigError(
            f"prepare {config.corpus}: its CORPUS names no reader; expected rows=a function of the folder"
        )
    rows = corpus.rows(Path(config.root))
    bad = corpus.known_bad if config.known_bad == "skip" else {}
    kept = [row for row in rows if row["id"] not in bad]
    found = [name for name in (str(row["id"]) for row in rows) if name in bad]
    notes = [
        f"left out, known to be unusable (list {corpus.known_bad_version}): {name} ({bad[name]}); "
        "--known_bad keep keeps it"
        for name in found
    ]
    if not kept:
        raise DataError(f"{config.root}: every clip is known to be unusable; --known_bad keep keeps them")
    return table_of(kept), notes


def _table(config: "jsonargparse.Namespace") -> tuple["pd.DataFrame", list[str]]:
    from datamodules.manifest.own_table import read_mapping, table_rows

    return table_rows(Path(config.root), read_mapping(config.map or []), config.on_bad_audio == "error"), []


def _measured(rows: "pd.DataFrame", hashed: bool, on_bad: str) -> tuple["pd.DataFrame", list[str]]:
    from datamodules import stop_signals
    from datamodules.cache import cache_folder
    from datamodules.manifest.contents import Contents
    from datamodules.manifest.scan import measure

    with stop_signals.noted(), _progress("reading") as progress:
        good, problems = measure(rows, hashed, progress, Contents(cache_folder()))
    bad = list(problems.values())
    if bad and on_bad == "error":
        more = f"\n  ... and {len(bad) - 20} more" if len(bad) > 20 else ""
        listed = "".join(f"\n  {reason}" for reason in bad[:20])
        raise DataError(f"{len(bad)} bad recordings; mend them, or leave them out: --on_bad_audio skip{listed}{more}")
    if good.empty:
        raise DataError(f"none of the {len(bad)} recordings is good; the first: {bad[0]}")
    return good, bad


def _with_folds(rows: "pd.DataFrame") -> "pd.DataFrame":
    """The rows with the fold columns that they allow and do not bring."""
    from datamodules.manifest.folds import random_folds, speaker_folds, speaker_keys

    speakers = speaker_keys(rows).replace("", None).nunique()
    if "fold_speaker" not in rows and speakers > 1:
        rows = rows.assign(fold_speaker=speaker_folds(rows, min(SPEAKER_FOLDS, speakers)))
    if "fold_random10" not in rows and "emotion" in rows and len(rows) >= RANDOM_FOLDS:
        rows = rows.assign(fold_random10=random_folds(rows, RANDOM_FOLDS))
    return rows


def _demo(out: Path, clips: int, seed: int, workers: int | None) -> int:
    from lightning_app.commands.prepare_demo import make_once
    from lightning_app.commands.prepare_summary import summarize

    with _progress("synthesising") as progress:
        rows, made = make_once(out, clips, seed, workers, progress)
    again = "" if made else f"{out} is there already, made with the same settings; not made again"
    _say(*summarize(rows, find_corpus(DEMO)), again)
    sys.stdout.write(f"{out}\n")
    return 0


def _say(*lines: str) -> None:
    sys.stderr.writelines(f"{line}\n" for line in lines if line)


@contextmanager
def _progress(verb: str) -> Iterator[Callable[[int, int], None]]:
    """Yields what to call with the number done and the number in all: a bar on a terminal, else a line per tenth."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    if console.is_terminal:
        with Progress(console=console, transient=True) as bar:
            task = bar.add_task(verb, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
        return
    said = [0]

    def say_tenths(done: int, total: int) -> None:
        if (tenth := 10 * done // total) > said[0]:
            said[0] = tenth
            _say(f"{verb}: {done} of {total}")

    yield say_tenths
