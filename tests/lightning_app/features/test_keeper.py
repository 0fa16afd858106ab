"""A frozen tower is run once for each input, whatever the process, the epoch or the order."""

import threading
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from datamodules.audio.reading import AudioFormat, AudioSegment, read_crop
from datamodules.clips.dataset import Clip
from datamodules.errors import DataError
from lightning_app.features import keeper as keeper_module
from lightning_app.features.keeper import FeatureKeeper
from lightning_app.features.keys import clip_key

RATE, WIDTH = 8000, 3
FORM = AudioFormat(RATE, 0.05)
Make = Callable[..., list[Clip]]


class Counting:
    """A tower that counts what it is given."""

    name, digest = "tests.Counting", "ab" * 32

    def __init__(self) -> None:
        self.seen = 0
        self.lock = threading.Lock()

    def __call__(self, inputs: Tensor | list[str], length_N: Tensor | None = None) -> Tensor:
        with self.lock:
            self.seen += len(inputs)
        if isinstance(inputs, list):
            return torch.tensor([[len(text), ord(text[0]), 1.0] for text in inputs])
        assert length_N is not None
        assert not torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()
        return torch.stack([inputs.mean(1), inputs.abs().amax(1), length_N.float()], dim=1)


def make_clip(path: Path) -> Clip:
    """A row of a manifest of which nothing is known but where its sound is."""
    unrated = (float("nan"),) * 3
    return Clip(path.stem, "", f"m.csv:{path.stem}", -1, unrated, AudioSegment(str(path)), sha256="")


@pytest.fixture
def clips(tmp_path: Path) -> Make:
    def make(count: int, bad: tuple[int, ...] = ()) -> list[Clip]:
        made = []
        for number in range(count):
            path = tmp_path / f"{number}.wav"
            if number in bad:
                path.write_bytes(b"no sound")
            else:
                draw = np.random.default_rng(number)
                soundfile.write(path, 0.1 * draw.standard_normal(300 + 10 * number), RATE, subtype="FLOAT")
            made.append(make_clip(path))
        return made

    return make


def keys_of(clips: list[Clip]) -> list[bytes]:
    return [clip_key(clip.recording) for clip in clips]


def expected(clips: list[Clip]) -> np.ndarray:
    read = [read_crop(clip.recording, FORM) for clip in clips]
    waves, lengths = torch.from_numpy(np.stack([wave for wave, _ in read])), torch.tensor([size for _, size in read])
    with torch.no_grad():
        return Counting()(waves, lengths).numpy()


@pytest.mark.parametrize("workers", [0, 2])
def test_a_clip_is_encoded_once(tmp_path: Path, clips: Make, workers: int) -> None:
    tower, some = Counting(), clips(11)
    keeper = FeatureKeeper(tmp_path / "cache", batch_size=4, num_workers=workers)
    first = keeper.of_clips(tower, some, keys_of(some), FORM)
    np.testing.assert_array_equal(first.rows, expected(some))
    assert tower.seen == 11
    assert first.bad == {}


def test_later_runs_touch_neither_audio_nor_encoder(tmp_path: Path, clips: Make) -> None:
    tower, some = Counting(), clips(5)
    keys, truth = keys_of(some), expected(some)
    FeatureKeeper(tmp_path / "cache").of_clips(tower, some, keys, FORM)
    for clip in some:
        Path(clip.recording.file).unlink()
    again = FeatureKeeper(tmp_path / "cache", num_workers=2).of_clips(tower, some[::-1], keys[::-1], FORM)
    np.testing.assert_array_equal(again.rows, truth[::-1])
    assert tower.seen == 5


def test_only_what_is_new_is_computed_and_duplicates_once(tmp_path: Path, clips: Make) -> None:
    tower, some = Counting(), clips(6)
    keeper = FeatureKeeper(tmp_path / "cache", batch_size=2)
    keeper.of_clips(tower, some[:2], keys_of(some[:2]), FORM)
    mixed = [some[place] for place in (5, 1, 5, 0, 3, 3)]
    kept = keeper.of_clips(tower, mixed, keys_of(mixed), FORM)
    np.testing.assert_array_equal(kept.rows, expected(mixed))
    assert tower.seen == 4


