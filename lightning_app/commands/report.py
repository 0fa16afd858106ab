"""``lightning-cli report``: the results of a chain as tables, plots and one HTML file."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from datamodules.errors import MissingExtra
from lightning_app.runs.files import REPORT_HTML

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

    from lightning_app.report.read.load import Runs

_NEEDS = ("jinja2", "matplotlib", "scipy", "sklearn")


def add_arguments(parser: "ArgumentParser") -> None:
    """Add the options of ``lightning-cli report`` to ``parser``."""
    parser.add_argument(
        "--runs", type=Path, required=True, help="a chain's folder, one run folder, or a folder of run folders"
    )
    parser.add_argument("--title", type=str, default=None, help="heading of the page (default: the folder's name)")
    parser.add_argument("--out", type=Path, default=None, help="where the page goes (default: RUNS/report.html)")
    parser.add_argument(
        "--reference", type=str, default=None, help="the model that the others are tested against (default: the first)"
    )
    parser.add_argument("--markdown", action="store_true", help="print the tables as Markdown; write no page")


def run(config: "Namespace") -> int:
    """Write the page and print its path, or print the tables; gives the exit code.

    Raises:
        DataError: ``runs`` has no usable results.csv, or one of its files cannot be read.
        MissingExtra: The ``report`` extra is not installed.
        ConfigError: ``reference`` is none of the compared models.
    """
    from lightning_app.report.read.load import load

    if config.markdown:
        print(_markdown(load(config.runs), config.reference))
        return 0
    missing = [name for name in _NEEDS if find_spec(name) is None]
    if missing:
        raise MissingExtra(f'the report needs {", ".join(missing)}: pip install "emoclap[report]"')
    from lightning_app.report.page.render import write_page

    runs = load(config.runs)
    title = config.title or runs.folder.resolve().name
    out = write_page(runs, config.out or runs.folder / REPORT_HTML, title, sys.stderr, config.reference)
    print(out)
    return 0


def _markdown(runs: "Runs", reference: str | None) -> str:
    from lightning_app.report.page.markdown import comparisons_markdown, ratings_markdown, results_markdown
    from lightning_app.report.statistics.compare import comparisons

    tests = find_spec("scipy") is not None
    parts = (results_markdown(runs), ratings_markdown(runs), comparisons_markdown(comparisons(runs, reference, tests)))
    return "\n\n".join(part for part in parts if part)
