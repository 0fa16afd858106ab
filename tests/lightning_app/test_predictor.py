"""Recognition without a trainer: the numbers of ``test``, from files and arrays, and what is said of bad ones."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

from datamodules.audio.reading import AudioFormat
from datamodules.errors import DataError
from lightning_app.errors import ConfigError
from lightning_app.predictor import Predictor
from models.errors import LabelError
from models.recognition import Recognition
from stages.errors import CheckpointError, SettingError

SECONDS = 1.2


@pytest.fixture(scope="module")
def predictor(chain) -> Predictor:
    """All recognisers at once."""
    return Predictor.from_checkpoint(chain.checkpoint("classifier"), seconds=SECONDS)


@pytest.fixture(scope="module")
def files(corpus: Path) -> dict[str, Path]:
    """The recordings of the test split, by the clips' names."""
    rows = pd.read_csv(corpus).query("split == 'test'")
    return {row.id: corpus.parent / row.path for row in rows.itertuples()}


@pytest.mark.parametrize("stage", ["clep", "acpt", "classifier", "ser"])
def test_its_numbers_are_those_of_test(
    chain, ser_checkpoint: Path, command, corpus: Path, files: dict[str, Path], tmp_path: Path, stage: str
) -> None:
    checkpoint = ser_checkpoint if stage == "ser" else chain.checkpoint(stage)
    code = command(
        "test", "--config", "stages/evaluation.yaml", f"--model.init_from={checkpoint}", f"--data.manifest={corpus}",
        "--data.split.disjoint=[speaker]", "--data.loading.num_workers=0", f"--data.audio.seconds={SECONDS}",
        f"--trainer.default_root_dir={tmp_path}",
    )  # fmt: skip
    assert code == 0
    predictions = pd.read_parquet(tmp_path / "predictions.parquet")
    tested = predictions.set_index(["id", "system", "label"])["value"].to_dict()
    predictor = Predictor.from_checkpoint(checkpoint, seconds=SECONDS)
    found = dict(zip(files, predictor.batch(list(files.values())), strict=True))
    compared = {
        (name, system, label): value
        for name, recognition in found.items()
        for system, of_label in (recognition.scores | recognition.ratings).items()
        for label, value in of_label.items()
    }
    assert compared.keys() == tested.keys()
    for key, value in compared.items():
        assert value == pytest.approx(tested[key], abs=1e-6), key


def test_an_array_with_its_rate_is_the_file(predictor: Predictor, files: dict[str, Path]) -> None:
    file = next(iter(files.values()))
    samples, rate = soundfile.read(file, dtype="float32")
    expected, found = predictor(file), predictor(samples, rate)
    assert found == expected
    stereo = predictor(np.stack([samples, samples], axis=1), rate)
    for system, of_class in expected.scores.items():
        assert stereo.scores[system] == pytest.approx(of_class, abs=1e-6)


def test_a_recording_alone_has_the_numbers_that_it_has_in_a_batch(predictor: Predictor, files: dict[str, Path]) -> None:
    paths = list(files.values())[:3]
    for path, together in zip(paths, predictor.batch(paths), strict=True):
        alone = predictor(path)
        assert alone.labels == together.labels
        for system, of_class in alone.scores.items():
            assert together.scores[system] == pytest.approx(of_class, abs=1e-6)
    assert predictor.batch([]) == []


def test_what_it_says_reads_well(predictor: Predictor, files: dict[str, Path]) -> None:
    found = predictor(next(iter(files.values())))
    assert found.units["zero-shot"] == "cosine"
    assert set(found.scores["zero-shot"]) == {"anger", "happiness", "neutral", "sadness"}
    best = max(found.scores["zero-shot"].values())
    assert found.scores["zero-shot"][found.labels["zero-shot"]] == best
    assert re.match(r"zero-shot: \w+ \(anger -?\d\.\d{3}, .*; cosine\)\n", str(found))
    assert str(Recognition(ratings={"dimensional": {"valence": 4.0}})) == "dimensional: valence 4.000"
    assert str(Recognition(texts={"decoding": "She is angry."})) == "decoding: She is angry."


