from collections import Counter

from datamodules.labels import EMOTIONS
from datamodules.texts.descriptions import SOUNDSCAPES, TEMPLATES, describe_emotions


def test_every_emotion_is_described_in_each_template_by_three_words_in_every_soundscape() -> None:
    counts = Counter(emotion for _, emotion in describe_emotions())
    assert counts == dict.fromkeys(EMOTIONS, len(TEMPLATES) * 3 * len(SOUNDSCAPES))


def test_no_text_stands_twice() -> None:
    texts = [text for text, _ in describe_emotions()]
    assert len(set(texts)) == len(texts)
