"""Rules that turn an emotion and its intensity into prosody, voice quality and affect ratings.

The directions follow the reviews and rule systems of synthetic and acted emotional speech; the sizes were set by ear
and by instrument for a formant synthesizer:

- Cahn, "The generation of affect in synthesized speech", 1990.
- Murray and Arnott, "Toward the simulation of emotion in synthetic speech", 1993.
- Burkhardt and Sendlmeier, "Verification of acoustical correlates of emotional speech using formant-synthesis", 2000.
- Schröder, "Emotional speech synthesis: a review", 2001.
- Juslin and Laukka, "Communication of emotions in vocal expression and music performance", 2003.

In short: anger is higher, wider, faster, louder and tense, with abrupt falling accents; fear is high, fast, narrow and
irregular, with tremor; happiness is higher, wider and faster, with up-curved accents; sadness is lower, narrow,
falling, slow, soft and breathy; surprise is widest and ends in a rise; neutral is the speaker's own baseline.
"""

from dataclasses import astuple, dataclass

import numpy as np


@dataclass(frozen=True)
class Prosody:
    """How one clip departs from its speaker's baseline.

    Args:
        level: Shift of the median F0, in semitones.
        spread: Exponent on the F0 range: 1 doubles the distance from the median, -1 halves it, 0 keeps it.
        rate: Exponent on the speech rate: 1 doubles it.
        gain: Vocal effort as level, in dB.
        tilt: Slope added to the spectrum above 500 Hz, in dB per octave; negative sounds lax, positive tense.
        breath: Aspiration noise relative to the voice, as a ratio of amplitudes.
        jitter: Standard deviation of a period relative to its length.
        shimmer: Standard deviation of a period's amplitude relative to its mean.
        tremor: Depth of the 6 Hz modulation of F0, in semitones.
        slope: Change of F0 from the first to the last sample, in semitones.
        final: Change of F0 over the last third, in semitones.
        accent: Height of the accents on syllables, in semitones.
        bend: Shape of the accents: 1 curves up, -1 falls abruptly, 0 is symmetric.
    """

    level: float = 0.0
    spread: float = 0.0
    rate: float = 0.0
    gain: float = 0.0
    tilt: float = 0.0
    breath: float = 0.0
    jitter: float = 0.0
    shimmer: float = 0.0
    tremor: float = 0.0
    slope: float = 0.0
    final: float = 0.0
    accent: float = 0.0
    bend: float = 0.0


RULES = {
    "anger": Prosody(
        level=3.5,
        spread=0.7,
        rate=0.3,
        gain=8.0,
        tilt=2.2,
        jitter=0.006,
        shimmer=0.05,
        slope=-2.0,
        final=-2.0,
        accent=3.5,
        bend=-1.0,
    ),
    "fear": Prosody(
        level=7.0,
        spread=-0.4,
        rate=0.4,
        gain=-1.0,
        tilt=0.3,
        breath=0.2,
        jitter=0.025,
        shimmer=0.15,
        tremor=0.8,
        slope=0.5,
        final=0.5,
        accent=0.5,
    ),
    "happiness": Prosody(
        level=4.0,
        spread=0.7,
        rate=0.2,
        gain=4.0,
        tilt=1.2,
        jitter=0.002,
        shimmer=0.02,
        slope=1.0,
        final=3.0,
        accent=3.5,
        bend=1.0,
    ),
    "neutral": Prosody(),
    "sadness": Prosody(
        level=-2.0,
        spread=-1.0,
        rate=-0.45,
        gain=-6.0,
        tilt=-2.5,
        breath=0.65,
        jitter=0.012,
        shimmer=0.08,
        tremor=0.2,
        slope=-2.0,
        final=-1.0,
    ),
    "surprise": Prosody(
        level=4.5,
        spread=1.0,
        rate=-0.1,
        gain=1.0,
        tilt=0.3,
        breath=0.1,
        jitter=0.003,
        shimmer=0.03,
        slope=3.0,
        final=16.0,
        accent=3.0,
        bend=0.5,
    ),
}
"""Prosody of each emotion at intensity 1."""

VARIATION = Prosody(
    level=1.0,
    spread=0.25,
    rate=0.08,
    gain=1.2,
    tilt=0.5,
    breath=0.03,
    jitter=0.002,
    shimmer=0.02,
    tremor=0.1,
    slope=1.0,
    final=1.0,
    accent=0.5,
    bend=0.2,
)
"""Standard deviation of each rule from clip to clip: classes overlap a little, as they do in people."""

AFFECT = {
    "anger": (1.7, 6.3, 6.0),
    "fear": (1.8, 6.0, 1.8),
    "happiness": (6.5, 5.6, 5.0),
    "neutral": (4.0, 3.2, 4.0),
    "sadness": (1.7, 2.0, 2.3),
    "surprise": (4.9, 6.0, 3.8),
}
"""Valence, arousal and dominance of each emotion at intensity 1, on 1 to 7."""

EMOTIONS = tuple(RULES)

_LEAST = Prosody(level=-6.0, spread=-1.5, rate=-0.5, gain=-9.0, tilt=-4.0, slope=-6.0, final=-6.0, bend=-1.0)
_MOST = Prosody(
    level=10.0,
    spread=1.3,
    rate=0.5,
    gain=10.0,
    tilt=4.0,
    breath=1.0,
    jitter=0.04,
    shimmer=0.25,
    tremor=1.2,
    slope=6.0,
    final=18.0,
    accent=5.0,
    bend=1.0,
)
"""Limits of a voice: beyond these the synthesizer stops sounding like a person."""


def express(emotion: str, intensity: float, rng: np.random.Generator) -> Prosody:
    """Return the prosody of one clip: the emotion's rules at an intensity in [0, 1], each varied at random."""
    rule = np.array(astuple(RULES[emotion]))
    deviation = np.array(astuple(VARIATION))
    drawn = intensity * rule * rng.normal(1.0, 0.2, rule.size) + deviation * rng.normal(0.0, 1.0, rule.size)
    return Prosody(*np.clip(drawn, astuple(_LEAST), astuple(_MOST)).tolist())


def affect(emotion: str, intensity: float, rng: np.random.Generator) -> tuple[float, float, float]:
    """Return valence, arousal and dominance on 1 to 7: from neutral towards the emotion, plus a rater's noise."""
    neutral = np.array(AFFECT["neutral"])
    full = np.array(AFFECT[emotion])
    rated = np.clip(neutral + intensity * (full - neutral) + rng.normal(0.0, 0.25, 3), 1.0, 7.0)
    valence, arousal, dominance = (round(value, 2) for value in rated.tolist())
    return valence, arousal, dominance
