"""Put tables and plots into one HTML file that needs nothing else."""

from pathlib import Path
from typing import Any, TextIO

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from datamodules.files import replacing
from lightning_app.report.page import sections
from lightning_app.report.page.models_section import models_context
from lightning_app.report.page.ratings_section import rating_tables, text_examples
from lightning_app.report.page.tables import NOTHING, metrics_of, varying
from lightning_app.report.plots.colors import emotion_color
from lightning_app.report.plots.curves import learning_curves
from lightning_app.report.plots.embedding import embedding_map
from lightning_app.report.plots.ua import axis_plot, ua_plot
from lightning_app.report.read.history import curves, stage_records
from lightning_app.report.read.load import Runs
from lightning_app.report.statistics.compare import compared_axes
from lightning_app.report.statistics.scores import check
from lightning_app.runs.files import EMBEDDINGS_NPZ

_MOST_LINES = 24  # settings in one plot of the UA: the best ones
_MOST_SERIES = 8  # lines in one plot along an axis; beyond, the table has to do


def write_page(runs: Runs, out: Path, title: str, progress: TextIO, reference: str | None = None) -> Path:
    """Write the report of a chain.

    Args:
        runs: what the chain left.
        out: the file to write; replaced in one step, so that a reader never sees half a page.
        title: heading of the page.
        progress: where to say what is being drawn.
        reference: the value of an axis that the others are tested against; None: the first.

    Returns:
        `out`, as an absolute path.
    """
    context = _context(runs, progress, reference) | {"title": title}
    folder = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    folder.filters |= {"three": _three, "color": emotion_color}
    with replacing(out) as part:
        part.write_text(folder.get_template("page.html.j2").render(context), encoding="utf-8")
    return out.resolve()


def _context(runs: Runs, progress: TextIO, reference: str | None) -> dict[str, Any]:
    print("report: tables and intervals", file=progress, flush=True)
    groups = sections.groups(runs)
    print("report: plots", file=progress, flush=True)
    return {
        "css": Markup(Path(__file__).with_name("page.css").read_text(encoding="utf-8")),
        "runs_folder": str(runs.folder),
        "metrics": metrics_of(runs.results),
        "axes": varying(runs),
        "fixed": [(axis, ", ".join(v for v in runs.measured[axis].unique() if v)) for axis in runs.axes
                  if axis not in varying(runs)],
        "check": check(runs),
        "groups": groups,
        "ua_plots": [_svg(ua_plot(_ua_frame(group), f"ua{i}")) for i, group in enumerate(groups)],
        "most_lines": _MOST_LINES,
        "rating_tables": rating_tables(runs),
        "text_parts": text_examples(runs),
        "axis_parts": _axis_parts(runs, groups),
        "matrices": [sections.matrices(runs, group) for group in groups],
        "maps": _maps(runs, progress),
        "curves": _curves(runs),
        "stages": stage_records(runs.stages),
        **models_context(runs, groups, reference, progress),
    }  # fmt: skip


def _svg(element: str | None) -> Markup | None:
    return None if element is None else Markup(element)


def _three(value: float) -> str:
    return NOTHING if pd.isna(value) else f"{value:.3f}"


def _ua_frame(group: sections.Group) -> pd.DataFrame:
    best = sorted(group.lines, key=sections.Line.sort_key, reverse=True)[:_MOST_LINES]
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
        if any(line is shown for shown in best)
    )


def _axis_parts(runs: Runs, groups: list[sections.Group]) -> list[tuple[sections.AxisTable, Markup | None]]:
    levels = {(group.corpus, group.label_set): group.chance["UA"] for group in groups}
    compared = compared_axes(runs)  # these have a part of the page of their own, with all metrics
    parts = []
    for i, (table, points) in enumerate(sections.axis_tables(runs)):
        if table.axis in compared:
            continue
        points["chance"] = [levels[key] for key in zip(points["corpus"], points["label_set"], strict=True)]
        drawable = sections.numeric(table.values) and points["series"].nunique() <= _MOST_SERIES
        plot = axis_plot(points, table.axis, f"axis{i}") if drawable else None
        parts.append((table, _svg(plot)))
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
