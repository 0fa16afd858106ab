"""Speakers and sentences of the demo corpus.

A speaker belongs to one split, and so does a sentence. Italian stands in the test split alone.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Speaker:
    """One synthetic person.

    Args:
        name: Value of the manifest's ``speaker`` column.
        split: train, dev or test.
        gender: female or male.
        language: ISO 639-1 code; key of ``SENTENCES``.
        accent: The synthesizer's name for the language.
        variant: The synthesizer's voice variant.
        pitch: Median F0 of neutral speech in Hz.
        formant: Factor on all formants; below 1 is a longer vocal tract.
        tempo: Words per minute of neutral speech.
    """

    name: str
    split: str
    gender: str
    language: str
    accent: str
    variant: str
    pitch: float
    formant: float
    tempo: float


SPEAKERS = (
    Speaker("spk01", "train", "male", "en", "English (Great Britain)", "Male1", 108.0, 1.00, 175.0),
    Speaker("spk02", "train", "female", "en", "English (America)", "Female1", 205.0, 1.02, 180.0),
    Speaker("spk03", "train", "male", "en", "English (Scotland)", "Male4", 124.0, 1.04, 165.0),
    Speaker("spk04", "train", "female", "en", "English (Received Pronunciation)", "Female3", 188.0, 0.98, 170.0),
    Speaker("spk05", "train", "male", "en", "English (America)", "Michael", 98.0, 0.95, 185.0),
    Speaker("spk06", "train", "female", "en", "English (Great Britain)", "Annie", 222.0, 1.05, 175.0),
    Speaker("spk07", "train", "male", "de", "German", "Male3", 116.0, 1.00, 170.0),
    Speaker("spk08", "train", "female", "de", "German", "Female5", 210.0, 1.03, 178.0),
    Speaker("spk09", "train", "male", "fr", "French (France)", "Male5", 120.0, 1.02, 180.0),
    Speaker("spk10", "train", "female", "fr", "French (France)", "Steph", 196.0, 1.00, 172.0),
    Speaker("spk11", "dev", "male", "en", "English (West Midlands)", "Male6", 112.0, 0.97, 172.0),
    Speaker("spk12", "dev", "female", "en", "English (America)", "Female2", 215.0, 1.00, 176.0),
    Speaker("spk13", "dev", "female", "de", "German", "Linda", 194.0, 1.02, 174.0),
    Speaker("spk14", "test", "male", "en", "English (Lancaster)", "Male7", 104.0, 0.98, 178.0),
    Speaker("spk15", "test", "female", "en", "English (Received Pronunciation)", "Female4", 200.0, 1.01, 172.0),
    Speaker("spk16", "test", "male", "de", "German", "Max", 128.0, 1.03, 176.0),
    Speaker("spk17", "test", "female", "fr", "French (Switzerland)", "Zac", 208.0, 1.12, 174.0),
    Speaker("spk18", "test", "male", "it", "Italian", "Male2", 114.0, 0.99, 176.0),
    Speaker("spk19", "test", "female", "it", "Italian", "Auntie", 192.0, 1.04, 170.0),
)

SENTENCES = {
    ("en", "train"): (
        "The box is on the kitchen table.",
        "They will meet us at the station.",
        "The letter arrived on Monday morning.",
        "He left his coat in the other room.",
        "The bus stops in front of the school.",
        "She is reading the second chapter now.",
        "There are seven chairs in the hall.",
        "We took the road along the river.",
        "The number is written on the door.",
        "My brother called you an hour ago.",
        "The window was open all night.",
        "It will be ready in seven hours.",
        "The keys are under the green book.",
        "Somebody has moved the blue car.",
    ),
    ("en", "dev"): (
        "The paper is next to the lamp.",
        "Our neighbour came back on Friday.",
        "I put the bag behind the door.",
        "The train leaves at half past ten.",
        "They are painting the garden fence.",
    ),
    ("en", "test"): (
        "The cups are on the lower shelf.",
        "He is talking to the new teacher.",
        "The shop closes at six today.",
        "We saw your sister in the park.",
        "A man is waiting near the gate.",
        "The map is in the first drawer.",
        "You can see the bridge from here.",
    ),
    ("de", "train"): (
        "Der Brief liegt auf dem Küchentisch.",
        "Wir fahren morgen in die Stadt.",
        "Sie hat den Schlüssel mitgenommen.",
        "Das Buch steht oben im Regal.",
        "Der Zug kommt um halb sieben an.",
        "Er wohnt jetzt im dritten Stock.",
        "Die Tür zum Garten ist offen.",
        "Am Sonntag kommen die Nachbarn.",
    ),
    ("de", "dev"): (
        "Die Tasche steht neben dem Sofa.",
        "Heute Abend gibt es eine Suppe.",
        "Mein Bruder arbeitet am Bahnhof.",
        "Das Fenster war die ganze Nacht zu.",
    ),
    ("de", "test"): (
        "Die Lampe hängt über dem Tisch.",
        "Er hat gestern das Auto gewaschen.",
        "Das Haus steht hinter der Brücke.",
        "Sie ruft in einer Stunde zurück.",
        "Der Lehrer kommt heute später.",
    ),
    ("fr", "train"): (
        "La lettre est sur la table.",
        "Nous partons demain matin.",
        "Il a laissé son manteau ici.",
        "Le train arrive à sept heures.",
        "Elle habite près de la gare.",
        "Le livre est dans le tiroir.",
        "La fenêtre donne sur le jardin.",
        "Mon frère travaille au marché.",
    ),
    ("fr", "test"): (
        "Le sac est derrière la porte.",
        "Ils sont revenus vendredi soir.",
        "La voiture est devant l'école.",
        "On voit le pont de la terrasse.",
        "Le magasin ferme à midi.",
    ),
    ("it", "test"): (
        "La lettera è sul tavolo.",
        "Domani andiamo in città.",
        "Il treno arriva alle sette.",
        "Mio fratello lavora al mercato.",
        "La finestra era aperta.",
        "Il libro è nel cassetto.",
        "Hanno chiamato un'ora fa.",
        "La macchina è davanti alla scuola.",
        "Ci vediamo alla stazione.",
        "Il negozio chiude alle otto.",
    ),
}
"""Short sentences without emotional content, by language and split."""

BABBLE = (
    "and then she said that it would take another week or two",
    "no, the other one, the one beside the entrance",
    "we could ask them when they come back from the office",
    "I think it was cheaper in the shop around the corner",
    "did you hear about the concert they had last weekend",
    "well, the children are at school until four o'clock",
    "he told me the whole story from the very beginning",
    "we usually take the tram because parking is impossible",
)
"""Sentences of the crowd in the background."""
