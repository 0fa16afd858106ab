"""Run a frozen tower over inputs once: read what is kept, compute the rest, keep it."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor

from datamodules import stop_signals
from datamodules.audio.reading import AudioFormat
from datamodules.clips.dataset import Clips, Item
from datamodules.clips.loading import Loader
from datamodules.clips.rows import Clip
from datamodules.errors import DataError
from datamodules.kept_rows import KeptRows, Rows
from lightning_app.features.keys import text_key, transform_key

# A run that is cut off loses no more than this.
SHARD_ROWS = 4096
SHARD_SECONDS = 300.0
WORTH_A_LINE = 300


class FrozenTower(Protocol):
    """An encoder whose weights do not change, in evaluation mode, on its device."""

    @property
    def name(self) -> str:
        """For people, such as ``models.audio.Cnn14``."""

    @property
    def digest(self) -> str:
        """SHA-256 of weights and settings, hexadecimal."""

    def __call__(self, *inputs: Any) -> Tensor:
        """Encode (wave_NT, length_N) or a list of N texts -> [N, D]; a row does not depend on the others."""


@dataclass(frozen=True)
class Kept:
    """Features of N inputs.

    Args:
        rows: [N, D] float32; NaN where the input could not be read.
        bad: What is wrong with the inputs that could not be read, by index.
    """

    rows: Rows
    bad: dict[int, str]


# Some inputs, by index; their features, in the order of the readable ones; and what is wrong with the others.
_Computed = Iterator[tuple[list[int], Tensor, dict[int, str]]]


@dataclass(frozen=True)
class FeatureKeeper:
    """How and where this run computes features, and where they are kept.

    Args:
        cache: As `cache_folder` gives it; features live in its subfolder ``features``. None keeps them in memory.
        device: Of the towers.
        precision: Name of the precision that ``context`` sets up.
        context: Makes the context manager in which towers run, such as autocast.
        rank: Of this process.
        world: Number of processes; each computes its share.
        any_rank: Whether something holds on any process; waits for all of them, who ask it in the same order.
        batch_size: Inputs per call of a tower.
        num_workers: Loader processes.
    """

    cache: Path | None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    precision: str = "32-true"
    context: Callable[[], AbstractContextManager[Any]] = nullcontext
    rank: int = 0
    world: int = 1
    any_rank: Callable[[bool], bool] = bool
    batch_size: int = 64
    num_workers: int = 0

    def of_clips(
        self,
        tower: FrozenTower,
        clips: Sequence[Clip],
        keys: Sequence[bytes],
        form: AudioFormat,
        on_bad_audio: Literal["raise", "skip"] = "raise",
    ) -> Kept:
        """Features of the middle of each clip.

        Args:
            tower: Called with (wave_NT, length_N).
            clips: What to read.
            keys: The clips' names, from `clip_key`.
            form: What the tower wants to hear.
            on_bad_audio: ``raise`` on the first recording that cannot be read, or ``skip`` it.

        Raises:
            DataError: If a recording cannot be read, or none of them, or if a feature is not finite.
        """
        reader = Clips(clips, form, on_bad_audio=on_bad_audio)

        def compute(todo: list[int]) -> _Computed:
            batches = [todo[start : start + self.batch_size] for start in range(0, len(todo), self.batch_size)]
            loader = Loader(
                reader,
                batch_sampler=[[(0, index) for index in batch] for batch in batches],
                num_workers=min(self.num_workers, len(batches)),
                worker_init_fn=stop_signals.ignore,
                collate_fn=_stack,
                # Its own generator: a loader draws from the global one, and runs with and without kept features
                # would go on with other random numbers.
                generator=torch.Generator(),
            )
            for batch, (wave_NT, length_N, bad) in zip(batches, loader, strict=True):
                good = [index for place, index in enumerate(batch) if place not in bad]
                feature_ND = self._run(tower, len(good), wave_NT.to(self.device), length_N.to(self.device))
                yield good, feature_ND, {batch[place]: line for place, line in bad.items()}

        places = [clip.place for clip in clips]
        return self._keep(tower, form, "clips", places, keys, compute)

    def of_texts(self, tower: FrozenTower, texts: Sequence[str]) -> Kept:
        """Features of texts; the tower is called with a list of them.

        Raises:
            DataError: If a feature is not finite.
        """

        def compute(todo: list[int]) -> _Computed:
            for start in range(0, len(todo), self.batch_size):
                batch = todo[start : start + self.batch_size]
                yield batch, self._run(tower, len(batch), [texts[index] for index in batch]), {}

        places = [f"text {text!r}" for text in texts]
        return self._keep(tower, None, "texts", places, [text_key(text) for text in texts], compute)

    def _keep(
        self,
        tower: FrozenTower,
        form: AudioFormat | None,
        what: str,
        places: Sequence[str],
        keys: Sequence[bytes],
        compute: Callable[[list[int]], _Computed],
    ) -> Kept:
        store = self._open(tower, form, what)
        missing = store.missing(keys)
        if len(missing) > WORTH_A_LINE:
            rank_zero_info(f"computing features of {len(missing)} {what} by {tower.name}")
        # By place, not by what is missing: another rank may have finished before this one looked.
        bad = _fill(store, [index for index in missing if index % self.world == self.rank], places, keys, compute)
        stop_signals.stop_if_asked(self.any_rank)
        store.refresh()
        # What other ranks could not write down, or could not read: the same complaint on every rank.
        bad |= _fill(store, [index for index in store.missing(keys) if index not in bad], places, keys, compute)
        stop_signals.stop_if_asked(self.any_rank)
        by_key = {keys[index]: line for index, line in bad.items()}
        if keys and len(by_key) == len(set(keys)):
            raise DataError("none of the recordings can be read:\n  " + "\n  ".join(list(bad.values())[:5]))
        return Kept(store.read(keys), {place: by_key[key] for place, key in enumerate(keys) if key in by_key})

    def _open(self, tower: FrozenTower, form: AudioFormat | None, what: str) -> KeptRows:
        precision = f"{self.precision}, matrix products {torch.get_float32_matmul_precision()}"
        # It is switched off where its convolutions are wrong; what they made there is not to be read again.
        precision += "" if torch.backends.mkldnn.enabled else ", without oneDNN"
        transform = transform_key(form, precision, self.device.type)
        about = {
            "what": f"features of {what} by a frozen tower; may be deleted, and is then computed anew",
            "tower": tower.name,
            "digest": tower.digest,
            "transform": transform,
            "audio": asdict(form) if form else None,
            "precision": precision,
            "device": self.device.type,
            "format": "NumPy files of (key, feature) rows, each named after the SHA-256 of its bytes",
        }
        folder = self.cache / "features" / f"{tower.digest[:16]}-{transform[:16]}" if self.cache else None
        return KeptRows(folder, about)

    def _run(self, tower: FrozenTower, rows: int, *inputs: Any) -> Tensor:
        if rows == 0:
            return torch.empty(0, 0)
        with torch.inference_mode(False), torch.no_grad(), self.context():
            feature_ND = tower(*inputs)
        if feature_ND.ndim != 2 or len(feature_ND) != rows:
            raise ValueError(f"{tower.name} made {tuple(feature_ND.shape)} of {rows} inputs, expected [{rows}, D]")
        return feature_ND.float().cpu()


def _fill(
    store: KeptRows,
    todo: list[int],
    places: Sequence[str],
    keys: Sequence[bytes],
    compute: Callable[[list[int]], _Computed],
) -> dict[int, str]:
    """Compute and keep the features of these inputs, a shard every few thousand; return what could not be read.

    When this process is asked to stop, it keeps what there is and leaves the rest.
    """
    bad: dict[int, str] = {}
    if not todo:
        return bad
    held: list[tuple[bytes, Tensor]] = []
    flushed = time.monotonic()
    for good, feature_ND, unread in compute(todo):
        bad |= unread
        if broken := (~feature_ND.isfinite().all(dim=1)).nonzero().flatten().tolist():
            place = places[good[broken[0]]]
            raise DataError(f"{place}: its feature is NaN or infinite; remove it, or compute in another precision")
        held += zip([keys[index] for index in good], feature_ND, strict=True)
        if stop_signals.asked():
            break
        if len(held) >= SHARD_ROWS or time.monotonic() - flushed >= SHARD_SECONDS:
            _flush(store, held)
            held, flushed = [], time.monotonic()
    _flush(store, held)
    return bad


def _flush(store: KeptRows, held: list[tuple[bytes, Tensor]]) -> None:
    if held:
        store.add([key for key, _ in held], torch.stack([feature_D for _, feature_D in held]).numpy())


def _stack(items: list[Item]) -> tuple[Tensor, Tensor, dict[int, str]]:
    """Waves [N, T] and lengths [N] of what could be read; what is wrong with the rest, by its place in the batch."""
    bad = {place: wave for place, (_, _, wave, _) in enumerate(items) if isinstance(wave, str)}
    waves = [wave for _, _, wave, _ in items if not isinstance(wave, str)]
    lengths = [length for _, _, wave, length in items if not isinstance(wave, str)]
    wave_NT = torch.from_numpy(np.stack(waves)) if waves else torch.empty(0, 0)
    return wave_NT, torch.tensor(lengths, dtype=torch.int64), bad
