import math

import pandas as pd
import pytest

from datamodules.captions.template import Template, fill_template
from datamodules.errors import DataError

ROWS = pd.DataFrame({"id": ["a", "b"], "label": ["anger", "fear"], "soundscape": ["rain", "wind"], "age": [31.0, 8.0]})


def write(template: str, rows: pd.DataFrame = ROWS) -> list[str]:
    return Template(template).write(rows, rows[:0])


def test_fields_are_the_class_and_the_columns():
    assert write("A {emotion} voice in {soundscape}") == ["A angry voice in rain", "A fearful voice in wind"]
    assert write("speech has {noun} emotion") == ["speech has anger emotion", "speech has fear emotion"]
    assert write("{age:.0f} years, {noun!r}") == ["31 years, 'anger'", "8 years, 'fear'"]


def test_what_a_cell_holds_is_never_filled_in():
    row = {"id": "a", "transcript": "say {noun} and {0.__class__}"}
    assert fill_template("{transcript}", "anger", row) == row["transcript"]


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("an angry sound", "has no field; expected one such as {emotion}"),
        ("datamodules.captions.Tabel", "or the path of a class"),
        ("{emotoin}", "names {emotoin}; expected {emotion}, {noun} or a column of the manifest .*soundscape"),
        ("{emotion.__class__}", "names {emotion.__class__}"),
        ("{emotion", "is no template"),
        ("{emotion:d}", "cannot be filled in for a"),
        ("{emotion:{width}}", "cannot be filled in for a"),
    ],
)
def test_a_wrong_template_is_named(template, says):
    with pytest.raises(DataError, match=says) as caught:
        write(template)
    assert repr(template) in str(caught.value)


@pytest.mark.parametrize("cell", ["", None, math.nan])
def test_an_empty_cell_names_the_clip(cell):
    with pytest.raises(DataError, match=r"\{soundscape\} of '\{soundscape\}' is empty in the row of b"):
        write("{soundscape}", ROWS.assign(soundscape=["rain", cell]))


def test_a_clip_without_a_class_has_no_emotion():
    with pytest.raises(DataError, match=r"\{emotion\} of '\{emotion\}' is empty in the row of a"):
        write("{emotion}", ROWS.assign(label=""))
    assert write("{soundscape}", ROWS.assign(label="")) == ["rain", "wind"]
