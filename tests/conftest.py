"""What the tests share: a generated corpus, tiny models, and the command line as users call it."""

import os
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["EMOCLAP_CACHE"] = tempfile.mkdtemp(prefix="emoclap-tests-")

import csv
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

RATE = 16000
EMOTIONS = ("anger", "happiness", "neutral", "sadness")
PITCH = {"anger": 420.0, "happiness": 700.0, "neutral": 230.0, "sadness": 120.0}
AFFECT = {"anger": (2.0, 6.0), "happiness": (6.0, 5.0), "neutral": (4.0, 3.5), "sadness": (2.5, 2.0)}
SPEAKERS = ("ann", "bob", "cleo", "dan", "eve", "finn")
torch.set_num_threads(1)
# What a cluster's job, a launcher or a user's shell may have set would change what the tests see.
for name in list(os.environ):
    if name.startswith(("SLURM_", "PL_", "MASTER_", "XDG_")) or name in (
        "RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "COLUMNS", "EMOCLAP_DEBUG",
        "EMOCLAP_PLUGINS", "EMOCLAP_TRUST",
    ):  # fmt: skip
        del os.environ[name]


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of 72 voices that are buzzes: an emotion is a pitch, a speaker a timbre."""
    root = tmp_path_factory.mktemp("corpus")
    rows = []
    for s, speaker in enumerate(SPEAKERS):
        for e, emotion in enumerate(EMOTIONS):
            for take in range(3):
                draw = np.random.default_rng([s, e, take])
                seconds = draw.uniform(0.8, 1.4)
                t = np.arange(int(seconds * RATE)) / RATE
                pitch = PITCH[emotion] * draw.uniform(0.95, 1.05)
                buzz = sum(np.sin(2 * np.pi * pitch * h * t) / h ** (1 + 0.1 * s) for h in range(1, 6))
                wave = 0.2 * buzz + 0.01 * draw.standard_normal(len(t))
                name = f"{speaker}_{emotion}_{take}"
                soundfile.write(root / f"{name}.wav", wave, RATE)
                split = "test" if s >= 4 else "dev" if s == 3 else "train"
                rows.append(
                    {
                        "id": name,
                        "path": f"{name}.wav",
                        "duration": len(t) / RATE,
                        "sample_rate": RATE,
                        "corpus": "buzz",
                        "speaker": speaker,
                        "split": split,
                        "transcript": f"sentence {split} {take}",
                        "emotion": emotion,
                        "valence": round(AFFECT[emotion][0] + 0.2 * (take - 1), 2),
                        "arousal": round(AFFECT[emotion][1] + 0.1 * s, 2),
                        "dominance": round(4 + 0.3 * (e - 1.5), 2),
                        "gender": "female" if s % 2 else "male",
                        "soundscape": "a quiet studio",
                        "fold_speaker": s % 3,
                    }
                )
    path = root / "manifest.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of a few thousand random weights with its tokenizer, as `save_pretrained` writes them."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("bert")
    words = (
        "this is a sound of the voice speaker person speaking in tone speech that expresses feeling sounds "
        "recorded angry happy neutral sad fearful bored disgusted surprised furious joyful gloomy plain quiet "
        "studio street with very high low energy an and calm "
    ).split()
    vocabulary = {word: number for number, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=40,
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=40,
        pad_token_id=0,
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_yaml(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path, corpus: Path) -> Path:
    """Lays the tiny model and corpus over stages/clep.yaml."""
    path = tmp_path_factory.mktemp("configs") / "tiny.yaml"
    path.write_text(f"""\
model:
  init_args:
    clap:
      class_path: models.clap.Clap
      init_args:
        dim: 16
        audio:
          class_path: models.audio.Cnn14
          init_args: {{width_multiplier: 0.03125, stem_stride: 2, mask_padding: true}}
        text:
          class_path: models.text.TextEncoder
          init_args: {{source: {tiny_bert}, pooling: mean, sha256: null}}
    groups: []
