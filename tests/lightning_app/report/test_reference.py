"""Printed numbers stand beside ours only for the same corpus and the same classes."""

import pytest

from datamodules.labels import VIEWS
from lightning_app.report.reference import printed


@pytest.mark.parametrize(
    ("corpus", "view", "ua"),
    [
        ("IEMOCAP", "iemocap4", 0.7443),
        ("MELD", "seven", 0.2328),
        ("RAVDESS", "eight", 0.3658),
        ("tess", "seven", 0.5071),
        ("SAVEE", "seven", 0.3453),
    ],
)
def test_same_corpus_and_classes(corpus, view, ua):
    rows = {(row.table, row.system): row.scores for row in printed(corpus, VIEWS[view].labels)}
    assert rows["2", "CLEP-DG"]["UA"] == pytest.approx(ua)
    assert rows["2", "CLEP-DG"]["WA"] == rows["4", "classifier with ArcFace"]["WA"]
    assert len(rows) == 6 + 4 + 2


@pytest.mark.parametrize(
    ("corpus", "view"), [("IEMOCAP", "iemocap5"), ("TESS", "six"), ("EmoDB", "emodb7"), ("X", "seven")]
)
def test_nothing_beside_other_corpora_and_classes(corpus, view):
    assert printed(corpus, VIEWS[view].labels) == []
