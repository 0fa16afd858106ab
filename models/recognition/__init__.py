"""Recognisers: what a trained model says of clips, as small modules that need no stage and no trainer."""

from models.recognition.dimensional import DIMENSIONS, Dimensional, RatingHead
from models.recognition.linear import LinearRecogniser
from models.recognition.outputs import Clips, Output, Ratings, Scores, Texts, concatenated, on_cpu
from models.recognition.prompts import LearnedPrompts
from models.recognition.recogniser import ClipEncoder, Recogniser, columns_of, embed, recognise
from models.recognition.recognition import Recognition
from models.recognition.zero_shot import TEMPLATES, ZeroShot, zero_shot

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
