"""How the settings of clips are said: on the command line, in a file, and in a file over a file."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from lightning_app.commands.stage import run_stage

TAGS = "data: {init_args: {texts: {tags: {class_path: datamodules.captions.Tags, init_args: {workers: 4}}}}}\n"


@pytest.fixture
def data_of(tiny_yaml: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """What a command line makes of the section `data`."""

    def read(*words: object) -> dict[str, Any]:
        with pytest.raises(SystemExit) as ended:
            run_stage(["fit", "--config=stages/clep.yaml", f"--config={tiny_yaml}", *map(str, words), "--print_config"])
        assert ended.value.code == 0
        return yaml.safe_load(capsys.readouterr().out)["data"]["init_args"]

    return read


def test_an_option_in_a_group_leaves_the_others(data_of: Any) -> None:
    said = data_of("--data.split.fold", 2, "--data.audio.pad=repeat", "--data.init_args.audio.augmentation.gain=6")
    assert said["split"]["fold"] == 2
    assert said["split"]["disjoint"] == ["speaker"]
    assert said["audio"] | {"pad": "repeat", "seconds": 1.2} == said["audio"]
    assert said["audio"]["augmentation"]["gain"] == 6


@pytest.mark.parametrize("key", ["split.protocol", "audio.sample_rate", "init_args.audio.resample_via"])
def test_null_is_nothing_and_no_text(data_of: Any, key: str) -> None:
    group, name = key.removeprefix("init_args.").split(".")
    assert data_of("--data.split.protocol=speaker", f"--data.{key}=null")[group][name] is None


def test_texts_are_named_by_an_option(data_of: Any) -> None:
    assert data_of("--data.texts.caption", "A {noun} voice")["texts"] == {"caption": "A {noun} voice"}
    said = data_of("--data.texts.tags", "datamodules.captions.Tags", "--data.texts.tags.workers=4")["texts"]
    assert said["caption"] == "This is a {emotion} sound"
    assert said["tags"]["init_args"]["workers"] == 4
    assert data_of("--data.texts.transcript={transcript}")["texts"]["transcript"] == "{transcript}"


def test_a_file_that_names_one_text_keeps_the_others(data_of: Any, tmp_path: Path) -> None:
    (tmp_path / "tags.yaml").write_text(TAGS)
    (tmp_path / "seed.yaml").write_text("data: {init_args: {texts: {tags: {init_args: {workers: 7}}}}}\n")
    (tmp_path / "caption.yaml").write_text("data: {init_args: {texts: {caption: 'A {noun} voice'}}}\n")
    files = [f"--config={tmp_path / name}.yaml" for name in ("tags", "seed", "caption")]
    said = data_of(*files)["texts"]
    assert sorted(said) == ["caption", "tags"]
    assert said["caption"] == "A {noun} voice"
    assert said["tags"]["init_args"]["workers"] == 7
    assert data_of(files[0], "--data.texts.tags=null")["texts"]["tags"] is None
