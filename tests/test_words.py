"""Readable words: every claim that a lesson makes about them, and the arithmetic spelled out."""

import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attention_core import scaled_dot_product_attention, words
from attention_core.agreement import rounding

SENTENCE = "the cat sat on the mat because it was tired"
anything = st.text(max_size=12)
known = st.sampled_from(words.VOCABULARY)


def looks_at(sentence):
    """`{word: (the word it looks at most, weight)}`; of a word that comes twice, the last."""
    tokens = words.split(sentence)
    weights = scaled_dot_product_attention(*words.query_key_value(tokens))[1]
    most = weights.max(-1)
    return {
        word: (tokens[i], w)
        for word, i, w in zip(tokens, most.indices.tolist(), most.values.tolist(), strict=True)
    }


# ---------------------------------------------------------------- what the lessons say


def test_it_looks_at_the_cat_with_72_percent():
    word, weight = looks_at(SENTENCE)["it"]
    assert word == "cat" and f"{weight:.2f}" == "0.72"


def test_changing_tired_to_wet_makes_the_last_word_look_at_the_mat():
    assert looks_at(SENTENCE)["tired"][0] == "cat"
    assert looks_at(SENTENCE.replace("tired", "wet"))["wet"][0] == "mat"


def test_at_temperature_0_3_it_looks_at_nothing_but_the_cat():
    tokens = words.split(SENTENCE)
    query, key, value = words.query_key_value(tokens)
    weights = scaled_dot_product_attention(query / 0.3, key, value)[1]
    assert f"{weights[7, 1]:.2f}" == "1.00"


def test_it_asks_for_a_living_thing_and_the_cat_offers_one():
    assert words.explain("it", "cat") == "“it” asks “cat”: thing 3.0 × 1.0 + living 5.0 × 1.0 = 8.0"
    assert words.explain("it", "mat") == "“it” asks “mat”: thing 3.0 × 1.0 = 3.0"


@pytest.mark.parametrize(
    ("asking", "answer", "other"),
    [
        ("cat", "sat", "mat"),  # noun: what does it do,
        ("cat", "tired", "the"),  # and what is it like?
        ("mat", "wet", "because"),
        ("chased", "dog", "ball"),  # action: who does it,
        ("sat", "garden", "on"),  # and where?
        ("in", "garden", "ran"),  # place: what place is meant?
        ("it", "cat", "mat"),  # pronoun: which living thing does it stand for?
        ("happy", "girl", "book"),  # feeling: which living thing feels it?
        ("wet", "mat", "cat"),  # quality: which lifeless thing has it?
        ("the", "ball", "ran"),  # link: which thing comes with me?
    ],
)
def test_each_kind_of_word_asks_what_its_comment_says(asking, answer, other):
    query, key, _ = words.query_key_value([asking, answer, other])
    scores = query[0] @ key.T
    assert scores[1] > scores[2]


def test_asking_is_not_symmetric():
    query, key, _ = words.query_key_value(["it", "cat"])
    scores = query @ key.T
    assert scores[0, 1] == 8 and scores[1, 0] < 1


# ---------------------------------------------------------------- shapes and the vocabulary


def test_shapes_and_dtypes():
    tokens = words.split(SENTENCE)
    assert words.embed(tokens).shape == (10, 8) and words.embed(tokens).dtype == torch.float32
    assert [x.shape for x in words.query_key_value(tokens)] == [(10, 5), (10, 5), (10, 8)]
    assert words.embed([]).shape == (0, 8)
    assert len(words.FEATURES) == 8 and len(words.WISHES) == 5
    assert words.W_QUERY.shape == words.W_KEY.shape == (8, 5)


def test_a_word_hands_over_what_it_is():
    assert torch.equal(words.query_key_value(["cat", "on"])[2], words.embed(["cat", "on"]))


def test_the_vocabulary_is_readable():
    assert len(set(words.VOCABULARY)) == len(words.VOCABULARY) >= 80
    assert all(word == word.lower() and word.isalpha() for word in words.VOCABULARY)
    x = dict(zip(words.FEATURES, words.embed(["cat"])[0].tolist(), strict=True))
    assert {name for name, share in x.items() if share} == {"noun", "animate"}
    embedded = words.embed(list(words.VOCABULARY))
    assert embedded.min() == 0 and embedded.max() == 1
    assert (embedded.sum(-1) > 0).all()
    off = (embedded * 10 - (embedded * 10).round()).abs().max()
    assert off <= rounding(torch.float32, size=10)  # one digit, so that it can be read


def test_every_word_of_the_lessons_first_sentences_is_known():
    assert set(f"{SENTENCE} wet".split()) <= set(words.VOCABULARY)


