"""A map of audio and text embeddings in two dimensions."""

from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from lightning_app.report.plots.style import INK, PAPER, WIDTH, emotion_color, page_style, to_svg
from lightning_app.report.read.space import Floats, read_embeddings, unit

POINTS = 1500
_TEXT_MARKERS = "*DPX"
Strings = NDArray[np.str_]


@dataclass(frozen=True)
class EmbeddingMap:
    """The map, and what stands below it.

    Args:
        svg: The plot.
        shown: Audio clips on it.
        clips: Audio clips that were embedded.
        texts: Texts on it, all of those embedded.
        gap: Distance between the mean audio and the mean text embedding (unit vectors; 0 to 2); not on the map.
    """

    svg: str
    shown: int
    clips: int
    texts: int
    gap: float


def embedding_map(path: Path, name: str, seed: int = 0) -> EmbeddingMap | None:
    """t-SNE of audio and text together, each centered on its own mean; None for fewer than four points.

    Centring removes the modality gap: without it audio and text lie apart as two islands, whatever they mean.

    Args:
        path: embeddings.npz of one run.
        name: Unique on the page.
        seed: Of the choice of clips (at most ``POINTS``) and of t-SNE.

    Raises:
        DataError: The file cannot be read or lacks an array.
    """
    arrays = read_embeddings(path)
    audio_NE, text_ME = unit(arrays["audio"]), unit(arrays["text"])
    chosen = np.sort(np.random.default_rng(seed).permutation(len(audio_NE))[:POINTS])
    if len(chosen) + len(text_ME) < 4:
        return None
    centers = [part.mean(0) if len(part) else np.zeros(part.shape[1]) for part in (audio_NE, text_ME)]
    points = _tsne(np.concatenate([audio_NE[chosen] - centers[0], text_ME - centers[1]]), seed)
    audio, text = points[: len(chosen)], points[len(chosen) :]
    svg = _draw(audio, arrays["audio_label"][chosen], text, arrays["text_label"], arrays["text_kind"], name)
    gap = float(np.linalg.norm(centers[0] - centers[1])) if len(audio_NE) and len(text_ME) else float("nan")
    return EmbeddingMap(svg, len(chosen), len(audio_NE), len(text_ME), gap)


def _tsne(points: Floats, seed: int) -> Floats:
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(points) - 1) / 3)
    flat = TSNE(perplexity=perplexity, init="random" if points.shape[1] < 2 else "pca", random_state=seed)
    return np.asarray(flat.fit_transform(points.astype(np.float32)))


def _draw(audio: Floats, audio_label: Strings, text: Floats, text_label: Strings, text_kind: Strings, name: str) -> str:
    # The rarest kind of text is the star, drawn last: a template among many prompts stays visible.
    kinds = sorted(set(text_kind), key=lambda kind: (np.sum(text_kind == kind), kind))
    with page_style():
        figure, axes = plt.subplots(figsize=(WIDTH, 6.2))
        for label in sorted(set(audio_label) | set(text_label)):
            dots = audio[audio_label == label]
            axes.scatter(dots[:, 0], dots[:, 1], s=13, color=emotion_color(label), alpha=0.75, linewidths=0)
            for marker, kind in reversed(list(zip(_TEXT_MARKERS, kinds, strict=False))):
                stars = text[(text_label == label) & (text_kind == kind)]
                size = 230 if marker == "*" else 34
                axes.scatter(
                    stars[:, 0],
                    stars[:, 1],
                    s=size,
                    marker=marker,
                    color=emotion_color(label),
                    edgecolors=INK,
                    linewidths=0.8,
                    zorder=3,
                )
            if len(dots):
                box = {
                    "boxstyle": "round,pad=0.25",
                    "facecolor": PAPER,
                    "alpha": 0.82,
                    "edgecolor": emotion_color(label),
                }
                x, y = np.median(dots, axis=0)
                axes.text(x, y, label, ha="center", va="center", fontsize=8.5, bbox=box, zorder=4)
        _legend(axes, sorted(set(audio_label) | set(text_label)), kinds)
        axes.set_axis_off()
        return to_svg(figure, name, "Map of audio and text embeddings, coloured by emotion")


def _legend(axes: Axes, labels: list[str], kinds: list[str]) -> None:
    for label in labels:
        axes.scatter([], [], s=26, color=emotion_color(label), label=label)
    axes.scatter([], [], s=20, color="none", edgecolors=INK, linewidths=0.8, label="audio clip")
    for marker, kind in zip(_TEXT_MARKERS, kinds, strict=False):
        axes.scatter(
            [],
            [],
            s=90 if marker == "*" else 34,
            marker=marker,
            color="none",
            edgecolors=INK,
            linewidths=0.8,
            label=f"text: {kind}",
        )
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
