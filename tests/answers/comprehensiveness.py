"""Answers to `comprehensiveness(probabilities, tokens, explanation, k)`: one number."""

import torch

from answers import known, right, unlisted
from answers.leave_one_out import likely

TOKENS = torch.tensor([3, 0, 3, 2])
EXPLANATION = torch.tensor([0.4, 1.5, -0.9, 0.1])


def measured(f):
    return torch.as_tensor(f(likely, TOKENS.clone(), EXPLANATION.clone(), 2))


def differs(f):
    made = measured(f)
    return made.shape != () or not torch.allclose(made, measured(sorted_places), atol=1e-3)


@right
def sorted_places(probabilities, tokens, explanation, k):
    order = explanation.argsort(descending=True)
    allowed = torch.ones(len(tokens), dtype=torch.bool)
    allowed[order[:k]] = False
    before, after = probabilities(tokens), probabilities(tokens, allowed)
    answer = before.argmax()
    return before[answer] - after[answer]


@right
def the_largest_k(probabilities, tokens, explanation, k):
    hidden = torch.zeros_like(tokens).bool()
    hidden[explanation.topk(k).indices] = True
    p, answer = probabilities(tokens).max(-1)
    return p - probabilities(tokens, ~hidden)[answer]


@right
def ranks_of_all(probabilities, tokens, explanation, k):
    ranks = (-explanation).argsort().argsort()
    both = torch.stack((ranks >= 0, ranks >= k))
    before, after = probabilities(tokens.expand(2, -1), both)
    return (before - after)[before.argmax()]


@right
def a_plain_number(probabilities, tokens, explanation, k):
    allowed = torch.tensor([True] * len(tokens))
    for place in sorted(range(len(tokens)), key=lambda i: -float(explanation[i]))[:k]:
        allowed[place] = False
    before = probabilities(tokens, torch.tensor([True] * len(tokens))).tolist()
    after = probabilities(tokens, allowed).tolist()
    answer = before.index(max(before))
    return before[answer] - after[answer]


@right
def one_after_another(probabilities, tokens, explanation, k):
    allowed, left = torch.ones(len(tokens)).bool(), explanation.clone()
    for _ in range(k):
        place = left.argmax()
        allowed[place] = False
        left[place] = -float("inf")
    full = probabilities(tokens)
    return full.max() - probabilities(tokens, allowed)[full.argmax()]


@right
def from_the_smallest(probabilities, tokens, explanation, k):
    order = explanation.argsort()
    stays = order[: len(order) - k]
    allowed = torch.isin(torch.arange(len(tokens)), stays)
    answer = probabilities(tokens).argmax().item()
    return probabilities(tokens)[answer] - probabilities(tokens, allowed)[answer]


@right
def a_batch_of_one(probabilities, tokens, explanation, k):
    return sorted_places(probabilities, tokens, explanation, k)[None]


def hidden_by(explanation, k):
    hidden = torch.zeros(len(explanation)).bool()
    hidden[explanation.argsort(descending=True)[:k]] = True
    return hidden


def fall(probabilities, tokens, allowed):
    before, after = probabilities(tokens), probabilities(tokens, allowed)
    return (before - after)[before.argmax()]


def both(probabilities, tokens, explanation, k):
    return probabilities(tokens), probabilities(tokens, ~hidden_by(explanation, k))


@known("nothing-hidden")
def mask_not_given(probabilities, tokens, explanation, k):
    allowed = ~hidden_by(explanation, k)
    before, after = probabilities(tokens), probabilities(tokens, allowed | True)
    return (before - after)[before.argmax()]


@known("least-important")
def sorted_upwards(probabilities, tokens, explanation, k):
    order = explanation.argsort()
    allowed = torch.ones(len(tokens), dtype=torch.bool)
    allowed[order[:k]] = False
    return fall(probabilities, tokens, allowed)


@known("sufficiency")
def the_k_kept(probabilities, tokens, explanation, k):
    return fall(probabilities, tokens, hidden_by(explanation, k))


