"""Answers to `softmax(scores)`: each row becomes shares that sum to 1."""

import math

import torch
from torch.nn import functional as F

from answers import known, right, unlisted
from attention_core.agreement import agree


@right
def the_largest_taken_away(scores):
    e = torch.exp(scores - scores.max(dim=-1, keepdim=True).values)
    return e / e.sum(dim=-1, keepdim=True)


@right
def in_place(scores):
    scores -= scores.amax(-1, keepdim=True)
    scores.exp_()
    scores /= scores.sum(-1, keepdim=True)
    return scores


@right
def through_log_space(scores):
    return (scores - scores.logsumexp(-1, keepdim=True)).exp()


@right
def in_float64(scores):
    return F.softmax(scores.double(), dim=-1).to(scores.dtype)


@right
def row_by_row(scores):
    rows = []
    for row in scores.reshape(-1, scores.shape[-1]):
        e = [math.exp(x - max(row.tolist())) for x in row.tolist()]
        rows.append([x / sum(e) for x in e])
    return torch.tensor(rows).reshape(scores.shape)


@known("over-queries")
def down_the_columns(scores):
    e = torch.exp(scores - scores.max())
    return e / e.sum(dim=0, keepdim=True)


@known("fixed-dim")
def over_dimension_1(scores):
    return torch.softmax(scores, dim=1)


@known("argmax")
def one_at_the_largest(scores):
    return (scores == scores.max(dim=-1, keepdim=True).values).float()


@known("not-normalised")
def only_exp(scores):
    return torch.exp(scores)


@known("over-everything")
def divided_by_the_whole_sum(scores):
    e = torch.exp(scores)
    return e / e.sum()


@known("no-exp")
def only_divided(scores):
    return scores / scores.sum(dim=-1, keepdim=True)


@known("log")
def log_softmax(scores):
    return F.log_softmax(scores, dim=-1)


@known("overflow")
def as_the_formula_has_it(scores):
    e = torch.exp(scores)
    return e / e.sum(dim=-1, keepdim=True)


@known("no-return")
def nothing_returned(scores):
    e = torch.exp(scores - scores.amax(-1, keepdim=True))
    e / e.sum(-1, keepdim=True)


def _row():  # made anew: an answer may write into it
    return torch.tensor([[0.5, -0.3, 1.1]])


@unlisted("rows sum to one", lambda f: abs(f(_row()).sum().item() - 1) > 0.1)
def sigmoid(scores):
    return F.hardsigmoid(scores)


@known("base-two")
def two_to_the_power(scores):
    e = 2 ** (scores - scores.amax(-1, keepdim=True))
    return e / e.sum(-1, keepdim=True)


@known("softmax-twice")
def twice(scores):
    return scores.softmax(-1).softmax(-1)


@known("absolute-sum")
def share_of_the_absolute(scores):
    return scores / scores.abs().sum(-1, keepdim=True)


@unlisted("weights should have shape (2, 3); it has (2, 1)", lambda f: f(_row()).shape == (1, 1))
def only_the_sums(scores):
    return torch.exp(scores).sum(-1, keepdim=True)


@unlisted("AttributeError", None, status="error")
def a_method_that_is_not_there(scores):
    return scores.soft_max(-1)


@unlisted("sharpness", lambda f: agree(f(_row()), (math.log(3) * _row()).softmax(-1), 3))
def three_to_the_power(scores):
    e = 3 ** (scores - scores.amax(-1, keepdim=True))
    return e / e.sum(-1, keepdim=True)


@unlisted("evenness", lambda f: f(_row()).max() < _row().softmax(-1).max() - 0.1)
def half_of_it_even(scores):
    return scores.softmax(-1) / 2 + 0.5 / scores.shape[-1]


@unlisted("no share below 0", lambda f: f(torch.tensor([[3.0, -3.0]])).min() < 0)
def a_line_for_a_power(scores):
    return 1 / scores.shape[-1] + scores - scores.mean(-1, keepdim=True)


@known("sigmoid")
def each_by_itself(scores):
    return 1 / (1 + torch.exp(-scores))


@known("base-ten")
def powers_of_ten(scores):
    e = 10 ** (scores - scores.amax(-1, keepdim=True))
    return e / e.sum(-1, keepdim=True)


@known("exp-twice")
def exp_of_exp(scores):
    e = scores.exp().exp()
    return e / e.sum(-1, keepdim=True)


@known("negated")
def the_smallest_wins(scores):
    return F.softmin(scores, dim=-1)


@known("length-for-sum")
def rows_of_length_1(scores):
    return F.normalize(torch.exp(scores - scores.amax(-1, keepdim=True)), dim=-1)


@known("padded-sum")
def a_hundredth_in_the_sum(scores):
    e = torch.exp(scores - scores.amax(-1, keepdim=True))
    return e / (e.sum(-1, keepdim=True) + 0.01)


@known("sum-of-another-row")
def sum_without_keepdim(scores):
    e = torch.exp(scores - scores.amax(-1, keepdim=True))
    return e / e.sum(-1)


@known("largest-of-another-row")
def maximum_without_keepdim(scores):
    e = torch.exp(scores - scores.amax(-1))
    return e / e.sum(-1, keepdim=True)


@known("largest-of-the-column")
def maximum_of_each_column(scores):
    e = torch.exp(scores - scores.max(dim=-2, keepdim=True).values)
    return e / e.sum(-1, keepdim=True)


@known("half-shifted")
def shifted_above_only(scores):
    shifted = scores - scores.amax(-1, keepdim=True)
    return shifted.exp() / scores.exp().sum(-1, keepdim=True)


@known("one-maximum")
def one_maximum_for_all(scores):
    e = torch.exp(scores - scores.max())
    return e / e.sum(-1, keepdim=True)


@known("mean-for-maximum")
def mean_taken_away(scores):
    e = torch.exp(scores - scores.mean(-1, keepdim=True))
    return e / e.sum(-1, keepdim=True)


@known("largest-absolute")
def largest_absolute_taken_away(scores):
    e = torch.exp(scores - scores.abs().amax(-1, keepdim=True))
    return e / e.sum(-1, keepdim=True)


@known("clamped")
def clamped_at_50(scores):
    kept = scores.clamp(-50, 50)
    e = torch.exp(kept)
    return e / e.sum(-1, keepdim=True)


@known("first-dimension")
def a_loop_over_the_first_dimension(scores):
    return torch.stack([torch.exp(row - row.max()) / torch.exp(row - row.max()).sum() for row in scores])


@known("shape-lost")
def left_flat(scores):
    return torch.softmax(scores.reshape(-1, scores.shape[-1]), dim=-1)


@known("list")
def numbers_in_lists(scores):
    return torch.softmax(scores, dim=-1).tolist()


@known("values-and-places")
def both_that_max_gives(scores):
    e = torch.exp(scores - scores.max(dim=-1, keepdim=True))
    return e / e.sum(-1, keepdim=True)


@known("sum-over-queries")
def summed_down_the_columns(scores):
    powers = (scores - scores.amax(dim=-1, keepdim=True)).exp()
    return powers / powers.sum(dim=-2, keepdim=True)


@known("no-exp-shifted")
def shifted_without_exp(scores):
    shifted = scores - scores.amax(dim=-1, keepdim=True)
    return shifted / shifted.sum(dim=-1, keepdim=True)
