"""Everything that a user can get wrong: the exit code, the place, what was found, what mends it, and no traceback."""

import functools
import re
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from lightning_app.cli import main
from lightning_app.config.messages import short_parse_error
from models.clap import Clap

Fails = Callable[..., str]


@pytest.fixture
def fails(command, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Fails:
    """Run a command that must fail with an exit code, by default before any model is built; returns what it says."""
    built: list[bool] = []
    build = Clap.__init__

    @functools.wraps(build)
    def counted(self: Clap, *args: Any, **kwargs: Any) -> None:
        built.append(True)
        build(self, *args, **kwargs)

    monkeypatch.setattr(Clap, "__init__", counted)
    # Handlers that were made while another test captured the output write into a closed file.
    monkeypatch.setattr("logging.raiseExceptions", False)

    def run(code: int, *words: object, before_models: bool = True) -> str:
        capsys.readouterr()
        built.clear()
        assert command(*words, f"--trainer.default_root_dir={tmp_path / 'run'}") == code
        said = capsys.readouterr().err
        assert "Traceback" not in said
        assert not (built and before_models), "a model was built before the mistake was found"
        assert not (tmp_path / "run" / "done.json").exists()
        last = said[said.index(": error: ") + len(": error: ") :]
        assert len(last) < 700, last
        return last

    return run


@pytest.fixture
def clep(fails: Fails, tiny_yaml: Path) -> Fails:
    """`fails` of the first stage on the tiny model and corpus."""
    words = ["fit", "--config", "stages/clep.yaml", "--config", tiny_yaml, "--trainer.max_epochs=1"]
    return lambda code, *more, **how: fails(code, *words, *more, **how)


def write(folder: Path, content: str | bytes, name: str = "mine.yaml") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def altered(chain, folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    content = torch.load(chain.checkpoint("clep"), weights_only=True)
    change(content)
    torch.save(content, folder / "altered.ckpt")
    return folder / "altered.ckpt"


def manifest_with(corpus: Path, folder: Path, change: Callable[[pd.DataFrame], None]) -> Path:
    rows = pd.read_csv(corpus)
    rows["path"] = [str(corpus.parent / name) for name in rows["path"]]
    change(rows)
    rows.to_csv(folder / "manifest.csv", index=False)
    return folder / "manifest.csv"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model.clap.audio.hopp", 3], "model.clap.audio: there is no option 'hopp'; did you mean 'hop'?"),
        (["--model.clap.audio.hopp=3"], "model.clap.audio: there is no option 'hopp'; did you mean 'hop'?"),
        (["--data.batchsize", 3], "data: there is no option 'batchsize'; did you mean 'data.loading.batch_size'?"),
        (["--data.seconds=2"], "data: there is no option 'seconds'; did you mean 'data.audio.seconds'?"),
        (["--data.split.folt=2"], "data.split: there is no option 'folt'; did you mean 'fold'?"),
        (["--data.caption=x"], "data: there is no option 'caption'; did you mean 'data.texts.caption'?"),
        (["--trainer.max_epoch", 3], "trainer: there is no option 'max_epoch'; did you mean 'max_epochs'?"),
        (["--trainer.max_epoch=3"], "trainer: there is no option 'max_epoch'; did you mean 'max_epochs'?"),
        (["--checkpoint.monitr=x"], "checkpoint: there is no option 'monitr'; did you mean 'monitor'?"),
        (["--dta.batch_size", 3], "there is no option 'dta'; did you mean 'data'?"),
        (
            ["--model.foo=3"],
            "model: there is no option 'foo'; expected one of clap, labels, words, loss, local, template",
        ),
        (["--data.loading.batch_size", "eight"], "data.loading.batch_size: expected int, found 'eight'"),
        (["--trainer.max_epochs", "eight"], "trainer.max_epochs: expected int, found 'eight'"),
        (["--data.audio.pad=ones"], "data.audio.pad: expected 'zero' or 'repeat', found 'ones'"),
        (["--model.clap.audio=models.audio.Cnn15"], "there is no class models.audio.Cnn15; did you mean models.audio."),
        (["--model=stages.clapp.Foo"], "there is no class stages.clapp.Foo; did you mean stages.clap?"),
        (["--model.loss=losses.info.InfoNCE"], "model.loss: there is no class losses.info.InfoNCE"),
        (["--model.clap.audio.mels=3"], "3 mel bands do not survive five halvings; set mels to 64 or more"),
        (["--data=configs/data/emodbb.yaml"], "emodbb.yaml: no such file; did you mean configs/data/emodb.yaml"),
        (["word"], "expected an option such as --config, found 'word'"),
        (
            ["a.wav"],
            "or the recordings to be heard as a table: --data.manifest mine.csv, with a column path, found 'a.wav'",
        ),
        (["--model.learning_rate=1"], "model: there is no option 'learning_rate'; did you mean 'model.optimizer.lr'?"),
        (
            ["--model.optimizer.learning_rate=1"],
            "model.optimizer: there is no option 'learning_rate'; did you mean 'lr'?",
        ),
        (["--model.optimizer.foo=1"], "model.optimizer: there is no option 'foo'; expected one of lr, betas, eps,"),
        (["--model.optimizer.lr=x"], "model.optimizer.lr: expected float, found 'x'"),
        (["--model.optimizer.lr=-1"], "model.optimizer: Adam takes no such setting: Invalid learning rate: -1.0"),
        (["--model.groups=[{pattern: clap, lr: -1}]"], "model.groups[0].lr: expected a number from 0 on, found -1"),
        (["--model.groups=[{pattern: '(clap', lr: 1}]"], "model.groups[0].pattern: '(clap' is no regular expression"),
        (["--model.optimizer=torch.optim.Adamm"], "there is no class torch.optim.Adamm; did you mean torch.optim.Adam"),
        (
            ["--trainer.logger=TensorBoardLogger"],
            "trainer.logger: lightning.pytorch.loggers.TensorBoardLogger needs save_dir",
        ),
        (["--trainer.callbacks+=NoSuch"], "trainer.callbacks: there is no class 'NoSuch'; write it with its module"),
        (
            ["--trainer.callbacks+=models.clap.Clap"],
            "models.clap.Clap is no lightning.pytorch.callbacks.callback.Callback",
        ),
        (["--model.clap.audio=torch.nn.Identity"], "torch.nn.Identity is no models.audio.encoder.AudioEncoder, nor a"),
        (
            ["--model.loss=no_such.Loss"],
            "the module no_such was not found: install it, name the folder that holds it with",
        ),
        ([f"--data.audio.seconds={'9' * 5000}"], "data: a whole number of 5000 digits"),
    ],
)
def test_options(clep: Fails, words: list[object], said: str) -> None:
    assert said in clep(2, *words)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            "model:\n  init_args:\n    clap:\n      init_args:\n        audio:\n          init_args: {hopp: 3}\n",
            ":6:23: model.clap.audio: there is no option 'hopp'; did you mean 'hop'?",
        ),
        ("modl: 3\n", ":1:1: there is no option 'modl'; did you mean 'model'?"),
        ("trainer:\n  max_epoch: 3\n", ":2:3: trainer: there is no option 'max_epoch'; did you mean 'max_epochs'?"),
        (
            "data:\n  init_args:\n    loading:\n      batch_size: eight\n",
            ":4:7: data.loading.batch_size: expected int, found 'eight'",
        ),
        ("trainer:\n  devices: 1\n  devices: 2\n", ":3:3: duplicate key 'devices' (first at line 2)"),
        ("", ":1:1: the file is empty"),
        ("trainer:\n\tdevices: 1\n", ":2:1: a tab; indent with spaces"),
        ("trainer: {}\n".encode("utf-16"), ":1:1: the file is UTF-16; save it as UTF-8"),
    ],
)
def test_configuration_files(clep: Fails, tmp_path: Path, content: str | bytes, said: str) -> None:
    path = write(tmp_path, content)
    assert clep(2, "--config", path).rstrip() == f"{path}{said}"


