"""Prompt tuning: what its loss is made of."""

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from losses.prompts import PromptCrossEntropy
from models.audio import AudioEncoder
from models.clap import Clap
from models.soft_prompt import SoftPrompt
from models.text import TextEncoder
from stages.acpt import ACPT


class Nothing(AudioEncoder):
    sample_rate, width = 16000, 2

    def forward(self, wave_NT: Tensor, length_N: Tensor) -> Tensor:
        raise AssertionError("a text-only stage heard audio")


@pytest.mark.parametrize("temperature", [None, 0.2, 0.01])
def test_a_fixed_temperature_divides_the_cosines(tiny_bert: Path, temperature: float | None) -> None:
    """Null is the audio-text model's own, here 0.07."""
    torch.manual_seed(0)
    clap = Clap(Nothing(), TextEncoder(str(tiny_bert)), dim=16, temperature=0.07)
    prompt = partial(SoftPrompt, contexts=3, std=1.0)
    stage = ACPT(clap, ["anger", "sadness"], ["angry", "sad"], prompt=prompt, temperature=temperature)
    logged: dict[str, Tensor] = {}
    stage.log = lambda name, value, **_: None  # type: ignore[method-assign, assignment]
    stage.log_dict = lambda values, **_: logged.update(values)  # type: ignore[method-assign, assignment]
    texts, label = ["a furious voice", "the speaker sounds gloomy", "a sad tone"], torch.tensor([0, 1, 1])
    stage.training_step({"text": texts, "label": label}, 0)
    with torch.no_grad():
        scale = torch.tensor(1 / (temperature or 0.07))
        expected = PromptCrossEntropy()(clap.embed_text(texts), label, stage(), scale)
    assert logged["train/cross_entropy"].item() == pytest.approx(expected.item(), rel=1e-5)
