"""What an evaluation makes of one batch, on a tiny model."""

from pathlib import Path

import torch
from torch import Tensor

from models.audio import AudioEncoder
from models.clap import Clap
from models.text import TextEncoder
from stages.evaluation import Evaluation
from stages.metrics.measure import Measure, Shared

LABELS, WORDS = ["anger", "happiness", "sadness"], ["angry", "happy", "sad"]


class Statistics(AudioEncoder):
    sample_rate, width = 16000, 2

    def forward(self, wave_NT: Tensor, length_N: Tensor) -> Tensor:
        return torch.stack([torch.stack(torch.std_mean(w[:n])) for w, n in zip(wave_NT, length_N, strict=True)])


class Watch(Measure):
    """Keeps what it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Shared] = []

    def update(self, clips: Shared) -> None:
        self.seen.append(clips)

    def compute(self) -> dict[str, list[float]]:
        return {}


def evaluation(tiny_bert: Path, **more: object) -> Evaluation:
    torch.manual_seed(0)
    clap = Clap(Statistics(), TextEncoder(str(tiny_bert)), dim=16)
    return Evaluation(clap, LABELS, WORDS, init_from=Path("none.ckpt"), **more).eval()  # type: ignore[arg-type]


def batch(names: str = "abcde") -> dict[str, object]:
    """Clips whose sound is decided by their names."""
    wave = torch.stack(
        [torch.randn(800, generator=torch.Generator().manual_seed(ord(name))) * (ord(name) - 96) / 20 for name in names]
    )
    n = len(names)
    return {
        "wave": wave, "length": torch.full((n,), 800), "label": torch.arange(n) % 3, "rating": torch.full((n, 3), 3.37),
        "caption": torch.arange(n) % 2, "captions": ["angry", "a sad voice"], "tag": torch.zeros(n, dtype=torch.int64),
        "tags": [], "features": {}, "id": list(names), "corpus": ["c"] * n, "skipped": [],
    }  # fmt: skip


@torch.no_grad()
def test_a_clip_has_the_number_of_its_name_in_every_batch(tiny_bert: Path) -> None:
    stage = evaluation(tiny_bert, measures=[Watch()])
    stage._embed_classes()
    found = []
    for parts in (["abcde"], ["ed", "cab"]):
        stage.measures[0].seen.clear()  # type: ignore[union-attr, operator]
        for names in parts:
            stage.test_step(batch(names), 0)  # type: ignore[arg-type]
        shown = torch.cat([clips.clip_N for clips in stage.measures[0].seen])  # type: ignore[union-attr]
        found.append(dict(zip("".join(parts), shown.tolist(), strict=True)))
    assert found[0] == found[1]
    assert len(set(found[0].values())) == 5
    captions = [clips.caption_N for clips in stage.measures[0].seen]  # type: ignore[union-attr]
    assert [len(set(part.tolist())) for part in captions] == [2, 2]
