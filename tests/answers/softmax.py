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
    return scores.sigmoid()


@unlisted("sharpness", lambda f: agree(f(_row()), (math.log(2) * _row()).softmax(-1), 3))
def two_to_the_power(scores):
    e = 2 ** (scores - scores.amax(-1, keepdim=True))
    return e / e.sum(-1, keepdim=True)


@unlisted("evenness", lambda f: f(_row()).max() < _row().softmax(-1).max() - 0.1)
def twice(scores):
    return scores.softmax(-1).softmax(-1)


@unlisted("no share below 0", lambda f: f(_row()).min() < 0)
def share_of_the_absolute(scores):
    return scores / scores.abs().sum(-1, keepdim=True)


@unlisted("weights should have shape (2, 3); it has (2, 1)", lambda f: f(_row()).shape == (1, 1))
def only_the_sums(scores):
    return torch.exp(scores).sum(-1, keepdim=True)


@unlisted("AttributeError", None, status="error")
def a_method_that_is_not_there(scores):
    return scores.soft_max(-1)
