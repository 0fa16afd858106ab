"""Texts about speech, made from labels, from ratings, by a language model, or read from a file."""

from datamodules.captions.language_model import LanguageModel
from datamodules.captions.lexicon import LexiconGuided
from datamodules.captions.phrases import AcousticPhrases
from datamodules.captions.source import CaptionSource
from datamodules.captions.table import Table
from datamodules.captions.tags import Tags
from datamodules.captions.template import Template
from datamodules.captions.valence_arousal import ValenceArousal

__all__ = [
    "AcousticPhrases",
    "CaptionSource",
    "LanguageModel",
    "LexiconGuided",
    "Table",
    "Tags",
    "Template",
    "ValenceArousal",
]
