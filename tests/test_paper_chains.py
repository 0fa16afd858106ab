"""The chains that reproduce the papers' tables: every command parses, and asks for what the paper says."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from lightning_app.chain.file import read_chain
from lightning_app.chain.matrix import Run, expand_matrix
from lightning_app.config.files import flatten

CHAINS = Path(__file__).parents[1] / "configs" / "chains"
CAPTIONS = {
    "clap_template": "speech has {noun} emotion",
    "clap4emo": "LexiconCaptions",
    "paraclap": "ParaClapCaptions",
    "clap_sce": "ValenceArousalCaptions",
    "supcon_clap": "ValenceArousalCaptions",
    "emotionrankclap": "ValenceArousalCaptions",
}
LOSSES = {"supcon_clap": "SupCon", "emotionrankclap": "RankNContrast"}


def runs(name: str, stage: str) -> dict[str, Run]:
    """The runs of a stage with the first seed, by model."""
    found = expand_matrix(read_chain(CHAINS / f"{name}.yaml"))
    return {run.cell["model"]: run for run in found if run.stage.name == stage and run.cell.get("seed", "1") == "1"}


def parsed(run: Run, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What the program makes of a run's command line, as if the run started from no checkpoint."""
    from lightning_app.commands.stage import run_stage

    words = [re.sub(r"(init_from)=.*", r"\1=null", word) for word in run.arguments]
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        run_stage([*words, "--print_config"])
    assert ended.value.code == 0
    return flatten(yaml.safe_load(capsys.readouterr().out))


def named(settings: dict[str, Any], key: str) -> str:
    """The class that a key names, without its module, or the key's text."""
    return str(settings.get(f"{key}.class_path", settings.get(key))).removeprefix("datamodules.captions.")


