"""Making of the demo corpus: wav files, and the rows of its manifest."""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import soundfile

from datamodules.corpora import Row
from datamodules.corpora.demo.emotions import EMOTIONS, Prosody, affect, express
from datamodules.corpora.demo.pitch import Signal
from datamodules.corpora.demo.soundscapes import SEEN, UNSEEN, add_soundscape
from datamodules.corpora.demo.speech import SAMPLE_RATE, speak, synthesizer
from datamodules.corpora.demo.voices import BABBLE, SENTENCES, SPEAKERS, Speaker
from datamodules.files import sha256

_CHUNK = 72
_PEAK = 0.98


@dataclass(frozen=True)
class Clip:
    """Plan of one recording: its speaker, sentence, emotion and soundscape."""

    index: int
    split: str
    speaker: Speaker
    sentence: str
    emotion: str
    intensity: float
    soundscape: str


def make_demo(
    root: Path,
    clips: int = 1440,
    seed: int = 1,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Row]:
    """Write ``root/wav/<id>.wav`` (16 kHz, mono, 16 bit) and return the manifest's rows, in order.

    The same arguments give the same bytes on the same machine, whatever the number of workers: each clip has its own
    random numbers, and each chunk of clips a fresh process, because the synthesizer carries state from one sentence to
    the next.

    Args:
        root: Folder of the corpus; made where missing.
        clips: Number of recordings, of which about 70 % train, 8 % dev and 22 % test.
        seed: Of everything random.
        workers: Processes; by default one per core.
        progress: Called with the clips done and the clips in all, after each chunk.

    Raises:
        MissingExtra: If praat-parselmouth is not installed.
    """
    synthesizer()
    (root / "wav").mkdir(parents=True, exist_ok=True)
    planned = plan(clips, seed)
    chunks = [planned[start : start + _CHUNK] for start in range(0, clips, _CHUNK)]
    rows: dict[int, Row] = {}
    context = get_context("spawn")
    with ProcessPoolExecutor(workers or os.cpu_count(), mp_context=context, max_tasks_per_child=1) as pool:
        for done in as_completed([pool.submit(_record_all, chunk, seed, root) for chunk in chunks]):
            rows |= done.result()
            if progress is not None:
                progress(len(rows), clips)
    return [rows[index] for index in range(clips)]


def plan(clips: int, seed: int) -> list[Clip]:
    """Plan all recordings: in each split, every speaker says the sentences in all emotions in turn."""
    train = round(clips * 1000 / 1440)
    dev = round(clips * 120 / 1440)
    splits = ["train"] * train + ["dev"] * dev + ["test"] * (clips - train - dev)
    return [_plan_one(index, index - splits.index(split), split, seed) for index, split in enumerate(splits)]


def _plan_one(index: int, turn: int, split: str, seed: int) -> Clip:
    speakers = [speaker for speaker in SPEAKERS if speaker.split == split]
    speaker = speakers[turn // len(EMOTIONS) % len(speakers)]
    sentences = SENTENCES[speaker.language, split]
    rng = np.random.default_rng((seed, index, 0))
    return Clip(
        index=index,
        split=split,
        speaker=speaker,
        sentence=sentences[turn // len(EMOTIONS) // len(speakers) % len(sentences)],
        emotion=EMOTIONS[turn % len(EMOTIONS)],
        intensity=float(rng.uniform(0.5, 1.0)),
        soundscape=str(rng.choice(UNSEEN if split == "test" else SEEN)),
    )


def _record_all(planned: list[Clip], seed: int, root: Path) -> dict[int, Row]:
    return {clip.index: _record(clip, seed, root) for clip in planned}


def _record(clip: Clip, seed: int, root: Path) -> Row:
    """Write one clip and return its row."""
    rng = np.random.default_rng((seed, clip.index, 1))
    spoken = speak(clip.speaker, clip.sentence, express(clip.emotion, clip.intensity, rng), rng)
    x_T = add_soundscape(spoken, clip.soundscape, rng, lambda samples: _babble(samples, rng))
    x_T *= 10.0 ** (rng.uniform(-3.0, 3.0) / 20.0)
    x_T *= min(1.0, _PEAK / np.abs(x_T).max())
    valence, arousal, dominance = affect(clip.emotion, clip.intensity, rng)
    name = f"demo_{clip.index:05d}"
    path = root / "wav" / f"{name}.wav"
    soundfile.write(path, x_T, SAMPLE_RATE, subtype="PCM_16")
    duration = x_T.size / SAMPLE_RATE
    return {
        "id": name,
        "path": path.relative_to(root).as_posix(),
        "start": 0.0,
        "end": duration,
        "duration": duration,
        "sample_rate": SAMPLE_RATE,
        "corpus": "demo",
        "language": clip.speaker.language,
        "speaker": clip.speaker.name,
        "gender": clip.speaker.gender,
        "session": "",
        "split": clip.split,
        "transcript": clip.sentence,
        "emotion": clip.emotion,
        "valence": valence,
        "arousal": arousal,
        "dominance": dominance,
        "soundscape": clip.soundscape,
        "sha256": sha256(path),
    }


def _babble(samples: int, rng: np.random.Generator) -> Signal:
    """Return a random passage of the crowd."""
    return np.roll(_crowd(), int(rng.integers(_crowd().size)))[:samples]


@cache
def _crowd() -> Signal:
    """Return four seconds of eight people who talk at once."""
    crowd = np.zeros(4 * SAMPLE_RATE)
    speakers = [speaker for speaker in SPEAKERS if speaker.language == "en" and speaker.split == "train"]
    for number, sentence in enumerate(BABBLE):
        rng = np.random.default_rng(number)
        voice = speak(speakers[number % len(speakers)], sentence, Prosody(), rng)
        crowd += np.roll(np.resize(voice, crowd.size), int(rng.integers(crowd.size)))
    return crowd
