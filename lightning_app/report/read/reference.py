"""Numbers printed in the papers, for corpora and class sets that agree with ours."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from datamodules.labels import LABEL_SETS


@dataclass(frozen=True)
class Printed:
    """What a system scored in print.

    Args:
        paper: the paper's short name.
        table: number of the paper's table.
        system: as the paper names it, or what its row says in words.
        note: how it was tested.
        scores: metric to value; accuracies are 0 to 1.
        deviations: metric to standard deviation, where the paper prints one.
    """

    paper: str
    table: str
    system: str
    note: str
    scores: dict[str, float] = field(default_factory=dict)
    deviations: dict[str, float] = field(default_factory=dict)


def printed(corpus: str, labels: Sequence[str]) -> list[Printed]:
    """The papers' recognition rows for a corpus, none where they did not test it with exactly these classes.

    Data sets whose classes are not emotions are compared by the number of classes.
    """
    return _rows([name for name, told in _of_corpus(corpus) if _same_classes(told, labels)])


def printed_of_space(corpus: str) -> list[Printed]:
    """The papers' rows about the shared space for a corpus, whose classes do not matter there."""
    return _rows([name for name, told in _of_corpus(corpus) if not {"label_set", "classes"} & told.keys()])


def metrics_in_print(rows: Sequence[Printed]) -> list[str]:
    """The metrics that any row has: UA and WA first."""
    found = dict.fromkeys(metric for row in rows for metric in row.scores)
    return [*(metric for metric in ("UA", "WA") if metric in found), *(m for m in found if m not in ("UA", "WA"))]


@cache
def _stored() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("reference_values.yaml").read_text("utf-8"))
    return content


def _of_corpus(corpus: str) -> list[tuple[str, dict[str, Any]]]:
    return [(name, told) for name, told in _stored()["corpora"].items() if _plain(told["corpus"]) == _plain(corpus)]


def _plain(name: str) -> str:
    """`CREMA-D` and `cremad` are one corpus."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _same_classes(told: dict[str, Any], labels: Sequence[str]) -> bool:
    if "label_set" in told:
        return set(LABEL_SETS[told["label_set"]].labels) == set(labels)
    return told.get("classes") == len(labels)


def _rows(datasets: Sequence[str]) -> list[Printed]:
    stored = _stored()
    rows: dict[tuple[str, str, str], Printed] = {}
    for row in stored["rows"]:
        if row["dataset"] in datasets:
            system = stored["systems"].get(row["system"], row["system"])
            key = (row["paper"], row["table"], system)
            found = rows.setdefault(key, Printed(*key, stored["notes"].get(row.get("note", ""), "")))
            found.scores[row["metric"]] = round(row["value"] / stored["units"][row["paper"]], 6)
            if "std" in row:
                found.deviations[row["metric"]] = row["std"]
    return list(rows.values())
