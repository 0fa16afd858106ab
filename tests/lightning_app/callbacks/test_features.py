"""What the data are told of trainer and stage."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from datamodules.clips.data import ClipData
from datamodules.features import SplitFeatures
from lightning_app.callbacks.features import FrozenFeatures, TellData, place_in_training
from lightning_app.errors import ConfigError
from stages.evaluation import Evaluation


# Epochs of ten batches, of which a limit takes six: what the trainer has counted, and where it goes on.
@pytest.mark.parametrize(
    ("started", "processed", "ready", "is_last", "place"),
    [
        (0, 0, 0, False, (0, 0)),  # never begun
        (1, 0, 4, False, (0, 4)),  # within the first epoch
        (3, 2, 5, False, (2, 5)),  # within the third
        (3, 2, 6, True, (3, 0)),  # behind its last batch
        (3, 3, 6, True, (3, 0)),  # at its end
        (3, 3, 10, False, (3, 0)),
    ],
)
def test_place_in_training(started: int, processed: int, ready: int, is_last: bool, place: tuple[int, int]) -> None:
    batches = SimpleNamespace(current=SimpleNamespace(ready=ready), is_last_batch=is_last)
    epochs = SimpleNamespace(current=SimpleNamespace(started=started, processed=processed))
    loop = SimpleNamespace(epoch_progress=epochs, epoch_loop=SimpleNamespace(batch_progress=batches))
    assert place_in_training(SimpleNamespace(fit_loop=loop)) == place  # type: ignore[arg-type]


def test_features_of_the_users_own_stay(corpus: Path) -> None:
    def own(*_: object) -> SplitFeatures:
        return SplitFeatures()

    data = ClipData(corpus, "iemocap4")
    trainers = [SimpleNamespace(datamodule=data), SimpleNamespace(datamodule=data)]
    stage = SimpleNamespace(sample_rate=16000, required_texts=())
    for trainer in trainers:  # the second one takes the place of the first
        TellData().setup(trainer, stage, "fit")  # type: ignore[arg-type]
        assert isinstance(data.features, FrozenFeatures)
        assert data.features.trainer is trainer
    data.features = own
    TellData().setup(trainers[0], stage, "fit")  # type: ignore[arg-type]
    assert data.features is own


def test_a_text_that_the_stage_needs_is_missing_at_setup(corpus: Path) -> None:
    data = ClipData(corpus, "iemocap4", texts={"caption": None, "story": "{emotion}"})
    trainer = SimpleNamespace(datamodule=data)

    def set_up(stage: str, *required: str) -> None:
        told = SimpleNamespace(sample_rate=16000, required_texts=required)
        TellData().setup(trainer, told, stage)  # type: ignore[arg-type]

    for stage in ("fit", "test"):
        with pytest.raises(ConfigError, match=r"^data\.texts\.caption: null, but the stage compares"):
            set_up(stage, "caption")
    set_up("predict", "caption")  # a prediction has no texts
    set_up("fit", "story")
    set_up("fit")


def test_an_evaluation_needs_captions_for_metrics_of_the_space() -> None:
    needs = Evaluation.required_texts.fget
    assert needs is not None
    assert needs(SimpleNamespace(measurement=None)) == ()
    assert needs(SimpleNamespace(measurement=object())) == ("caption",)
