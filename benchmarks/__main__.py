"""Run every benchmark and print one Markdown table: ``python -m benchmarks``, about two minutes."""

import os
import warnings

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch

from benchmarks import crop_reading, infonce, resampling, startup, training_step
from benchmarks.table import environment, markdown


def main() -> None:
    # Threads that wait for one another make more noise than the differences that are measured.
    torch.set_num_threads(1)
    for message in (
        r"You are trying to `self.log\(\)` but the `self.trainer` reference",  # a step that no trainer runs
        r".*is an instance of `nn.Module` and is already saved",  # a stage that no command line built
    ):
        warnings.filterwarnings("ignore", message=message)
    rows = [row for module in (training_step, infonce, crop_reading, resampling, startup) for row in module.run()]
    print(markdown(rows))
    print(f"\n{environment()}")
    print(
        "Medians; both sides compute the same (asserted) and take turns in one process. `ours / ours` is the noise: "
        "the interval in which the ratio of a thing to itself lies."
    )


if __name__ == "__main__":
    main()
