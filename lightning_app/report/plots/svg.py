"""Matplotlib figures as inline SVG that takes text and paper colour from the page around it."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lightning_app.report.plots.colors import INK, LINE, MUTED, PAGE_COLORS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 9.6  # inches; the page scales it to its own width

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # real text: selectable, in the page's typeface
    "svg.hashsalt": "report",  # the same figure gives the same file
    "text.parse_math": False,  # names from the user's files may hold dollar signs
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": LINE,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "figure.constrained_layout.use": True,
}


@contextmanager
def page_style() -> Iterator[None]:
    """Within it, figures are drawn for the page."""
    import matplotlib as mpl

    with mpl.rc_context(_STYLE):
        yield


def to_svg(figure: "Figure", name: str, alt: str) -> str:
    """The figure as an <svg> element.

    Args:
        figure: what to draw, made within `page_style`.
        name: unique on the page; references inside the element carry it, so that figures do not borrow from each other.
        alt: what a screen reader says.
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*">', "<g>", svg)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r"font(?:-family)?: [^;\"]*", lambda found: _without_family(found[0]), svg)
    for stand_in, color in PAGE_COLORS.items():
        svg = svg.replace(stand_in, color)
    label = alt.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def _without_family(font: str) -> str:
    """`font: 700 9px 'DejaVu Sans', sans-serif` keeps weight and size, and inherits the page's family."""
    if font.startswith("font-family"):
        return "font-family: inherit"
    size = re.search(r"([\d.]+)px", font)
    weight = re.search(r"\b(bold|[5-9]00)\b", font)
    return f"font-size: {size[1] if size else 9}px; font-weight: {weight[1] if weight else 400}"
