"""The whole page: self-contained, complete, and loud about what is wrong."""

import re
import shutil
import subprocess
import sys
from argparse import Namespace
from html.parser import HTMLParser

import pandas as pd
import pytest
from jsonargparse import ArgumentParser

from datamodules.errors import MissingExtra
from lightning_app.commands import report
from lightning_app.report.read.load import load
from lightning_app.report.statistics.settings import settings_by_data

VOID = {"meta", "link", "br", "hr", "img"}


class Checker(HTMLParser):
    """Every element is closed where it should be; text and links are kept."""

    def __init__(self, html):
        super().__init__()
        self.open, self.links, self.text, self.tags = [], [], [], []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for key, value in attrs if key in ("src", "href", "xlink:href") and value]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.links += [value for key, value in attrs if key in ("src", "href", "xlink:href") and value]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    @property
    def words(self):
        return re.sub(r"\s+", " ", " ".join(self.text))


def page(runs, **options):
    config = Namespace(**({"runs": runs, "title": None, "out": None, "markdown": False, "reference": None} | options))
    assert report.run(config) == 0
    return Checker((config.out or runs / "report.html").read_text(encoding="utf-8"))


def test_full_page(full_runs, capsys):
    found = page(full_runs, title="Fish & <chips>")
    assert capsys.readouterr().out == f"{full_runs / 'report.html'}\n"
    assert all(link.startswith(("#", "data:")) for link in found.links)
    assert "script" not in found.tags
    table = pd.read_csv(full_runs / "results.csv")
    ua = table[table["metric"] == "UA"].groupby(["system", "prompt_length"])["value"].agg(["mean", "std"])
    for _, row in ua.iterrows():
        assert f"{row['mean']:.3f} ± {row['std']:.3f}" in found.words
    assert f"{ua['mean'].max():.3f} ± {ua.loc[ua['mean'].idxmax(), 'std']:.3f} text-trained classifier" in found.words
    assert "Fish & <chips>" in found.words
    assert "chance 0.143" in found.words
    assert "360 values of UA and WA were computed again" in found.words
    assert "In print" not in found.words
    assert "band: from the lowest to the highest" in found.words
    assert "disagree" not in found.words
    for said in ("ab" * 32, "torch 2.12.0", "stages/acpt.yaml", "lr: 1.0e-5"):
        assert said in found.words
    # Results, axis, embedding map, two stages' curves.
    assert found.tags.count("svg") == 5


def test_a_second_run_writes_the_same_page(small_runs):
    page(small_runs)
    first = (small_runs / "report.html").read_bytes()
    page(small_runs)
    assert (small_runs / "report.html").read_bytes() == first
    assert not list(small_runs.glob("*.part"))


def test_disagreement_and_missing_and_unfinished_runs_are_warned_of(small_runs):
    shutil.rmtree(small_runs / "clep")
    next((small_runs / "acpt").rglob("done.json")).unlink()
    table = pd.read_csv(small_runs / "results.csv")
    ua = table.index[table["metric"] == "UA"]
    table.loc[ua[0], "value"] += 0.01
    table.drop(ua[1]).to_csv(small_runs / "results.csv", index=False)
    found = page(small_runs)
    assert "1 of 47 recomputed values disagree" in found.words
    assert "UA of system zero-shot, corpus EmoDB" in found.words
    assert "1 run is missing or without a value" in found.words
    assert "(1 missing)" in found.words
    assert "6 runs, 7 min 48 s in all, 1 not finished" in found.words


def test_printed_numbers_where_corpus_and_classes_agree(small_runs):
    for path in [small_runs / "results.csv", *small_runs.rglob("predictions.parquet")]:
        table = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
        table = table.assign(corpus="TESS", label_set="seven")
        table.to_csv(path, index=False) if path.suffix == ".csv" else table.to_parquet(path)
    shutil.rmtree(small_runs / "clep")
    shutil.rmtree(small_runs / "acpt")
    found = page(small_runs)
    assert "CLEP-DG 0.5071 0.5459" in found.words
    assert "In print" in found.words


def test_results_alone_make_a_page(small_runs, tmp_path):
    pd.read_csv(small_runs / "results.csv").drop(columns="prompt_length").drop_duplicates(
        ["system", "metric", "seed", "fold"]
    ).to_csv(tmp_path / "results.csv", index=False)
    found = page(tmp_path, out=tmp_path / "new" / "page.html")
    for said in (
        "No predictions.parquet",
        "No embeddings.npz",
        "No metrics.csv",
        "No run folders",
        "could not be checked",
    ):
        assert said in found.words
    assert "Settings compared" not in found.words