def test_a_flag_has_no_line_in_a_file(clep: Fails, tmp_path: Path) -> None:
    path = write(tmp_path, "data:\n  init_args:\n    loading: {batch_size: 8}\n")
    assert (
        clep(2, "--config", path, "--data.loading.batch_size=x") == "data.loading.batch_size: expected int, found 'x'\n"
    )


def test_a_key_in_an_included_file(clep: Fails, tmp_path: Path) -> None:
    path = write(tmp_path, "class_path: models.clap.Clap\ninit_args:\n  dimm: 3\n", "clap.yaml")
    over = write(tmp_path, "model:\n  init_args:\n    clap: clap.yaml\n")
    assert clep(2, f"--config={over}").startswith(f"{path}:3:3: model.clap: there is no option 'dimm'")


def test_a_key_in_an_overlay_of_a_section(clep: Fails, tmp_path: Path) -> None:
    content = "class_path: models.clap.Clap\ninit_args:\n  dimm: 3\n"
    path = write(tmp_path, content)
    assert clep(2, f"--model.clap={path}").startswith(f"{path}:3:3: model.clap: there is no option 'dimm'")


def test_a_whole_configuration_in_place_of_a_section(clep: Fails) -> None:
    said = clep(2, "--data=configs/data/emodb.yaml")
    assert said == "data: the file given here has a section 'data' of its own; pass it with --config\n"


