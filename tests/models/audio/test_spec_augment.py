import torch

from models.audio.spec_augment import SpecAugment

MEL_NTM = torch.ones(400, 100, 64)


def blanked(augment: SpecAugment) -> torch.Tensor:
    torch.manual_seed(0)
    return augment(MEL_NTM) == 0


def test_evaluation_leaves_it_alone() -> None:
    assert torch.equal(SpecAugment().eval()(MEL_NTM), MEL_NTM)


def test_whole_frames_are_blanked_and_each_clip_differently() -> None:
    blank_NTM = blanked(SpecAugment(time_stripes=1, time_width=10, freq_stripes=0))
    blank_NT = blank_NTM.any(2)
    assert torch.equal(blank_NTM.all(2), blank_NT)
    widths = blank_NT.sum(1)
    assert set(widths.tolist()) == set(range(10))
    assert len({tuple(row.nonzero().flatten().tolist()) for row in blank_NT}) > 200
    runs = (blank_NT[:, 1:] & ~blank_NT[:, :-1]).sum(1) + blank_NT[:, 0]
    assert runs.max() == 1


def test_stripes_lie_anywhere_but_on_the_last_position() -> None:
    blank_NM = blanked(SpecAugment(time_stripes=0, freq_stripes=1, freq_width=60)).any(1)
    assert blank_NM.any(0).tolist() == [True] * 63 + [False]


def test_mean_width_and_two_stripes() -> None:
    one = blanked(SpecAugment(time_stripes=0, freq_stripes=1, freq_width=9)).any(1).sum(1).float()
    two = blanked(SpecAugment(time_stripes=0, freq_stripes=2, freq_width=9)).any(1).sum(1).float()
    assert abs(one.mean() - 4) < 0.4  # uniform on 0, ..., 8; four standard errors are 0.5
    assert two.max() > 8


def test_a_stripe_may_be_wider_than_the_clip_is_long() -> None:
    short = torch.ones(50, 5, 64)
    blank_NT = (SpecAugment(time_stripes=1, time_width=64, freq_stripes=0)(short) == 0).all(2)
    assert blank_NT.sum(1).max() <= 4
