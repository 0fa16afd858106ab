"""The text set of prompt tuning: sentences that describe emotional speech in a soundscape."""

from itertools import product

from datamodules.labels import EMOTIONS

TEMPLATES = (
    "{emotion} speech recorded in {soundscape}",
    "a person sounds {emotion}, and there is {soundscape} around",
    "the voice of a {emotion} speaker, heard through {soundscape}",
)

# Twelve surroundings of everyday recordings. The paper says "12 soundscapes" and names none: these are ours.
SOUNDSCAPES = (
    "a quiet studio",
    "a small room",
    "a large hall",
    "street traffic",
    "a crowd of people talking",
    "background music",
    "a television show",
    "a telephone line",
    "a moving car",
    "wind and rain",
    "an office with humming machines",
    "a distant microphone",
)


def describe_emotions() -> list[tuple[str, str]]:
    """Every (text, emotion) of the set: templates x words of the emotion x soundscapes.

    >>> describe_emotions()[0]
    ('angry speech recorded in a quiet studio', 'anger')
    """
    return [
        (template.format(emotion=word, soundscape=soundscape), emotion.noun)
        for emotion in EMOTIONS.values()
        for template, word, soundscape in product(TEMPLATES, (emotion.adjective, *emotion.synonyms[:2]), SOUNDSCAPES)
    ]
