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
