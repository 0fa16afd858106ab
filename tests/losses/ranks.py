"""Train one step on several gloo processes: ``python ranks.py FOLDER``; run by test_gather.py.

A program of its own, so that torch is imported once and the processes are forked before it has started threads.
"""

import os
import sys
from pathlib import Path

import torch
import torch._dynamo  # what DDP imports when it is first used: here once, instead of in every process
import torch.distributed as dist
from torch import Tensor, multiprocessing, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from losses.gather import gather
from losses.infonce import InfoNCE

# How the clips of one batch lie on the ranks.
SHARDS = [[4, 4], [5, 2], [6, 0], [3, 3, 3], [4, 1, 2], [0, 2, 3]]
TARGETS = ["identity", "label"]
CAPTION = [0, 3, 1, 0, 0, 3, 1, 0, 3]
LABEL = [0, 1, 2, 1]


class TwoProjections(nn.Module):
    """A CLAP of two linear maps and a scale, with the loss inside so that DDP sees one forward."""

    def __init__(self, targets: str) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.audio = nn.Parameter(torch.randn(5, 3, generator=generator, dtype=torch.float64))
        self.text = nn.Parameter(torch.randn(6, 3, generator=generator, dtype=torch.float64))
        self.log_scale = nn.Parameter(torch.tensor(1.5, dtype=torch.float64))
        self.loss = InfoNCE(targets)

    def forward(self, clips: Tensor, captions: Tensor, caption: Tensor) -> Tensor:
        audio, text = F.normalize(clips @ self.audio, dim=1), F.normalize(captions @ self.text, dim=1)
        return self.loss(audio, text, caption, self.log_scale.exp(), torch.tensor(LABEL))


def batch(size: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    captions = torch.randn(4, 6, generator=generator, dtype=torch.float64)
    return torch.randn(size, 5, generator=generator, dtype=torch.float64), captions, torch.tensor(CAPTION[:size])


def step(model: nn.Module, clips: Tensor, captions: Tensor, caption: Tensor) -> dict[str, Tensor]:
    loss = model(clips, captions, caption)
    loss.backward()
    gradients = {name.removeprefix("module."): p.grad for name, p in model.named_parameters()}
    return {"loss": loss.detach(), **gradients}


def run(rank: int, shards: list[int], folder: Path) -> None:
    torch.set_num_threads(1)
    name = "-".join(map(str, shards))
    rendezvous = f"file://{folder / name}.rendezvous"
    dist.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=len(shards))
    clips, captions, caption = batch(sum(shards))
    mine = slice(sum(shards[:rank]), sum(shards[: rank + 1]))
    results = {
        targets: step(DistributedDataParallel(TwoProjections(targets)), clips[mine], captions, caption[mine])
        for targets in TARGETS
    }
    with torch.inference_mode():
        results["gathered"] = {str(x.dtype): gather(x[mine]) for x in (clips, caption, clips.bfloat16())}
    torch.save(results, folder / f"{name}.{rank}.pt")
    dist.destroy_process_group()


def main(folder: Path) -> None:
    for shards in SHARDS:
        ranks = [multiprocessing.Process(target=run, args=(r, shards, folder)) for r in range(len(shards))]
        for process in ranks:
            process.start()
        for process in ranks:
            process.join(60)
        if any(process.exitcode != 0 for process in ranks):
            for process in ranks:
                process.kill()
            sys.exit(f"{shards}: exit codes {[process.exitcode for process in ranks]}")


if __name__ == "__main__":
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    multiprocessing.set_start_method("fork")
    main(Path(sys.argv[1]))
