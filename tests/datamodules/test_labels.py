import pytest
import yaml
from jsonargparse import ArgumentParser

from datamodules.errors import DataError
from datamodules.labels import EMOTIONS, LABEL_SETS, Emotion, LabelSet, nearest, nearest_emotion, resolve_label_set
from datamodules.texts.prompt_data import PromptData
from datamodules.texts.text_data import TextData


def test_every_emotion_has_an_adjective_and_five_distinct_synonyms():
    words = [word for emotion in EMOTIONS.values() for word in (emotion.adjective, *emotion.synonyms)]
    assert all(name == emotion.noun and len(emotion.synonyms) == 5 for name, emotion in EMOTIONS.items())
    assert len(words) == len(set(words)), "a word that fits two emotions would give two classes the same text"


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("iemocap4", 4),
        ("iemocap5", 5),
        ("demo6", 6),
        ("six", 6),
        ("emodb7", 7),
        ("seven", 7),
        ("eight", 8),
        ("mead8", 8),
    ],
)
def test_label_sets_hold_canonical_labels_in_alphabetical_order(name, classes):
    labels = LABEL_SETS[name].labels
    assert len(labels) == classes
    assert list(labels) == sorted(set(labels) & set(EMOTIONS))


def test_excitement_is_happiness_in_four_classes_and_itself_in_five():
    assert LABEL_SETS["iemocap4"].label_of("excitement") == "happiness"
    assert LABEL_SETS["iemocap5"].label_of("excitement") == "excitement"
    assert LABEL_SETS["iemocap4"].label_of("frustration") is None
    assert LABEL_SETS["iemocap4"].label_of("") is None


def test_calm_is_in_the_eight_and_left_out_of_the_seven():
    assert set(LABEL_SETS["eight"].labels) - set(LABEL_SETS["seven"].labels) == {"calm"}
    assert set(LABEL_SETS["mead8"].labels) - set(LABEL_SETS["seven"].labels) == {"contempt"}
    assert set(LABEL_SETS["emodb7"].labels) - set(LABEL_SETS["six"].labels) == {"boredom"}


def test_a_new_emotion_is_one_line(monkeypatch):
    """Its texts for prompt tuning, its adjective and its spellings follow from it."""
    monkeypatch.setitem(EMOTIONS, "pride", Emotion("pride", "proud", ("lofty", "haughty", "smug", "vain", "boastful")))
    data = TextData(["anger", "pride"])
    assert data.class_words == ["angry", "proud"]
    assert data.rows["text"][data.rows["label"] == "pride"].str.contains("proud|lofty|haughty").all()
    assert nearest_emotion("prid") == "pride"


@pytest.mark.parametrize(
    ("written", "noun"),
    [
        ("hapy", "happiness"),
        ("Happy ", "happiness"),
        ("hap", "happiness"),
        ("ANG", "anger"),
        ("angry", "anger"),
        ("neu", "neutral"),
        ("fearfull", "fear"),
        ("suprise", "surprise"),
        ("sad", "sadness"),
        ("furious", "anger"),
        ("qqqq", None),
        ("", None),
    ],
)
def test_nearest_emotion(written, noun):
    assert nearest_emotion(written) == noun


def test_nearest_returns_the_word_as_it_is_known():
    assert nearest("TRAIN", ["train", "test"]) == "train"
    assert nearest("x", ["train", "test"]) is None


def test_names_lists_and_whole_label_sets_are_taken():
    assert resolve_label_set("seven") is LABEL_SETS["seven"]
    assert resolve_label_set(["sadness", "anger"]).labels == ("sadness", "anger")
    mine = LabelSet("mine", ("sadness", "anger"), {"frustration": "anger"})
    assert resolve_label_set(mine) is mine
    assert resolve_label_set(LabelSet("six", LABEL_SETS["six"].labels)) == LABEL_SETS["six"]


@pytest.mark.parametrize(
    ("written", "labels"),
    [
        ("six", LABEL_SETS["six"]),
        ("[calm, anger]", LabelSet("calm+anger", ("calm", "anger"))),
        (
            "{name: mine, labels: [anger, calm], merge: {excitement: anger}}",
            LabelSet("mine", ("anger", "calm"), {"excitement": "anger"}),
        ),
    ],
)
def test_a_configuration_says_a_label_set_by_name_as_a_list_or_in_full(written, labels):
    parser = ArgumentParser()
    parser.add_class_arguments(PromptData, "data")
    data = parser.instantiate(parser.parse_args([f"--data.labels={written}"])).data
    assert data.label_set == labels
    assert data.label_set.setting() == yaml.safe_load(written)
    assert data.class_labels == list(labels.labels)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ("iemocap", ["'iemocap'", "iemocap4", "did you mean"]),
        (["anger", "hapy"], ["'hapy'", "did you mean 'happiness'?"]),
        (["anger", "fear", "anger"], ["anger stands twice"]),
        (["anger"], ["at least two"]),
        ([], ["at least two"]),
        (LabelSet("mine", ("anger", "calm"), {"excitment": "anger"}), ["'excitment'", "did you mean 'excitement'?"]),
        (LabelSet("mine", ("anger", "calm"), {"excitement": "fear"}), ["found excitement: fear", "anger, calm"]),
        (LabelSet("mine", ("anger", "calm"), {"anger": "calm"}), ["found anger: calm"]),
        (LabelSet("six", ("anger", "calm")), ["'six' is the name of another label set"]),
    ],
)
def test_an_invalid_label_set_is_refused_with_help(labels, words):
    with pytest.raises(DataError) as error:
        resolve_label_set(labels)
    assert all(word in str(error.value) for word in words), str(error.value)