def test_a_shared_space_is_asked_for_any_class(chain, files: dict[str, Path]) -> None:
    predictor = Predictor.from_checkpoint(chain.checkpoint("clep"), labels=["surprise", "very high energy"])
    found = predictor(next(iter(files.values())))
    assert list(found.scores["zero-shot words"]) == ["surprise", "very high energy"]
    with pytest.raises(LabelError, match="surprise is no class of what the model was trained for"):
        Predictor.from_checkpoint(chain.checkpoint("acpt"), labels=["surprise"])


@pytest.mark.parametrize(
    ("templates", "message"),
    [
        ([], r"templates: is empty; expected at least one template, such as 'this is a sound of \{emotion\}'"),
        (["a {emotion} voice", "a {mood} voice"], r"templates\[1\]: 'a \{mood\} voice' has \{mood\}; expected"),
        (["a voice"], r"templates\[0\]: 'a voice' has no field"),
    ],
)
def test_templates_without_the_emotion_are_refused(chain, templates: list[str], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        Predictor.from_checkpoint(chain.checkpoint("clep"), templates=templates)


def test_a_class_of_strangers_is_built_only_where_it_is_trusted(chain, tmp_path: Path) -> None:
    content = torch.load(chain.checkpoint("clep"), weights_only=True)
    content["hyper_parameters"]["clap"] = {"class_path": "stranger.Clap", "init_args": {}}
    path = tmp_path / "best.ckpt"
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=r"asks for the class stranger\.Clap in model\.stage\.clap"):
        Predictor.from_checkpoint(path)
    (tmp_path / "stranger.py").write_text("raise ImportError('it was imported')\n")
    with pytest.raises(ConfigError, match="it was imported"):
        Predictor.from_checkpoint(path, trust=["stranger"], plugins=[tmp_path])
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        Predictor.from_checkpoint(tmp_path / "other.ckpt")


@pytest.mark.parametrize(
    ("heard", "seconds", "pad", "via"),
    [
        ({}, 5.0, "zero", None),
        ({"seconds": 2.0, "crop": "random", "pad": "repeat"}, 5.0, "repeat", None),
        ({"seconds": 2.0, "crop": "middle", "resample_via": 8000}, 2.0, "zero", 8000),
    ],
)
def test_recordings_are_read_as_test_reads_them(
    ser_checkpoint: Path, tmp_path: Path, heard: dict[str, object], seconds: float, pad: str, via: int | None
) -> None:
    content = torch.load(ser_checkpoint, weights_only=True)
    assert (content["seconds"], content["crop"], content["pad"], content["resample_via"]) == (
        1.2,
        "random",
        "zero",
        None,
    )
    unknown = dict.fromkeys(("seconds", "crop", "pad", "resample_via"))
    torch.save(content | unknown | heard, tmp_path / "best.ckpt")
    predictor = Predictor.from_checkpoint(tmp_path / "best.ckpt")
    assert predictor.audio == AudioFormat(16000, seconds, pad, via)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        (np.zeros(100), 16000, r"recording 0: the clip has 6\.2 ms, expected at least 25"),
        (np.full(16000, np.nan), 16000, "recording 0: holds samples that are NaN or infinite"),
        (np.full(16000, 3000.0), 16000, "recording 0: samples reach 3000, .*divide them by 32768"),
        (np.zeros((1, 16000)), 16000, r"\(1, 16000\), expected \[samples\] or \[samples, channels\]"),
        (np.zeros(16000), 0, "its rate is 0"),
        (np.zeros(16000), None, "name their rate in Hz"),
        ("nowhere.wav", None, r"nowhere\.wav: no such file"),
    ],
)
def test_bad_recordings(predictor: Predictor, samples: object, rate: int | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        predictor(samples, rate)  # type: ignore[arg-type]
