"""Opinions: the rule by hand, sentences as they are drawn, and which words decide."""

import pytest
import torch

from attention_core.tasks import IGNORE, Opinions

TASK = Opinions()


def drawn(n=500, seed=0, length=14):
    return Opinions(length).sample(n, torch.Generator().manual_seed(seed))


def test_the_words_are_named_once_and_the_first_two_are_the_answers():
    assert len(set(TASK.words)) == len(TASK.words) == TASK.vocabulary == 25
    assert TASK.words[:2] == ("bad", "good")


@pytest.mark.parametrize(
    ("text", "answer", "deciding"),
    [
        ("the film was dull but the music was great .", "good", {8}),
        ("the film was great but the music was dull .", "bad", {8}),
        ("not bad but the scene was not lovely .", "bad", {6, 7}),
        ("not good but we saw not awful .", "good", {5, 6}),
        ("bad but not the great .", "good", {4}),  # this “not” does not stand before it
        ("not but good .", "good", {2}),
        ("bad but but not good .", "bad", {3, 4}),
        ("bad but good the not bad .", "good", {4, 5}),  # of two, the last one
        ("good but bad but great .", "good", {4}),
        ("but bad", "bad", {1}),
        ("bad the film .", None, set()),  # no “but”
        ("not bad but the film .", None, set()),  # no opinion after it
        (".", None, set()),
    ],
)
def test_the_rule_by_hand(text, answer, deciding):
    x = TASK.encode(text)
    assert TASK.solve(x).shape == TASK.decides(x).shape == x.shape
    assert set(TASK.decides(x)[0].nonzero()[:, 0].tolist()) == deciding
    said = TASK.solve(x)[0].tolist()
    assert said[:-1] == [IGNORE] * (len(said) - 1)
    assert said[-1] == (IGNORE if answer is None else TASK.words.index(answer))


@pytest.mark.parametrize("length", [8, 9, 14, 20])
def test_a_drawn_sentence_has_one_but_between_two_opinions_and_a_stop(length):
    x = drawn(length=length)
    assert x.shape == (500, length) and x.dtype == torch.long
    opinion, but, negation, stop = (
        torch.isin(x, torch.tensor([TASK.words.index(word) for word in words]))
        for words in (TASK.words[:6], ["but"], ["not"], ["."])
    )
    assert (stop.sum(-1) == 1).all() and stop[:, -1].all() and (but.sum(-1) == 1).all()
    assert (opinion.sum(-1) == 2).all()
    (first, second), at = opinion.nonzero()[:, 1].unflatten(0, (-1, 2)).T, but.int().argmax(-1)
    assert (first < at).all() and (second > at + 1).all()
    turned = negation.gather(-1, torch.stack((first - 1, second - 1), dim=-1))
    assert torch.equal(negation.sum(-1), turned.sum(-1))  # no other “not”
    assert torch.equal(TASK.decides(x).sum(-1), 1 + turned[:, 1].int())
    assert TASK.decides(x)[torch.arange(500), second].all()
    assert set(at.tolist()) == set(range(length // 3, length // 2 + 1))
    assert int(first.min()) == 1 and int(second.max()) == length - 2


def test_what_decides_is_what_must_be_changed():
    """The other opinion turns the answer, and its “not” does; no other word does, whatever stands there."""
    x, rows = drawn(200), torch.arange(200)
    right, decides = TASK.solve(x)[:, -1], TASK.decides(x)
    other = TASK.words.index("film")
    opinion = (decides & (x < 6)).int().argmax(-1)
    turned = x.clone()
    turned[rows, opinion] = (x[rows, opinion] + 3) % 6
    assert torch.equal(TASK.solve(turned)[:, -1], 1 - right)
    negated = decides.sum(-1) == 2
    without_not = x[negated].clone()
    without_not[torch.arange(len(without_not)), opinion[negated] - 1] = other
    assert torch.equal(TASK.solve(without_not)[:, -1], 1 - right[negated]) and negated.any()
    without_others = x.masked_fill(~decides & (x != TASK.words.index("but")), other)
    assert torch.equal(TASK.solve(without_others)[:, -1], right)


def test_chance_alone_is_right_in_half_of_all_cases():
    """Of 4000 fair draws the share is within 4·√(0.25/4000) = 0.032 of a half in all but 1 of 15000 cases."""
    x = drawn(4000)
    opinion = (x < 6).nonzero()[:, 1].unflatten(0, (-1, 2))  # (rows, 2)
    right, rows = TASK.solve(x)[:, -1], torch.arange(4000)
    first, second = (x[rows, at] % 2 for at in opinion.T)
    before, after = (x[rows, at - 1] == TASK.words.index("not") for at in opinion.T)
    for share in (right, first, second, before, after, right == first, right == second, before == after):
        assert abs(float(share.float().mean()) - 0.5) < 0.032


def test_the_same_seed_gives_the_same_sentences():
    batches = TASK.batches(3, 4, seed=1)
    once = list(batches)
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    for (x, y), (again, answers) in zip(once, batches, strict=True):
        assert torch.equal(x, again) and torch.equal(y, answers) and torch.equal(y, TASK.solve(x))
    assert torch.equal(torch.rand(1), expected)
    assert not torch.equal(once[0][0], once[1][0])
    assert not torch.equal(once[0][0], next(iter(TASK.batches(1, 4, seed=2)))[0])
    assert TASK.decode(once[0][0][0]) == "music with lovely end saw was with but saw the not great of ."


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Opinions(7), "length must be a whole number, 8 or more, got 7"),
        (lambda: TASK.encode("the hamster ."), "“hamster” is none of the 25 words of `Opinions.words`"),
        (
            lambda: TASK.decides(torch.zeros(2, 3)),
            r"x must be whole numbers .*, got \(2, 3\) of torch.float32",
        ),
        (lambda: TASK.solve([[1]]), "x must be whole numbers of shape .batch, n., got list"),
        (lambda: TASK.solve(TASK.encode("")), "x has sentences of 0 words: there is nothing"),
        (lambda: TASK.batches(1, 0), "batch_size must be a whole number, 1 or more, got 0"),
    ],
)
def test_errors_in_words(make, message):
    with pytest.raises(ValueError, match=message):
        make()
