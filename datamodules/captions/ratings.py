"""Rows without a rating, said once for every source that needs ratings."""

import pandas as pd

from datamodules.errors import DataError


def require_ratings(rows: pd.DataFrame, names: tuple[str, ...] = ("valence", "arousal")) -> None:
    """Refuse rows that are not rated from 1 to 7.

    Raises:
        DataError: With the first five rows, how many there are, and the remedy.
    """
    for name in names:
        if name not in rows:
            raise DataError(
                f"column {name!r} is missing in the manifest, and the captions are made of it; rate the clips from 1 "
                "to 7, or choose another source of captions (data.texts.caption)"
            )
        wrong = rows.loc[~rows[name].between(1, 7), ["id", name]]
        if len(wrong):
            listed = "; ".join(
                f"line {line} ({row['id']}): {row[name]:g}" for line, row in wrong.head(5).iterrows()
            ).replace(": nan", ": empty")
            raise DataError(
                f"column {name!r}: {len(wrong)} of {len(rows)} clips are not rated from 1 to 7, and their captions are "
                f"made of it: {listed}{'; ...' if len(wrong) > 5 else ''}. Rate them, leave them out of the manifest, "
                "or choose another source of captions (data.texts.caption)"
            )
