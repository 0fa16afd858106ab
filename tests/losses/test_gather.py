import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.distributed import destroy_process_group
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from losses import ConcordanceLoss, ContrastiveBatch, InfoNCE, RankNContrast, SigLip, SoftTargets, SupCon, gather

# How the clips of one batch lie on the ranks.
SHARDS = [[4, 4], [5, 2], [6, 0], [3, 3, 3], [0, 2, 3], [2, 0, 5, 1]]
LOSSES = {
    "InfoNCE": lambda: InfoNCE(),
    "InfoNCE, label": lambda: InfoNCE("label"),
    "RankNContrast": lambda: RankNContrast(),
    "RankNContrast, strict": lambda: RankNContrast(negatives="strict"),
    "RankNContrast, both": lambda: RankNContrast(directions="both", standardize=True, tie_eps=1e-9),
    "RankNContrast, strict, both": lambda: RankNContrast(negatives="strict", directions="both", block_rows=2),
    "SoftTargets": lambda: SoftTargets(),
    "SoftTargets, learning": lambda: SoftTargets(
        beta=0.5, t2t="both", detach=False, center_local=True, t2a_target="transposed"
    ),
    "SoftTargets, identity": lambda: SoftTargets(beta=0),
    "SupCon": lambda: SupCon(),
    "SupCon, audio to text": lambda: SupCon("audio_to_text"),
    "SigLip": lambda: SigLip(bias=-1.0),
    "SigLip, negative": lambda: SigLip("negative"),
    "ConcordanceLoss": lambda: ConcordanceLoss(),
}
CAPTION = [0, 3, 1, 0, 0, 3, 1, 0, 3]
NAN = float("nan")
HALF = torch.bfloat16


class Projections(nn.Module):
    """A CLAP of linear maps and a scale, with the loss inside so that DDP sees one forward."""

    def __init__(self, loss: str) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.audio = nn.Parameter(torch.randn(5, 3, generator=generator, dtype=torch.float64))
        self.text = nn.Parameter(torch.randn(6, 3, generator=generator, dtype=torch.float64))
        self.log_scale = nn.Parameter(torch.tensor(1.5, dtype=torch.float64))
        self.loss = LOSSES[loss]().double()

    def forward(self, clips: dict[str, Tensor]) -> Tensor:
        audio = clips["audio"] @ self.audio
        if isinstance(self.loss, ConcordanceLoss):
            # Keeps every parameter in the graph, as DDP wants it.
            return self.loss(audio + 0 * (self.text.sum() + self.log_scale), clips["some ratings"])
        # Each process has a table of its own, with the captions that its clips have.
        rows, caption = clips["caption"].unique(return_inverse=True)
        pairs = ContrastiveBatch(
            audio_NE=F.normalize(audio, dim=1),
            text_UE=F.normalize(captions()[rows] @ self.text, dim=1),
            caption_N=caption,
            scale=self.log_scale.exp(),
            label_N=clips["label"],
            rating_NR=clips["rating"],
            local_NL=clips["local"],
            texts={"tags": F.normalize(clips["tag"] @ self.text, dim=1)},
        )
        return self.loss(pairs)


def captions() -> Tensor:
    return torch.randn(4, 6, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def batch(size: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    rating = torch.randint(1, 5, (size, 3), generator=generator).double()
    some = rating.clone()
    some[::3, 0] = some[1::4, 1] = NAN
    return {
        "audio": torch.randn(size, 5, generator=generator, dtype=torch.float64),
        "caption": torch.tensor(CAPTION[:size]),
        "label": torch.tensor([0, 1, -1, 1, 0, 0, -1, 2, 1][:size]),
        "rating": rating,
        "some ratings": some,
        "local": torch.randn(size, 4, generator=generator, dtype=torch.float64),
        "tag": torch.randn(size, 6, generator=generator, dtype=torch.float64),
    }


def step(model: nn.Module, clips: dict[str, Tensor]) -> dict[str, Tensor]:
    loss = model(clips)
    loss.backward()
    gradients = {name.removeprefix("module."): p.grad for name, p in model.named_parameters()}
    return {"loss": loss.detach(), **gradients}


def run(rank: int, shards: list[int], folder: Path) -> None:
    name = "-".join(map(str, shards))
    join_group(rank, len(shards), folder / f"{name}.rendezvous")
    whole = batch(sum(shards))
    mine = {name: x[sum(shards[:rank]) : sum(shards[: rank + 1])] for name, x in whole.items()}
    results = {loss: step(DistributedDataParallel(Projections(loss)), mine) for loss in LOSSES}
    with torch.inference_mode():
        results["gathered"] = {name: gather(x) for name, x in mine.items()}
        results["gathered"]["bfloat16"] = gather(mine["audio"].bfloat16())
        # Ranks without rows have the type that nothing has touched, and count for nothing.
        results["gathered"]["of two types"] = gather(mine["audio"].to(HALF if shards[rank] else torch.float32))
        results["gathered"]["of all types"] = gather(mine["audio"].to((torch.float32, HALF)[rank % 2]))
    torch.save(results, folder / f"{name}.{rank}.pt")
    destroy_process_group()


@pytest.fixture(scope="module")
def runs(run_ranks, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    run_ranks(__file__, folder)
    return folder


def results(runs, shards):
    name = "-".join(map(str, shards))
    return [torch.load(runs / f"{name}.{rank}.pt", weights_only=True) for rank in range(len(shards))]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("shards", SHARDS, ids=str)
def test_ranks_learn_what_one_process_learns_from_the_whole_batch(runs, shards, loss):
    alone = step(Projections(loss), batch(sum(shards)))
    assert any(gradient.abs().max() > 1e-3 for name, gradient in alone.items() if name != "loss")
    for result in results(runs, shards):
        for name, value in alone.items():
            torch.testing.assert_close(result[loss][name], value, rtol=0, atol=1e-12, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("shards", SHARDS, ids=str)
def test_every_rank_has_all_rows_in_rank_order(runs, shards):
    whole = batch(sum(shards))
    whole["bfloat16"] = whole["of two types"] = whole["audio"].bfloat16()
    parts = whole["audio"].split(shards)
    rounded = [part.bfloat16().float() if rank % 2 else part.float() for rank, part in enumerate(parts)]
    whole["of all types"] = torch.cat(rounded)
    for result in results(runs, shards):
        for name, x in whole.items():
            torch.testing.assert_close(result["gathered"][name], x, rtol=0, atol=0, equal_nan=True)


def test_without_a_process_group_it_is_the_identity():
    x = torch.ones(2, 3)
    assert gather(x) is x


if __name__ == "__main__":
    import torch._dynamo  # what DDP imports when it is first used: here once, instead of in every process

    from tests.ranks import fork_ranks, join_group

    for shards in SHARDS:
        fork_ranks(run, len(shards), shards, Path(sys.argv[1]))
