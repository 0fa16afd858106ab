"""What frozen encoders made of fixed inputs, computed once and kept on disk.

A folder for each (tower, transform) holds shards, files that are never changed and that are named after the SHA-256 of
their bytes. So writers need no lock, a reader sees a shard whole or not at all, and damage shows.
"""

from datamodules.cache_folder import cache_folder
from datamodules.features.keeper import FeatureKeeper, FrozenTower, Kept
from datamodules.features.keys import clip_key, text_key, transform_key
from datamodules.features.store import FeatureStore

__all__ = [
    "FeatureKeeper",
    "FeatureStore",
    "FrozenTower",
    "Kept",
    "cache_folder",
    "clip_key",
    "text_key",
    "transform_key",
]
