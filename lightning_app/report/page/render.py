"""The report as one HTML file that needs nothing else."""

from pathlib import Path
from typing import Any, TextIO

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from datamodules.files import replacing
from lightning_app.report.page.models_section import models_context
from lightning_app.report.page.ratings_section import rating_tables, text_examples
from lightning_app.report.plots.curves import learning_curves
from lightning_app.report.plots.embedding import embedding_map
from lightning_app.report.plots.style import emotion_color
from lightning_app.report.plots.ua import axis_plot, ua_plot
from lightning_app.report.read.history import curves, stage_records
from lightning_app.report.read.load import Runs
from lightning_app.report.statistics.axes import AxisTable, axis_tables, drawable
from lightning_app.report.statistics.confusion import matrices
from lightning_app.report.statistics.scores import NOTHING, check, metrics_of
from lightning_app.report.statistics.settings import Group, Line, settings_by_data
from lightning_app.runs.files import EMBEDDINGS_NPZ

_MOST_LINES = 24  # settings in one plot of the UA: the best ones
_MOST_SERIES = 8  # lines in one plot along an axis; beyond, the table has to do


def write_page(runs: Runs, out: Path, title: str, progress: TextIO, reference: str | None = None) -> Path:
    """Write the report of a chain.

    Args:
        runs: Results of the chain.
        out: The file to write; replaced in one step, so that a reader never sees half a page.
        title: Heading of the page.
        progress: Stream for messages about progress.
        reference: The value of an axis that the others are tested against; None: the first.

    Returns:
        ``out``, as an absolute path.
    """
    context = _context(runs, progress, reference) | {"title": title}
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    templates.filters |= {"three": _three, "color": emotion_color}
    with replacing(out) as part:
        part.write_text(templates.get_template("page.html.j2").render(context), encoding="utf-8")
    return out.resolve()


def _context(runs: Runs, progress: TextIO, reference: str | None) -> dict[str, Any]:
    print("report: tables and intervals", file=progress, flush=True)
    groups = settings_by_data(runs)
    print("report: plots", file=progress, flush=True)
    return {
        "css": Markup(Path(__file__).with_name("page.css").read_text(encoding="utf-8")),
        "runs_folder": str(runs.folder),
        "metrics": metrics_of(runs.results),
        "axes": runs.varying,
        "fixed": [(axis, ", ".join(runs.axis_values(axis))) for axis in runs.axes if axis not in runs.varying],
        "check": check(runs),
        "groups": groups,
        "ua_plots": [Markup(ua_plot(_ua_frame(group), f"ua{i}")) for i, group in enumerate(groups)],
        "most_lines": _MOST_LINES,
        "rating_tables": rating_tables(runs),
        "text_parts": text_examples(runs),
        "axis_parts": _axis_parts(runs, groups),
        "matrices": [matrices(runs, group) for group in groups],
        "maps": _maps(runs, progress),
        "curves": _curves(runs),
        "stages": stage_records(runs.stages),
        **models_context(runs, groups, reference, progress),
    }  # fmt: skip


def _three(value: float) -> str:
    return NOTHING if pd.isna(value) else f"{value:.3f}"


def _ua_frame(group: Group) -> pd.DataFrame:
    best = sorted(group.lines, key=Line.sort_key, reverse=True)[:_MOST_LINES]
    return pd.DataFrame(
        {
            "label": line.name,
            "system": line.setting["system"],
            "values": line.values,
            "mean": line.mean,
            "low": line.interval[0],
            "high": line.interval[1],
            "chance": group.chance["UA"],
        }
        for line in group.lines
        if line in best
    )


def _axis_parts(runs: Runs, groups: list[Group]) -> list[tuple[AxisTable, Markup | None]]:
    levels = {(group.corpus, group.label_set): group.chance["UA"] for group in groups}
    parts = []
    for i, (table, points) in enumerate(axis_tables(runs)):
        # The compared axes have a section of their own, with all metrics.
        if table.axis in runs.compared_axes:
            continue
        points["chance"] = [levels[key] for key in zip(points["corpus"], points["label_set"], strict=True)]
        plot = None
        if drawable(table.values) and points["series"].nunique() <= _MOST_SERIES:
            plot = Markup(axis_plot(points, table.axis, f"axis{i}"))
        parts.append((table, plot))
    return parts


def _maps(runs: Runs, progress: TextIO) -> list[dict[str, Any]]:
    """An embedding map of each stage that stored embeddings: its first run."""
    first = {run.stage: run for run in reversed(runs.stages) if (run.folder / EMBEDDINGS_NPZ).is_file()}
    made = []
    for i, run in enumerate(reversed(first.values())):
        print(f"report: embedding map of {run.stage} {run.cell}", file=progress, flush=True)
        drawn = embedding_map(run.folder / EMBEDDINGS_NPZ, f"map{i}")
        if drawn:
            made.append({"stage": run.stage, "cell": run.cell, "map": drawn, "svg": Markup(drawn.svg)})
    return made


def _curves(runs: Runs) -> list[dict[str, Any]]:
    drawn = []
    for i, (stage, tables) in enumerate(curves(runs.stages).items()):
        plot = learning_curves(tables, f"curve{i}")
        if plot:
            drawn.append({"stage": stage, "runs": len(tables), "svg": Markup(plot)})
    return drawn
