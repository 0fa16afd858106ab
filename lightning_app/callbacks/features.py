"""What the data are told of trainer and stage: where training stands, how it hears, what need not be computed."""

from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info

from datamodules.audio.reading import AudioFormat
from datamodules.cache import cache_folder
from datamodules.clips.data import ClipData
from datamodules.clips.rows import Clip
from datamodules.emotion_data import EmotionDataModule
from datamodules.errors import DataError
from datamodules.features import SplitFeatures, no_features
from datamodules.manifest.contents import Contents
from datamodules.texts.prompt_data import PromptData
from lightning_app.errors import ConfigError
from lightning_app.features.keeper import FeatureKeeper
from lightning_app.features.keys import clip_key


class TellData(Callback):
    """Tells the data what they cannot know: the loaders of data ask no trainer and no stage."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        data: EmotionDataModule = trainer.datamodule  # type: ignore[attr-defined]
        told: Any = pl_module
        if isinstance(data, ClipData) and stage != "predict":
            _require_texts(told.required_texts, data)
        data.position = partial(place_in_training, trainer)
        if isinstance(data, PromptData) and data.contexts is None:
            data.contexts = told.contexts
        if data.audio is not None:
            data.sample_rate = data.sample_rate or data.audio.sample_rate or told.sample_rate
        # What the user gave stays; what an earlier trainer left does not.
        if isinstance(data, ClipData) and (data.features is no_features or isinstance(data.features, FrozenFeatures)):
            data.features = FrozenFeatures(trainer, data)


def _require_texts(names: Sequence[str], data: ClipData) -> None:
    for name in names:
        if name not in data.texts:
            raise ConfigError(
                f"data.texts.{name}: null, but the stage compares each clip with its {name}; leave this setting out, "
                "or give a template such as 'This is a {emotion} sound' or the path of a class and its settings"
            )


def place_in_training(trainer: Trainer) -> tuple[int, int]:
    """Epoch, and batch in it, at which training begins or goes on.

    Counted in the trainer's own batches of this epoch, which `limit_train_batches` may end before the sampler does.
    """
    epochs: Any = trainer.fit_loop.epoch_progress.current
    batches = trainer.fit_loop.epoch_loop.batch_progress
    if epochs.started > epochs.processed and not batches.is_last_batch:
        return epochs.processed, batches.current.ready
    return epochs.started, 0


class FrozenFeatures:
    """What the stage's frozen towers make of clips and texts: read from disk, or made when asked for and kept there.

    Ask on every rank, when the stage's weights are in place and on their device: the trainer asks for loaders then.

    A recording whose content is not what the manifest says counts as one that cannot be read. Without a folder to keep
    things in, contents are not compared: every run would have to read all files twice.

    Args:
        trainer: Knows the stage, its device and its precision.
        data: Say what happens on a recording that cannot be read, and how many processes read.
    """

    def __init__(self, trainer: Trainer, data: ClipData) -> None:
        self.trainer, self.data = trainer, data

    def __call__(self, clips: Sequence[Clip], form: AudioFormat, same_sound: bool) -> SplitFeatures:
        """Return the features of a split.

        Args:
            clips: The split.
            form: What the towers hear.
            same_sound: Whether a clip is heard in the same way in every epoch.

        Raises:
            DataError: If a recording cannot be read, or has changed, and such are not to be skipped.
        """
        trainer, on_bad_audio = self.trainer, self.data.audio.on_bad_audio
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
            num_workers=self.data.loading.num_workers,
        )
        _say_once(
            f"what frozen towers make of clips and texts is kept in {cache / 'features'}; --no-cache does without"
        )
        # What a changed file holds must not be kept under the name of what it held.
        keys = [clip_key(clip.recording, "" if place in changed else clip.sha256) for place, clip in enumerate(clips)]
        heard_by = [name for name in stage.audio_towers if name in towers] if same_sound else []
        heard = {name: keeper.of_clips(towers[name], clips, keys, form, on_bad_audio) for name in heard_by}
        texts = sorted({text for clip in clips for text in clip.texts.values()})
        read = keeper.of_texts(towers["text"], texts).rows if "text" in towers and texts else None
        return SplitFeatures(
            clips={name: kept.rows for name, kept in heard.items()},
            texts=read,
            number={text: place for place, text in enumerate(texts)},
            unreadable={index: line for kept in heard.values() for index, line in kept.bad.items()} | changed,
            complete=set(heard) == set(stage.audio_towers),
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