@pytest.mark.parametrize(
    "model", [name if name == "emotionrankclap" else pytest.param(name, marks=pytest.mark.slow) for name in CAPTIONS]
)
def test_every_row_of_emotionrankclaps_tables(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    run = runs("emotionrankclap_msp_podcast", "train")[model]
    assert "--model.init_args.init_from=null" in run.arguments
    said = parsed(run, capsys)
    assert named(said, "data.texts.caption").endswith(CAPTIONS[model])
    assert named(said, "model.loss").endswith(LOSSES.get(model, "InfoNCE"))
    assert said["data.manifest"] == "data/msp_podcast/manifest.csv"
    assert (said["data.labels"], said["data.audio.seconds"], said["data.loading.batch_size"]) == ("mead8", 10.0, 64)
    assert (said["trainer.max_epochs"], said["model.optimizer.lr"], said["checkpoint.mode"]) == (15, 1e-4, "min")
    assert said["model.clap.audio.source"] == "3loi/SER-Odyssey-Baseline-WavLM-Multi-Attributes"
    assert said["model.clap.text.source"] == "j-hartmann/emotion-english-distilroberta-base"
    assert said["model.clap.freeze_audio"]
    assert said["model.clap.freeze_text"]
    if model == "paraclap":
        assert said["data.texts.caption.acoustics.class_path"] == "datamodules.acoustics.Praat"


def test_they_are_measured_on_test1(capsys: pytest.CaptureFixture[str]) -> None:
    said = parsed(runs("emotionrankclap_msp_podcast", "evaluation")["emotionrankclap"], capsys)
    assert (said["data.manifest"], said["data.split.test_on"]) == ("data/msp_podcast/manifest.csv", "test")
    assert said["data.audio.seconds"] == 10.0
    assert named(said, "data.texts.caption").endswith("ValenceArousalCaptions")
    assert said["model.space_metrics"][0]["init_args"]["pairs"] == 5000


@pytest.mark.parametrize(
    ("model", "loss"), [pytest.param("paraclap", "InfoNCE", marks=pytest.mark.slow), ("smoothclap", "SoftTargets")]
)
def test_what_smoothclap_trains(model: str, loss: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = parsed(runs("smoothclap_msp_podcast", "train")[model], capsys)
    assert named(said, "model.loss").endswith(loss)
    assert named(said, "data.texts.caption").endswith("ParaClapCaptions")
    assert (named(said, "data.texts.tags") == "None") == (model == "paraclap")
    assert (said["data.audio.seconds"], said["data.loading.batch_size"], said["trainer.max_epochs"]) == (5.0, 32, 10)
    assert said["data.manifest"] == "data/msp_podcast/manifest.csv"
    assert len(said["data.labels"]) == 9
    assert said["model.clap.audio.source"] == "audeering/wav2vec2-large-robust-12-ft-emotion-msp-dim"
    assert not said["model.clap.freeze_text"]


@pytest.mark.parametrize(
    ("corpus", "labels"), [("ravdess", "eight"), pytest.param("tess", "seven", marks=pytest.mark.slow)]
)
def test_what_smoothclap_is_tested_on(corpus: str, labels: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = runs("smoothclap_msp_podcast", f"evaluation_{corpus}")
    trained = Path("runs/smoothclap_msp_podcast/train/seed=1,model=smoothclap/best.ckpt")
    assert f"--model.init_args.init_from={trained}" in found["smoothclap"].arguments
    assert found["clap"].depends_on == ()
    said = parsed(found["clap"], capsys)
    assert (said["data.manifest"], said["data.labels"]) == (f"data/{corpus}/manifest.csv", labels)
    assert (said["data.split.protocol"], said["data.split.test_on"]) == (None, "all")
    assert said["model.weights.class_path"] == "models.released.MsClap2022"


@pytest.mark.parametrize("corpus", ["iemocap", "ravdess", "cremad", "tess", "emodb"])
def test_released_models_start_from_nothing_of_ours(corpus: str) -> None:
    found = runs("zero_shot", f"evaluation_{corpus}")
    for model, run in found.items():
        assert run.depends_on == ()
        assert f"configs/clap/{model}.yaml" in run.arguments
        assert "--model.init_args.init_from=null" in run.arguments
    assert sorted(found) == ["laion_htsat", "laion_music_speech", "msclap2022", "msclap2023", "wav2clip"]


def test_a_released_model_on_all_of_a_corpus(capsys: pytest.CaptureFixture[str]) -> None:
    said = parsed(runs("zero_shot", "evaluation_emodb")["msclap2023"], capsys)
    assert said["model.weights.class_path"] == "models.released.MsClap2023"
    assert (said["data.manifest"], said["data.split.test_on"]) == ("data/emodb/manifest.csv", "all")


def on_the_demo() -> list[str]:
    """The chains whose corpus is the synthetic one."""
    return [path.stem for path in sorted(CHAINS.glob("*.yaml")) if "corpus" in read_chain(path).stages]


@pytest.mark.parametrize("name", on_the_demo())
def test_demo_chains_hear_the_two_seconds_that_there_are(name: str) -> None:
    """The stage files say the papers' lengths, mostly silence here; CLEP-DG's evaluation hears CLEP-DG's 5 s."""
    for run in expand_matrix(read_chain(CHAINS / f"{name}.yaml")):
        said = [word.partition("=")[2] for word in run.arguments if word.startswith("--data.init_args.audio.seconds=")]
        hears = run.stage.verb != "prepare" and run.stage.name not in ("acpt", "classifier")
        clep = run.stage.name == "evaluation" and "clep" in read_chain(CHAINS / f"{name}.yaml").stages
        assert said == (["2.0"] if hears and not clep else []), run.arguments


def test_the_grid_of_smoothclap() -> None:
    """Fig. 3: gamma and beta from 0.1 to 0.9 in steps of 0.1."""
    found = [run for run in expand_matrix(read_chain(CHAINS / "smoothclap_grid.yaml")) if run.stage.name == "train"]
    steps = [f"0.{tenth}" for tenth in range(1, 10)]
    cells = [(run.cell["gamma"], run.cell["beta"]) for run in found]
    assert cells == [(gamma, beta) for gamma in steps for beta in steps]
    for run in found:
        for name in ("gamma", "beta"):
            assert f"--model.init_args.loss.init_args.{name}={run.cell[name]}" in run.arguments


def test_a_released_model_is_fine_tuned_as_the_paper_does(capsys: pytest.CaptureFixture[str]) -> None:
    found = expand_matrix(read_chain(CHAINS / "clep_dg_released.yaml"))
    clep = next(run for run in found if run.stage.name == "clep")
    assert list(dict.fromkeys(run.stage.name for run in found)) == [
        "clep", "acpt", "classifier", "evaluation",
    ]  # fmt: skip
    said = parsed(clep, capsys)
    # Section 4.2, and nothing of the recipe for towers from scratch.
    assert (said["model.optimizer.class_path"], said["model.optimizer.lr"]) == ("torch.optim.Adam", 1e-3)
    assert said["model.groups"] == [{"pattern": r"^clap\.audio\.", "lr": 1e-5, "weight_decay": None}]
    assert (said["model.scheduler"], said["data.audio.augmentation"]) == (None, None)
    assert (said["data.audio.seconds"], said["data.loading.batch_size"], said["trainer.max_epochs"]) == (5.0, 64, 80)
    assert said["model.clap.audio.source"] == "laion/clap-htsat-unfused"
    assert said["model.clap.audio.padding"] == "zero"
    assert said["data.manifest"] == "data/emodb/manifest.csv"
