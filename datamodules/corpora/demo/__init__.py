"""A synthetic corpus of emotional speech, made on the user's machine by rule; every recording is artificial."""

from datamodules.corpora import Corpus
from datamodules.labels import LABEL_SETS

CORPUS = Corpus(
    name="demo",
    title="Synthetic demo corpus",
    license="none: every recording is made on this machine",
    label_set=LABEL_SETS["demo6"],
    rows=None,
)
