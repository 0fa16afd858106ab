"""Texts about speech, made from labels, from ratings, by a language model, or read from a file."""

from datamodules.captions.file import CaptionFile
from datamodules.captions.language_model import LanguageModel
from datamodules.captions.lexicon import LexiconCaptions
from datamodules.captions.phrases import ParaClapCaptions
from datamodules.captions.source import CaptionSource
from datamodules.captions.tags import Tags
from datamodules.captions.template import Template
from datamodules.captions.valence_arousal import ValenceArousalCaptions

__all__ = [
    "CaptionFile",
    "CaptionSource",
    "LanguageModel",
    "LexiconCaptions",
    "ParaClapCaptions",
    "Tags",
    "Template",
    "ValenceArousalCaptions",
]
