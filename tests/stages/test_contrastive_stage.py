"""What the contrastive stage hands to its loss, and what it measures and mends around it."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from datamodules.batch import TextColumn
from losses import InfoNCE, SoftTargets
from losses.batch import ContrastiveBatch, ContrastiveLoss
from models.audio import AudioEncoder
from models.clap import Clap
from models.projection import unit
from models.text import TextEncoder
from stages.clap import ClapTraining

WORDS = ["angry", "happy", "neutral", "sad"]


class Linear(AudioEncoder):
    """The first samples of a clip, through a matrix: another tower for another seed, in the type of autocast."""

    sample_rate = 16000

    def __init__(self, width: int, seed: int) -> None:
        super().__init__()
        self.width = width
        self.weight = nn.Parameter(torch.randn(width, 50, generator=torch.Generator().manual_seed(seed)))

    def forward(self, wave_NT: Tensor, length_N: Tensor) -> Tensor:
        return nn.functional.linear(wave_NT[:, :50], self.weight)


def stage(tiny_bert: Path, loss: ContrastiveLoss, *, local: bool = False, **more: object) -> ClapTraining:
    clap = Clap(Linear(32, 0), TextEncoder(str(tiny_bert)), dim=32, freeze_audio=True, **more)  # type: ignore[arg-type]
    made = ClapTraining(clap, ["a", "h", "n", "s"], WORDS, loss, local=Linear(6, 1) if local else None)
    made.logged = {}  # type: ignore[assignment]
    made.log = lambda name, value, **_: made.logged.update({name: value})  # type: ignore
    return made


def batch(n: int = 5) -> dict[str, object]:
    draw = torch.Generator().manual_seed(2)
    return {
        "wave": torch.randn(n, 60, generator=draw), "length": torch.full((n,), 60), "label": torch.arange(n) % 4,
        "rating": torch.full((n, 3), 4.0), "features": {},
        "texts": {
            "caption": TextColumn(torch.arange(n) % 2, ["angry", "a sad voice"]),
            "tags": TextColumn(torch.arange(n) % 2, ["high pitch", "low energy"]),
        },
        "id": [f"clip{i}" for i in range(n)], "corpus": ["c"] * n, "skipped": [],
    }  # fmt: skip


@pytest.mark.parametrize("hook", ["on_train_batch_start", "on_train_batch_end"])
def test_the_stage_brings_the_learned_scale_back_into_its_bounds(tiny_bert: Path, hook: str) -> None:
    made = stage(tiny_bert, InfoNCE())
    for log_scale, bound in ((9.0, 100.0), (-9.0, 1.0)):
        made.clap.log_scale.data.fill_(log_scale)
        getattr(made, hook)(None, None, 0)
        assert made.clap.scale.item() == pytest.approx(bound, rel=1e-5)


class Released:
    """Released weights that fill every parameter with one number."""

    def load(self, clap: nn.Module) -> str:
        for parameter in clap.parameters():
            nn.init.constant_(parameter, 7)
        return "loaded"


@pytest.mark.parametrize("resumed", [None, Path("last.ckpt")])
def test_a_resumed_stage_does_without_released_weights(tiny_bert: Path, resumed: Path | None) -> None:
    made = stage(tiny_bert, InfoNCE())
    made.weights, made.resumed_from = Released(), resumed
    made.print = lambda *_: None  # type: ignore[method-assign]
    made.setup("fit")
    assert (made.clap.log_scale.item() == 7) == (resumed is None)


@pytest.mark.parametrize("local", [True, False])
def test_clips_are_compared_by_what_the_local_tower_made_of_them(tiny_bert: Path, local: bool) -> None:
    made = stage(tiny_bert, SoftTargets(), local=local)
    heard = batch()
    tower = made.local if local else made.clap.audio
    found = made.pairs(heard).local_NL  # type: ignore[arg-type]
    assert found is not None
    assert not found.requires_grad
    torch.testing.assert_close(found, tower(heard["wave"], heard["length"]).detach())  # type: ignore[misc]


@torch.no_grad()
def test_validation_recognises_in_float32_where_the_model_runs_in_bfloat16(tiny_bert: Path) -> None:
    """Prompts whose cosines differ by less than a step of bfloat16, of which there are 8 bits."""
    made = stage(tiny_bert, InfoNCE()).eval()
    made.clap.audio_projection = made.clap.text_projection = nn.Identity()
    draw = torch.Generator().manual_seed(0)
    prompt_CE = 1 + 0.01 * torch.randn(4, 32, generator=draw)
    made._pool = lambda texts: prompt_CE[: len(texts)]  # type: ignore[method-assign]
    heard = batch(64)
    audio_NE = 1 + 0.3 * torch.randn(64, 32, generator=draw)
    heard["features"] = {"audio": audio_NE}
    answer_N = (unit(audio_NE.double()) @ unit(prompt_CE.double()).T).argmax(1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        made.validation_step(heard, 0)  # type: ignore[arg-type]
    answered_C = made.metrics.confusion.sum(0)
    assert answered_C.tolist() == answer_N.bincount(minlength=4).tolist()
    right = (answer_N == heard["label"]).sum()  # type: ignore[attr-defined]
    assert made.metrics.confusion.trace() == right


def tensors(pairs: ContrastiveBatch) -> dict[str, Tensor]:
    known = {name: value for name, value in vars(pairs).items() if isinstance(value, Tensor)}
    return {**known, **pairs.texts, **pairs.columns}


@pytest.mark.parametrize("local", [True, False])
@pytest.mark.parametrize("unit_in_training", [True, False])
def test_a_rank_without_clips_offers_the_types_of_the_others_in_bfloat16(
    tiny_bert: Path, local: bool, unit_in_training: bool
) -> None:
    made = stage(tiny_bert, SoftTargets(t2t="both"), local=local, unit_in_training=unit_in_training)
    empty = {name: value[:0] if isinstance(value, Tensor) else type(value)() for name, value in batch().items()}
    empty["texts"] = {name: TextColumn(torch.empty(0, dtype=torch.int64), []) for name in ("caption", "tags")}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        full, none = (tensors(made.pairs(each)) for each in (batch(), empty))  # type: ignore[arg-type]
    assert "tags" in full
    for name, value in full.items():
        if value.ndim:
            assert none[name].dtype == value.dtype, name
            assert none[name].shape == (0, *value.shape[1:]), name
            assert value.dtype in (torch.float32, torch.int64), name
