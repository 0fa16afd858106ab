"""Run every benchmark and print one Markdown table: ``python -m benchmarks``, about six minutes."""

import logging
import os
import warnings

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch

from benchmarks import (
    alignment,
    crop_reading,
    infonce,
    kept_features,
    rank_n_contrast,
    resampling,
    soft_targets,
    startup,
    training_step,
)
from benchmarks.table import environment, markdown


def main() -> None:
    # Threads that wait for one another make more noise than the differences that are measured.
    torch.set_num_threads(1)
    for message in (
        r"You are trying to `self.log\(\)` but the `self.trainer` reference",  # a step that no trainer runs
        r".*is an instance of `nn.Module` and is already saved",  # a stage that no command line built
    ):
        warnings.filterwarnings("ignore", message=message)
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)
    modules = (
        training_step,
        kept_features,
        infonce,
        rank_n_contrast,
        soft_targets,
        alignment,
        crop_reading,
        resampling,
        startup,
    )
    print(markdown([row for module in modules for row in module.run()]))
    print("\n" + "\n".join(rank_n_contrast.growth()))
    print(f"\n{environment()}")
    print(
        "Medians; both sides compute the same (asserted) and take turns in one process. `ours / ours` is the noise: "
        "the interval in which the ratio of a thing to itself lies."
    )


if __name__ == "__main__":
    main()
