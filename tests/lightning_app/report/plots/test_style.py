"""Figures take their colors from the page and do not borrow from each other; no two emotions share a color."""

import xml.etree.ElementTree as ET

import matplotlib.pyplot as plt
import pytest

from datamodules.labels import EMOTIONS
from lightning_app.report.plots import style
from lightning_app.report.plots.style import page_style, to_svg


@pytest.fixture
def svg():
    with page_style():
        figure, axes = plt.subplots(figsize=(4, 2))
        axes.plot([0, 1], [0, 1], marker="o", label="costs $5 & <more>")
        axes.legend()
        text = to_svg(figure, "one", 'a "plot" & more')
    plt.close(figure)
    return text


def test_is_one_element_with_a_spoken_name(svg):
    root = ET.fromstring(svg)
    assert root.tag.endswith("svg")
    assert root.get("aria-label") == 'a "plot" & more'
    assert "costs $5 & <more>" in {element.text for element in root.iter() if element.tag.endswith("text")}


def test_colours_and_typeface_are_the_page_s(svg):
    assert "currentColor" in svg
    assert "var(--line)" in svg
    assert "#010203" not in svg
    assert "DejaVu" not in svg


def test_identifiers_carry_the_name_and_every_reference_is_met(svg):
    root = ET.fromstring(svg)
    known = {element.get("id") for element in root.iter()} - {None}
    used = {value[1:] for element in root.iter() for key, value in element.attrib.items() if key.endswith("href")}
    assert used
    assert used <= known
    assert all(name.startswith("one-") for name in known)


def test_no_two_emotions_share_a_color() -> None:
    assert set(style.EMOTION_COLORS) <= set(EMOTIONS)
    assert len(set(style.EMOTION_COLORS.values())) == len(style.EMOTION_COLORS)


def test_a_label_that_has_none_takes_one_of_the_series_always_the_same() -> None:
    found = {label: style.emotion_color(label) for label in ("pride", "relief", "envy", "awe")}
    assert found == {label: style.emotion_color(label) for label in reversed(found)}
    assert set(found.values()) <= set(style._SERIES)
    assert len(set(found.values())) > 1