@known("least-important + sufficiency")
def the_least_kept(probabilities, tokens, explanation, k):
    allowed = torch.zeros(len(tokens)).bool()
    allowed[explanation.argsort()[:k]] = True
    return fall(probabilities, tokens, allowed)


@known("absolute-values")
def by_size(probabilities, tokens, explanation, k):
    return fall(probabilities, tokens, ~hidden_by(explanation.abs(), k))


@known("one-more-or-less")
def one_too_many(probabilities, tokens, explanation, k):
    return fall(probabilities, tokens, ~hidden_by(explanation, k + 1))


@known("one-more-or-less")
def one_too_few(probabilities, tokens, explanation, k):
    order = explanation.argsort(descending=True)
    allowed = torch.ones(len(tokens)).bool()
    for i in range(k - 1):
        allowed[order[i]] = False
    return fall(probabilities, tokens, allowed)


@known("first-spared")
def begins_with_1(probabilities, tokens, explanation, k):
    order = explanation.argsort(descending=True)
    allowed = torch.ones(len(tokens)).bool()
    allowed[order[1 : k + 1]] = False
    return fall(probabilities, tokens, allowed)


@known("one-at-a-time")
def each_alone(probabilities, tokens, explanation, k):
    falls = []
    for place in explanation.argsort(descending=True)[:k]:
        allowed = torch.ones(len(tokens)).bool()
        allowed[place] = False
        falls.append(fall(probabilities, tokens, allowed))
    return sum(falls) / max(k, 1)


@known("averaged-over-k")
def from_1_to_k(probabilities, tokens, explanation, k):
    falls = [fall(probabilities, tokens, ~hidden_by(explanation, i)) for i in range(1, k + 1)]
    return torch.stack(falls).mean() if falls else torch.tensor(0.0)


@known("one-word-hidden")
def the_kth(probabilities, tokens, explanation, k):
    allowed = torch.ones(len(tokens)).bool()
    allowed[explanation.argsort(descending=True)[k - 1]] = False
    return fall(probabilities, tokens, allowed)


@known("k-not-used")
def above_0(probabilities, tokens, explanation, k):
    return fall(probabilities, tokens, explanation <= 0)


@known("order-for-ranks")
def argsort_below_k(probabilities, tokens, explanation, k):
    ranks = explanation.argsort(descending=True)
    return fall(probabilities, tokens, ranks >= k)


@known("first-words")
def as_they_stand(probabilities, tokens, explanation, k):
    allowed = torch.ones(len(tokens)).bool()
    allowed[:k] = False
    return fall(probabilities, tokens, allowed)


@known("word-replaced")
def token_0(probabilities, tokens, explanation, k):
    changed = tokens.clone()
    changed[explanation.argsort(descending=True)[:k]] = 0
    before, after = probabilities(tokens), probabilities(changed)
    return (before - after)[before.argmax()]


@known("word-cut-out")
def a_shorter_sentence(probabilities, tokens, explanation, k):
    before, after = probabilities(tokens), probabilities(tokens[~hidden_by(explanation, k)])
    return (before - after)[before.argmax()]


@known("divided")
def for_each_word(probabilities, tokens, explanation, k):
    return fall(probabilities, tokens, ~hidden_by(explanation, k)) / max(k, 1)


@known("against-the-rest")
def kept_and_hidden(probabilities, tokens, explanation, k):
    hidden = hidden_by(explanation, k)
    answer = probabilities(tokens).argmax()
    return probabilities(tokens, hidden)[answer] - probabilities(tokens, ~hidden)[answer]


@known("all-at-zero")
def the_last_k_of_a_rising_order(probabilities, tokens, explanation, k):
    order = explanation.argsort()
    allowed = torch.ones(len(tokens)).bool()
    allowed[order[-k:]] = False
    return fall(probabilities, tokens, allowed)


@known("some-at-zero")
def at_least_one(probabilities, tokens, explanation, k):
    return fall(probabilities, tokens, ~hidden_by(explanation, max(k, 1)))


@known("new-answer-followed")
def answered_anew(probabilities, tokens, explanation, k):
    before, after = both(probabilities, tokens, explanation, k)
    return (before - after)[after.argmax()]