def test_the_clips_of_each_class_are_said_and_runs_in_which_a_class_has_none(small_runs):
    """The UA of such a run is over fewer classes than that of another."""
    clips = set()
    for path in small_runs.rglob("predictions.parquet"):
        table = pd.read_parquet(path).astype({"truth": str})
        table.loc[(table["fold"] == 1) & (table["truth"] == "fear"), "truth"] = "anger"
        table.to_parquet(path)
        clips |= set(zip(table["id"], table["truth"], strict=True))
    found = page(small_runs)
    fear = sum(truth == "fear" for _, truth in clips)
    assert fear > 0
    assert f"fear ({fear})" in found.words
    assert "UA is over fewer classes where a run has no clips of one: seed 1, fold 1" in found.words


def test_a_run_in_which_a_class_has_no_clips_is_told_from_those_of_other_axes(small_runs):
    path = next(small_runs.rglob("seed=1,fold=1,prompt_length=8/predictions.parquet"))
    table = pd.read_parquet(path).astype({"truth": str})
    table.loc[table["truth"] == "fear", "truth"] = "anger"
    table.to_parquet(path)
    (group,) = settings_by_data(load(small_runs))
    # Of so few clips others lack happiness by chance.
    assert [said for said in group.without if "fear" in said] == [
        "seed 1, fold 1, prompt_length 8 has no fear, happiness"
    ]


def channels(color):
    return [int(color[place : place + 2], 16) for place in (1, 3, 5)]


def luminance(channels):
    linear = [c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_figures_on_every_shade_of_a_confusion_are_readable(full_runs, tmp_path):
    """WCAG AA asks for a contrast of 4.5, on light and on dark paper."""
    page(full_runs, out=tmp_path / "page.html")
    html = (tmp_path / "page.html").read_text()
    shades = {float(alpha) for alpha in re.findall(r"rgb\(var\(--heat\) / ([\d.]+)\)", html)}
    assert len(shades) > 20
    themes = re.findall(r"--paper: (#\w{6});.*?--ink: (#\w{6});.*?--heat: ([\d ]+);", html, re.DOTALL)[:2]
    assert len(themes) == 2
    for paper, ink, heat in themes:
        for alpha in (*shades, 0.04 + 0.56):
            pairs = zip(map(int, heat.split()), channels(paper), strict=True)
            ground = [h * alpha + p * (1 - alpha) for h, p in pairs]
            dark, light = sorted((luminance(ground), luminance(channels(ink))))
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, alpha)
    assert "opacity" not in html[html.index(".heat td") : html.index(".swatch")]


def test_markdown_writes_no_page(small_runs, capsys):
    assert report.run(Namespace(runs=small_runs, title=None, out=None, markdown=True, reference=None)) == 0
    assert capsys.readouterr().out.startswith(
        "| corpus | label_set | system | prompt_length | UA | WA | WF1 | precision |"
    )
    assert not (small_runs / "report.html").exists()


def test_arguments():
    parser = ArgumentParser(exit_on_error=False)
    report.add_arguments(parser)
    config = parser.parse_args(["--runs", "runs/demo", "--title", "Demo"])
    assert (str(config.runs), config.title, config.out, config.markdown) == ("runs/demo", "Demo", None, False)


def test_missing_extra_is_named(small_runs, monkeypatch):
    monkeypatch.setattr(report, "find_spec", lambda name: None if name == "jinja2" else object())
    with pytest.raises(MissingExtra, match=r'jinja2: pip install "emoclap\[report\]"') as raised:
        page(small_runs)
    assert raised.value.exit_code == 4


def test_importing_the_verb_imports_nothing_heavy():
    heavy = {"pandas", "numpy", "matplotlib", "jinja2", "sklearn", "torch", "yaml"}
    code = f"import sys, lightning_app.commands.report; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_page_of_compared_models(model_runs, tmp_path):
    found = page(model_runs, out=tmp_path / "page.html")
    for said in (
        "Models compared",
        "Paired tests against untrained",
        "IEMOCAP · iemocap4 · shared space",
        "two models' confusions",
        "Similarity against distance in emotion",
        "The two clouds",
        "SmoothCLAP 1 SmoothCLAP 0.6060",
        "CLEP-DG 2 CLEP-DG 0.7443 0.7518",
    ):
        assert said in found.words
    assert "recomputed values disagree" not in found.words
    assert "missing or without a value" not in found.words
    # UA, confusions, similarity, clouds, embedding map.
    assert found.tags.count("svg") == 5


def test_the_shared_space_alone_makes_a_page(model_runs, tmp_path):
    table = pd.read_csv(model_runs / "results.csv")
    table[table["system"] == "shared space"].assign(corpus="MSP-Podcast").to_csv(tmp_path / "results.csv", index=False)
    found = page(tmp_path)
    assert "Models compared" in found.words
    assert "CLAP-SCE (A-V) 0.096 ± 0.002 0.180 ± 0.003" in found.words
    assert report.run(Namespace(runs=tmp_path, title=None, out=None, markdown=True, reference="clap_sce")) == 0


def test_page_of_a_grid_has_a_heat_map(grid_runs, tmp_path):
    found = page(grid_runs, out=tmp_path / "page.html")
    assert "UA over gamma and beta" in found.words
    assert "more tables" in found.words
