"""Numbers printed in the CLEP-DG paper, for corpora and class sets that agree with ours."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from datamodules.labels import VIEWS


@dataclass(frozen=True)
class Printed:
    """What a system scored in print.

    Args:
        table: number of the paper's table.
        system: as the paper names it, or what its row says in words.
        scores: metric to value, 0 to 1.
        note: how it was tested.
    """

    table: str
    system: str
    scores: dict[str, float]
    note: str


def printed(corpus: str, labels: Sequence[str]) -> list[Printed]:
    """The paper's rows for a corpus, or none where it did not test that corpus with exactly these classes."""
    stored = yaml.safe_load(Path(__file__).with_name("reference_values.yaml").read_text(encoding="utf-8"))
    known = {name.casefold(): (name, view) for name, view in stored["views"].items()}
    name, view = known.get(corpus.casefold(), ("", ""))
    if not name or set(VIEWS[view].labels) != set(labels):
        return []
    rows: dict[tuple[str, str], Printed] = {}
    for row in stored["rows"]:
        if row["dataset"] == name:
            note = stored["notes"].get(row.get("note", ""), "")
            system = stored["systems"].get(row["system"], row["system"])
            found = rows.setdefault((row["table"], system), Printed(row["table"], system, {}, note))
            found.scores[row["metric"]] = round(row["value"] / 100, 6)
    return list(rows.values())
