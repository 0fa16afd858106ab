"""Captions from a template."""

from collections.abc import Mapping
from string import Formatter

import pandas as pd

from datamodules.captions.source import CaptionSource
from datamodules.errors import DataError
from datamodules.labels import EMOTIONS


class Template(CaptionSource):
    """One template for all clips, filled in by class and columns: CLEP's and CLAP-template's captions.

    Args:
        template: Such as "This is a {emotion} sound"; see `fill_template`.

    Reference: EmotionRankCLAP, section 4.1, whose CLAP-template is "speech has {noun} emotion".

    >>> Template("speech has {noun} emotion").write(pd.DataFrame({"label": ["anger"]}), pd.DataFrame())
    ['speech has anger emotion']
    """

    def __init__(self, template: str) -> None:
        self.template = template

    def write(self, rows: pd.DataFrame, train: pd.DataFrame) -> list[str]:
        records: list[dict[str, object]] = rows.to_dict("records")  # type: ignore[assignment]  # names are text
        return [fill_template(self.template, str(row["label"]), row) for row in records]


def fill_template(template: str, label: str, row: Mapping[str, object]) -> str:
    """Fill in ``{emotion}`` (adjective), ``{noun}``, and the columns of a manifest row.

    Args:
        template: Such as "This is a {emotion} sound".
        label: The clip's class, a canonical noun; "" where it has none.
        row: The clip's row.

    Raises:
        DataError: If the template has no field, names an unknown one, or one that is empty in this row.

    >>> fill_template("This is a {emotion} sound", "anger", {})
    'This is a angry sound'
    >>> fill_template("A {noun} voice, {soundscape}", "fear", {"soundscape": "street noise"})
    'A fear voice, street noise'
    """
    try:
        names = [name for _, name, _, _ in Formatter().parse(template) if name is not None]
    except ValueError as error:
        raise DataError(f"{template!r} is no template ({error})") from None
    if not names:
        raise DataError(
            f"{template!r} has no field; expected one such as {{emotion}}, or the path of a class and its settings"
        )
    words = {**row, "emotion": EMOTIONS[label].adjective if label else "", "noun": label}
    for name in names:
        if name not in words:
            raise DataError(
                f"{template!r} names {{{name}}}; expected {{emotion}}, {{noun}} or a column of the manifest "
                f"({', '.join(map(str, row))})"
            )
        if words[name] in ("", None) or words[name] != words[name]:
            raise DataError(f"{{{name}}} of {template!r} is empty in the row of {row.get('id', '?')}")
    try:
        return template.format(**{name: words[name] for name in names})
    except (ValueError, LookupError) as error:
        raise DataError(f"{template!r} cannot be filled in for {row.get('id', '?')} ({error})") from None
