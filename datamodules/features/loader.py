"""What a loader need not read and a stage need not run again."""

from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch import Trainer
from lightning.pytorch.utilities import rank_zero_info

from datamodules.audio.reading import AudioFormat
from datamodules.cache_folder import cache_folder
from datamodules.clips.dataset import Clip, SplitFeatures
from datamodules.errors import DataError
from datamodules.features.keeper import FeatureKeeper
from datamodules.features.keys import clip_key
from datamodules.manifest.contents import Contents


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

    A recording whose content is not what the manifest says counts as one that cannot be read. Without a folder to keep
    things in, contents are not compared: every run would have to read all files twice.

    Args:
        trainer: Knows the stage, its device and its precision.
        clips: The split.
        form: What the towers hear.
        same_sound: Whether a clip is heard in the same way in every epoch.
        on_bad_audio: As `datamodules.clips.dataset.Clips` has it.
        num_workers: Loader processes for what has to be read.

    Raises:
        DataError: If a recording cannot be read, or has changed, and `on_bad_audio` is ``raise``.
    """
    stage: Any = trainer.lightning_module
    towers, cache = stage.frozen_towers, cache_folder()
    if cache is None or not clips:
        return SplitFeatures()
    changed = _changed(trainer, clips, cache)
    if changed and on_bad_audio == "raise":
        more = f"\n  ... and {len(changed) - 5} more" if len(changed) > 5 else ""
        raise DataError("\n  ".join(list(changed.values())[:5]) + more)
    if not towers:
        return SplitFeatures(unreadable=changed)
    keeper = FeatureKeeper(
        cache,
        trainer.strategy.root_device,
        str(trainer.precision),
        trainer.precision_plugin.forward_context,
        trainer.global_rank,
        trainer.world_size,
        partial(trainer.strategy.reduce_boolean_decision, all=False),
        num_workers=num_workers,
    )
    _say_once(f"what frozen towers make of clips and texts is kept in {cache / 'features'}; --no-cache does without")
    # What a changed file holds must not be kept under the name of what it held.
    keys = [clip_key(clip.recording, "" if place in changed else clip.sha256) for place, clip in enumerate(clips)]
    hearing = [name for name in stage.hearing if name in towers] if same_sound else []
    heard = {name: keeper.of_clips(towers[name], clips, keys, form, on_bad_audio) for name in hearing}
    texts = sorted({text for clip in clips for text in (clip.caption, clip.tags) if text})
    read = keeper.of_texts(towers["text"], texts).rows if "text" in towers and texts else None
    return SplitFeatures(
        clips={name: kept.rows for name, kept in heard.items()},
        texts=read,
        number={text: place for place, text in enumerate(texts)},
        unreadable={index: line for kept in heard.values() for index, line in kept.bad.items()} | changed,
        complete=set(heard) == set(stage.hearing),
    )


def _changed(trainer: Trainer, clips: Sequence[Clip], cache: Path) -> dict[int, str]:
    """What is wrong with clips whose files hold something else than the manifest says, by the number of the clip."""
    expected = {clip.recording.file: clip.sha256 for clip in clips if clip.sha256}
    if not expected:
        return {}
    problems = Contents(cache).changed(expected, trainer.global_rank, trainer.world_size, trainer.strategy.barrier)
    return {
        place: f"{clip.place}: {problems[clip.recording.file]}"
        for place, clip in enumerate(clips)
        if clip.recording.file in problems
    }


@lru_cache
def _say_once(line: str) -> None:
    rank_zero_info(line)
