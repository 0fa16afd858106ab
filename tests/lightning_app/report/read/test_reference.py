"""Printed numbers stand beside ours only for the same corpus and the same classes."""

import pytest

from datamodules.labels import LABEL_SETS
from lightning_app.report.read.reference import metrics_in_print, printed, printed_of_space


@pytest.mark.parametrize(
    ("corpus", "label_set", "ua"),
    [
        ("IEMOCAP", "iemocap4", 0.7443),
        ("MELD", "seven", 0.2328),
        ("RAVDESS", "eight", 0.3658),
        ("tess", "seven", 0.5071),
        ("SAVEE", "seven", 0.3453),
    ],
)
def test_same_corpus_and_classes(corpus, label_set, ua):
    found = [row for row in printed(corpus, LABEL_SETS[label_set].labels) if row.paper == "CLEP-DG"]
    rows = {(row.table, row.system): row.scores for row in found}
    assert rows["2", "CLEP-DG"]["UA"] == pytest.approx(ua)
    assert rows["2", "CLEP-DG"]["WA"] == rows["4", "classifier with ArcFace"]["WA"]
    assert len(rows) == 6 + 4 + 2


@pytest.mark.parametrize(
    ("corpus", "label_set"), [("IEMOCAP", "iemocap5"), ("TESS", "six"), ("EmoDB", "emodb7"), ("X", "seven")]
)
def test_nothing_beside_other_corpora_and_classes(corpus, label_set):
    assert printed(corpus, LABEL_SETS[label_set].labels) == []


@pytest.mark.parametrize(
    ("corpus", "labels", "ua"),
    [
        ("IEMOCAP", LABEL_SETS["iemocap4"].labels, 0.606),
        ("ravdess", LABEL_SETS["eight"].labels, 0.175),
        ("cremad", LABEL_SETS["six"].labels, 0.266),
        ("TESS", LABEL_SETS["seven"].labels, 0.275),
        ("FAU-Aibo", ["negative", "idle"], 0.555),
        ("FAU Aibo", list("abcde"), 0.204),
        ("ALC", ["sober", "drunk"], 0.541),
        ("SLD", ["likable", "not"], 0.496),
    ],
)
def test_smoothclap_prints_shares_of_one(corpus, labels, ua):
    rows = {(row.paper, row.table, row.system): row for row in printed(corpus, labels)}
    assert rows["SmoothCLAP", "1", "SmoothCLAP"].scores == {"UA": ua}
    assert {("SmoothCLAP", "1", name) for name in ("CLAP", "Pengi", "ParaCLAP")} <= rows.keys()


def test_emotionrankclap_prints_the_shared_space():
    rows = {(row.table, row.system): row for row in printed_of_space("MSP-Podcast")}
    assert rows["1", "EmotionRankCLAP (A-V)"].scores == {"MMD": 0.087, "Wasserstein": 0.065}
    assert rows["2", "EmotionRankCLAP (A-V)"].deviations == {"AOC": 0.12, "VOC": 0.13}
    assert len(rows) == 3 + 6
    assert metrics_in_print(list(rows.values())) == ["MMD", "Wasserstein", "AOC", "VOC"]
    assert printed("MSP-Podcast", LABEL_SETS["eight"].labels) == printed_of_space("IEMOCAP") == []
