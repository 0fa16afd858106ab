"""One colour for each emotion, the same in every plot, told apart with the common kinds of colour blindness.

The eight emotions of most corpora have the Okabe-Ito colors (black gives way to grey, which shows on dark paper too);
the rarer ones take Paul Tol's muted scheme. INK, MUTED, LINE and PAPER stand for colors that the page decides.
"""

from collections.abc import Sequence
from zlib import crc32

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


def emotion_color(label: str) -> str:
    """The colour of an emotion; one of the series' colours, chosen by its name, for an emotion that has none here."""
    return EMOTION_COLORS.get(label) or _SERIES[crc32(label.encode()) % len(_SERIES)]


def series_style(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Colour and marker for each name, in order; both repeat, at different lengths, so that pairs stay different."""
    return {name: (_SERIES[i % len(_SERIES)], _MARKERS[i % len(_MARKERS)]) for i, name in enumerate(names)}
