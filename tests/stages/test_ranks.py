"""Validation on two processes, one of which may have no clip, gives the numbers of one."""

import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.distributed import destroy_process_group

from datamodules.batch import TextColumn
from losses import SoftTargets
from models.audio import AudioEncoder
from stages.clap import ClapTraining
from stages.ser import DimensionalSER

SHARDS = {"uneven": [5, 2], "empty": [7, 0]}
LABELS = ["anger", "sadness"]


class Linear(AudioEncoder):
    """The first samples of a clip, through a matrix: in the type of autocast where there is a clip."""

    sample_rate, width = 16000, 6

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6, 50, generator=torch.Generator().manual_seed(0)))

    def forward(self, wave_NT: Tensor, length_N: Tensor) -> Tensor:
        return nn.functional.linear(wave_NT[:, :50], self.weight)


class Letters(nn.Module):
    """Stands for a text tower: a vector for each letter, their mean for a text."""

    width = 6

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(128, 6, generator=torch.Generator().manual_seed(1)))

    def forward(self, texts: list[str]) -> Tensor:
        return torch.stack([self.weight[[ord(letter) for letter in text]].mean(0) for text in texts])


def clips() -> dict[str, object]:
    draw = torch.Generator().manual_seed(2)
    return {
        "wave": torch.randn(7, 60, generator=draw), "length": torch.full((7,), 60), "label": torch.arange(7) % 2,
        "rating": 1 + 6 * torch.rand(7, 3, generator=draw),
        "texts": {
            "caption": TextColumn(torch.arange(7) % 2, ["angry", "a sad voice"]),
            "tags": TextColumn(torch.arange(7) % 2, ["high pitch", "low energy"]),
        },
        "features": {}, "id": [f"clip{i}" for i in range(7)], "corpus": ["c"] * 7, "skipped": [],
    }  # fmt: skip


def part(rows: slice) -> dict[str, object]:
    """Those clips as a rank is given them: a batch without clips has no texts either."""
    whole = clips()
    cut = {
        name: value[rows] if isinstance(value, Tensor) or name in ("id", "corpus") else value
        for name, value in whole.items()
    }
    columns: dict[str, TextColumn] = whole["texts"]  # type: ignore[assignment]
    texts = {
        name: TextColumn(column.row[rows], column.distinct if cut["id"] else [])  # type: ignore[truthy-bool]
        for name, column in columns.items()
    }
    return {**cut, "texts": texts}


def validated(stage: object, batches: list[dict[str, object]]) -> dict[str, float]:
    """What a stage logs of an epoch of validation in bfloat16."""
    logged: dict[str, float] = {}
    stage.log = lambda name, value, **_: logged.update({name: float(value)})  # type: ignore
    stage.log_dict = lambda values, **_: logged.update({name: float(value) for name, value in values.items()})  # type: ignore
    with torch.inference_mode():
        with torch.autocast("cpu", dtype=torch.bfloat16):
            for batch in batches:
                stage.validation_step(batch, 0)  # type: ignore
        stage.on_validation_epoch_end()  # type: ignore
    return logged


def regression(batches: list[dict[str, object]]) -> dict[str, float]:
    torch.manual_seed(0)
    return validated(DimensionalSER(Linear(), LABELS, LABELS).eval(), batches)


def smooth(batches: list[dict[str, object]]) -> dict[str, float]:
    from models.clap import Clap

    torch.manual_seed(0)
    clap = Clap(Linear(), Letters(), dim=6, freeze_audio=True)  # type: ignore[arg-type]
    return validated(ClapTraining(clap, LABELS, ["angry", "sad"], SoftTargets()).eval(), batches)


def run(rank: int, name: str, folder: Path) -> None:
    shards = SHARDS[name]
    join_group(rank, 2, folder / f"{name}.rendezvous")
    first = sum(shards[:rank])
    mine = part(slice(first, first + shards[rank]))
    torch.save({"ser": regression([mine]), "smooth": smooth([mine])}, folder / f"{name}.{rank}.pt")
    destroy_process_group()


@pytest.fixture(scope="module")
def runs(run_ranks, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stage_ranks")
    run_ranks(__file__, folder)
    return {name: [torch.load(folder / f"{name}.{rank}.pt") for rank in range(2)] for name in SHARDS}


@pytest.mark.parametrize("shards", SHARDS)
def test_concordance_is_of_the_clips_of_all_ranks(runs, shards):
    alone = regression([part(slice(None))])
    assert set(alone) == {"val/CCC", "val/CCC_valence", "val/CCC_arousal", "val/CCC_dominance"}
    for result in runs[shards]:
        assert result["ser"] == pytest.approx(alone, abs=1e-5)


@pytest.mark.parametrize("shards", SHARDS)
def test_smoothclap_validates_in_bfloat16_with_a_rank_that_has_no_clip(runs, shards):
    alone = smooth([part(slice(None))])
    assert set(alone) == {"val/loss", "val/UA", "val/WA"}
    for result in runs[shards]:
        assert result["smooth"] == pytest.approx(alone, abs=1e-5)


if __name__ == "__main__":
    from tests.ranks import fork_ranks, join_group

    for name in SHARDS:
        fork_ranks(run, 2, name, Path(sys.argv[1]))
