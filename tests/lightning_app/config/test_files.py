from pathlib import Path
from typing import Any

import pytest

from lightning_app.config.command_line import as_text, compose
from lightning_app.config.files import PACKAGE_ROOT, find_config, flatten, merge, resolve
from lightning_app.config.yaml_file import load_yaml
from lightning_app.errors import ConfigError


def test_includes_are_relative_to_their_file(tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages/a.yaml").write_text("data: ../configs/data.yaml\nlist: [../configs/x.yaml, gone.yaml]\n")
    (tmp_path / "configs/data.yaml").write_text("inner: x.yaml\nn: 1\n")
    (tmp_path / "configs/x.yaml").write_text("- 1\n- 2\n")
    assert resolve(tmp_path / "stages/a.yaml") == {
        "data": {"inner": [1, 2], "n": 1},
        "list": [[1, 2], "gone.yaml"],
    }


def test_config_key_is_the_base(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("trainer: {max_epochs: 1, devices: 1}\n")
    (tmp_path / "a.yaml").write_text("config: base.yaml\ntrainer: {max_epochs: 2}\n")
    assert resolve(tmp_path / "a.yaml") == {"trainer": {"max_epochs": 2, "devices": 1}}


def test_a_base_may_have_a_base(tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/ground.yaml").write_text("trainer: {max_epochs: 1, devices: 1}\nseed: 3\n")
    (tmp_path / "configs/base.yaml").write_text("config: ground.yaml\ntrainer: {max_epochs: 2}\n")
    (tmp_path / "a.yaml").write_text("config: configs/base.yaml\nseed: 4\n")
    assert resolve(tmp_path / "a.yaml") == {"trainer": {"max_epochs": 2, "devices": 1}, "seed": 4}


def test_a_list_of_bases_is_refused(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("a: 1\n")
    (tmp_path / "a.yaml").write_text("b: 1\nconfig: [base.yaml]\n")
    with pytest.raises(ConfigError, match=r"a\.yaml:2:1: `config` must name one YAML file"):
        resolve(tmp_path / "a.yaml")


def test_circle_of_includes(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("x: b.yaml\n")
    (tmp_path / "b.yaml").write_text("x: a.yaml\n")
    with pytest.raises(ConfigError, match=r"includes itself: .*a\.yaml -> .*b\.yaml -> .*a\.yaml"):
        resolve(tmp_path / "a.yaml")


def test_merge() -> None:
    base = {"a": {"x": 1, "y": [1]}, "b": [1], "c": 1}
    over = {"a": {"x": 2}, "b+": 2, "c": {"z": 1}, "d+": [1]}
    assert merge(base, over) == {"a": {"x": 2, "y": [1]}, "b": [1, 2], "c": {"z": 1}, "d": [1]}
    assert base == {"a": {"x": 1, "y": [1]}, "b": [1], "c": 1}


def test_flatten_leaves_init_args_out() -> None:
    tree = {"model": {"class_path": "a.B", "init_args": {"dim": 8, "empty": {}}}, "seed_everything": 1}
    assert flatten(tree) == {"model.class_path": "a.B", "model.dim": 8, "model.empty": {}, "seed_everything": 1}


def test_find_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = next((PACKAGE_ROOT / "lightning_app").rglob("*.yaml"), None)
    (tmp_path / "mine.yaml").write_text("a: 1\n")
    assert find_config("mine.yaml") == Path("mine.yaml")
    if shipped:
        assert find_config(shipped.relative_to(PACKAGE_ROOT)) == shipped


def test_find_config_names_near_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages/acpt.yaml").write_text("a: 1\n")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setattr("lightning_app.config.files.PACKAGE_ROOT", tmp_path)
    with pytest.raises(ConfigError, match=r"stages/actp\.yaml: no such file; did you mean stages/acpt\.yaml\?"):
        find_config("stages/actp.yaml")
    assert find_config("stages/acpt.yaml") == tmp_path / "stages/acpt.yaml"


def test_another_class_in_place_of_the_bases_brings_its_own_arguments(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(
        "loss: {class_path: A, init_args: {x: 1}}\nn: {class_path: B, init_args: {y: 2}}\n"
    )
    (tmp_path / "over.yaml").write_text(
        "config: base.yaml\nloss: {class_path: C}\nn: {class_path: B, init_args: {z: 3}}\n"
    )
    expected = {"loss": {"class_path": "C"}, "n": {"class_path": "B", "init_args": {"y": 2, "z": 3}}}
    assert resolve(tmp_path / "over.yaml") == expected


def test_a_name_that_is_longer_than_names_can_be(tmp_path: Path) -> None:
    name = "a" * 5000 + ".yaml"
    with pytest.raises(ConfigError, match="stages: is a folder; expected a YAML file"):
        find_config(PACKAGE_ROOT / "stages")
    with pytest.raises(ConfigError, match="no such file"):
        find_config(name)
    (tmp_path / "a.yaml").write_text(f"a: {name}\n")
    assert resolve(tmp_path / "a.yaml") == {"a": name}


@pytest.fixture
def towers(tmp_path: Path) -> Path:
    """A stage with a tower, a tower of the same class in a file of its own, and an overlay that includes that."""
    (tmp_path / "stage.yaml").write_text(
        "model:\n  class_path: S\n  init_args:\n    clap:\n      class_path: Clap\n"
        "      init_args:\n        audio: {class_path: Cnn, init_args: {mels: 64, width: 8}}\n"
    )
    (tmp_path / "audio.yaml").write_text("class_path: Cnn\ninit_args: {mels: 128}\n")
    (tmp_path / "over.yaml").write_text(
        "model: {init_args: {clap: {init_args: {audio: audio.yaml}}}}\ntrainer: {callbacks+: B}\n"
    )
    (tmp_path / "same.yaml").write_text(
        "model: {init_args: {clap: {init_args: {audio: {class_path: Cnn, init_args: {mels: 96}}}}}}\n"
        "trainer: {callbacks: [A]}\n"
    )
    return tmp_path


def _audio(tree: dict[str, Any]) -> Any:
    return tree["model"]["init_args"]["clap"]["init_args"]["audio"]


class TestCompose:
    def test_mappings_of_several_files_are_merged(self, towers: Path) -> None:
        words = ["--config", f"{towers}/stage.yaml", f"--config={towers}/same.yaml", "--model.clap.dim", "3", "-x=1"]
        tree, flags = compose(words)
        assert _audio(tree) == {"class_path": "Cnn", "init_args": {"mels": 96, "width": 8}}
        assert flags == ["--model.clap.dim", "3", "-x=1"]

    def test_a_class_in_a_file_of_its_own_replaces_the_whole(self, towers: Path) -> None:
        names = ("stage", "same", "over")
        tree, _ = compose([f"--config={towers}/{name}.yaml" for name in names])
        assert _audio(tree) == {"class_path": "Cnn", "init_args": {"mels": 128}}
        assert tree["trainer"] == {"callbacks": ["A", "B"]}

    @pytest.mark.parametrize("key", ["model.clap.audio", "model.init_args.clap.init_args.audio"])
    def test_so_does_one_that_a_flag_names(self, towers: Path, key: str) -> None:
        tree, flags = compose([f"--{key}", f"{towers}/audio.yaml", "--config", f"{towers}/stage.yaml"])
        assert _audio(tree) == {"class_path": "Cnn", "init_args": {"mels": 128}}
        assert flags == []

    def test_what_is_said_beside_an_include_is_laid_over_it(self, towers: Path) -> None:
        (towers / "more.yaml").write_text(
            "config: over.yaml\nmodel: {init_args: {clap: {init_args: {audio: {init_args: {hop: 3}}}}}}\n"
        )
        tree, _ = compose([f"--config={towers}/{name}.yaml" for name in ("stage", "more")])
        assert _audio(tree) == {"class_path": "Cnn", "init_args": {"mels": 128, "hop": 3}}

    def test_another_class_in_a_later_file_drops_the_arguments(self, towers: Path) -> None:
        (towers / "other.yaml").write_text("model: {init_args: {clap: {init_args: {audio: {class_path: Other}}}}}\n")
        tree, _ = compose([f"--config={towers}/{name}.yaml" for name in ("stage", "other")])
        assert _audio(tree) == {"class_path": "Other"}

    def test_appending_before_there_is_a_list(self) -> None:
        tree, _ = compose(['--config={"trainer": {"callbacks+": "A"}}', '--config={"trainer": {"callbacks+": "B"}}'])
        assert tree == {"trainer": {"callbacks+": ["A", "B"]}}

    def test_as_text_says_the_same(self, towers: Path) -> None:
        tree, _ = compose([f"--config={towers}/stage.yaml", f"--config={towers}/over.yaml"])
        tree["values"] = [1e-5, float("inf"), "1e-5", "yes", None, "ü"]
        (towers / "text.yaml").write_text(as_text(tree))
        assert load_yaml(towers / "text.yaml") == tree
