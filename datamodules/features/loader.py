"""What a loader need not read and a stage need not run again."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal

from lightning.pytorch import Trainer
from lightning.pytorch.utilities import rank_zero_info

from datamodules.audio import AudioFormat
from datamodules.cache_folder import cache_folder
from datamodules.clips import Clip, SplitFeatures
from datamodules.features.keeper import FeatureKeeper
from datamodules.features.keys import clip_key


def keep(
    trainer: Trainer,
    clips: Sequence[Clip],
    form: AudioFormat,
    same_sound: bool,
    on_bad_audio: Literal["raise", "skip"],
    num_workers: int,
) -> SplitFeatures:
    """What the stage's frozen towers make of a split: read from disk, or made now and kept there.

    Call it on every rank, when the stage's weights are in place and on their device.

    Args:
        trainer: Knows the stage, its device and its precision.
        clips: The split.
        form: What the towers hear.
        same_sound: Whether a clip is heard in the same way in every epoch.
        on_bad_audio: As `datamodules.clips.Clips` has it.
        num_workers: Loader processes for what has to be read.
    """
    stage: Any = trainer.lightning_module
    towers, cache = stage.frozen_towers, cache_folder()
    if cache is None or not towers or not clips:
        return SplitFeatures()
    keeper = FeatureKeeper(
        cache,
        trainer.strategy.root_device,
        str(trainer.precision),
        trainer.precision_plugin.forward_context,
        trainer.global_rank,
        trainer.world_size,
        trainer.strategy.barrier,
        num_workers=num_workers,
    )
    _say_once(f"what frozen towers make of clips and texts is kept in {cache / 'features'}; --no-cache does without")
    keys = [clip_key(clip.recording, clip.sha256) for clip in clips]
    hearing = [name for name in stage.hearing if name in towers] if same_sound else []
    heard = {name: keeper.of_clips(towers[name], clips, keys, form, on_bad_audio) for name in hearing}
    texts = sorted({text for clip in clips for text in (clip.caption, clip.tags) if text})
    read = keeper.of_texts(towers["text"], texts).rows if "text" in towers and texts else None
    return SplitFeatures(
        clips={name: kept.rows for name, kept in heard.items()},
        texts=read,
        number={text: place for place, text in enumerate(texts)},
        unreadable={index: line for kept in heard.values() for index, line in kept.bad.items()},
        complete=set(heard) == set(stage.hearing),
    )


@lru_cache
def _say_once(line: str) -> None:
    rank_zero_info(line)
