"""Speech emotion recognition in Python: trained models, manifests and the stages, each imported when it is first used.

>>> from emoclap import Predictor
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lightning_app import __version__

if TYPE_CHECKING:
    from datamodules.manifest.reading import read_manifest
    from lightning_app.predictor import Predictor
    from models.recognition import Recognition
    from stages.acpt import ACPT
    from stages.clap import ClapTraining
    from stages.classifier import TextClassifier
    from stages.evaluation import Evaluation
    from stages.ser import DimensionalSER

__all__ = [
    "ACPT",
    "ClapTraining",
    "DimensionalSER",
    "Evaluation",
    "Predictor",
    "Recognition",
    "TextClassifier",
    "__version__",
    "read_manifest",
]

_MODULES = {
    "ACPT": "stages.acpt",
    "ClapTraining": "stages.clap",
    "DimensionalSER": "stages.ser",
    "Evaluation": "stages.evaluation",
    "Predictor": "lightning_app.predictor",
    "Recognition": "models.recognition",
    "TextClassifier": "stages.classifier",
    "read_manifest": "datamodules.manifest.reading",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'emoclap' has no attribute {name!r}; it has {', '.join(_MODULES)}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return __all__