def test_missing_configuration(fails: Fails) -> None:
    assert fails(2, "fit", "--config", "stages/cleb.yaml").startswith(
        "stages/cleb.yaml: no such file; did you mean stages/clep.yaml"
    )
    assert "such as --config stages/clep.yaml" in fails(2, "fit")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--data.manifest=none/demo/manifest.csv"], "lightning-cli prepare demo --out none/demo/manifest.csv"),
        (["--data.manifest=none/emodb/m.csv"], "lightning-cli prepare emodb ROOT --out none/emodb/m.csv"),
        (["--data.labels=iemocap44"], "found 'iemocap44', expected one of the label sets"),
        (["--data.labels=iemocap44"], "did you mean 'iemocap4'?"),
        (["--data.labels=[angr,sadness]"], "did you mean 'anger'?"),
        (["--data.loading.batch_size=0"], "batch_size 0"),
        (["--data.audio.seconds=-1"], "seconds -1 must be positive"),
        (
            ["--data.texts.caption=a sound"],
            "data.texts.caption: 'a sound' has no field; expected one such as {emotion}",
        ),
        (["--data.texts.caption={emo}"], "'{emo}' names {emo}; expected {emotion}, {noun} or a column of the manifest"),
        (["--data.split.protocol=sentence"], "'fold_sentence' is missing; fold columns in this manifest: fold_speaker"),
    ],
)
def test_data(clep: Fails, words: list[str], said: str) -> None:
    assert said in clep(3, *words)


def test_a_manifest_beside_its_configuration(
    clep: Fails, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cfg").mkdir()
    manifest = manifest_with(corpus, tmp_path / "cfg", lambda rows: None)
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path / "cfg", "data: {init_args: {manifest: manifest.csv}}\n")
    said = clep(3, "--config", "cfg/mine.yaml")
    assert said.startswith(f"data.init_args.manifest: manifest.csv is not there (looked for {tmp_path}/manifest.csv)")
    assert "and lies beside cfg/mine.yaml; paths in it are relative to the folder where the command runs" in said
    assert said.rstrip().endswith("--data.manifest cfg/manifest.csv")
    manifest.unlink()
    assert f"manifest.csv is not there (looked for {tmp_path}/manifest.csv); make it: " in clep(3, "--config", path)


