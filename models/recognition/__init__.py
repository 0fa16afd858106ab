"""Recognisers of emotion: small modules that turn clips into scores, ratings or texts, without stage or trainer."""

from models.recognition.heads import DIMENSIONS, Dimensional, LinearRecogniser, RatingHead
from models.recognition.outputs import Clips, Output, Ratings, Recognition, Scores, Texts, concatenated, on_cpu
from models.recognition.recogniser import ClipEncoder, Recogniser, columns_of, embed, recognise
from models.recognition.zero_shot import TEMPLATES, LearnedPrompts, ZeroShot, zero_shot

__all__ = [
    "DIMENSIONS",
    "TEMPLATES",
    "ClipEncoder",
    "Clips",
    "Dimensional",
    "LearnedPrompts",
    "LinearRecogniser",
    "Output",
    "RatingHead",
    "Ratings",
    "Recogniser",
    "Recognition",
    "Scores",
    "Texts",
    "ZeroShot",
    "columns_of",
    "concatenated",
    "embed",
    "on_cpu",
    "recognise",
    "zero_shot",
]
