"""What is sure to fail is found before anything runs, by --dry-run too."""

import re
from pathlib import Path
from typing import Any

import pytest

from lightning_app.config.files import ConfigError
from lightning_app.runs.fingerprint import fingerprint

STAGE = """
model:
  class_path: stages.clap.ClapTraining
  init_args: {loss: {class_path: losses.InfoNCE}, clap: {class_path: mine.Unknown}}
data: {class_path: datamodules.clips.data.ClipData, init_args: {manifest: data/manifest.csv, labels: six}}
"""


@pytest.fixture
def real(line: Any) -> Any:
    """The chain without a matrix, with classes of ours in its first stage."""
    Path("stages/clep.yaml").write_text(STAGE)
    return line


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("clep.trainer.max_epoch=40", "stage clep: trainer: there is no option 'max_epoch' (trainer.max_epoch); "),
        (
            "clep.data.init_args.foldd=1",
            "data: there is no option 'foldd' (data.init_args.foldd); did you mean 'fold'?",
        ),
        ("clep.data.foldd=1", "data: there is no option 'foldd'"),
        ("clep.model.loss.target=label", "model.loss: there is no option 'target' (model.loss.target); did you mean"),
        ("clep.checkpoint.monitr=val/UA", "checkpoint: there is no option 'monitr'"),
        ("clep.modl.loss=1", "stage clep: there is no option 'modl' (modl.loss); did you mean 'model'?"),
        ("*.trainer.max_epoch=40", "there is no option 'max_epoch'"),
    ],
)
@pytest.mark.parametrize("words", [["--dry-run"], []])
def test_a_misspelt_setting(real: Any, setting: str, said: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as refused:
        real(*words, "--set", setting)
    assert said in str(refused.value)
    assert refused.value.exit_code == 2
    assert not Path("runs").exists()


def test_a_misspelt_key_of_a_matrix(real: Any) -> None:
    real.write(Path("chain.yaml").read_text() + "matrix: {fold: {values: [0, 1], keys: [clep.data.init_args.foldd]}}\n")
    with pytest.raises(ConfigError, match=r"no option 'foldd' \(data\.init_args\.foldd\); did you mean 'fold'"):
        real("--dry-run")


@pytest.mark.parametrize(
    "setting",
    [
        "clep.trainer.max_epochs=4",
        "clep.trainer.callbacks+=X",
        "clep.model.loss.targets=label",
        "clep.model.loss.class_path=losses.SupCon",
        "clep.model.clap.anything.at.all=1",  # of a class that is not there
        "clep.model.clap.class_path=models.clap.Clap",
        "clep.seed_everything=4",
        "clep.data.init_args.split.fold=1",
    ],
)
def test_what_may_be_right_is_let_through(real: Any, setting: str) -> None:
    assert real("--dry-run", "--set", setting) == 0


def test_a_class_in_short_form_has_its_own_options(real: Any) -> None:
    text = Path("chain.yaml").read_text()
    args = "config: stages/clep.yaml, args: [--model.loss=losses.SoftTargets, --model.loss.gamma=0.5]"
    assert "config: stages/clep.yaml" in text
    real.write(text.replace("config: stages/clep.yaml", args, 1))
    assert real("--dry-run") == 0
    real.write(text.replace("config: stages/clep.yaml", args.replace("gamma", "gama"), 1))
    with pytest.raises(ConfigError, match=r"model\.loss: there is no option 'gama' .*did you mean 'gamma'"):
        real("--dry-run")


def test_options_of_the_command_are_no_settings(real: Any) -> None:
    text = Path("chain.yaml").read_text()
    args = "config: stages/clep.yaml, args: [--no-cache, --overwrite, --plugins=stages, --trust, mine]"
    real.write(text.replace("config: stages/clep.yaml", args, 1))
    assert real("--dry-run") == 0
    words = ["fit", "--config", "stages/clep.yaml"]
    assert fingerprint([*words, "--no-cache", "--overwrite", "--plugins=stages"]) == fingerprint(words)


@pytest.mark.parametrize("out", ["--out=data/manifest.csv", "--out, data/manifest.csv"])
def test_a_manifest_that_a_stage_makes_without_saying_so(line: Any, out: str) -> None:
    text = Path("chain.yaml").read_text()
    assert "output: data/manifest.csv" in text
    line.write(re.sub(r"corpus: \{.*\}", f"corpus: {{verb: prepare, args: [demo, {out}]}}", text))
    assert "output" not in Path("chain.yaml").read_text()
    assert line("--dry-run") == 0


def test_a_manifest_that_nobody_makes(line: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert line("--dry-run") == 0  # its first stage makes it
    text = Path("chain.yaml").read_text().replace("data/manifest.csv", "data/other.csv")
    line.write(text)
    for words in (["--dry-run"], []):
        capsys.readouterr()
        with pytest.raises(ConfigError) as refused:
            line(*words)
        assert str(refused.value) == (
            "stage clep: data.manifest: data/manifest.csv is not there, and no stage of this chain makes it: "
            "lightning-cli prepare table my.csv --out data/manifest.csv"
        )
        assert refused.value.exit_code == 3
        assert ("4 to run" in capsys.readouterr().out) == bool(words)
    assert line.launches() == []
    assert line("--until", "corpus") == 0
    with pytest.raises(ConfigError, match=r"lightning-cli prepare emodb ROOT --out data/emodb/manifest\.csv"):
        line("--dry-run", "--set", "clep.data.init_args.manifest=data/emodb/manifest.csv")


def test_weights_that_nobody_makes(line: Any) -> None:
    line.write(Path("chain.yaml").read_text().replace("after: corpus", "after: corpus, from: weights/old.ckpt"))
    with pytest.raises(ConfigError, match=r"stage clep: model\.init_from: weights/old\.ckpt is not there") as refused:
        line("--dry-run")
    assert refused.value.exit_code == 4
    Path("weights").mkdir()
    Path("weights/old.ckpt").touch()
    assert line("--dry-run") == 0


def test_released_weights_that_nobody_has_fetched(real: Any) -> None:
    released = "clep.model.weights.class_path=models.released.Panns"
    words = ["--dry-run", "--set", released, "--set", "clep.model.weights.path=weights/Cnn14.pth"]
    with pytest.raises(ConfigError, match=r"stage clep: model\.weights\.path: weights/Cnn14\.pth is not there"):
        real(*words)
    Path("weights").mkdir()
    Path("weights/Cnn14.pth").touch()
    assert real(*words) == 0
