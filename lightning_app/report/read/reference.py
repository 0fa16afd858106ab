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
    """Printed scores of a system.

    Args:
        paper: The paper's short name.
        table: Number of the paper's table.
        system: As the paper names it, or in words.
        note: How it was tested.
        scores: Metric to value; accuracies are 0 to 1.
        deviations: Metric to standard deviation, where the paper prints one.
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
    return _rows([name for name, data in _of_corpus(corpus) if _same_classes(data, labels)])


def printed_of_space(corpus: str) -> list[Printed]:
    """The papers' rows about the shared space for a corpus, whose classes do not matter there."""
    return _rows([name for name, data in _of_corpus(corpus) if not {"label_set", "classes"} & data.keys()])


def metrics_in_print(rows: Sequence[Printed]) -> list[str]:
    """The metrics that any row has: UA and WA first."""
    found = dict.fromkeys(metric for row in rows for metric in row.scores)
    return sorted(found, key=lambda metric: {"UA": 0, "WA": 1}.get(metric, 2))


def comparable_in_space() -> set[str]:
    """Our metrics to show beside the printed ones of the shared space, whose exact kind the papers leave open."""
    return set(_stored()["comparable_in_space"])


@cache
def _stored() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("reference_values.yaml").read_text("utf-8"))
    return content


def _of_corpus(corpus: str) -> list[tuple[str, dict[str, Any]]]:
    return [(name, data) for name, data in _stored()["corpora"].items() if _plain(data["corpus"]) == _plain(corpus)]


def _plain(name: str) -> str:
    """Letters and digits of a name: ``CREMA-D`` and ``cremad`` are one corpus."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _same_classes(data: dict[str, Any], labels: Sequence[str]) -> bool:
    if "label_set" in data:
        return set(LABEL_SETS[data["label_set"]].labels) == set(labels)
    return data.get("classes") == len(labels)


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
