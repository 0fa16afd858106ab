"""Captions and tags of speech: from labels, ratings, acoustics, a language model, or a file."""

from datamodules.captions.caption_file import CaptionFile
from datamodules.captions.language_model import LanguageModel
from datamodules.captions.lexicon import LexiconCaptions
from datamodules.captions.paraclap import ParaClapCaptions
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
