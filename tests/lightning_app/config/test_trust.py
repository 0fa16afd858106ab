"""What code may run: our own, torch's, and what the command itself names or trusts; nothing else is imported."""

import json
import os
import subprocess
import sys
from argparse import ArgumentError
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from jsonargparse import ArgumentParser

from lightning_app.config.plugins import plugin_modules, plugin_words, plugins
from lightning_app.config.trust import Trust, is_pythons, require_trusted, still_taken
from lightning_app.runs.checkpoint_io import AtomicCheckpointIO
from stages.checkpoint import Checkpoint
from stages.errors import CheckpointError

ROOT = Path(__file__).parents[3]

# Loudness in a few frames: an audio encoder as a user would write it.
ENCODER = """\
import torch
from torch import Tensor, nn

from models.audio.encoder import AudioEncoder


class Ears(AudioEncoder):
    sample_rate = 16000

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.width = width
        self.out = nn.Linear(2, width)

    def forward(self, wave_NT: Tensor, length_N: Tensor) -> Tensor:
        power_NF = wave_NT.unfold(1, 400, 400).square().mean(-1)
        return self.out(torch.stack([power_NF.mean(1), power_NF.amax(1)], 1))
"""
EVIL = "import pathlib\npathlib.Path(__file__).with_name('it_ran').touch()\nclass Evil: pass\n"


@pytest.fixture
def own(tmp_path: Path, tiny_bert: Path, request: pytest.FixtureRequest) -> tuple[Path, Path, str]:
    """A folder with a module of one's own, a configuration that names its encoder, and the module's name."""
    module = f"own_{abs(hash(request.node.nodeid))}"
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / f"{module}.py").write_text(ENCODER)
    config = tmp_path / "ears.yaml"
    config.write_text(
        "model:\n  init_args:\n    clap:\n      class_path: models.clap.Clap\n      init_args:\n        dim: 16\n"
        f"        audio: {{class_path: {module}.Ears, init_args: {{width: 6}}}}\n"
        "        text:\n          class_path: models.text.TextEncoder\n"
        f"          init_args: {{source: {tiny_bert}, sha256: null}}\n"
    )
    return folder, config, module


