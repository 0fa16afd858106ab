"""One step of CLEP: each distinct caption encoded once and kept, against every caption of every batch encoded anew."""

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.timing import Row, compare
from datamodules.batch import ClipBatch, TextColumn
from datamodules.labels import EMOTIONS, LABEL_SETS
from lightning_app.config.yaml_file import load_yaml
from models.audio import Cnn14
from models.clap import Clap
from models.text import TextEncoder
from stages.clap import ClapTraining

LABELS = LABEL_SETS["demo6"].labels


def demo_clap() -> Clap:
    """The embedded default, as ``stages/clep.yaml`` describes it."""
    file = Path(__file__).parents[1] / "stages" / "clep.yaml"
    settings = load_yaml(file)["model"]["init_args"]["clap"]["init_args"]
    audio, text = Cnn14(**settings["audio"]["init_args"]), TextEncoder(**settings["text"]["init_args"])
    return Clap(audio, text, settings["dim"])


def run(clap: Clap | None = None, clips: int = 64, seconds: float = 5.0, rounds: int = 6) -> list[Row]:
    """Forward and backward of a batch of noise; loss and gradients of both forms are shown to be equal first."""
    clap = clap or demo_clap()
    words = [EMOTIONS[label].adjective for label in LABELS]
    stage = ClapTraining(clap, list(LABELS), words)
    batch = _batch(clips, round(seconds * clap.sample_rate), words)
    caption = batch["texts"]["caption"]

    def kept() -> Tensor:
        return stage.training_step(batch, 0)

    def anew() -> Tensor:
        with torch.no_grad():
            pooled_ND = clap.text([caption.distinct[row] for row in caption.row.tolist()])
        audio_NE, text_NE = clap.embed_audio(batch["wave"], batch["length"]), clap.project_text(pooled_ND)
        logit_NN = clap.scale * audio_NE @ text_NE.T
        pair_N = torch.arange(clips)
        return (F.cross_entropy(logit_NN, pair_N) + F.cross_entropy(logit_NN.T, pair_N)) / 2

    require_equal(_step(clap, kept), _step(clap, anew))
    return [
        compare(
            f"CLEP training step, {clips} clips of {seconds:g} s: captions encoded once",
            "all captions of the batch encoded in each step",
            lambda: _step(clap, kept),
            lambda: _step(clap, anew),
            rounds,
        )
    ]


def require_equal(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    """Loss to 1e-5; each gradient to 1e-3 of its largest element, for the sums run in another order in float32."""
    torch.testing.assert_close(ours["loss"], theirs["loss"], rtol=1e-5, atol=1e-6)
    assert ours.keys() == theirs.keys(), "the two forms train different parameters"
    for name, gradient in theirs.items():
        torch.testing.assert_close(ours[name], gradient, rtol=0, atol=1e-3 * float(gradient.abs().max()) + 1e-7)


def _step(clap: Clap, loss_of: Callable[[], Tensor]) -> dict[str, Tensor]:
    """The loss and every gradient; the seed makes dropout and masking the same in both forms."""
    torch.manual_seed(0)
    clap.zero_grad()
    loss = loss_of()
    loss.backward()  # type: ignore[no-untyped-call]
    return {"loss": loss.detach()} | {
        name: parameter.grad for name, parameter in clap.named_parameters() if parameter.grad is not None
    }


def _batch(clips: int, samples: int, words: list[str]) -> ClipBatch:
    draw = torch.Generator().manual_seed(1)
    label_N = torch.arange(clips) % len(words)
    return ClipBatch(
        wave=0.1 * torch.randn(clips, samples, generator=draw),
        length=torch.full((clips,), samples),
        label=label_N,
        rating=torch.full((clips, 3), float("nan")),
        texts={"caption": TextColumn(label_N, [f"This is a {word} sound" for word in words])},
        features={},
        id=[str(number) for number in range(clips)],
        corpus=["noise"] * clips,
        skipped=[],
    )
