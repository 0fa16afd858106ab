from hypothesis import given
from hypothesis import strategies as st

from datamodules.captions.stable_choice import draw, number_of


def test_a_number_is_the_same_everywhere():
    # SHA-256 of "1|clip", computed with sha256sum.
    assert f"{number_of(1, 'clip'):064x}".startswith("4cf7206baa02b424")
    assert number_of(1, "clip") != number_of(2, "clip") != number_of(2, "clop")


@given(st.integers(0, 2**256 - 1), st.integers(0, 8), st.integers(0, 10))
def test_draws_are_different_places(number, size, count):
    drawn = draw(number, range(size), count)
    assert len(drawn) == len(set(drawn)) == min(size, count)
    assert set(drawn) <= set(range(size))


def test_every_place_is_drawn_equally_often():
    first = [draw(number_of(n), range(5), 1)[0] for n in range(2000)]
    assert all(abs(first.count(place) - 400) < 90 for place in range(5))  # five standard deviations