@pytest.fixture
def evil(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> tuple[str, Path]:
    """The name of a module that can be imported and leaves a file when it is, and that file."""
    folder, name = tmp_path / "strange", f"evil_{abs(hash(request.node.nodeid))}"
    folder.mkdir()
    (folder / f"{name}.py").write_text(EVIL)
    monkeypatch.syspath_prepend(folder)
    return name, folder / "it_ran"


Says = Callable[..., str]


@pytest.fixture
def says(command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Says:
    """Run a command that must end with a code; returns its last message."""

    def run(code: int, *words: object) -> str:
        capsys.readouterr()
        assert command(*words, f"--trainer.default_root_dir={tmp_path / 'run'}") == code
        said = capsys.readouterr().err
        assert "Traceback" not in said
        return said[said.rindex(": error: ") + len(": error: ") :] if code else said

    return run


def altered(source: Path, target: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    content = torch.load(source, weights_only=True)
    change(content)
    torch.save(content, target)
    return target


class TestPrefixes:
    @pytest.mark.parametrize(
        "name",
        ["models.audio.Cnn14", "torch.nn.GELU", "torch.optim.AdamW", "lightning.pytorch.callbacks.EarlyStopping"],
    )
    def test_always(self, name: str) -> None:
        assert Trust.of().covers(name)

    @pytest.mark.parametrize(
        "name",
        [
            *("os.system", "builtins.eval", "torch.hub.load", "torch.os.system", "torch.utils.cpp_extension.load"),
            *("torch.nnx.A", "lightning.pytorch.cli.LightningCLI", "lightning_app.cli.main"),
            *("modelsx.A", "transformers.AutoModel", "mine.A"),
        ],
    )
    def test_never_unasked(self, name: str) -> None:
        assert not Trust.of().covers(name)

    def test_what_the_settings_name_is_trusted_as_a_package(self) -> None:
        named = {"model.loss.class_path": "mine.loss.Twice", "trainer.callbacks": [{"class_path": "other.Call"}]}
        trust = Trust.of(named)
        assert trust.covers("mine.loss.Twice")
        assert trust.covers("mine.encoder.Ears")
        assert trust.covers("other.Call")
        assert not trust.covers("mined.A")

    @pytest.mark.parametrize("name", ["os.system", "torch.hub.load", "lightning.fabric.utilities.seed.seed_everything"])
    def test_naming_is_not_enough_for_python_and_the_rest_of_torch(self, name: str) -> None:
        assert not Trust.of({"model.loss": name}).covers(name)

    def test_a_bare_name_counts_where_a_class_is_taken(self) -> None:
        stage = {"model.class_path": "stages.clap.ClapTraining", "data": "datamodules.clips.data.ClipData"}
        bare = {
            "model.loss": "a.Loss",
            "model.optimizer": "b.Opt",
            "model.clap.audio": "c.Ears",
            "model.local": "d.Ears",
        }
        inside = {
            "class_path": "stages.clap.ClapTraining",
            "init_args": {"loss": "j.Loss", "init_from": "k.ckpt"},
        }
        trust = Trust.of(
            {
                **stage,
                **bare,
                "trainer.callbacks": ["e.Call"],
                "trainer.logger": "f.Log",
                "data.texts.caption": "g.Captions",
            }
            | {"model.extra": [inside], "model.clap.audio_projection": "h.Make"}
        )
        assert [name for name in "abcdefghj" if not trust.covers(f"{name}.X")] == []
        assert not trust.covers("k.X")

    @pytest.mark.parametrize(
        ("key", "file"),
        [
            ("model.init_from", "evilmodz.ckpt"),
            ("data.manifest", "pip.csv"),
            ("ckpt_path", "runs.last"),
            ("trainer.default_root_dir", "my.run"),
            ("model.clap.text.source", "my.model"),
            ("model.weights.path", "released.pt"),
            ("model.labels", ["a.b"]),
            ("model.template", "a.b"),
        ],
    )
    def test_the_name_of_a_file_names_no_package(self, key: str, file: Any) -> None:
        stage = {
            "model.class_path": "stages.clap.ClapTraining",
            "data.class_path": "datamodules.clips.data.ClipData",
        }
        name = file if isinstance(file, str) else file[0]
        assert not Trust.of({**stage, key: file}).covers(name)

    def test_flags(self, tmp_path: Path) -> None:
        (tmp_path / "h1_plugin.py").touch()
        (tmp_path / "json.py").touch()
        with plugins([tmp_path], ["far.away."]):
            assert plugin_modules() == ["h1_plugin"]  # json is found in Python first
            assert Trust.of().covers("h1_plugin.A")
            assert Trust.of().covers("far.away.A")
            assert not Trust.of().covers("far.A")
            assert plugin_words() == [f"--plugins={tmp_path}", "--trust=far.away"]
            assert str(tmp_path) == sys.path[-1]
        assert not Trust.of().covers("h1_plugin.A")
        assert str(tmp_path) not in sys.path
        assert "EMOCLAP_TRUST" not in os.environ

    def test_python_itself(self) -> None:
        assert is_pythons("subprocess.Popen")
        assert is_pythons("jsonargparse.set_parsing_settings")
        assert not is_pythons("torch.nn.GELU")


class TestWhatACheckpointNames:
    TREE: dict[str, Any] = {  # noqa: RUF012
        "clap": {"class_path": "models.clap.Clap", "init_args": {"dim": 16, "audio": {"class_path": "mine.Ears"}}}
    }

    def test_a_stranger_is_refused_where_it_stands(self) -> None:
        with pytest.raises(
            CheckpointError,
            match=r"class mine\.Ears in model\.clap\.audio; .* add --trust mine, --plugins and",
        ):
            require_trusted(self.TREE, Path("a.ckpt"), Trust.of())
        require_trusted(self.TREE, Path("a.ckpt"), Trust.of({"model": "mine.Stage"}))

    @pytest.mark.parametrize("bare", ["mine.Ears", ["mine.Ears"], {"audio": "mine.Ears"}, {"class_path": "Ears"}])
    def test_a_bare_name_too(self, bare: Any) -> None:
        with pytest.raises(CheckpointError, match="asks for the class"):
            require_trusted(bare, Path("a.ckpt"), Trust.of())

    @pytest.mark.parametrize(
        ("settings", "left"),
        [
            ({}, TREE),
            ({"model.clap.class_path": "models.clap.Clap"}, TREE),
            ({"model.clap.class_path": "Clap"}, TREE),
            ({"model.clap.class_path": "mine.Clap"}, {}),
            ({"model.clap": "mine.Clap"}, {}),
            (
                {"model.clap.audio": "models.audio.Cnn14"},
                {"clap": {"class_path": "models.clap.Clap", "init_args": {"dim": 16}}},
            ),
            (
                {"model.clap.dim": 8},
                {"clap": {"class_path": "models.clap.Clap", "init_args": {"audio": {"class_path": "mine.Ears"}}}},
            ),
        ],
    )
    def test_what_the_command_says_again_is_not_taken(self, settings: dict[str, Any], left: dict[str, Any]) -> None:
        assert still_taken(self.TREE, settings) == left


def test_an_encoder_of_ones_own_goes_through_every_stage(
    own: tuple[Path, Path, str],
    command,
    says: Says,
    tiny_yaml: Path,
    corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, config, module = own
    clep = ["fit", "--config", "stages/clep.yaml", "--config", tiny_yaml, "--config", config, "--trainer.max_epochs=1"]
    assert f"there is no class {module}.Ears" in (said := says(2, *clep))
    assert "--plugins" in said
    assert command(*clep, "--plugins", folder, f"--trainer.default_root_dir={tmp_path / 'clep'}") == 0
    done = json.loads((tmp_path / "clep" / "done.json").read_text())
    assert f"--plugins={folder}" in done["command"]
    assert not [key for key in done["fingerprint"]["settings"] if key.startswith("plugins")]

    # The module stays imported in this process: what is refused below is refused by its name alone.
    acpt = ["fit", "--config", "stages/acpt.yaml", f"--model.init_from={tmp_path}/clep/best.ckpt"]
    assert f"asks for the class {module}.Ears in model.clap.audio" in says(4, *acpt)
    for number, how in enumerate((["--plugins", folder], [f"--trust={module}"], ["--config", config])):
        words = [*acpt, "--trainer.max_epochs=1", *how]
        monkeypatch.setattr("sys.path", [*sys.path, str(folder)] if number else sys.path)
        assert command(*words, f"--trainer.default_root_dir={tmp_path / f'acpt{number}'}") == 0
    classifier = ["fit", "--config", "stages/classifier.yaml", f"--model.init_from={tmp_path}/acpt0/best.ckpt"]
    words = [*classifier, "--trainer.max_epochs=1", f"--plugins={folder}"]
    assert command(*words, f"--trainer.default_root_dir={tmp_path / 'classifier'}") == 0
    for verb in ("test", "predict"):
        evaluation = [verb, "--config", "stages/evaluation.yaml", f"--model.init_from={tmp_path}/classifier/best.ckpt"]
        data = [
            f"--data.manifest={corpus}",
            "--data.split.disjoint=[speaker]",
            "--data.loading.num_workers=0",
            "--data.audio.seconds=1.2",
        ]
        words = [*evaluation, *data, f"--plugins={folder}", f"--trainer.default_root_dir={tmp_path / verb}"]
        assert command(*words) == 0
        predicted = pd.read_parquet(tmp_path / verb / "predictions.parquet")
        assert set(predicted["label"]) <= {"anger", "happiness", "neutral", "sadness"}
    tower = Checkpoint.open(tmp_path / "classifier" / "best.ckpt").config("clap.audio")
    assert tower == {"class_path": f"{module}.Ears", "init_args": {"width": 6}}


@pytest.mark.slow
def test_a_chain_with_an_encoder_of_ones_own(own: tuple[Path, Path, str], tiny_yaml: Path, corpus: Path) -> None:
    folder, config, module = own
    chain = folder.parent / "chain.yaml"
    chain.write_text(f"""\
runs: {folder.parent}/runs
plugins: plugins
set:
  "*": {{trainer.max_epochs: 1, trainer.accelerator: cpu}}
  evaluation:
    {{data.manifest: {corpus}, data.split.disjoint: [speaker], data.loading.num_workers: 0, data.audio.seconds: 1.2}}
stages:
  clep: {{config: [stages/clep.yaml, {tiny_yaml}, {config}]}}
  acpt: {{config: stages/acpt.yaml, from: clep}}
  classifier: {{config: stages/classifier.yaml, from: acpt}}
  evaluation: {{verb: test, config: stages/evaluation.yaml, from: classifier}}
""")
    (folder.parent / f"{module}.py").write_text("raise SystemExit('the current folder was searched')")
    (folder.parent / "models").mkdir()
    (folder.parent / "models" / "__init__.py").touch()
    line = [sys.executable, "-m", "lightning_app", "chain", "--config", str(chain)]
    here = {**os.environ, "PYTHONPATH": f"{ROOT}", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(line, cwd=folder.parent, env=here, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder.parent / "runs" / "evaluation" / "predictions.parquet").is_file()
    again = subprocess.run(
        [*line, "--dry-run"], cwd=folder.parent, env=here, capture_output=True, text=True, check=False
    )
    assert "0 to run" in again.stdout + again.stderr


class TestNothingForeignIsImported:
    @pytest.mark.parametrize(
        ("key", "name"),
        [
            ("model.loss", "os.system"),
            ("model.optimizer", "builtins.eval"),
            ("trainer.callbacks", "subprocess.Popen"),
            ("model.clap.audio", "models.pretrained.contextmanager"),
            ("data", "multiprocessing.Process"),
        ],
    )
    def test_a_part_of_python(self, says: Says, tiny_yaml: Path, key: str, name: str) -> None:
        said = says(2, "fit", "--config", "stages/clep.yaml", "--config", tiny_yaml, f"--{key}={name}")
        assert "is a part of Python, and no part of a run; it is not imported" in said
        assert len(said) < 400

    def test_the_rest_of_torch(self, says: Says, tiny_yaml: Path) -> None:
        said = says(2, "fit", "--config", "stages/clep.yaml", "--config", tiny_yaml, "--model.loss=torch.hub.load")
        assert "model.loss: torch.hub.load is not imported unless you trust it: --trust torch.hub" in said

    @pytest.mark.parametrize("asks", [["--print_config"], ["--help"], ["--model.help", "EVIL"]])
    @pytest.mark.parametrize("by_flag", [True, False])
    def test_where_a_command_only_asks(
        self, says: Says, evil: tuple[str, Path], tmp_path: Path, asks: list[str], by_flag: bool
    ) -> None:
        name, ran = evil
        config = tmp_path / "mailed.yaml"
        config.write_text(f"model:\n  init_args:\n    loss: {name}.Evil\n")
        words = ["fit", "--config", "stages/clep.yaml"]
        words += [f"--model.loss={name}.Evil"] if by_flag else ["--config", str(config)]
        said = says(2, *words, *(word.replace("EVIL", f"{name}.Evil") for word in asks))
        assert f"{name}.Evil is not imported, for --help and --print_config run no code of others" in said
        assert f"add --trust {name}" in said
        assert not ran.exists()

    @pytest.mark.parametrize("key", ["model.clap", "model.clap.audio", "model.labels"])
    def test_by_a_checkpoint(
        self,
        says: Says,
        chain,
        evil: tuple[str, Path],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        key: str,
    ) -> None:
        name, ran = evil

        def change(content: dict[str, Any]) -> None:
            settings = content["hyper_parameters"]
            if key == "model.clap.audio":
                settings["clap"]["init_args"]["audio"] = {"class_path": f"{name}.Evil"}
            else:
                settings[key.rpartition(".")[2]] = {"class_path": f"{name}.Evil"}

        # The file is called as the package is, and its name stands alone: it names no class.
        altered(chain.checkpoint("clep"), tmp_path / f"{name}.ckpt", change)
        monkeypatch.chdir(tmp_path)
        says(4, "fit", "--config", "stages/acpt.yaml", f"--model.init_from={name}.ckpt")
        assert not ran.exists()

    def test_by_a_checkpoint_unless_the_command_says_the_part_again(
        self, command, chain, tiny_yaml: Path, evil: tuple[str, Path], tmp_path: Path
    ) -> None:
        name, ran = evil
        part = {"class_path": f"{name}.Evil", "init_args": {"a": 1}}
        path = altered(
            chain.checkpoint("clep"), tmp_path / "m.ckpt", lambda content: content["hyper_parameters"].update(clap=part)
        )
        overlay = tmp_path / "clap.yaml"
        clap = Checkpoint.open(chain.checkpoint("clep")).content["hyper_parameters"]["clap"]
        overlay.write_text(json.dumps({"model": {"init_args": {"clap": clap}}}))
        words = ["fit", "--config", "stages/acpt.yaml", f"--model.init_from={path}", "--config", overlay]
        assert command(*words, "--trainer.max_epochs=1", f"--trainer.default_root_dir={tmp_path / 'run'}") == 0
        assert not ran.exists()

    def test_bare_names_go_on_working(self, command, tiny_yaml: Path, tmp_path: Path) -> None:
        words = [
            "fit",
            "--config",
            "stages/clep.yaml",
            "--config",
            tiny_yaml,
            "--model.optimizer=AdamW",
            "--print_config",
        ]
        with pytest.raises(SystemExit) as ended:
            command(*words, "--trainer.callbacks+=LearningRateMonitor")
        assert ended.value.code == 0


class TestCheckpointsByAWord:
    def run(self, chain, *words: str) -> list[str]:
        return [
            "fit", "--config", "stages/clep.yaml", "--config", str(chain.tiny_yaml), "--trainer.max_epochs=3", *words
        ]  # fmt: skip

    @pytest.mark.parametrize("word", ["last", "best"])
    def test_means_the_run_folders_file(self, chain, command, tmp_path: Path, word: str) -> None:
        for name in (f"{word}.ckpt", f"{word}.ckpt.sha256"):
            (tmp_path / name).write_bytes((chain.root / "clep" / name).read_bytes())
        assert command(*self.run(chain, f"--ckpt_path={word}", f"--trainer.default_root_dir={tmp_path}")) == 0
        assert Checkpoint.open(tmp_path / "last.ckpt").content["epoch"] == 2

    @pytest.mark.parametrize("flags", [[], ["--weights_only=false"]])
    @pytest.mark.parametrize("word", ["last", "best", "FILE"])
    def test_that_hold_code(self, chain, says: Says, tmp_path: Path, word: str, flags: list[str]) -> None:
        (tmp_path / "run").mkdir()
        path = tmp_path / "run" / ("last.ckpt" if word == "FILE" else f"{word}.ckpt")
        content = torch.load(chain.checkpoint("clep"), weights_only=True)
        torch.save({**content, "payload": _Payload(tmp_path / "it_ran")}, path)
        said = says(4, *self.run(chain, f"--ckpt_path={path if word == 'FILE' else word}", *flags))
        assert said.startswith(f"{path}: holds code (posix.system), which was not run")
        assert "damaged" not in said
        assert not (tmp_path / "it_ran").exists()

    def test_are_always_read_without_code(self, chain, says: Says, tmp_path: Path) -> None:
        words = self.run(chain, f"--ckpt_path={chain.root}/clep/last.ckpt", "--weights_only=false")
        assert says(2, *words).startswith("weights_only: a checkpoint is always read without running code")
        torch.save({"payload": _Payload(tmp_path / "it_ran")}, tmp_path / "a.ckpt")
        with pytest.raises(Exception, match=r"posix\.system"):
            AtomicCheckpointIO().load_checkpoint(tmp_path / "a.ckpt", weights_only=False)
        assert not (tmp_path / "it_ran").exists()

    @pytest.mark.parametrize("word", ["hpc", "registry", "registry:name"])
    def test_of_lightnings_own(self, chain, says: Says, word: str) -> None:
        assert "ckpt_path: expected a file, best or last (of " in says(2, *self.run(chain, f"--ckpt_path={word}"))

    def test_of_another_stage(self, chain, says: Says, tmp_path: Path) -> None:
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "last.ckpt").write_bytes(chain.checkpoint("acpt").read_bytes())
        assert "is a checkpoint of stages.acpt.ACPT" in says(4, *self.run(chain, "--ckpt_path=last"))


class _Payload:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.update(label_set={"a": 1}),
        lambda content: content.update(hyper_parameters=torch.zeros(2)),
        lambda content: content.update(training_speakers=[{"a": 1}]),
        lambda content: content.update(state_dict=[1]),
        lambda content: content.update(left_out=["clap"]),
        lambda content: content["hyper_parameters"].update(clap=torch.zeros(2)),
        lambda content: content["hyper_parameters"].update(
            clap={"class_path": "models.clap.Clap", "init_args": {1: 2}}
        ),
        lambda content: content["hyper_parameters"].update(labels={"a": 1}),
        lambda content: content["hyper_parameters"].update(words="angry"),
    ],
)
def test_metadata_that_no_stage_writes(says: Says, chain, tmp_path: Path, change: Callable[[Any], None]) -> None:
    path = altered(chain.checkpoint("clep"), tmp_path / "odd.ckpt", change)
    assert says(4, "fit", "--config", "stages/acpt.yaml", f"--model.init_from={path}").startswith(f"{path}: ")


def test_other_parsers_of_the_process_are_as_before() -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--path", type=type[OrderedDict])
    with Trust.of().enforced(), pytest.raises(ArgumentError, match="collections"):
        parser.parse_args(["--path=collections.OrderedDict"])
    assert parser.parse_args(["--path=collections.OrderedDict"]).path is OrderedDict


def test_the_environment_is_checked_as_the_options_are(says: Says, monkeypatch: pytest.MonkeyPatch) -> None:
    for text, said in (("mine,os", "os: is a part of Python"), ("a-b", "a-b: expected a package or a module")):
        monkeypatch.setenv("EMOCLAP_TRUST", text)
        assert says(2, "fit", "--config", "stages/clep.yaml").startswith(f"EMOCLAP_TRUST={said}")


def test_options_that_name_nothing(says: Says, tmp_path: Path) -> None:
    assert says(2, "fit", "--plugins", tmp_path / "none").startswith(
        f"--plugins {tmp_path}/none: there is no such folder"
    )
    assert says(2, "fit", "--trust=os").startswith("--trust os: is a part of Python")
    assert says(2, "fit", "--trust=a-b").startswith("--trust a-b: expected a package or a module")
    assert says(2, "fit", "--plugins", "--trust=mine").startswith("--plugins: expected a folder after it")