@pytest.mark.parametrize("change", ["digest", "form", "precision", "products", "file"])
def test_another_tower_form_precision_or_file_is_computed_anew(tmp_path: Path, clips: Make, change: str) -> None:
    tower, some, form, precision = Counting(), clips(3), FORM, "32-true"
    FeatureKeeper(tmp_path / "cache").of_clips(tower, some, keys_of(some), form)
    before = torch.get_float32_matmul_precision()
    if change == "digest":
        tower.digest = "cd" * 32
    elif change == "form":
        form = AudioFormat(RATE, 0.06)
    elif change == "precision":
        precision = "bf16-mixed"
    elif change == "products":
        torch.set_float32_matmul_precision("high")
    else:
        soundfile.write(some[1].recording.file, np.zeros(999), RATE)
    try:
        FeatureKeeper(tmp_path / "cache", precision=precision).of_clips(tower, some, keys_of(some), form)
    finally:
        torch.set_float32_matmul_precision(before)
    assert tower.seen == (4 if change == "file" else 6)


def test_texts(tmp_path: Path) -> None:
    tower, texts = Counting(), ["angry", "sad", "calm", "sad"]
    keeper = FeatureKeeper(tmp_path / "cache", batch_size=2)
    truth = [[5, ord("a"), 1], [3, ord("s"), 1], [4, ord("c"), 1], [3, ord("s"), 1]]
    for _ in range(2):
        np.testing.assert_array_equal(keeper.of_texts(tower, texts).rows, truth)
    assert tower.seen == 3
    assert len(keeper.of_texts(tower, []).rows) == 0


def test_without_a_cache_the_numbers_are_the_same(clips: Make) -> None:
    tower, some = Counting(), clips(5)
    np.testing.assert_array_equal(FeatureKeeper(None).of_clips(tower, some, keys_of(some), FORM).rows, expected(some))


def test_a_disk_that_cannot_be_written_is_one_warning(tmp_path: Path, clips: Make) -> None:
    (tmp_path / "cache").write_text("a file")
    some = clips(5)
    with pytest.warns(UserWarning, match="held in memory") as told:
        kept = FeatureKeeper(tmp_path / "cache").of_clips(Counting(), some, keys_of(some), FORM)
    assert len(told) == 1
    np.testing.assert_array_equal(kept.rows, expected(some))


def test_bad_audio_is_raised_or_skipped_and_never_kept(tmp_path: Path, clips: Make) -> None:
    some, tower = clips(7, bad=(0, 1, 5)), Counting()
    some.append(some[5])
    keys, keeper = keys_of(some), FeatureKeeper(tmp_path / "cache", batch_size=2)
    with pytest.raises(DataError, match=r"m\.csv:0: .*it is no audio file"):
        keeper.of_clips(tower, some, keys, FORM)
    for _ in range(2):
        kept = keeper.of_clips(tower, some, keys, FORM, "skip")
        assert sorted(kept.bad) == [0, 1, 5, 7]
        assert kept.bad[7].startswith("m.csv:5: ")
        assert np.isnan(kept.rows[[0, 1, 5, 7]]).all()
        np.testing.assert_array_equal(kept.rows[2:5], expected(some[2:5]))
    assert tower.seen == 4
    soundfile.write(some[1].recording.file, np.ones(400) / 2, RATE)
    kept = keeper.of_clips(tower, some, keys_of(some), FORM, "skip")
    assert sorted(kept.bad) == [0, 5, 7]
    assert kept.rows[1, 1] == 0.5
    with pytest.raises(DataError, match="none of the recordings can be read"):
        keeper.of_clips(tower, some[:1], keys[:1], FORM, "skip")


def test_a_feature_that_is_no_number_is_refused(tmp_path: Path) -> None:
    class Broken(Counting):
        def __call__(self, *inputs):
            features = super().__call__(*inputs)
            features[1, 2] = torch.inf
            return features

    with pytest.raises(DataError, match="text 'sad': its feature is NaN or infinite"):
        FeatureKeeper(tmp_path).of_texts(Broken(), ["angry", "sad"])
    assert not list(tmp_path.rglob("*.npy"))


def test_a_tower_of_another_shape_is_refused(tmp_path: Path) -> None:
    class Flat(Counting):
        def __call__(self, *inputs):
            return super().__call__(*inputs)[:1]

    with pytest.raises(ValueError, match=r"made \(1, 3\) of 2 inputs, expected \[2, D\]"):
        FeatureKeeper(tmp_path).of_texts(Flat(), ["angry", "sad"])


