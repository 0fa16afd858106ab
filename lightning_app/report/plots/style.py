"""Colors and style of the report's plots, and figures as inline SVG.

Each emotion has one color in every plot, told apart with the common kinds of color blindness: the eight emotions of
most corpora have the Okabe-Ito colors (black gives way to gray, which shows on dark paper too), the rarer ones Paul
Tol's muted scheme. INK, MUTED, LINE and PAPER stand for colors that the page decides.
"""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from typing import Any
from zlib import crc32

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

EMOTION_COLORS = {
    "anger": "#d55e00",
    "happiness": "#e69f00",
    "sadness": "#0072b2",
    "fear": "#cc79a7",
    "disgust": "#009e73",
    "surprise": "#56b4e9",
    "neutral": "#8a8a8a",
    "boredom": "#8c6d46",
    "calm": "#44aa99",
    "contempt": "#882255",
    "excitement": "#ddcc77",
    "enthusiasm": "#cc6677",
    "frustration": "#999933",
    "other": "#aa4499",
}
_SERIES = ("#4477aa", "#ee6677", "#228833", "#aa3377", "#66ccee", "#ccbb44", "#999999")  # Paul Tol's bright scheme
_MARKERS = "osD^vP*X"

INK, MUTED, LINE, PAPER = "#010203", "#020304", "#030405", "#040506"
PAGE_COLORS = {INK: "currentColor", MUTED: "var(--muted)", LINE: "var(--line)", PAPER: "var(--paper)"}


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


def emotion_color(label: str) -> str:
    """The color of an emotion; for an emotion that has none here, one of the series' colors, chosen by its name."""
    return EMOTION_COLORS.get(label) or _SERIES[crc32(label.encode()) % len(_SERIES)]


def series_style(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Color and marker of each name, in order; both repeat, at different lengths, so that pairs stay different."""
    return dict(zip(names, zip(cycle(_SERIES), cycle(_MARKERS)), strict=False))


@contextmanager
def page_style() -> Iterator[None]:
    """Draw the figures made inside for the page."""
    with mpl.rc_context(_STYLE):
        yield


def to_svg(figure: Figure, name: str, alt: str) -> str:
    """Close the figure and return it as an <svg> element.

    Args:
        figure: The figure, made within ``page_style``.
        name: Unique on the page; references inside the element carry it, so that figures do not borrow from each other.
        alt: Text for screen readers.
    """
    buffer = io.StringIO()
    try:
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    finally:
        plt.close(figure)
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
    """Remove the family from ``font: 700 9px 'DejaVu Sans', sans-serif``, so that the page's is inherited."""
    if font.startswith("font-family"):
        return "font-family: inherit"
    size = re.search(r"([\d.]+)px", font)
    weight = re.search(r"\b(bold|[5-9]00)\b", font)
    return f"font-size: {size[1] if size else 9}px; font-weight: {weight[1] if weight else 400}"
