"""What the plots of the UA show, read from their text."""

import re

import pandas as pd

from lightning_app.report.plots.ua import axis_plot, ua_plot


def words(svg):
    return re.findall(r"<text[^>]*>([^<]+)</text>", svg)


def test_ua_plot_names_settings_and_chance_and_survives_missing_values():
    nan = float("nan")
    rows = [
        {"label": "a · $x", "system": "a", "values": [0.4, 0.6], "mean": 0.5, "low": 0.3, "high": 0.7, "chance": 0.25},
        {"label": "b", "system": "b", "values": [], "mean": nan, "low": nan, "high": nan, "chance": 0.25},
    ]
    found = words(ua_plot(pd.DataFrame(rows), "u"))
    assert {"a · $x", "b", "chance 0.250"} <= set(found)
    assert not any(said.startswith("chance") for said in words(ua_plot(pd.DataFrame(rows).assign(chance=nan), "u")))


def test_axis_plot_has_a_panel_for_each_corpus_and_orders_numbers():
    rows = [
        {"corpus": c, "label_set": "v", "series": "s", "chance": 0.2, "mean": 0.5, "std": 0.1, "length": n}
        for c in ("A", "B", "C", "D")
        for n in ("16", "4", "8")
    ]
    found = words(axis_plot(pd.DataFrame(rows), "length", "x"))
    assert [said for said in found if said.endswith("· v")] == ["A · v", "B · v", "C · v", "D · v"]
    assert [said for said in found if said in ("4", "8", "16")][:3] == ["4", "8", "16"]
    assert "s" in found
