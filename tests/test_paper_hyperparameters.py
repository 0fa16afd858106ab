"""Every hyper-parameter that a paper names, against the files that ship it: one table, each row with its source.

Where a paper is silent, the row names the published code that its method is taken from, or says "ours". Numbers that no
row of a stage file accounts for are listed in OWN, so that a new one needs a source, too.
"""

import contextlib
import io
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from lightning_app.config.files import flatten, resolve
from lightning_app.config.yaml_file import load_yaml
from stages.metrics.ordinal import VALUES

ROOT = Path(__file__).parents[1]
Rows = dict[str, tuple[Any, str]]

# What EmotionRankCLAP and its baselines have in common.
EMOTIONRANKCLAP: Rows = {
    "data.audio.seconds": (10.0, "EmotionRankCLAP 4.1: cropped or zero-padded to 10 seconds"),
    "data.audio.pad": ("zero", "EmotionRankCLAP 4.1"),
    "data.loading.batch_size": (64, "EmotionRankCLAP 4.1"),
    "trainer.max_epochs": (15, "EmotionRankCLAP 4.1"),
    "checkpoint.monitor": ("val/loss", "EmotionRankCLAP 4.1: the checkpoint with the lowest validation loss"),
    "checkpoint.mode": ("min", "EmotionRankCLAP 4.1"),
    "model.optimizer.class_path": ("torch.optim.Adam", "EmotionRankCLAP 4.1"),
    "model.optimizer.lr": (1e-4, "EmotionRankCLAP 4.1"),
    "model.optimizer.weight_decay": (0.0, "EmotionRankCLAP 4.1: Adam, nothing more"),
    "model.scheduler": (None, "EmotionRankCLAP 4.1: no schedule"),
    "model.clap.dim": (512, "EmotionRankCLAP 3.1: D = 512"),
    "model.clap.audio_projection.class_path": ("models.projection.LinearReluProjection", "EmotionRankCLAP 3.1"),
    "model.clap.text_projection.class_path": ("models.projection.LinearReluProjection", "EmotionRankCLAP 3.1"),
    "model.clap.freeze_audio": (True, "EmotionRankCLAP 3.1"),
    "model.clap.freeze_text": (True, "EmotionRankCLAP 3.1"),
    "model.clap.temperature": (1.0, "EmotionRankCLAP 4.1: initialized at 1.0"),
    "model.clap.learn_temperature": (True, "EmotionRankCLAP 4.1"),
    "model.clap.min_temperature": (0.01, "ours: the loss as printed has no lower bound in it"),
    "model.clap.max_temperature": (10.0, "ours"),
}
# SmoothCLAP and, "for a fair comparison", ParaCLAP.
SMOOTHCLAP: Rows = {
    "data.audio.seconds": (5.0, "SmoothCLAP 3.1: clipped or padded to 5 seconds"),
    "data.audio.pad": ("zero", "SmoothCLAP 3.1"),
    "data.loading.batch_size": (32, "SmoothCLAP 3.1"),
    "trainer.max_epochs": (10, "SmoothCLAP 3.1"),
    "model.optimizer.class_path": ("torch.optim.Adam", "SmoothCLAP 3.1"),
    "model.optimizer.lr": (1e-3, "SmoothCLAP 3.1: projections and other parameters"),
    "model.optimizer.weight_decay": (0.0, "SmoothCLAP 3.1: Adam, nothing more"),
    "model.scheduler": (None, "SmoothCLAP 3.1: no schedule"),
    "model.groups": ([{"pattern": r"^clap\.text\.", "lr": 1e-5, "weight_decay": None}], "SmoothCLAP 3.1"),
    "model.clap.freeze_audio": (True, "SmoothCLAP 3.1"),
    "model.clap.freeze_text": (False, "SmoothCLAP 3.1: text branches are learnable"),
    "model.clap.dim": (768, "ParaCLAP, models_xin.py"),
    "model.clap.audio_projection.class_path": ("models.projection.ResidualProjection", "ParaCLAP, models_xin.py"),
    "model.clap.text_projection.class_path": ("models.projection.ResidualProjection", "ParaCLAP, models_xin.py"),
    "model.clap.audio_projection.dropout": (0.5, "ParaCLAP, models_xin.py; msclap, clap.py"),
    "model.clap.text_projection.dropout": (0.5, "ParaCLAP, models_xin.py; msclap, clap.py"),
    "model.clap.temperature": (0.07, "SmoothCLAP 2 is silent; LAION-CLAP, model.py"),
    "model.clap.min_temperature": (0.01, "SmoothCLAP 2 is silent; LAION-CLAP, train.py"),
    "model.clap.max_temperature": (1.0, "SmoothCLAP 2 is silent; LAION-CLAP, train.py"),
    "model.clap.learn_temperature": (True, "SmoothCLAP 2, eq. 4"),
    "model.template": ("{emotion}", "SmoothCLAP 3.1: annotated labels as the text query"),
}
SGD: Rows = {
    "model.optimizer.class_path": ("torch.optim.SGD", "CLEP-DG 4.2"),
    "model.optimizer.lr": (2e-3, "CLEP-DG 4.2"),
    "model.optimizer.momentum": (0.9, "CLEP-DG 4.2"),
    "model.optimizer.weight_decay": (0.0, "CLEP-DG 4.2: none named"),
    "model.optimizer.nesterov": (False, "CLEP-DG 4.2: none named"),
    "model.prompt.contexts": (12, "CLEP-DG 4.2: 12 soundscapes"),
    "model.prompt.length": (8, "CLEP-DG 4.2 and Fig. 2: N_p = 8"),
    "model.prompt.std": (0.02, "CLEP-DG 4.2"),
    "model.prompt.position": ("end", "CLEP-DG 4.2: prepended to class label tokens"),
}
ON_AXIS = ["valence", "arousal"]
TABLE: dict[str, Rows] = {
    "stages/clep.yaml": {
        "data.audio.seconds": (5.0, "CLEP-DG 4.2: truncated or zero-padded to 5 seconds"),
        "data.audio.pad": ("zero", "CLEP-DG 4.2"),
        "data.texts.caption": ("This is a {emotion} sound", "CLEP-DG 4.2"),
        "data.loading.batch_size": (64, "CLEP-DG 4.2"),
        "trainer.max_epochs": (80, "CLEP-DG 4.2"),
        "model.optimizer.class_path": ("torch.optim.Adam", "CLEP-DG 4.2"),
        "model.optimizer.lr": (1e-3, "CLEP-DG 4.2: projections and other trainable components"),
        "model.optimizer.weight_decay": (0.0, "CLEP-DG 4.2: Adam, nothing more"),
        "model.scheduler": (None, "CLEP-DG 4.2: no schedule"),
        "model.groups": ([{"pattern": r"^clap\.audio\.", "lr": 1e-5, "weight_decay": None}], "CLEP-DG 4.2"),
        "model.template": ("this is a sound of {emotion}", "CLEP-DG 3.1"),
        "model.loss.class_path": ("losses.InfoNCE", "CLEP-DG 3.3"),
        "model.loss.targets": ("identity", "CLEP-DG 3.3"),
        "model.clap.freeze_audio": (False, "CLEP-DG 4.2"),
        "model.clap.freeze_text": (True, "CLEP-DG 4.2"),
        "model.clap.audio.sample_rate": (16000, "CLEP-DG 4.2"),
        "model.clap.dim": (512, "LAION-CLAP, model.py"),
        "model.clap.temperature": (0.07, "CLEP-DG is silent; LAION-CLAP, model.py"),
        "model.clap.min_temperature": (0.01, "CLEP-DG is silent; LAION-CLAP, train.py"),
        "model.clap.max_temperature": (1.0, "CLEP-DG is silent; LAION-CLAP, train.py"),
        "model.clap.learn_temperature": (True, "CLEP-DG is silent; LAION-CLAP, model.py"),
    },
    "stages/acpt.yaml": SGD
    | {
        "trainer.max_epochs": (120, "CLEP-DG 4.2: 120 iterations; an epoch is one step"),
        "model.ranking.margin": (1.0, "CLEP-DG 3.4, eq. 2"),
        "model.diversity_weight": (0.0, "CLEP-DG 3.4: the loss has two terms"),
        "model.temperature": (None, "CLEP-DG is silent; CoOp: the model's own"),
    },
    "stages/classifier.yaml": SGD
    | {
        "trainer.max_epochs": (50, "CLEP-DG 4.2"),
        "data.batch_size": (16, "CLEP-DG 4.2"),
        "model.classifier.class_path": ("models.classifier.CosineClassifier", "CLEP-DG 3.5: ArcFace"),
        "model.loss.class_path": ("losses.ArcFaceLoss", "CLEP-DG 3.5"),
        "model.loss.scale": (5.0, "CLEP-DG is silent; PromptStyler"),
        "model.loss.margin": (0.5, "CLEP-DG is silent; PromptStyler"),
    },
    "stages/emotionrankclap.yaml": EMOTIONRANKCLAP
    | {
        "data.texts.caption.class_path": ("datamodules.captions.ValenceArousalCaptions", "EmotionRankCLAP 3.4"),
        "model.loss.class_path": ("losses.RankNContrast", "EmotionRankCLAP 3.2"),
        "model.loss.attributes": (ON_AXIS, "EmotionRankCLAP 3.2"),
        "model.loss.distance": ("l2", "EmotionRankCLAP 3.2"),
        "model.loss.directions": ("audio_to_text", "EmotionRankCLAP 3.2, eq. 4"),
        "model.loss.standardize": (False, "EmotionRankCLAP 3.2: the ratings as they are"),
        "model.loss.negatives": ("inclusive", "Rank-N-Contrast, loss.py; eq. 3 as printed has no lower bound"),
    },
    "stages/clap_sce.yaml": EMOTIONRANKCLAP
    | {
        "data.texts.caption.class_path": ("datamodules.captions.ValenceArousalCaptions", "EmotionRankCLAP 4.1"),
        "model.loss.class_path": ("losses.InfoNCE", "EmotionRankCLAP 4.1"),
        "model.loss.targets": ("identity", "EmotionRankCLAP 4.1"),
    },
    "stages/supcon_clap.yaml": EMOTIONRANKCLAP
    | {
        "data.texts.caption.class_path": ("datamodules.captions.ValenceArousalCaptions", "EmotionRankCLAP 4.1"),
        "model.loss.class_path": ("losses.SupCon", "EmotionRankCLAP 4.1"),
    },
    "stages/clap_template.yaml": EMOTIONRANKCLAP
    | {
        "data.texts.caption": ("speech has {noun} emotion", "EmotionRankCLAP 4.1"),
        "model.loss.class_path": ("losses.InfoNCE", "EmotionRankCLAP 4.1"),
    },
    "stages/clap4emo.yaml": EMOTIONRANKCLAP
    | {
        "data.texts.caption.class_path": ("datamodules.captions.LexiconCaptions", "EmotionRankCLAP 4.1"),
        "model.loss.class_path": ("losses.InfoNCE", "EmotionRankCLAP 4.1"),
    },
    "stages/paraclap.yaml configs/variants/paraclap_by_emotionrankclap.yaml": EMOTIONRANKCLAP
    | {
        "data.texts.caption.class_path": ("datamodules.captions.ParaClapCaptions", "EmotionRankCLAP 4.1"),
        "model.groups": ([], "EmotionRankCLAP 4.1: one learning rate"),
    },
    "stages/emotionrankclap.yaml configs/variants/emotionrankclap_towers.yaml": EMOTIONRANKCLAP
    | {
        "model.clap.text.truncate": (True, "EmotionRankCLAP 4.1: truncated to 512 tokens"),
        "model.clap.text.pooling": ("cls", "EmotionRankCLAP 3.1"),
    },
    "stages/smoothclap.yaml": SMOOTHCLAP
    | {
        "model.loss.class_path": ("losses.SoftTargets", "SmoothCLAP 2"),
        "model.loss.gamma": (0.5, "SmoothCLAP 3.2: the optimum"),
        "model.loss.beta": (0.1, "SmoothCLAP 3.2: the optimum"),
        "model.loss.prediction_temperature": (1.0, "SmoothCLAP 2, eq. 9: the scale is learned already"),
        "model.loss.a2a_temperature": (0.05, "SmoothCLAP is silent; ours"),
        "model.loss.t2t_temperature": (0.05, "SmoothCLAP is silent; ours"),
        "data.texts.caption.class_path": ("datamodules.captions.ParaClapCaptions", "SmoothCLAP 2"),
        "data.texts.tags.class_path": ("datamodules.captions.Tags", "SmoothCLAP 2"),
    },
    "stages/smoothclap.yaml configs/variants/smoothclap_setup.yaml": SMOOTHCLAP
    | {
        "model.loss.gamma": (0.1, "SmoothCLAP 3.1"),
        "model.loss.beta": (0.5, "SmoothCLAP 3.1"),
    },
    "stages/smoothclap.yaml configs/variants/smoothclap_towers.yaml": SMOOTHCLAP
    | {"model.clap.text.pooling": ("cls", "SmoothCLAP 2")},
    "stages/paraclap.yaml": SMOOTHCLAP
    | {
        "model.loss.class_path": ("losses.InfoNCE", "SmoothCLAP 3.1"),
        "data.texts.caption.class_path": ("datamodules.captions.ParaClapCaptions", "SmoothCLAP 3.1"),
    },
    "stages/paraclap.yaml configs/variants/paraclap_code.yaml": {
        "data.audio.seconds": (5.0, "ParaCLAP, train.py"),
        "data.audio.crop": ("random", "ParaCLAP, train.py: RandomCrop"),
        "data.loading.batch_size": (32, "ParaCLAP, config.yaml"),
        "trainer.max_epochs": (100, "ParaCLAP, config.yaml"),
        "model.optimizer.class_path": ("torch.optim.Adam", "ParaCLAP, train.py"),
        "model.optimizer.lr": (1e-3, "ParaCLAP, train.py"),
        "model.groups": ([], "ParaCLAP, models_xin.py: the text tower is detached"),
        "model.clap.freeze_text": (True, "ParaCLAP, models_xin.py: the text tower is detached"),
        "model.clap.unit_in_training": (False, "ParaCLAP, loss_laion.py"),
        "data.texts.caption.preset": ("code", "ParaCLAP, template_creation.py"),
        "data.texts.caption.acoustics.class_path": ("datamodules.acoustics.Egemaps", "ParaCLAP, features.py"),
    },
    "stages/clep.yaml configs/clap/cnn14_16k.yaml": {
        "model.clap.audio.sample_rate": (16000, "PANNs, Cnn14_16k; CLEP-DG 4.2"),
        "model.clap.audio.window": (512, "PANNs, Cnn14_16k"),
        "model.clap.audio.hop": (160, "PANNs, Cnn14_16k"),
        "model.clap.audio.mels": (64, "PANNs, Cnn14_16k"),
        "model.clap.audio.fmin": (50.0, "PANNs, Cnn14_16k"),
        "model.clap.audio.fmax": (8000.0, "PANNs, Cnn14_16k"),
        "model.clap.audio.dropout": (0.2, "PANNs, models.py"),
        "model.clap.audio.head_dropout": (0.5, "PANNs, models.py"),
        "model.clap.audio.time_stripes": (2, "PANNs, models.py"),
        "model.clap.audio.time_width": (64, "PANNs, models.py"),
        "model.clap.audio.freq_stripes": (2, "PANNs, models.py"),
        "model.clap.audio.freq_width": (8, "PANNs, models.py"),
        "model.clap.audio.padding": ("zero", "CLEP-DG 4.2"),
        "data.audio.seconds": (5.0, "CLEP-DG 4.2"),
    },
    "stages/clep.yaml configs/clap/msclap2022.yaml": {
        "model.clap.dim": (1024, "msclap, config_2022.yml"),
        "model.clap.audio.sample_rate": (44100, "msclap, config_2022.yml"),
        "model.clap.audio.window": (1024, "msclap, config_2022.yml"),
        "model.clap.audio.hop": (320, "msclap, config_2022.yml"),
        "model.clap.audio.fmin": (50.0, "msclap, config_2022.yml"),
        "model.clap.audio.fmax": (14000.0, "msclap, config_2022.yml"),
        "model.clap.audio.dropout": (0.2, "msclap, audio.py"),
        "model.clap.audio.head_dropout": (0.5, "msclap, audio.py"),
        "model.clap.audio.spec_augment": (False, "msclap, audio.py: its Cnn14 blanks nothing"),
        "model.clap.audio.padding": ("repeat", "msclap, CLAPWrapper.py"),
        "model.clap.audio_projection.dropout": (0.5, "msclap, clap.py"),
        "data.audio.seconds": (5.0, "msclap, config_2022.yml; CLEP-DG 4.2"),
    },
    "stages/clep.yaml configs/clap/laion_htsat.yaml configs/variants/clep_zero_padding.yaml": {
        "data.audio.seconds": (5.0, "CLEP-DG 4.2"),
        "model.clap.audio.padding": ("zero", "CLEP-DG 4.2"),
    },
}
# Numbers of a stage file that no paper names, and no code of one: of the small models that ship.
NARROW = ("width_multiplier", "stem_stride", "dropout", "head_dropout", "time_stripes", "time_width", "freq_stripes")
OWN: dict[str, set[str]] = {
    "clep": {f"model.clap.audio.{name}" for name in NARROW},
    "acpt": {"checkpoint.every_n_epochs"},
    "classifier": {"checkpoint.every_n_epochs"},
    "ser": {f"model.audio.{name}" for name in NARROW}
    | {"model.optimizer.lr", "model.optimizer.weight_decay", "model.scheduler.warmup", "data.loading.batch_size"}
    | {"data.audio.seconds", "data.audio.augmentation.speed", "data.audio.augmentation.gain", "trainer.max_epochs"},
}


