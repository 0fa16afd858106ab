"""Guards against wrong numbers: NaN or infinite losses and gradients, and faulty bfloat16 convolutions."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor
from torch.optim import Optimizer

from lightning_app.errors import NonFiniteError

REMEDY = (
    "lower the learning rate (model.init_args.optimizer.init_args.lr), or train with --trainer.precision 32-true; "
    "the last checkpoint is intact"
)
Convolution = Callable[..., Tensor]
# Channels in and out, kernel, stride: those of speech encoders, small and of full size, and patches.
SHAPES = ((1, 16, 10, 5), (16, 16, 8, 4), (16, 16, 4, 4), (32, 32, 8, 4), (128, 128, 3, 2))
SAMPLES = 599
# bfloat16 has 8 bits of precision. An error above four units in the last of them, of the largest value, is no rounding.
ROUNDING = 4 * 2.0**-8


class FiniteStep(Callback):
    """Stops before an optimizer step whose loss or gradients are NaN or infinite, on all ranks together.

    A rank that stopped alone would leave the others waiting for its gradients.
    """

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._bad_loss: float | None = None

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        if isinstance(batch, dict):
            self._ids += batch.get("id", [])

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        if not torch.isfinite(loss).all():
            self._bad_loss = float(loss.detach())

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        problem = self._problem(trainer, pl_module)
        if not trainer.strategy.reduce_boolean_decision(problem is None, all=True):
            problem = problem or "a loss or a gradient of another process is NaN or infinite"
            clips = ""
            if self._ids:
                more = ", ..." if len(self._ids) > 8 else ""
                clips = f"; the step's clips are {', '.join(self._ids[:8])}{more}"
            step = f"in epoch {trainer.current_epoch}, step {trainer.global_step}"
            raise NonFiniteError(f"{problem} {step}{clips}; {REMEDY}")
        self._ids = []
        self._bad_loss = None

    def _problem(self, trainer: Trainer, module: LightningModule) -> str | None:
        if self._bad_loss is not None:
            return f"the loss is {self._bad_loss:g}"
        if getattr(trainer.precision_plugin, "scaler", None) is not None:
            return None  # scaled for float16, gradients overflow now and then, and the scaler skips their step
        name = _nonfinite_gradient(module)
        return None if name is None else f"the gradient of {name} is NaN or infinite"


def _nonfinite_gradient(module: LightningModule) -> str | None:
    """The first parameter with a gradient that is not finite."""
    gradients = {name: p.grad for name, p in module.named_parameters() if p.grad is not None}
    # One transfer from the device for all of them.
    if not gradients or bool(torch.stack([gradient.isfinite().all() for gradient in gradients.values()]).all()):
        return None
    return next(name for name, gradient in gradients.items() if not gradient.isfinite().all())


def overflow(error: BaseException) -> NonFiniteError | None:
    """Explain an optimizer's overflow, whose step the weights' type cannot represent; None for other errors."""
    if not (isinstance(error, RuntimeError) and "without overflow" in str(error)):
        return None
    return NonFiniteError(f"the optimizer's step is larger than any number ({error}); {REMEDY}")


def guard_convolutions(trainer: Trainer) -> None:
    """Switch oneDNN off, with a warning, where a run in bfloat16 on this CPU would compute wrong numbers."""
    if trainer.strategy.root_device.type != "cpu" or "bf16" not in str(trainer.precision):
        return
    if wrong := wrong_convolution(F.conv1d):
        torch.backends.mkldnn.enabled = False  # type: ignore[assignment]  # a property
        rank_zero_warn(
            f"bfloat16 on this CPU: a convolution through oneDNN ({wrong}) is off by more than rounding; oneDNN is "
            "switched off for this run, which makes it slower and right (or take --trainer.precision 32-true)"
        )


def wrong_convolution(convolve: Convolution) -> str | None:
    """Compare a few one-dimensional convolutions in bfloat16 with float32, and name the first that is wrong.

    With torch 2.11 and 2.12, processors with AMX get values that differ by as much as the values themselves for some
    shapes; 16 channels, kernel 8, stride 4 are one of them. Values and both gradients are compared.

    Args:
        convolve: ``torch.nn.functional.conv1d`` or a stand-in: called with input [N, C, T], weight and the keyword
            ``stride``; returns the convolution in the type of its input.
    """
    generator = torch.Generator().manual_seed(0)
    for channels, filters, kernel, stride in SHAPES:
        wave_NCT = torch.randn(2, channels, SAMPLES, generator=generator).bfloat16()
        weight = (torch.randn(filters, channels, kernel, generator=generator) / (channels * kernel) ** 0.5).bfloat16()
        found = _values_and_gradients(convolve, wave_NCT, weight, stride)
        expected = _values_and_gradients(sum_of_products, wave_NCT.float(), weight.float(), stride)
        if not all((a - b).abs().max() <= ROUNDING * b.abs().max() for a, b in zip(found, expected, strict=True)):
            return f"{channels} -> {filters} channels, kernel {kernel}, stride {stride}"
    return None


def sum_of_products(wave_NCT: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Convolve by the definition, without a library's kernel: [N, filters, L]."""
    return torch.einsum("nclk,fck->nfl", wave_NCT.unfold(2, weight.shape[2], stride), weight)


def _values_and_gradients(convolve: Convolution, wave_NCT: Tensor, weight: Tensor, stride: int) -> list[Tensor]:
    wave_NCT = wave_NCT.clone().requires_grad_()
    weight = weight.clone().requires_grad_()
    with torch.enable_grad():
        values = convolve(wave_NCT, weight, stride=stride)
    weights = torch.arange(values.numel(), dtype=torch.float32).reshape(values.shape).sin().to(values.dtype)
    gradients = torch.autograd.grad(values, (wave_NCT, weight), weights)
    return [each.detach().float() for each in (values, *gradients)]
