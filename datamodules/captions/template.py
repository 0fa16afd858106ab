"""Captions from a template."""

from collections.abc import Mapping
from string import Formatter

from datamodules.errors import DataError
from datamodules.labels import EMOTIONS


def fill_template(template: str, label: str, row: Mapping[str, object]) -> str:
    """Fill in ``{emotion}`` (adjective), ``{noun}``, and the columns of a manifest row.

    Args:
        template: Such as "This is a {emotion} sound".
        label: The clip's class, a canonical noun.
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
        raise DataError(f"data.init_args.caption: {template!r} is no template ({error})") from None
    words = {**row, "emotion": EMOTIONS[label].adjective, "noun": label}
    for name in names:
        if name not in words:
            raise DataError(
                f"data.init_args.caption: {template!r} names {{{name}}}; expected {{emotion}}, {{noun}} or a column of "
                f"the manifest ({', '.join(row)})"
            )
        if words[name] in ("", None) or words[name] != words[name]:
            raise DataError(f"data.init_args.caption: {{{name}}} is empty in the row of {row.get('id', '?')}")
    if not names:
        raise DataError(f"data.init_args.caption: {template!r} has no field; expected one such as {{emotion}}")
    return template.format(**{name: words[name] for name in names})
