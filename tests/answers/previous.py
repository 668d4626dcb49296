"""Answers to `previous(weights, tokens)`: one number."""

import torch

from answers import known, right, unlisted

TOKENS = ["a", "b", "c", "d"]
WEIGHTS = torch.tensor([[4, 3, 2, 1], [5, 1, 3, 1], [1, 2, 3, 4], [1, 2, 6, 1]]) / 10


def measured(f):
    return float(torch.as_tensor(f(WEIGHTS.clone(), [*TOKENS])))


def differs(f):
    return abs(measured(f) - (0.5 + 0.2 + 0.6) / 3) > 1e-3


@right
def a_diagonal(weights, tokens):
    return weights.diagonal(-1).mean() if len(tokens) > 1 else 0.0


@right
def row_by_row(weights, tokens):
    total = 0.0
    for i in range(1, len(tokens)):
        total += float(weights[i, i - 1])
    return total / max(1, len(tokens) - 1)


@right
def places_of_a_range(weights, tokens):
    i = torch.arange(1, len(tokens))
    return weights[i, i - 1].sum() / max(len(i), 1)


@right
def numbers_of_numpy(weights, tokens):
    below = weights.numpy().diagonal(-1)
    return below.mean() if below.size else 0


@right
def a_mask(weights, tokens):
    n = len(tokens)
    before = torch.eye(n).roll(-1, 1).tril() if n > 1 else torch.zeros(1, 1)
    return (weights * before).sum() / max(n - 1, 1)


@right
def means_of_none_replaced(weights, tokens):
    return weights.diagonal(-1).mean().nan_to_num(0)


@known("next")
def the_other_diagonal(weights, tokens):
    return weights.diagonal(1).mean() if len(tokens) > 1 else 0.0


@known("next")
def columns_for_rows(weights, tokens):
    return sum(weights[i - 1, i] for i in range(1, len(tokens))) / max(1, len(tokens) - 1)


@known("itself")
def the_diagonal(weights, tokens):
    return weights.diag().mean()


@known("first-row-wraps")
def every_row(weights, tokens):
    return sum(weights[i, i - 1] for i in range(len(tokens))) / len(tokens)


@known("first-row-counted")
def divided_by_n(weights, tokens):
    return weights.diagonal(-1).sum() / len(tokens)


@known("sum")
def not_divided(weights, tokens):
    return weights.diagonal(-1).sum()


@known("next + sum")
def two_mistakes(weights, tokens):
    return weights.diagonal(1).sum()


@known("ends-left-out")
def from_row_2(weights, tokens):
    below = [float(weights[i, i - 1]) for i in range(2, len(tokens))]
    return sum(below) / max(1, len(below))


@known("ends-left-out")
def without_the_last(weights, tokens):
    below = weights.diagonal(-1)[:-1]
    return below.mean() if len(below) else 0.0


@known("ends-left-out")
def a_range_too_short(weights, tokens):
    n = len(tokens)
    return (
        sum(weights[i, i - 1] for i in range(1, n - 1)) / max(1, n - 1) if n > 2 else a_mask(weights, tokens)
    )


@known("words-only")
def without_cls_and_sep(weights, tokens):
    rows = [i for i in range(1, len(tokens)) if tokens[i] not in ("[CLS]", "[SEP]")]
    return sum(weights[i, i - 1] for i in rows) / max(1, len(rows))


@known("words-only")
def between_words(weights, tokens):
    special = ("[CLS]", "[SEP]")
    rows = [i for i in range(1, len(tokens)) if tokens[i] not in special and tokens[i - 1] not in special]
    return sum(weights[i, i - 1] for i in rows) / max(1, len(rows))


@known("two-before")
def two_to_the_left(weights, tokens):
    below = weights.diagonal(-2)
    return below.mean() if len(below) else 0.0


@known("all-before")
def everything_to_the_left(weights, tokens):
    return weights.tril(-1)[1:].sum(-1).mean() if len(tokens) > 1 else 0.0


@known("first-token")
def column_0(weights, tokens):
    return weights[:, 0].mean()


@known("whole-map")
def all_of_it(weights, tokens):
    return weights.mean()


@known("counted")
def how_often_the_largest(weights, tokens):
    hits = [int(weights[i].argmax()) == i - 1 for i in range(1, len(tokens))]
    return sum(hits) / max(1, len(hits))


@known("one-row")
def the_last_row(weights, tokens):
    return weights[-1, -2] if len(tokens) > 1 else 0.0


@known("one-row")
def returned_in_the_loop(weights, tokens):
    for i in range(1, len(tokens)):
        return weights[i, i - 1]
    return 0.0


@known("not-averaged")
def a_number_for_each(weights, tokens):
    return weights.diagonal(-1)


@known("nan-of-none")
def a_mean_of_none(weights, tokens):
    return weights.diagonal(-1).mean()


@known("wrong-signature")
def without_tokens(weights):
    return weights.diagonal(-1).mean()


@known("no-return")
def nothing_comes_back(weights, tokens):
    weights.diagonal(-1).mean()


@known("not-a-number")
def whether_it_is_much(weights, tokens):
    return bool(weights.diagonal(-1).sum() > 0.5 * len(tokens))


@known("not-a-number")
def a_list(weights, tokens):
    return [weights.diagonal(-1).mean()]


@unlisted("by hand", differs)
def squared(weights, tokens):
    return weights.diagonal(-1).square().sum() / max(1, len(tokens) - 1)


@unlisted("by hand", differs)
def next_and_previous(weights, tokens):
    return (weights.diagonal(-1).sum() + weights.diagonal(1).sum()) / max(1, len(tokens) - 1)


@unlisted("by hand", lambda f: float(torch.as_tensor(f(torch.full((3, 3), 1 / 3), ["a"] * 3))) > 0.34)
def among_the_nearest(weights, tokens):
    rows = range(1, len(tokens))
    return sum(weights[i, i - 1] / weights[i, max(0, i - 1) : i + 2].sum() for i in rows) / max(1, len(rows))


@unlisted("from 0 to 1", lambda f: measured(f) > 1)
def in_per_cent(weights, tokens):
    return 100 * weights.diagonal(-1).sum() / max(1, len(tokens) - 1)


@unlisted("ZeroDivisionError", None, status="error")
def divided_by_none(weights, tokens):
    return sum(float(weights[i, i - 1]) for i in range(1, len(tokens))) / (len(tokens) - 1)
