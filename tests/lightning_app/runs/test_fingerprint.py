import hashlib
import os
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_app.callbacks.checkpoint import StageCheckpoint
from lightning_app.config.command_line import as_text, said
from lightning_app.config.files import PACKAGE_ROOT, merge, resolve
from lightning_app.config.parser import read_command
from lightning_app.errors import ConfigError
from lightning_app.runs.fingerprint import Fingerprint, command_fingerprint, fingerprint
from stages.release import release

FIT = ["fit", "--config", "stages/clep.yaml"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/demo").mkdir(parents=True)
    (tmp_path / "data/demo/manifest.csv").write_text("id\n1\n")
    return tmp_path


@pytest.mark.parametrize(
    "same",
    [
        ["fit", "--config=stages/clep.yaml"],
        ["fit", "-c", "stages/clep.yaml"],
        [*FIT, "--trainer.max_epochs=80"],
        [*FIT, "--trainer.max_epochs", "80"],
        [*FIT, "--model.init_args.clap.dim=512"],
        [*FIT, "--model.optimizer.lr=1e-3"],
        [*FIT, "--trainer.max_epochs=9", "--trainer.max_epochs=80"],
        [*FIT, "--trainer.default_root_dir=runs/other"],
        [*FIT, "--data.init_args.loading.num_workers=7"],
        [*FIT, "--trainer.logger=false"],
        [*FIT, "--trainer.enable_progress_bar", "false"],
    ],
)
def test_what_changes_no_result_changes_no_fingerprint(same: list[str]) -> None:
    assert fingerprint(FIT).changes(fingerprint(same)) == []
    assert fingerprint(same) == fingerprint(FIT)


def test_where_a_run_goes_on_changes_no_result() -> None:
    settings = read_command(FIT).settings
    assert command_fingerprint("fit", {**settings, "ckpt_path": "runs/clep/last.ckpt"}) == fingerprint(FIT)


@pytest.mark.parametrize(("stage", "source"), [("clep", None), ("acpt", "clep")])
def test_a_resumed_training_is_the_same_though_its_own_checkpoint_says_its_parts(
    chain, stage: str, source: str | None
) -> None:
    words = ["fit", "--config", f"stages/{stage}.yaml"]
    words += [f"--model.init_from={chain.checkpoint(source)}"] if source else ["--config", str(chain.tiny_yaml)]
    resumed = fingerprint([*words, f"--ckpt_path={chain.root / stage / 'last.ckpt'}"])
    assert resumed.changes(fingerprint(words)) == []


def test_a_class_in_short_form_stands_in_the_place_of_the_files() -> None:
    other = fingerprint([*FIT, "--model.loss=losses.SoftTargets"]).settings
    assert other["model.loss.class_path"] == "losses.SoftTargets"
    assert "model.loss" not in other
    assert "model.loss.targets" not in other
    before, named = fingerprint(FIT).settings, fingerprint([*FIT, "--model.optimizer=torch.optim.RMSprop"]).settings
    assert named["model.optimizer.lr"] == before["model.optimizer.lr"]  # which the parser keeps
    said = fingerprint([*FIT, "--data.texts.caption=A {emotion} voice"]).settings
    assert said["data.texts.caption"] == "A {emotion} voice"
    assert "model.loss.targets" in before


@pytest.mark.parametrize(
    ("other", "key"),
    [
        ([*FIT, "--trainer.devices=2"], "trainer.devices"),
        ([*FIT, "--model.optimizer.lr=2e-3"], "model.optimizer.lr"),
        ([*FIT, "--seed_everything=2"], "seed_everything"),
        ([*FIT, "--trainer.callbacks+=LearningRateMonitor"], "trainer.callbacks"),
        ([*FIT, '--model.loss={"class_path": "losses.SupCon", "init_args": {}}'], "model.loss.class_path, model.loss."),
    ],
)
def test_what_changes_the_result_changes_the_fingerprint(other: list[str], key: str) -> None:
    assert fingerprint(FIT).config != fingerprint(other).config
    (change,) = fingerprint(FIT).changes(fingerprint(other))
    assert change.startswith(f"configuration changed ({key}")


def test_another_verb_is_another_run() -> None:
    settings = read_command(FIT).settings
    change = command_fingerprint("fit", settings).changes(command_fingerprint("test", settings))
    assert change == ["configuration changed (verb)"]


def test_later_configs_win(folder: Path) -> None:
    (folder / "b.yaml").write_text("model: {init_args: {clap: {init_args: {dim: 16}}}}\n")
    both = fingerprint([*FIT, "--config", "b.yaml"])
    assert both.settings["model.clap.dim"] == 16
    assert both == fingerprint([*FIT, "--model.clap.dim=16"])


def test_where_a_configuration_lies_does_not_matter_but_what_it_says_does(folder: Path) -> None:
    before = fingerprint(FIT)
    tree = resolve(PACKAGE_ROOT / "stages/clep.yaml")
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere/b.yaml").write_text(f"# a comment\n{as_text(tree)}")
    words = ["fit", "--config", "elsewhere/b.yaml"]
    assert fingerprint(words) == before
    (folder / "elsewhere/b.yaml").write_text(as_text(merge(tree, {"trainer": {"max_epochs": 9}})))
    assert before.changes(fingerprint(words)) == ["configuration changed (trainer.max_epochs)"]


def test_an_included_file_counts(folder: Path) -> None:
    (folder / "data.yaml").write_text("init_args: {split: {fold: 1, protocol: speaker}}\n")
    (folder / "a.yaml").write_text("data: data.yaml\n")
    words = [*FIT, "--config=a.yaml"]
    before = fingerprint(words)
    (folder / "data.yaml").write_text("init_args: {split: {fold: 2, protocol: speaker}}\n")
    assert before.changes(fingerprint(words)) == ["configuration changed (data.split.fold)"]
    assert fingerprint([*FIT, "--data=data.yaml"]).settings["data.split.fold"] == 2


def test_inputs_are_the_named_files(folder: Path) -> None:
    (folder / "best.ckpt").write_bytes(b"weights")
    mark = command_fingerprint("fit", {"data.manifest": "data/demo/manifest.csv", "model.init_from": "best.ckpt"})
    parts = command_fingerprint("fit", {"model.init_from": {"clap.audio": "best.ckpt:audio"}})
    assert mark.inputs == {
        "data/demo/manifest.csv": hashlib.sha256(b"id\n1\n").hexdigest(),
        "best.ckpt": hashlib.sha256(b"weights").hexdigest(),
    }
    assert list(parts.inputs) == ["best.ckpt"]
    assert list(fingerprint(FIT).inputs) == ["data/demo/manifest.csv"]


def test_changed_gone_and_new_inputs(folder: Path) -> None:
    def now() -> Fingerprint:
        return command_fingerprint("fit", {"data.manifest": "manifest.csv", "data.cache": "cache.bin"})

    (folder / "manifest.csv").write_text("id\n1\n")
    before = now()
    (folder / "cache.bin").write_bytes(b"made by the run itself")
    assert before.changes(now()) == []
    (folder / "manifest.csv").write_text("id\n2\n")
    assert before.changes(now()) == ["input manifest.csv changed"]
    (folder / "manifest.csv").unlink()
    assert before.changes(now()) == ["input manifest.csv is gone"]


def test_prepare_reads_folders_and_writes_out(folder: Path) -> None:
    (folder / "corpus/wav").mkdir(parents=True)
    (folder / "corpus/wav/1.wav").write_bytes(b"one")
    argv = ["prepare", "emodb", "./corpus", "--out", "corpus/manifest.csv"]
    before = fingerprint(argv)
    assert set(before.inputs) == {"./corpus"}
    (folder / "corpus/manifest.csv").write_text("its own output is no input")
    assert fingerprint(argv) == before
    assert fingerprint([*argv[:-2], "--out=corpus/manifest.csv"]).inputs == before.inputs
    os.utime(folder / "corpus/wav/1.wav", (1, 1))
    assert before.changes(fingerprint(argv)) == ["input ./corpus changed"]


def test_a_new_release_is_a_change(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint(FIT)
    monkeypatch.setattr("lightning_app.runs.fingerprint.release", lambda: "99.0")
    assert before.config != fingerprint(FIT).config
    assert before.changes(fingerprint(FIT)) == [f"emoclap was {release()} and is 99.0"]
    old = Fingerprint("1", {}, {"verb": "fit"})
    assert old.changes(fingerprint(FIT)) == ["emoclap was an earlier one and is 99.0"]
    prepared = fingerprint(["prepare", "demo"])
    monkeypatch.undo()
    assert prepared.changes(fingerprint(["prepare", "demo"])) == [f"emoclap was 99.0 and is {release()}"]


def test_a_changed_default_is_a_change_and_one_that_is_said_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint(FIT)
    assert before.settings["model.loss.targets"] == "identity"
    assert before.settings["checkpoint.mode"] == "max"
    assert before.settings["trainer.gradient_clip_val"] is None
    assert fingerprint([*FIT, "--model.loss.targets=identity", "--data.audio.pad=zero"]) == before
    assert "data.loading.num_workers" not in before.settings  # changes no result
    assert before.changes(fingerprint([*FIT, "--data.audio.pad=repeat"])) == ["configuration changed (data.audio.pad)"]
    defaults = ["min" if value == "max" else value for value in StageCheckpoint.__init__.__defaults__]
    monkeypatch.setattr(StageCheckpoint.__init__, "__defaults__", tuple(defaults))
    assert before.changes(fingerprint(FIT)) == ["configuration changed (checkpoint.mode)"]


def test_mistakes() -> None:
    with pytest.raises(ConfigError, match="expected a verb"):
        fingerprint([])
    with pytest.raises(ConfigError, match=r"expected an option such as --config, found 'a\.yaml'"):
        fingerprint(["fit", "a.yaml"])
    with pytest.raises(ConfigError, match=r"none\.yaml: no such file"):
        fingerprint(["fit", "--config", "none.yaml"])


def test_a_stopped_run_whose_source_is_gone_is_compared_in_what_both_know() -> None:
    settings = {"model.init_from": "gone.ckpt", "model.loss.margin": 0.5, "model.prompt.length": 8, "verb": "fit"}
    then, now = Fingerprint("1", {"gone.ckpt": "a"}, settings), dict(settings)
    del now["model.prompt.length"]
    assert then.changes(Fingerprint("2", {}, now), resumes=True) == []
    assert then.changes(Fingerprint("2", {}, now)) == ["configuration changed (model.prompt.length)"]
    now["model.loss.margin"] = 1.0
    assert then.changes(Fingerprint("2", {}, now), resumes=True) == ["configuration changed (model.loss.margin)"]


NAMES = st.text(string.ascii_lowercase, min_size=1, max_size=5)


@given(st.dictionaries(NAMES, st.integers() | st.floats(allow_nan=False) | st.booleans(), min_size=1), st.randoms())
def test_the_order_of_different_overrides_does_not_matter(values: dict[str, object], random: object) -> None:
    words = [f"--model.{key}={value!r}" for key, value in values.items()]
    shuffled = list(words)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert command_fingerprint("fit", said(words)) == command_fingerprint("fit", said(shuffled))


def test_settings_are_named_up_to_four() -> None:
    one = Fingerprint("1", {}, dict.fromkeys("abcdef", 1))
    assert one.changes(Fingerprint("2", {}, {})) == ["configuration changed (a, b, c, d, ...)"]
