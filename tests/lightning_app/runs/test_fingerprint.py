import hashlib
import os
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_app.errors import ConfigError
from lightning_app.runs.fingerprint import Fingerprint, command_settings, fingerprint
from stages.release import release

STAGE = """
seed_everything: 1
model: {class_path: stages.a.A, init_args: {dim: 8, lr: 1e-3}}
data: {class_path: datamodules.d.D, init_args: {manifest: manifest.csv, num_workers: 2}}
trainer: {max_epochs: 3, logger: true}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text(STAGE)
    (tmp_path / "manifest.csv").write_text("id\n1\n")
    return tmp_path


FIT = ["fit", "--config", "a.yaml"]


@pytest.mark.parametrize(
    "same",
    [
        ["fit", "--config=a.yaml"],
        ["fit", "-c", "a.yaml"],
        [*FIT, "--trainer.max_epochs=3"],
        [*FIT, "--trainer.max_epochs", "3"],
        [*FIT, "--model.init_args.lr=0.001"],
        [*FIT, "--model.lr=1e-3"],
        [*FIT, "--trainer.max_epochs=9", "--trainer.max_epochs=3"],
        [*FIT, "--ckpt_path=runs/a/last.ckpt"],
        [*FIT, "--trainer.default_root_dir=runs/other"],
        [*FIT, "--data.init_args.loading.num_workers=7"],
        [*FIT, "--trainer.logger=false"],
        [*FIT, "--trainer.logger.class_path=X", "--trainer.enable_progress_bar", "false"],
    ],
)
def test_what_changes_no_result_changes_no_fingerprint(same: list[str]) -> None:
    assert fingerprint(same) == fingerprint(FIT)


def test_a_class_in_short_form_stands_in_the_place_of_the_files() -> None:
    words = ["--config", "stages/clep.yaml"]
    Path("captions.yaml").write_text("data: {texts: {caption: {class_path: datamodules.captions.CaptionFile}}}")
    other = command_settings([*words, "--model=minez.MyStage", "--model.loss=losses.SoftTargets"])
    assert other["model.class_path"] == "minez.MyStage"
    assert other["model.loss.class_path"] == "losses.SoftTargets"
    assert "model" not in other
    assert "model.loss" not in other
    named = [*words, "--model.optimizer=torch.optim.RMSprop"]
    lr = command_settings(words)["model.optimizer.lr"]
    assert command_settings(named)["model.optimizer.lr"] == lr  # which the parser keeps, too
    settings = command_settings(["--config", "captions.yaml", "--data.texts.caption=A {emotion} voice"])
    assert settings["data.texts.caption"] == "A {emotion} voice"
    assert "model.loss.targets" in command_settings(words)
    assert "model.loss.targets" not in other


@pytest.mark.parametrize(
    ("other", "key"),
    [
        (["test", "--config", "a.yaml"], "verb"),
        ([*FIT, "--trainer.devices=2"], "trainer.devices"),
        ([*FIT, "--model.lr=2e-3"], "model.lr"),
        ([*FIT, "--seed_everything=2"], "seed_everything"),
        ([*FIT, "--trainer.callbacks+=X"], "trainer.callbacks"),
        ([*FIT, '--model.loss={"class_path": "L", "init_args": {"s": 1}}'], "model.loss.class_path, model.loss.s"),
    ],
)
def test_what_changes_the_result_changes_the_fingerprint(other: list[str], key: str) -> None:
    assert fingerprint(FIT).config != fingerprint(other).config
    assert fingerprint(FIT).changes(fingerprint(other)) == [f"configuration changed ({key})"]


def test_later_configs_win(folder: Path) -> None:
    (folder / "b.yaml").write_text("model: {init_args: {dim: 16}}\n")
    both = fingerprint([*FIT, "--config", "b.yaml"])
    assert both.settings["model.dim"] == 16
    assert both == fingerprint([*FIT, "--model.dim=16"])


def test_where_a_configuration_lies_does_not_matter_but_what_it_says_does(folder: Path) -> None:
    before = fingerprint(FIT)
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere/b.yaml").write_text("# a comment\n" + STAGE)
    assert fingerprint(["fit", "--config", "elsewhere/b.yaml"]) == before
    (folder / "a.yaml").write_text(STAGE.replace("dim: 8", "dim: 9"))
    assert fingerprint(FIT).config != before.config


def test_an_included_file_counts(folder: Path) -> None:
    (folder / "data.yaml").write_text("init_args: {n: 1}\n")
    (folder / "a.yaml").write_text("data: data.yaml\n")
    before = fingerprint(FIT)
    (folder / "data.yaml").write_text("init_args: {n: 2}\n")
    assert before.changes(fingerprint(FIT)) == ["configuration changed (data.n)"]
    assert fingerprint(["fit", "--data=data.yaml"]).settings["data.n"] == 2


def test_inputs_are_the_named_files(folder: Path) -> None:
    (folder / "best.ckpt").write_bytes(b"weights")
    mark = fingerprint([*FIT, "--model.init_args.init_from=best.ckpt"])
    assert mark.inputs == {
        "manifest.csv": hashlib.sha256(b"id\n1\n").hexdigest(),
        "best.ckpt": hashlib.sha256(b"weights").hexdigest(),
    }


def test_changed_gone_and_new_inputs(folder: Path) -> None:
    before = fingerprint([*FIT, "--data.cache=cache.bin"])
    (folder / "cache.bin").write_bytes(b"made by the run itself")
    assert before.changes(fingerprint([*FIT, "--data.cache=cache.bin"])) == []
    (folder / "manifest.csv").write_text("id\n2\n")
    assert before.changes(fingerprint([*FIT, "--data.cache=cache.bin"])) == ["input manifest.csv changed"]
    (folder / "manifest.csv").unlink()
    assert before.changes(fingerprint([*FIT, "--data.cache=cache.bin"])) == ["input manifest.csv is gone"]


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


def test_a_changed_default_is_a_change_and_one_that_is_said_is_none(folder: Path) -> None:
    words = ["fit", "--config", "stages/clep.yaml"]
    before = fingerprint(words)
    assert before.settings["model.loss.targets"] == "identity"
    assert before.settings["checkpoint.mode"] == "max"
    assert fingerprint([*words, "--model.loss.targets=identity", "--data.audio.pad=zero"]) == before
    assert "data.loading.num_workers" not in before.settings  # changes no result
    assert before.changes(fingerprint([*words, "--data.audio.pad=repeat"])) == [
        "configuration changed (data.audio.pad)"
    ]


def test_mistakes() -> None:
    with pytest.raises(ConfigError, match="expected a verb"):
        fingerprint([])
    with pytest.raises(ConfigError, match=r"expected an option such as --config, found 'a\.yaml'"):
        fingerprint(["fit", "a.yaml"])
    with pytest.raises(ConfigError, match=r"none\.yaml: no such file"):
        fingerprint(["fit", "--config", "none.yaml"])


NAMES = st.text(string.ascii_lowercase, min_size=1, max_size=5)


@given(st.dictionaries(NAMES, st.integers() | st.floats(allow_nan=False) | st.booleans(), min_size=1), st.randoms())
def test_the_order_of_different_overrides_does_not_matter(values: dict[str, object], random: object) -> None:
    words = [f"--model.{key}={value!r}" for key, value in values.items()]
    shuffled = list(words)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert fingerprint(["fit", *words]) == fingerprint(["fit", *shuffled])


def test_settings_are_named_up_to_four() -> None:
    one = Fingerprint("1", {}, dict.fromkeys("abcdef", 1))
    assert one.changes(Fingerprint("2", {}, {})) == ["configuration changed (a, b, c, d, ...)"]
