"""The plan as a table for people."""

from collections.abc import Sequence

from lightning_app.chain.plan import PlannedRun


def table(steps: Sequence[PlannedRun]) -> str:
    """Return one line per run: stage, cell, state and why; and what it comes to."""
    rows = [("stage", "cell", "state", "why")]
    for step in steps:
        cell = ",".join(f"{axis}={label}" for axis, label in step.run.cell.items()) or "-"
        rows.append((step.run.stage.name, cell, step.state, step.why))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [
        "  ".join([*(word.ljust(width) for word, width in zip(row, widths, strict=False)), row[3]]) for row in rows
    ]
    done = sum(step.state == "done" for step in steps)
    return "\n".join([*lines, "", f"{len(steps) - done} to run, {done} done"])
