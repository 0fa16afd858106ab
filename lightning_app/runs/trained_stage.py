"""A trained stage from its checkpoint alone: built as the command line builds it, without a trainer."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from datamodules.audio.reading import AudioFormat
from datamodules.clips.dataset import AudioReading
from lightning_app.config.parser import StageParser
from lightning_app.config.plugins import plugins as trusted_plugins
from lightning_app.config.trust import Trust
from lightning_app.runs.checkpoint_io import verify
from lightning_app.runs.inherit import evaluated_stage, tested_reading
from stages.checkpoint import Checkpoint
from stages.stage import Stage


@dataclass(frozen=True)
class TrainedStage:
    """A stage with the weights of its checkpoint, in eval mode.

    Args:
        stage: The stage.
        labels: The classes that it was trained for, in logit order.
        words: These classes as texts name them.
        audio: How ``test`` would read recordings for it, unless told otherwise.
    """

    stage: Stage
    labels: Sequence[str]
    words: Sequence[str]
    audio: AudioFormat


def open_trained_stage(path: Path, trust: Sequence[str] = (), plugins: Sequence[str | Path] = ()) -> TrainedStage:
    """Build the stage that wrote a checkpoint, and load its weights, strictly.

    Args:
        path: The checkpoint.
        trust: Packages whose classes it may name, beside this program's and torch's.
        plugins: Folders in which such packages are looked for.

    Raises:
        CheckpointError: If it is not there, damaged, does not fit, or names classes that are not trusted.
        ConfigError: If its settings are none that the stage takes.
    """
    verify(path)
    checkpoint = Checkpoint.open(path)
    with trusted_plugins(plugins, trust):
        stage = _built(checkpoint)
    for part, module in stage.part_modules().items():
        checkpoint.load(part, module)
    reading = AudioReading(**tested_reading(checkpoint))
    audio = AudioFormat(stage.sample_rate, reading.seconds, reading.pad, reading.resample_via)
    return TrainedStage(stage.eval(), checkpoint.labels or [], checkpoint.words or [], audio)


def _built(checkpoint: Checkpoint) -> Stage:
    trust = Trust.of()
    config = evaluated_stage(checkpoint, {}, trust)
    parser = StageParser()
    parser.add_subclass_arguments(Stage, "stage", required=True)
    with trust.enforced(), warnings.catch_warnings():
        # Lightning's, about modules among the arguments of a stage: this one saves no checkpoint.
        warnings.filterwarnings("ignore", message=".*is an instance of `nn.Module` and is already saved")
        built = parser.instantiate_classes(parser.parse_object(config))
    stage: Stage = built.stage
    return stage
