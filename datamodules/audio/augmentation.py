"""Random changes of a recording that leave its emotion alone."""

from dataclasses import dataclass

import numpy as np

from datamodules.audio.reading import Wave


@dataclass(frozen=True)
class Augmentation:
    """Random speed, level and noise of a training clip; every draw depends on the seed, the epoch and the clip alone.

    Args:
        speed: Tempo and pitch change by a factor drawn from [1 - speed, 1 + speed].
        gain: Level changes by a number of dB drawn from [-gain, gain].
        noise: Probability of adding white noise.
        snr: Lowest and highest signal-to-noise ratio in dB of that noise.
    """

    speed: float = 0.0
    gain: float = 0.0
    noise: float = 0.0
    snr: tuple[float, float] = (10.0, 40.0)

    def draw_speed(self, draw: np.random.Generator) -> float:
        """Draw a factor on tempo and pitch."""
        return float(1 + draw.uniform(-self.speed, self.speed)) if self.speed else 1.0

    def apply(self, wave: Wave, length: int, draw: np.random.Generator) -> Wave:
        """Change level and add noise, to the first ``length`` samples of ``wave``."""
        speech = wave[:length]
        if self.noise and draw.random() < self.noise:
            level = float(np.sqrt(np.mean(speech**2))) * 10 ** (-draw.uniform(*self.snr) / 20)
            speech = speech + level * draw.standard_normal(length, dtype=np.float32)
        speech = speech * 10 ** (draw.uniform(-self.gain, self.gain) / 20)
        return np.concatenate([speech, wave[length:]]).astype(np.float32)
