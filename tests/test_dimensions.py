"""Ratings stand in one order everywhere, though no package may ask another for it."""

from typing import get_args

from datamodules.captions.levels import SPOKEN_RATINGS
from datamodules.manifest.columns import RATINGS
from losses.rank_n_contrast import Attribute
from models.recognition import DIMENSIONS


def test_the_columns_of_ratings_mean_the_same_to_data_models_and_losses() -> None:
    assert RATINGS == DIMENSIONS == get_args(Attribute)


def test_texts_name_the_same_ratings() -> None:
    assert set(SPOKEN_RATINGS) == set(RATINGS)