data:
  class_path: datamodules.clips.data.ClipData
  init_args:
    manifest: {corpus}
    labels: iemocap4
    split: {{disjoint: [speaker]}}
    audio: {{seconds: 1.2}}
    loading: {{batch_size: 8, num_workers: 0}}
""")
    return path


Command = Callable[..., int]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Command:
    """Call lightning-cli with these words in this process, quietly; returns the exit code.

    A stop signal that no test has sent, such as that of a time limit, ends the tests; the run that is just being tested
    would otherwise obey it, and fail its test with 143.
    """
    from datamodules.stop_signals import Stopped
    from lightning_app.cli import main

    kill = os.kill
    sent: list[int] = []

    def send(process: int, number: int) -> None:
        sent.append(number)
        kill(process, number)

    monkeypatch.setattr(os, "kill", send)

    def run(*words: object) -> int:
        argv = [str(word) for word in words]
        quiet = [
            "--trainer.enable_progress_bar=false",
            "--trainer.enable_model_summary=false",
            "--trainer.accelerator=cpu",
        ]
        argv += quiet if argv[0] in ("fit", "test", "validate", "predict") else []
        monkeypatch.setattr("sys.argv", ["lightning-cli", *argv])
        code = main(argv)
        if code == Stopped.exit_code and not sent:
            pytest.exit("stopped by a signal from outside", returncode=code)
        return code

    return run


class Chain:
    """The tiny model after each stage, made once for all tests."""

    def __init__(self, root: Path, tiny_yaml: Path) -> None:
        self.root, self.tiny_yaml = root, tiny_yaml

    def checkpoint(self, stage: str) -> Path:
        return self.root / stage / "best.ckpt"


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory, tiny_yaml: Path) -> Chain:
    """clep, acpt and classifier, trained for a moment through the command line."""
    from lightning_app.cli import main

    made = Chain(tmp_path_factory.mktemp("chain"), tiny_yaml)
    quiet = ["--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false", "--trainer.accelerator=cpu"]
    clep = ["--config", "stages/clep.yaml", "--config", str(tiny_yaml), "--trainer.max_epochs", "2"]
    acpt = ["--config", "stages/acpt.yaml", f"--model.init_from={made.checkpoint('clep')}", "--trainer.max_epochs=4"]
    linear = [f"--model.init_from={made.checkpoint('acpt')}", "--trainer.max_epochs=5"]
    classifier = ["--config", "stages/classifier.yaml", *linear]
    for stage, words in (("clep", clep), ("acpt", acpt), ("classifier", classifier)):
        assert main(["fit", *words, f"--trainer.default_root_dir={made.root / stage}", *quiet]) == 0
    return made


@pytest.fixture(scope="session")
def ser_checkpoint(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> Path:
    """A tiny tower that was trained for a moment to rate valence, arousal and dominance, through the command line."""
    from lightning_app.cli import main

    folder = tmp_path_factory.mktemp("ser")
    words = [
        "fit", "--config", "stages/ser.yaml", "--model.audio.width_multiplier=0.03125", f"--data.manifest={corpus}",
        "--data.labels=iemocap4", "--data.split.disjoint=[speaker]", "--data.loading.batch_size=8",
        "--data.audio.seconds=1.2", "--data.loading.num_workers=0", "--trainer.max_epochs=2",
        f"--trainer.default_root_dir={folder}", "--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false",
        "--trainer.enable_model_summary=false",
    ]  # fmt: skip
    assert main(words) == 0
    return folder / "best.ckpt"


@pytest.fixture(scope="session")
def run_ranks() -> Callable[..., None]:
    """Run a test module as a program, ``python FILE FOLDER``, which forks the processes of a distributed run."""

    def run(file: str, folder: Path, **env: str) -> None:
        done = subprocess.run(
            [sys.executable, file, str(folder)],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), **env},
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    return run