@cache
def parsed(files: str) -> dict[str, Any]:
    """What the program makes of these files, defaults included, as if a run started from no checkpoint."""
    from lightning_app.commands.stage import run_stage

    names = files.split()
    words = ["test" if "evaluation" in names[0] else "fit"]
    words += [word for name in names for word in ("--config", name)]
    if "init_from" in resolve(ROOT / names[0])["model"]["init_args"]:
        words.append("--model.init_from=null")
    out = io.StringIO()
    with contextlib.redirect_stdout(out), pytest.raises(SystemExit) as ended:
        run_stage([*words, "--print_config"])
    assert ended.value.code == 0
    return flatten(yaml.safe_load(out.getvalue()))


@pytest.mark.parametrize("files", TABLE)
def test_what_a_paper_names_is_what_ships(files: str) -> None:
    said = parsed(files)
    wrong = [
        f"{key}: ships {said.get(key, 'nothing')!r}, not {value!r} ({source})"
        for key, (value, source) in TABLE[files].items()
        if key not in said or said[key] != value
    ]
    assert not wrong, "\n".join(wrong)


def test_paraclap_has_no_tags() -> None:
    assert not any(key.startswith("data.texts.tags") for key in parsed("stages/paraclap.yaml"))


@pytest.mark.parametrize("file", sorted((ROOT / "stages").glob("*.yaml")), ids=lambda file: file.stem)
def test_every_number_of_a_stage_file_has_a_source(file: Path) -> None:
    rows, own = TABLE.get(f"stages/{file.name}", {}), OWN.get(file.stem, set())
    # CLAP before it knows of emotion trains as CLEP does; evaluation trains nothing, and has CLEP's model.
    if file.stem in ("clap", "evaluation"):
        rows, own = TABLE["stages/clep.yaml"], OWN["clep"]
    written = flatten(resolve(file))
    numbers = {key for key, value in written.items() if isinstance(value, int | float) and not isinstance(value, bool)}
    assert numbers <= rows.keys() | own, f"no source: {sorted(numbers - rows.keys() - own)}"


