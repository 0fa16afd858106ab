from datamodules.labels import EMOTIONS
from lightning_app.report.plots import colors


def test_no_two_emotions_share_a_color() -> None:
    assert set(colors.EMOTION_COLORS) <= set(EMOTIONS)
    assert len(set(colors.EMOTION_COLORS.values())) == len(colors.EMOTION_COLORS)


def test_a_label_that_has_none_takes_one_of_the_series_always_the_same() -> None:
    found = {label: colors.emotion_color(label) for label in ("pride", "relief", "envy", "awe")}
    assert found == {label: colors.emotion_color(label) for label in reversed(found)}
    assert set(found.values()) <= set(colors._SERIES)
    assert len(set(found.values())) > 1
