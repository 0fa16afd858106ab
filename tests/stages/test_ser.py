from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from models.audio import AudioEncoder
from stages.ser import DimensionalSER


class Linear(AudioEncoder):
    sample_rate, width = 16000, 6

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6, 50, generator=torch.Generator().manual_seed(0)))

    def forward(self, wave_NT: Tensor, length_N: Tensor) -> Tensor:
        return nn.functional.linear(wave_NT[:, :50], self.weight)


@torch.no_grad()
def test_ratings_are_not_rounded_to_steps_of_a_thirty_second_in_bfloat16() -> None:
    torch.manual_seed(0)
    stage = DimensionalSER(Linear(), ["anger"], ["angry"]).eval()
    wave_NT = 0.05 * torch.randn(200, 50)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rating_NR = stage(wave_NT, torch.full((200,), 50))
    assert rating_NR.dtype == torch.float32
    near_4 = rating_NR[(rating_NR > 4) & (rating_NR < 4.5)]
    assert len(near_4.unique()) > 40


def test_what_it_hears_is_tested_and_reported(
    ser_checkpoint: Path, command, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "evaluation"
    code = command(
        "test", "--config", "stages/evaluation.yaml", f"--model.init_from={ser_checkpoint}",
        f"--data.manifest={corpus}", "--data.split.disjoint=[speaker]", "--data.loading.num_workers=0",
        "--data.audio.seconds=1.2", f"--trainer.default_root_dir={folder}",
    )  # fmt: skip
    assert code == 0
    manifest = pd.read_csv(corpus).query("split == 'test'").set_index("id")
    predictions = pd.read_parquet(folder / "predictions.parquet")
    assert set(predictions["kind"]) == {"rating"}
    results = pd.read_csv(folder / "results.csv").set_index("metric")
    assert set(results["system"]) == {"dimensional"}
    assert set(results["kind"]) == {"rating"}
    for dimension, rows in predictions.groupby("label", observed=True):
        true, said = rows.set_index("id")["true_value"], rows.set_index("id")["value"]
        np.testing.assert_allclose(true, manifest.loc[true.index, str(dimension)], rtol=1e-6)
        assert results.loc[f"MAE {dimension}", "value"] == pytest.approx((true - said).abs().mean(), abs=1e-6)
        assert results.loc[f"MAE {dimension}", "better"] == "lower"
        assert results.loc[f"CCC {dimension}", "better"] == "higher"
        assert set(results.loc[[f"CCC {dimension}", f"MAE {dimension}"], "n"]) == {len(rows)}
    assert not (folder / "embeddings.npz").exists()
    capsys.readouterr()
    assert command("report", "--runs", tmp_path, "--markdown") == 0
    assert "| CCC valence ↑ | MAE valence ↓ |" in capsys.readouterr().out
