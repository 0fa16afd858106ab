"""Vectors in place of sound."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from datamodules.clips.data import ClipData
from datamodules.clips.dataset import AudioReading
from datamodules.clips.loading import Loading
from datamodules.errors import DataError
from datamodules.features import FeatureTable


def test_a_table_of_vectors_takes_the_place_of_the_sound(corpus: Path) -> None:
    ids = pd.read_csv(corpus)["id"]
    vectors = {name: np.full(3, place, np.float32) for place, name in enumerate(ids)}
    data = ClipData(corpus, "iemocap4", audio=AudioReading(sample_rate=16000), loading=Loading(batch_size=8))
    data.features = FeatureTable(vectors)
    for batch in (*data.train_dataloader(), *data.test_dataloader()):
        expected = torch.tensor(np.array([vectors[name] for name in batch["id"]]))
        assert torch.equal(batch["features"]["audio"], expected)
        assert batch["wave"].shape == (len(batch["id"]), 0)


def test_a_clip_without_a_vector_is_named(corpus: Path) -> None:
    data = ClipData(corpus, "iemocap4", audio=AudioReading(sample_rate=16000))
    data.features = FeatureTable({})
    with pytest.raises(DataError, match="24 of 24 clips have no vector, the first is 'eve_anger_0'"):
        data.test_dataloader()
