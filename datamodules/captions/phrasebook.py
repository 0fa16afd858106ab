"""Phrases of ParaCLAP captions by quantity and level; each completes "speaker ..."."""

Wording = dict[str, tuple[str, ...]]

# In the order of the caption, up to the emotion. The first wording of each level is the plain one.
ACOUSTIC: dict[str, Wording] = {
    "pitch_mean": {
        "low": ("has a low-pitched voice", "speaks in a deep voice", "talks at the bottom of the vocal range"),
        "middle": ("has a medium-pitched voice", "speaks neither high nor deep"),
        "high": ("has a high-pitched voice", "speaks in a high voice", "talks at the top of the vocal range"),
    },
    "pitch_std": {
        "low": ("hardly varies the pitch", "sounds monotonous", "keeps to one tone"),
        "middle": ("varies the pitch moderately", "uses an ordinary melody"),
        "high": ("varies the pitch widely", "uses a lively melody", "uses a wide range of tones"),
    },
    "intensity_mean": {
        "low": ("speaks softly", "has a quiet voice"),
        "middle": ("speaks at a medium volume", "talks neither softly nor loudly"),
        "high": ("speaks loudly", "has a loud voice"),
    },
    "intensity_std": {
        "low": ("keeps an even volume", "hardly changes in loudness"),
        "middle": ("varies the volume moderately",),
        "high": ("varies the volume strongly", "stresses some syllables much more than others"),
    },
    "duration": {
        "low": ("speaks for a short time", "is brief", "says little", "makes a short utterance", "is soon done"),
        "middle": ("speaks for a medium time", "makes an utterance of ordinary length", "talks for a while",
                   "is neither brief nor lengthy"),
        "high": ("speaks for a long time", "talks at length", "makes a long utterance", "takes much time",
                 "keeps talking"),
    },
    "jitter_mean": {
        "low": ("has a steady voice", "vibrates regularly in the voice"),
        "middle": ("has a slightly unsteady voice",),
        "high": ("has an unsteady voice", "sounds rough", "speaks with a trembling voice"),
    },
    "jitter_std": {
        "low": ("is equally steady throughout",),
        "middle": ("is not always equally steady",),
        "high": ("is steady only at times",),
    },
    "shimmer_mean": {
        "low": ("has a clear voice", "sounds smooth"),
        "middle": ("has a slightly breathy voice",),
        "high": ("has a breathy voice", "sounds hoarse"),
    },
    "shimmer_std": {
        "low": ("is equally clear throughout",),
        "middle": ("is not always equally clear",),
        "high": ("is clear only at times",),
    },
}  # fmt: skip

EMOTION = ("sounds {emotion}", "feels {emotion}", "seems {emotion}", "is {emotion}")

# How strongly an emotion is felt, by the level of arousal.
DEGREE: Wording = {
    "low": ("is only slightly {emotion}", "seems a little {emotion}"),
    "high": ("is very {emotion}", "sounds extremely {emotion}"),
}

# In the order of the caption, after the emotion.
RATING: dict[str, Wording] = {
    "arousal": {
        "low": ("has little energy", "sounds drowsy"),
        "middle": ("is moderately energetic",),
        "high": ("is full of energy", "sounds agitated"),
    },
    "dominance": {
        "low": ("comes across as submissive", "sounds weak"),
        "middle": ("comes across as neither weak nor strong",),
        "high": ("comes across as dominant", "sounds in control"),
    },
    "valence": {
        "low": ("feels bad", "sounds negative"),
        "middle": ("feels neither good nor bad",),
        "high": ("feels good", "sounds positive"),
    },
}

GENDER: Wording = {
    "female": ("is female", "is a woman"),
    "male": ("is male", "is a man"),
}
