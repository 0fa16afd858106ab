"""Figures take their colours from the page and do not borrow from each other."""

import xml.etree.ElementTree as ET

import matplotlib.pyplot as plt
import pytest

from lightning_app.report.plots.svg import page_style, to_svg


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