@settings(deadline=None)
@given(
    word=known, before=st.sampled_from(["", "“", "(", "'"]), after=st.sampled_from(["", ".", "?!", "…", ")”"])
)
def test_case_and_punctuation_do_not_matter(word, before, after):
    assert torch.equal(words.embed([before + word.upper() + after]), words.embed([word]))


@settings(deadline=None)
@given(text=st.text())
def test_splitting_keeps_the_words_as_they_were_typed(text):
    tokens = words.split(text)
    assert all(token and not any(c.isspace() for c in token) for token in tokens)
    assert "".join(tokens) == "".join(text.split())


# ---------------------------------------------------------------- words that nobody knows


@settings(deadline=None)
@given(word=anything)
def test_an_unknown_word_gets_the_same_small_vector_each_time(word):
    one, again = words.embed([word]), words.embed(["cat", word])[1:]
    assert torch.equal(one, again)
    assert one.isfinite().all()
    if not torch.equal(one, one.round(decimals=1)):  # not one of VOCABULARY's
        assert one.min() >= 0 and one.max() <= 0.6


def test_unknown_words_are_the_same_tomorrow_and_elsewhere():
    expected = [0.0541, 0.2518, 0.2118, 0.0729, 0.4588, 0.1365, 0.1012, 0.3106]  # from sha256 of its letters
    half_a_digit = 0.0001 / 2
    assert words.embed(["blorb"])[0].tolist() == pytest.approx(
        expected, abs=half_a_digit + rounding(torch.float32)
    )


def test_unlisted_words_are_named_once_however_they_are_written():
    said = words.split("The “cat” saw a Blorb, a zork and the Blorb, (happy)!")
    assert words.unlisted(said) == ["Blorb,", "zork"]
    assert words.unlisted(list(words.VOCABULARY)) == []
    assert " ".join(words.GROUPS).split() == list(words.VOCABULARY)


def test_different_unknown_words_differ():
    names = [f"blorb{i}" for i in range(50)] + [".", "…", "\ud800", "猫", "🐈"]
    assert len({tuple(row) for row in words.embed(names).tolist()}) == len(names)


def test_no_unknown_word_wins_against_one_that_fits():
    # so that a typing error changes a row a little, and does not take it over
    assert looks_at("the cat sat on the mat because it was tierd")["it"][0] == "cat"


# ---------------------------------------------------------------- the arithmetic

# Of a score: 8 features are summed for a wish, then 5 wishes; products of any two words sum to 21 at most.
OFF = rounding(torch.float32, 8, 5, size=21)


def spelled_out(query_word, key_word):
    """The sum of the printed products, and the printed total."""
    said = words.explain(query_word, key_word)
    start = f"“{query_word}” asks “{key_word}”: "
    assert said.startswith(start)
    terms, total = said[len(start) :].rsplit(" = ", 1)
    if terms == "nothing in common":
        return 0.0, float(total)
    products = [re.fullmatch(r"(\w+) (-?[\d.]+) × (-?[\d.]+)", term).groups() for term in terms.split(" + ")]
    names = [name for name, _, _ in products]
    assert names == [wish for wish in words.WISHES if wish in names]
    return sum(float(asks) * float(offers) for _, asks, offers in products), float(total)


def dot(query_word, key_word):
    return (words.query_key_value([query_word])[0] @ words.query_key_value([key_word])[1].T).item()


def two_digits(query_word, key_word):
    """How far the sum may be off where each factor is off by half of its second digit."""
    asks, offers = words.query_key_value([query_word])[0], words.query_key_value([key_word])[1]
    return (0.005 * (asks.abs() + offers.abs() + 0.005)).sum().item()


@settings(max_examples=200, deadline=None)
@given(query_word=known, key_word=known)
def test_the_arithmetic_of_known_words_is_exact(query_word, key_word):
    added, total = spelled_out(query_word, key_word)
    assert added == pytest.approx(dot(query_word, key_word), abs=OFF)
    assert total == pytest.approx(dot(query_word, key_word), abs=0.05 + OFF)


@settings(max_examples=100, deadline=None)
@given(query_word=anything | known, key_word=anything | known)
def test_the_arithmetic_of_any_words_adds_up_to_what_two_digits_hold(query_word, key_word):
    added, total = spelled_out(query_word, key_word)
    assert added == pytest.approx(dot(query_word, key_word), abs=two_digits(query_word, key_word) + OFF)
    assert total == pytest.approx(dot(query_word, key_word), abs=0.05 + OFF)


def test_words_with_nothing_in_common_say_so():
    assert words.explain("the", "the") == "“the” asks “the”: nothing in common = 0.0"
