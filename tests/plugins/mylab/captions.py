"""Captions that say where somebody speaks."""

import pandas as pd

from datamodules.captions import CaptionSource
from datamodules.errors import DataError
from datamodules.labels import EMOTIONS


class RoomCaptions(CaptionSource):
    """One caption for each clip, made of its class and of the column ``room`` of the manifest.

    Args:
        place: What a room is called, with ``{room}``.
    """

    def __init__(self, place: str = "recorded in the {room}") -> None:
        self.place = place

    def write(self, rows: pd.DataFrame, train: pd.DataFrame) -> list[str]:
        """Write the captions; the training rows are not needed, for nothing here depends on a corpus.

        Raises:
            DataError: If the manifest has no column ``room``.
        """
        if "room" not in rows:
            raise DataError("RoomCaptions: the manifest has no column room; prepare it anew")
        return [
            f"a {EMOTIONS[label].adjective} voice, {self.place.format(room=room)}"
            for label, room in zip(rows["label"], rows["room"], strict=True)
        ]