@pytest.mark.parametrize("package", ["wandb", "tensorboard"])
def test_a_logger_whose_package_is_missing(clep: Fails, package: str) -> None:
    if find_spec(package) is not None:
        pytest.skip(f"{package} is installed here")
    name = {"wandb": "WandbLogger", "tensorboard": "TensorBoardLogger"}[package]
    more = ["--trainer.logger.save_dir=x"] if package == "tensorboard" else []
    said = clep(4, f"--trainer.logger={name}", *more, before_models=False)
    assert said.startswith(
        f"lightning.pytorch.loggers.{name}: the package {package} is not installed: pip install '{package}"
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there(tiny_yaml: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["fit", "--config", "stages/clep.yaml", "--config", str(tiny_yaml), "--trainer.devices=4"]
    for accelerator in ("gpu", "cuda"):
        more = [f"--trainer.accelerator={accelerator}", f"--trainer.default_root_dir={tmp_path / accelerator}"]
        assert main([*words, *more]) == 2
        said = capsys.readouterr().err
        assert (
            "error: trainer.accelerator: this machine has none such; --trainer.accelerator auto takes what is" in said
        )


def test_a_speaker_in_both_splits(clep: Fails, corpus: Path, tmp_path: Path) -> None:
    def leak(rows: pd.DataFrame) -> None:
        rows.loc[rows["speaker"] == "finn", "speaker"] = "ann"

    path = manifest_with(corpus, tmp_path, leak)
    said = clep(3, f"--data.manifest={path}")
    assert said.startswith(f"{path}: splits are not independent")
    assert "speaker 'buzz/ann': train (lines 2, 3, 4, ... 12 in all) and test (lines 62, 63, 64" in said
    assert "correct the column 'split'" in said


def test_a_batch_that_cannot_be_filled(clep: Fails) -> None:
    said = clep(3, "--data.loading.batch_size=640", before_models=False)  # the number of devices is known later
    assert "36 training clips do not fill one batch of 640" in said
    assert "set data.loading.batch_size to 36 or less" in said


def test_a_class_without_training_rows(clep: Fails) -> None:
    said = clep(3, "--data.labels=six", before_models=False)
    assert "no training row is disgust or fear, which the label set 'six' holds" in said
    assert "[anger, happiness, neutral, sadness]" in said


def test_training_without_captions(clep: Fails) -> None:
    said = clep(2, "--data.texts.caption=null", before_models=False)
    assert said.startswith("data.texts.caption: null, but the stage compares each clip with its caption")


@pytest.mark.parametrize("workers", [0, 1])
def test_a_recording_that_was_cut(clep: Fails, corpus: Path, tmp_path: Path, workers: int) -> None:
    sound = (corpus.parent / "ann_anger_0.wav").read_bytes()
    cut = write(tmp_path, sound[: len(sound) // 2], "cut.wav")
    path = manifest_with(corpus, tmp_path, lambda rows: rows.__setitem__("path", [str(cut), *rows["path"][1:]]))
    said = clep(3, f"--data.manifest={path}", f"--data.loading.num_workers={workers}", before_models=False)
    assert said.startswith(f"manifest.csv:2: {cut}: truncated, ")
    assert "set data.audio.on_bad_audio to skip" in said
    assert said.count("\n") == 2


@pytest.mark.parametrize("key", ["--model.template", "--data.texts.caption"])
def test_a_text_that_is_longer_than_the_encoder_reads(clep: Fails, key: str) -> None:
    said = clep(3, key, "sound " * 60 + "{emotion}", before_models=False)
    assert "text of 63 tokens is longer than the 40 that" in said
    assert "choose another text encoder (model.init_args.clap)" in said


@pytest.mark.parametrize(("template", "found"), [("a sound", "has no field"), ("a {emo} sound", "has {emo}")])
def test_a_template_without_the_emotion(clep: Fails, template: str, found: str) -> None:
    said = clep(2, "--model.template", template, before_models=False)
    assert said.startswith(f"model.init_args.template: {template!r} {found}; expected {{emotion}}")


@pytest.mark.parametrize(
    ("source", "remedy"),
    [
        ("package:no_such_package/model", 'pip install "emoclap[demo]"'),
        ("./no/such/folder", "set source to one that save_pretrained wrote"),
        ("nobody/nothing", "Download it once with `hf download nobody/nothing`"),
    ],
)
def test_a_text_encoder_that_is_not_there(clep: Fails, source: str, remedy: str) -> None:
    said = clep(4, f"--model.clap.text.source={source}")
    assert said.startswith(source)
    assert remedy in said


@pytest.mark.parametrize(
    ("value", "said"), [("--trainer.strategy=foo", "strategy='foo'"), ("--checkpoint.monitor=val/x", "'val/UA'")]
)
def test_what_the_trainer_cannot_do(clep: Fails, value: str, said: str) -> None:
    assert said in clep(2, value, before_models=False)


def test_a_temperature_below_zero(clep: Fails) -> None:
    assert clep(2, "--model.clap.temperature=-1", before_models=False).startswith("temperature is -1; expected")


class TestCheckpoints:
    def test_not_there(self, fails: Fails, clep: Fails, tmp_path: Path) -> None:
        said = fails(4, "fit", "--config", "stages/acpt.yaml", f"--model.init_from={tmp_path}/x.ckpt")
        assert said.startswith(f"model.init_args.init_from: {tmp_path}/x.ckpt is not there; run the stage that writes")
        assert f"{tmp_path}/x.ckpt: no such checkpoint" in clep(4, f"--ckpt_path={tmp_path}/x.ckpt")

    @pytest.mark.parametrize("typo", ["clep/bets.ckpt", "clpe/best.ckpt"])
    def test_nearly_there(self, fails: Fails, chain, typo: str) -> None:
        best = chain.checkpoint("clep")
        said = fails(4, "fit", "--config", "stages/acpt.yaml", f"--model.init_from={chain.root / typo}")
        assert said.startswith(f"model.init_args.init_from: {chain.root / typo} is not there; there is {best}")

    def test_a_run_folder_in_place_of_its_checkpoint(self, fails: Fails, chain) -> None:
        best = chain.checkpoint("clep")
        said = fails(4, "fit", "--config", "stages/acpt.yaml", f"--model.init_from={best.parent}")
        assert said.startswith(
            f"model.init_args.init_from: {best.parent} is no checkpoint; it is a folder, which holds {best}, "
        )

    def test_of_a_stage_without_the_part(self, fails: Fails, chain) -> None:
        source = chain.checkpoint("clep")
        words = ["fit", "--config", "stages/classifier.yaml", f"--model.init_from={source}"]
        said = fails(4, *words, before_models=False)
        assert said.startswith(f"{source}: has no part 'prompt' (stages.clap.ClapTraining wrote it")

    def test_of_another_stage(self, clep: Fails, chain) -> None:
        said = clep(4, f"--ckpt_path={chain.checkpoint('acpt')}")
        assert "is a checkpoint of stages.acpt.ACPT, and this stage is stages.clap.ClapTraining" in said
        assert f"--model.init_args.init_from={chain.checkpoint('acpt')}" in said

    @pytest.mark.parametrize("key", ["ckpt_path", "model.init_from"])
    @pytest.mark.parametrize("with_digest", [True, False])
    def test_damaged(self, clep: Fails, chain, tmp_path: Path, key: str, with_digest: bool) -> None:
        whole = chain.checkpoint("clep")
        path = write(tmp_path, whole.read_bytes()[:-1000], "best.ckpt")
        if with_digest:
            write(tmp_path, whole.with_name("best.ckpt.sha256").read_bytes(), "best.ckpt.sha256")
        said = clep(4, f"--{key}={path}")
        assert said.startswith(f"{path}: is damaged")
        assert ("sha256" in said) == with_digest
        assert "run " in said

    def test_that_names_a_class_of_a_stranger(
        self, fails: Fails, chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(tmp_path, "raise SystemExit('it ran')\n", "stranger.py")
        monkeypatch.syspath_prepend(tmp_path)
        change = {"class_path": "stranger.Clap", "init_args": {}}
        path = altered(chain, tmp_path, lambda content: content["hyper_parameters"].__setitem__("clap", change))
        said = fails(4, "fit", "--config", "stages/acpt.yaml", f"--model.init_from={path}")
        assert said.startswith(f"{path}: asks for the class stranger.Clap in model.clap; a checkpoint may name classes")
        assert (
            "add --trust stranger, --plugins and the folder of its module, or say model.clap in a --config of your own"
            in said
        )
        assert "stranger" not in sys.modules

    def test_with_other_classes_than_the_evaluation(self, fails: Fails, chain, corpus: Path) -> None:
        words = ["test", "--config", "stages/evaluation.yaml", f"--model.init_from={chain.checkpoint('classifier')}"]
        more = [f"--data.manifest={corpus}", "--data.split.disjoint=[speaker]", "--data.labels=[anger,fear,sadness]"]
        said = fails(2, *words, *more, before_models=False)
        assert said.startswith("data.init_args.labels: fear is no class of ")
        assert "(anger, happiness, neutral, sadness); train it for these labels, or leave fear out" in said


def test_unknown_messages_pass_through() -> None:
    assert short_parse_error("something new") == "something new"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--trainer.accumulate_grad_batches=4"], r"compares the clips of one batch, so that 4 x 8 would not learn"),
        (
            ["--trainer.callbacks=GradientAccumulationScheduler", '--trainer.callbacks.scheduling={"1": 2}'],
            "so that several batches would not learn",
        ),
        (["--trainer.precision=bf16-true"], r"bf16-true rounds recordings and ratings .*; train with bf16-mixed"),
        (["--trainer.precision=16-true"], r"16-true rounds recordings"),
        (["--data.loading.batch_size=1"], r"batch_size: 1; the loss of this stage compares .*: set 2 or more"),
    ],
)
def test_what_would_train_something_else(clep: Fails, words: list[str], said: str) -> None:
    assert re.search(said, clep(2, *words))


def test_a_stage_whose_loss_is_a_sum_may_accumulate(chain, command, tmp_path: Path) -> None:
    code = command(
        "fit", "--config", "stages/classifier.yaml", f"--model.init_from={chain.checkpoint('acpt')}",
        "--trainer.accumulate_grad_batches=2", "--trainer.max_epochs=1", "--data.batch_size=1",
        f"--trainer.default_root_dir={tmp_path}",
    )  # fmt: skip
    assert code == 0
