"""The plan of a chain finds out before anything runs what is sure to fail, by --dry-run too."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from lightning_app.chain.child import read_all
from lightning_app.errors import ConfigError

STAGES = """
runs: runs
stages:
  corpus: {verb: prepare, args: [demo, --out, data/demo/manifest.csv], output: data/demo/manifest.csv}
  clep: {verb: fit, config: stages/clep.yaml, after: corpus}
  acpt: {verb: fit, config: stages/acpt.yaml, from: clep}
  classifier: {verb: fit, config: stages/classifier.yaml, from: acpt}
  evaluation: {verb: test, config: stages/evaluation.yaml, from: classifier}
"""


@pytest.fixture
def real(toy: Any) -> Any:
    """A chain with stages of ours, of which none has run; the parser reads them in this process."""
    toy.reader = read_all
    shutil.rmtree("stages")
    toy.write(STAGES)
    return toy


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("clep.trainer.max_epoch=40", "stage clep: trainer: there is no option 'max_epoch'; did you mean 'max_epochs'"),
        (
            "clep.data.init_args.split.foldd=1",
            "stage clep: data.split: there is no option 'foldd'; did you mean 'fold'?",
        ),
        ("classifier.model.loss.marginn=1", "stage classifier: model.loss: there is no option 'marginn'; did you mean"),
        ("classifier.model.clap.dimm=1", "stage classifier: model.clap: there is no option 'dimm'; did you mean 'dim'"),
        ("clep.checkpoint.monitr=val/UA", "checkpoint: there is no option 'monitr'"),
        ("clep.modl.loss=1", "stage clep: there is no option 'modl'; did you mean 'model'?"),
        ("*.trainer.max_epoch=40", "there is no option 'max_epoch'"),
        ("*.data.foldd=1", "`*` with data.foldd: no stage takes this key"),
        ("evaluation.data.audio.seconds=x", "stage evaluation: data.audio.seconds: expected float, found 'x'"),
    ],
)
def test_a_misspelt_setting(real: Any, setting: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        real("--set", setting)
    assert said in str(refused.value)
    assert refused.value.exit_code == 2
    assert not Path("runs").exists()


def test_mistakes_of_several_stages_are_told_together(real: Any) -> None:
    real.write(Path("chain.yaml").read_text() + "  alone: {config: stages/clep.yaml}\n")
    with pytest.raises(ConfigError) as refused:
        real("--dry-run", "--set", "clep.trainer.max_epoch=1", "--set", "alone.trainer.devces=1")
    first, second = str(refused.value).splitlines()
    assert first.startswith("stage clep: trainer: there is no option 'max_epoch'")
    assert second.startswith("stage alone: trainer: there is no option 'devces'")


def test_a_misspelt_key_of_a_matrix(real: Any) -> None:
    real.write(Path("chain.yaml").read_text() + "matrix: {fold: {values: [0, 1], keys: [clep.data.split.foldd]}}\n")
    with pytest.raises(ConfigError, match=r"no option 'foldd'; did you mean 'fold'\?$"):
        real("--dry-run")


@pytest.mark.parametrize(
    "setting",
    ["clep.trainer.callbacks+=LearningRateMonitor", "clep.model.loss.targets=label", "clep.seed_everything=4",
     "clep.model.loss.class_path=losses.SupCon", "clep.data.init_args.split.fold=1", "*.data.split.protocol=speaker"],
)  # fmt: skip
def test_what_is_right_is_let_through(real: Any, setting: str) -> None:
    assert real("--dry-run", "--set", setting) == 0


def test_a_class_in_short_form_has_its_own_options(real: Any) -> None:
    text = Path("chain.yaml").read_text()
    args = "config: stages/clep.yaml, args: [--model.loss=losses.SoftTargets, --model.loss.gamma=0.5]"
    real.write(text.replace("config: stages/clep.yaml", args, 1))
    assert real("--dry-run") == 0
    real.write(text.replace("config: stages/clep.yaml", args.replace("gamma", "gama"), 1))
    with pytest.raises(ConfigError, match=r"model\.loss: there is no option 'gama'; did you mean 'gamma'"):
        real("--dry-run")


def test_options_of_the_command_are_no_settings(real: Any) -> None:
    args = "config: stages/clep.yaml, args: [--no-cache, --overwrite, --plugins=., --trust, mine]"
    real.write(STAGES.replace("config: stages/clep.yaml", args, 1))
    assert real("--dry-run") == 0


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


def test_released_weights_that_nobody_has_fetched(line: Any) -> None:
    words = ["--dry-run", "--set", "clep.model.weights.path=weights/Cnn14.pth"]
    with pytest.raises(ConfigError, match=r"stage clep: model\.weights\.path: weights/Cnn14\.pth is not there"):
        line(*words)
    Path("weights").mkdir()
    Path("weights/Cnn14.pth").touch()
    assert line(*words) == 0
