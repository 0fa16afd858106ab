"""What a command takes from earlier stages before anything is built."""

from pathlib import Path
from typing import Any

import pytest
import torch

from lightning_app.runs.inherit import inherited_settings
from stages.checkpoint import Checkpoint
from stages.errors import CheckpointError
from stages.release import release

EARS = {"class_path": "models.audio.Cnn14", "init_args": {"width_multiplier": 0.5, "stem_stride": 2}}
WORDS = {"class_path": "models.text.TextEncoder", "init_args": {"source": "hub/words"}}
MINE = {"class_path": "mylab.Ears", "init_args": {"bands": 8}}
SYSTEM = {"model": "stages.clap.ClapTraining", "model.clap.class_path": "models.clap.Clap", "model.clap.dim": 32}


def write(path: Path, stage: str, config: dict[str, Any], names: list[str], **more: Any) -> Path:
    settings = {"_class_path": stage, "labels": ["anger", "neutral"], "words": ["angry", "neutral"], **config}
    weights = {name: torch.zeros(1) for name in names}
    torch.save({"state_dict": weights, "hyper_parameters": settings, "emoclap": release(), **more}, path)
    return path


@pytest.fixture
def ser(tmp_path: Path) -> Path:
    return write(tmp_path / "ser.ckpt", "stages.ser.DimensionalSER", {"audio": EARS}, ["audio.x", "head.x"])


@pytest.fixture
def clep(tmp_path: Path) -> Path:
    clap = {"class_path": "models.clap.Clap", "init_args": {"dim": 64, "audio": EARS, "text": WORDS}}
    names = ["clap.audio.x", "clap.text.x"]
    more = {"label_set": "iemocap4", "seconds": 1.5, "crop": "middle"}
    return write(tmp_path / "clep.ckpt", "stages.clap.ClapTraining", {"clap": clap, "local": EARS}, names, **more)


def inherited(settings: dict[str, Any], verb: str = "fit", **more: Any) -> dict[str, Any]:
    """The settings over which the command's own are laid."""
    return inherited_settings(verb, settings, **more)


def test_a_path_gives_every_part_that_the_stage_has(clep: Path) -> None:
    found = inherited({"model": "stages.acpt.ACPT", "model.init_from": str(clep)})
    assert list(found["model"]["init_args"]) == ["clap"]
    assert found["model"]["init_args"]["clap"]["init_args"]["dim"] == 64


def test_a_part_that_is_off_by_default_stays_off(clep: Path) -> None:
    found = inherited({"model": "stages.clap.ClapTraining", "model.init_from": str(clep)})
    assert list(found["model"]["init_args"]) == ["clap"]


def test_a_mapping_gives_each_target_the_configuration_of_its_source(ser: Path, clep: Path) -> None:
    mapping = {"clap.audio": f"{ser}:audio", "clap.text": str(clep)}
    found = inherited({**SYSTEM, "model.init_from": mapping})
    assert found["model"] == {
        "class_path": "stages.clap.ClapTraining",
        "init_args": {"clap": {"class_path": "models.clap.Clap", "init_args": {"audio": EARS, "text": WORDS}}},
    }


def test_what_the_user_says_of_a_part_holds(ser: Path) -> None:
    settings = {**SYSTEM, "model.init_from": {"clap.audio": str(ser)}, "model.clap.audio.stem_stride": 1}
    found = inherited(settings)["model"]["init_args"]["clap"]["init_args"]["audio"]
    assert found["init_args"] == {"width_multiplier": 0.5}


def test_the_class_around_a_part_is_the_users_own_where_he_names_one(ser: Path) -> None:
    settings = {"model": "stages.clap.ClapTraining", "model.init_from": {"clap.audio": str(ser)}}
    assert inherited(settings)["model"]["init_args"]["clap"]["class_path"] == "models.clap.Clap"
    found = inherited({**settings, "model.clap.class_path": "mylab.Clap"})
    assert found["model"]["init_args"]["clap"]["class_path"] == "mylab.Clap"


def test_labels_are_those_of_the_first_source_and_seconds_are_for_tests(ser: Path, clep: Path) -> None:
    data = {"data": "datamodules.clips.data.ClipData"}
    mapping = {"clap.text": str(clep), "clap.audio": str(ser)}
    found = inherited({**SYSTEM, **data, "model.init_from": mapping})
    assert found["data"]["init_args"] == {"labels": "iemocap4"}
    turned = dict(reversed(mapping.items()))
    found = inherited({**SYSTEM, **data, "model.init_from": turned})
    assert found["data"]["init_args"] == {"labels": ["anger", "neutral"]}
    evaluation = {"model": "stages.evaluation.Evaluation", **data, "model.init_from": str(clep)}
    assert inherited(evaluation, "test")["data"]["init_args"] == {"labels": "iemocap4", "audio": {"seconds": 1.5}}


def test_a_users_own_class_is_taken_if_the_user_names_it_again(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.ckpt", "stages.ser.DimensionalSER", {"audio": MINE}, ["audio.x"])
    settings = {**SYSTEM, "model.init_from": {"clap.audio": str(path)}}
    with pytest.raises(CheckpointError, match=r"asks for the class mylab\.Ears in model\.clap\.audio"):
        inherited(settings)
    again = {"model.clap.audio.class_path": "mylab.Ears", "model.clap.audio.bands": 16}
    found = inherited({**settings, **again})["model"]["init_args"]["clap"]["init_args"]
    assert found == {"audio": {"class_path": "mylab.Ears", "init_args": {}}}
    # Another one in its place: nothing of the checkpoint's is taken.
    found = inherited({**settings, "model.clap.audio.class_path": "models.audio.Cnn14"})
    assert "audio" not in found["model"]["init_args"]["clap"]["init_args"]


@pytest.mark.parametrize(
    ("stage", "init_from", "message"),
    [
        ("stages.acpt.ACPT", "{ser}", r"has no part 'clap' \(stages\.ser\.DimensionalSER wrote it"),
        ("stages.classifier.TextClassifier", "{clep}", r"has no part 'prompt' \(stages\.clap\.ClapTraining wrote it"),
        ("stages.classifier.TextClassifier", {"clap": "{clep}"}, "names no source for prompt"),
        ("stages.clap.ClapTraining", {"clip.audio": "{ser}"}, r"no part 'clip\.audio'; expected one of clap"),
        ("stages.clap.ClapTraining", {"clap.audio": "{ser}x"}, "ser.ckptx is not there"),
        ("stages.clap.ClapTraining", {"clap.audio": "{ser}:ear"}, "has no part 'ear'"),
    ],
)
def test_mistakes_are_found_before_anything_is_built(
    stage: str, init_from: Any, message: str, ser: Path, clep: Path
) -> None:
    paths = {"ser": ser, "clep": clep}
    if isinstance(init_from, dict):
        given: Any = {target: text.format(**paths) for target, text in init_from.items()}
    else:
        given = init_from.format(**paths)
    with pytest.raises(CheckpointError, match=message):
        inherited({"model": stage, "model.init_from": given})


def test_a_source_need_be_no_file(clep: Path) -> None:
    """A chain asks for the configuration of a stage whose predecessor has not run."""
    planned = Checkpoint(Checkpoint.open(clep).content, Path("runs/later/best.ckpt"))
    settings = {"model": "stages.acpt.ACPT", "model.init_from": "runs/later/best.ckpt"}
    found = inherited(settings, open_source=lambda _: planned)
    assert found["model"]["init_args"]["clap"]["init_args"]["dim"] == 64
