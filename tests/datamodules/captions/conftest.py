"""What tests of captions of acoustics share: a measurement of every quantity, and a cache of their own."""

import numpy as np
import pytest

from datamodules.acoustics import Acoustics
from datamodules.captions import phrasebook


class PeakAcoustics(Acoustics):
    """Every quantity is the waveform's peak."""

    name = "full"
    columns = tuple(phrasebook.ACOUSTIC)
    version = "1"

    def measure(self, wave, sample_rate):
        return dict.fromkeys(self.columns, float(np.abs(wave).max()))


@pytest.fixture
def full() -> Acoustics:
    return PeakAcoustics()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("EMOCLAP_CACHE", str(tmp_path / "cache"))
