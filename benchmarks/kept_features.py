"""Fifteen epochs over a frozen encoder: its features kept on disk, against audio and encoder in every epoch."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soundfile
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.timing import Row, compare
from datamodules.audio.reading import AudioFormat, AudioSegment, read_crop
from datamodules.clips.dataset import Clip
from lightning_app.features.keeper import FeatureKeeper
from lightning_app.features.keys import clip_key
from models.audio import Cnn14
from models.projection import ResidualProjection

BATCH, WIDTH, CLASSES = 16, 64, 4
Features = Callable[[list[int]], Tensor]


class FrozenCnn14:
    """The encoder of the demo, as a tower that never changes."""

    name, digest = "models.audio.Cnn14", "0" * 64

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.encoder = Cnn14(width_multiplier=0.125, stem_stride=2).requires_grad_(False).eval()

    def __call__(self, wave_NT: Tensor, length_N: Tensor) -> Tensor:
        feature_ND: Tensor = self.encoder(wave_NT, length_N)
        return feature_ND


def run(clips: int = 48, seconds: float = 3.0, epochs: int = 15, rounds: int = 6) -> list[Row]:
    """Train a projection on tones in both ways, and project every clip; the outputs are shown to be equal first."""
    tower, form = FrozenCnn14(), AudioFormat(16000, seconds)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        manifest = list(_write_clips(root, clips, form))

        def kept(cache: Path) -> Tensor:
            keeper = FeatureKeeper(cache, batch_size=BATCH)
            rows = keeper.of_clips(tower, manifest, [clip_key(clip.recording) for clip in manifest], form).rows
            return _train(lambda batch: torch.from_numpy(rows[batch]), tower.encoder.width, clips, epochs)

        def first() -> Tensor:
            with tempfile.TemporaryDirectory(dir=root) as empty:
                return kept(Path(empty))

        def encoder() -> Tensor:
            return _train(lambda batch: _encode(tower, manifest, form, batch), tower.encoder.width, clips, epochs)

        truth = encoder()
        require_equal(first(), truth)
        require_equal(kept(root / "cache"), truth)
        require_equal(kept(root / "cache"), truth)
        name = f"{epochs} epochs of a projection on {clips} clips of {seconds:g} s: features kept, "
        opponent = "audio and frozen Cnn14 in every epoch"
        return [
            compare(name + "first pass included", opponent, first, encoder, rounds),
            compare(name + "there from before", opponent, lambda: kept(root / "cache"), encoder, rounds),
        ]


def require_equal(ours: Tensor, theirs: Tensor) -> None:
    """Projected clips after training, unit vectors: to 1e-4, for batches of other clips round in other ways."""
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


def _train(features: Features, width: int, clips: int, epochs: int) -> Tensor:
    """Draw each clip to the vector of its class, and return where all clips lie in the end, [N, E]."""
    torch.manual_seed(1)
    projection, class_CE = ResidualProjection(width, WIDTH), F.normalize(torch.randn(CLASSES, WIDTH), dim=1)
    optimizer = torch.optim.SGD(projection.parameters(), lr=0.01)
    for _ in range(epochs):
        for batch in torch.randperm(clips).split(BATCH):
            audio_NE = F.normalize(projection(features(batch.tolist())), dim=1)
            optimizer.zero_grad()
            F.cross_entropy(10 * audio_NE @ class_CE.T, batch % CLASSES).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    projection.eval()
    with torch.no_grad():
        return F.normalize(projection(features(list(range(clips)))), dim=1)


def _encode(tower: FrozenCnn14, clips: list[Clip], form: AudioFormat, batch: list[int]) -> Tensor:
    read = [read_crop(clips[index].recording, form) for index in batch]
    waves, lengths = zip(*read, strict=True)
    return tower(torch.from_numpy(np.stack(waves)), torch.tensor(lengths))


def _write_clips(folder: Path, clips: int, form: AudioFormat) -> Iterator[Clip]:
    draw = np.random.default_rng(0)
    for number in range(clips):
        file = folder / f"{number}.wav"
        pitch = 100 * 2 ** (number % CLASSES) * np.arange(form.samples) / form.sample_rate
        soundfile.write(file, 0.1 * np.sin(2 * np.pi * pitch) + 0.02 * draw.standard_normal(form.samples), 16000)
        unrated = (float("nan"),) * 3
        yield Clip(str(number), "noise", f"row {number}", number % CLASSES, unrated, AudioSegment(str(file)), "")
