"""The extended Geneva minimalistic acoustic parameter set, by openSMILE."""

import sys
import warnings
from functools import cache
from typing import Any

from datamodules.acoustics.base import Acoustics, Wave, version_of

_LICENCE = "audEERING research licence: for research only, commercial use needs a licence from audEERING"
_PITCH = "F0semitoneFrom27.5Hz_sma3nz"
_JITTER = "jitterLocal_sma3nz"
_SHIMMER = "shimmerLocaldB_sma3nz"


class Egemaps(Acoustics):
    """Functionals of eGeMAPSv02: pitch, equivalent sound level, loudness, jitter, shimmer, duration.

    eGeMAPS gives standard deviations relative to the mean; they are multiplied by it here. The one of intensity is
    that of loudness and stays relative, since the level in dB has none.

    Reference: Eyben et al., "The Geneva minimalistic acoustic parameter set (GeMAPS) for voice research and affective
    computing", 2016.
    """

    name = "egemaps"
    columns = (
        "pitch_mean",
        "pitch_std",
        "intensity_mean",
        "intensity_std",
        "loudness_mean",
        "jitter_mean",
        "jitter_std",
        "shimmer_mean",
        "shimmer_std",
        "duration",
    )

    @property
    def version(self) -> str:
        return f"2-{version_of('opensmile', 'opensmile', _LICENCE)}"

    def announce(self) -> None:
        _print_licence()

    def measure(self, wave: Wave, sample_rate: int) -> dict[str, float]:
        extractor = _extractor()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Segment too short")  # NaN stands for it
            found = extractor.process_signal(wave, sample_rate).iloc[0].astype(float).to_dict()
        measured = dict.fromkeys(self.columns, float("nan")) | {"duration": len(wave) / sample_rate}
        measured["intensity_std"] = found["loudness_sma3_stddevNorm"]
        if found["equivalentSoundLevel_dBp"] > -100.0:  # openSMILE's floor: digital silence
            measured["intensity_mean"] = found["equivalentSoundLevel_dBp"]
            measured["loudness_mean"] = found["loudness_sma3_amean"]
        # openSMILE writes 0 where nothing is voiced.
        for quantity, feature in (("pitch", _PITCH), ("jitter", _JITTER), ("shimmer", _SHIMMER)):
            if found[f"{_PITCH}_amean"] > 0:
                measured[f"{quantity}_mean"] = found[f"{feature}_amean"]
                measured[f"{quantity}_std"] = found[f"{feature}_stddevNorm"] * found[f"{feature}_amean"]
        return measured


@cache
def _extractor() -> Any:
    version_of("opensmile", "opensmile", _LICENCE)
    import opensmile  # research licence: imported only by those who asked for it

    return opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)


@cache
def _print_licence() -> None:
    print(f"openSMILE (eGeMAPS): {_LICENCE}", file=sys.stderr)