def test_an_interrupted_run_keeps_its_shards(tmp_path: Path, clips: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(Counting):
        def __call__(self, *inputs):
            if self.seen >= 6:
                raise KeyboardInterrupt
            return super().__call__(*inputs)

    monkeypatch.setattr(keeper_module, "SHARD_ROWS", 4)
    some, tower = clips(10), Counting()
    keeper = FeatureKeeper(tmp_path / "cache", batch_size=2)
    with pytest.raises(KeyboardInterrupt):
        keeper.of_clips(Interrupted(), some, keys_of(some), FORM)
    kept = keeper.of_clips(tower, some, keys_of(some), FORM)
    assert tower.seen == 6
    np.testing.assert_array_equal(kept.rows, expected(some))


def run_ranks(world: int, work: Callable[[int, Callable[[bool], bool]], object]) -> list[object]:
    barrier = threading.Barrier(world, timeout=300)
    results: list[object] = [None] * world

    def together(asked: bool) -> bool:
        barrier.wait()
        return asked

    def one(rank: int) -> None:
        results[rank] = work(rank, together)

    threads = [threading.Thread(target=one, args=(rank,)) for rank in range(world)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(600)
    return results


@pytest.mark.parametrize("bad", [(), (2, 5)])
def test_ranks_share_the_work_and_see_everything(tmp_path: Path, clips: Make, bad: tuple[int, ...]) -> None:
    some, towers = clips(9, bad), [Counting(), Counting()]
    keys, good = keys_of(some), [place for place in range(9) if place not in bad]

    def work(rank: int, any_rank: Callable[[bool], bool]) -> object:
        keeper = FeatureKeeper(tmp_path / "cache", rank=rank, world=2, any_rank=any_rank, batch_size=2)
        return keeper.of_clips(towers[rank], some, keys, FORM, "skip")

    for _ in range(2):
        for kept in run_ranks(2, work):
            np.testing.assert_array_equal(kept.rows[good], expected([some[place] for place in good]))
            assert sorted(kept.bad) == list(bad)
            assert np.isnan(kept.rows[list(bad)]).all()
    assert [tower.seen for tower in towers] == [len([g for g in good if g % 2 == rank]) for rank in (0, 1)]


@pytest.mark.filterwarnings("ignore:.*cannot be written")
@pytest.mark.parametrize("cache", ["none", "blocked"])
def test_ranks_that_share_no_disk_compute_for_themselves(tmp_path: Path, clips: Make, cache: str) -> None:
    some, towers = clips(5), [Counting(), Counting()]
    (tmp_path / "blocked").write_text("")

    def work(rank: int, any_rank: Callable[[bool], bool]) -> object:
        folder = None if cache == "none" else tmp_path / cache
        keeper = FeatureKeeper(folder, rank=rank, world=2, any_rank=any_rank)
        return keeper.of_clips(towers[rank], some, keys_of(some), FORM)

    for kept in run_ranks(2, work):
        np.testing.assert_array_equal(kept.rows, expected(some))
    assert [tower.seen for tower in towers] == [5, 5]


def test_global_random_numbers_are_left_alone(tmp_path: Path, clips: Make) -> None:
    some = clips(3)
    torch.manual_seed(3)
    np.random.seed(3)
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()
    FeatureKeeper(tmp_path / "cache", num_workers=1).of_clips(Counting(), some, keys_of(some), FORM)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == np.random.get_state()[1].tolist()


def test_towers_run_in_the_context_and_features_are_float32(tmp_path: Path) -> None:
    entered = []

    @contextmanager
    def context():
        entered.append(True)
        yield

    class Half(Counting):
        def __call__(self, *inputs):
            assert entered
            return super().__call__(*inputs).bfloat16()

    with torch.inference_mode():
        rows = FeatureKeeper(tmp_path, context=context).of_texts(Half(), ["angry"]).rows
    assert rows.dtype == np.float32


def test_a_line_says_that_it_takes_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(keeper_module, "rank_zero_info", lines.append)
    texts = [f"text {number}" for number in range(301)]
    for _ in range(2):
        FeatureKeeper(tmp_path).of_texts(Counting(), texts)
    FeatureKeeper(None).of_texts(Counting(), texts[:2])
    assert lines == ["computing features of 301 texts by tests.Counting"]