def test_what_emotionrankclap_measures() -> None:
    measures = parsed("stages/evaluation.yaml configs/variants/evaluation_shared_space.yaml")["model.space_metrics"]
    alignment, valence, arousal = (measure["init_args"] for measure in measures[:3])
    # Section 4.2.1: 30 trials of 5,000 pairs.
    assert (alignment["trials"], alignment["pairs"]) == (30, 5000)
    # Section 4.2.2: 100 lists for each of the two, 0.5 to 7 in steps of 0.5, each clip retrieved once.
    assert [(m["attribute"], m["lists"]) for m in (valence, arousal)] == [("valence", 100), ("arousal", 100)]
    assert [(m["values"], m["retrieve"], m["once"], m["balanced"]) for m in (valence, arousal)] == [
        (None, "greedy", "list", False)
    ] * 2
    assert list(VALUES) == [0.5 * step for step in range(1, 15)]


@pytest.mark.parametrize(
    ("chain", "axis", "values"),
    [
        ("prompt_length", "prompt_length", [2, 4, 8, 16, 32]),  # CLEP-DG, Fig. 2
        ("prompt_length", "seed", [1, 2, 3]),  # CLEP-DG, Table 2: three random seeds
        ("clep_dg", "seed", [1, 2, 3]),
        ("table3", "seed", [1, 2, 3]),
        ("table4", "seed", [1, 2, 3]),
        ("smoothclap_grid", "gamma", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]),  # SmoothCLAP, Fig. 3
        ("smoothclap_grid", "beta", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]),
    ],
)
def test_what_a_chain_varies_is_what_the_paper_varies(chain: str, axis: str, values: list[float]) -> None:
    assert load_yaml(ROOT / "configs" / "chains" / f"{chain}.yaml")["matrix"][axis]["values"] == values


def test_the_softmax_row_of_table_4_is_plain_cross_entropy() -> None:
    cells = load_yaml(ROOT / "configs" / "chains" / "table4.yaml")["matrix"]["loss"]
    assert cells["arcface"] == {}  # CLEP-DG, Table 4: as the stage file has it
    assert cells["softmax"]["classifier.model.init_args.classifier"] == "models.classifier.LinearClassifier"
    assert cells["softmax"]["classifier.model.init_args.loss"] == {"class_path": "torch.nn.CrossEntropyLoss"}