@known("largest-of-each")
def two_maxima(probabilities, tokens, explanation, k):
    before, after = both(probabilities, tokens, explanation, k)
    return before.max() - after.max()


@known("wrong-way-round")
def after_minus_before(probabilities, tokens, explanation, k):
    before, after = both(probabilities, tokens, explanation, k)
    return (after - before)[before.argmax()]


@known("sign-lost")
def absolute(probabilities, tokens, explanation, k):
    return sorted_places(probabilities, tokens, explanation, k).abs()


@known("ratio")
def as_a_share(probabilities, tokens, explanation, k):
    before, after = both(probabilities, tokens, explanation, k)
    answer = before.argmax()
    return (before[answer] - after[answer]) / before[answer]


@known("only-one-of-both")
def what_is_left(probabilities, tokens, explanation, k):
    before, after = both(probabilities, tokens, explanation, k)
    return after[before.argmax()]


@known("all-answers")
def a_column_for_each(probabilities, tokens, explanation, k):
    before, after = both(probabilities, tokens, explanation, k)
    return before - after


@known("sum-of-all")
def all_falls_summed(probabilities, tokens, explanation, k):
    before, after = both(probabilities, tokens, explanation, k)
    return (before - after).sum()


@known("another-answer")
def answer_1(probabilities, tokens, explanation, k):
    before, after = both(probabilities, tokens, explanation, k)
    return before[1] - after[1]


@known("least-important + wrong-way-round")
def two_mistakes(probabilities, tokens, explanation, k):
    return -sorted_upwards(probabilities, tokens, explanation, k)


@known("mask-of-numbers")
def ones_and_zeros(probabilities, tokens, explanation, k):
    return fall(probabilities, tokens, 1.0 - hidden_by(explanation, k).float())


@known("wrong-signature")
def without_k(probabilities, tokens, explanation):
    return fall(probabilities, tokens, explanation < 0)


@known("no-return")
def nothing_comes_back(probabilities, tokens, explanation, k):
    sorted_places(probabilities, tokens, explanation, k)


@known("not-a-tensor")
def a_list(probabilities, tokens, explanation, k):
    return [sorted_places(probabilities, tokens, explanation, k)]


@known("not-a-tensor")
def whether_it_is_less(probabilities, tokens, explanation, k):
    before, after = both(probabilities, tokens, explanation, k)
    return bool(after[before.argmax()] < before.max())


def never_the_most(f):
    """Words 1 and 0 are never hidden together."""
    hidden = []

    def noted(tokens, allowed=None):
        rows = torch.ones(1, 4).bool() if allowed is None else allowed.reshape(-1, 4)
        hidden.extend((~row).nonzero().flatten().tolist() for row in rows)
        return likely(tokens, allowed)

    f(noted, TOKENS.clone(), EXPLANATION.clone(), 2)
    return [0, 1] not in hidden


@unlisted("the words that matter most", never_the_most)
def nearest_to_the_mean(probabilities, tokens, explanation, k):
    return fall(probabilities, tokens, ~hidden_by(-(explanation - explanation.mean()).abs(), k))


@unlisted("the words that matter most", never_the_most)
def most_and_least(probabilities, tokens, explanation, k):
    hidden = hidden_by(explanation, k // 2) | hidden_by(-explanation, k - k // 2)
    return fall(probabilities, tokens, ~hidden)


@unlisted("by hand", differs)
def in_per_cent(probabilities, tokens, explanation, k):
    return 100 * sorted_places(probabilities, tokens, explanation, k)


@unlisted("by hand", differs)
def of_the_margin(probabilities, tokens, explanation, k):
    before, after = both(probabilities, tokens, explanation, k)
    best, second = before.topk(2).indices
    return (before[best] - before[second]) - (after[best] - after[second])


def written_into(f):
    explanation = EXPLANATION.clone()
    f(likely, TOKENS.clone(), explanation, 2)
    return not torch.equal(explanation, EXPLANATION)


@unlisted("given as it was", written_into)
def negated_in_place(probabilities, tokens, explanation, k):
    explanation.neg_()
    return 2 * fall(probabilities, tokens, ~hidden_by(-explanation, k))
