# ruff: noqa
# fmt: off
import math

import torch
from torch.nn import functional as F


# WRONG: sums over everything, so the whole matrix shares one budget instead of each row
# SHOWS: any scores with two or more rows, e.g. torch.randn(3, 4)
def total_over_everything(scores):
    e = (scores - scores.max()).exp()
    return e / e.sum()


# WRONG: the wrong axis: sums over the queries, so that columns sum to 1
# SHOWS: torch.randn(3, 4)
def over_the_queries(scores):
    e = (scores - scores.amax(dim=-2, keepdim=True)).exp()
    return e / e.sum(dim=-2, keepdim=True)


# WRONG: dim=1 is the keys' axis of a single matrix only; in a batch it is the queries' axis
# SHOWS: torch.randn(2, 3, 4)
def second_axis_counted_from_the_front(scores):
    e = (scores - scores.amax(dim=1, keepdim=True)).exp()
    return e / e.sum(dim=1, keepdim=True)


# WRONG: the formula as it stands, with nothing against overflow: inf / inf is NaN
# SHOWS: torch.tensor([[1000.0, 0.0]])
def formula_as_printed(scores):
    return scores.exp() / scores.exp().sum(dim=-1, keepdim=True)


# WRONG: no keepdim in the sum, so row i is divided by the sum of another row (square), or it raises (rectangle)
# SHOWS: torch.randn(3, 3)
def sum_without_keepdim(scores):
    e = (scores - scores.amax(dim=-1, keepdim=True)).exp()
    return e / e.sum(dim=-1)


# WRONG: subtracts one maximum for the whole tensor; a row far below it underflows to 0/0
# SHOWS: torch.tensor([[1000.0, 999.0], [0.0, 1.0]])
def one_maximum_for_all_rows(scores):
    e = (scores - scores.max()).exp()
    return e / e.sum(dim=-1, keepdim=True)


# WRONG: subtracts the mean of the row instead of its maximum; a single large score still overflows
# SHOWS: torch.tensor([[1000.0, 0.0, 0.0, 0.0]])
def mean_instead_of_maximum(scores):
    e = (scores - scores.mean(dim=-1, keepdim=True)).exp()
    return e / e.sum(dim=-1, keepdim=True)


# WRONG: clamps large scores, so that 1000 and 900 count the same
# SHOWS: torch.tensor([[1000.0, 900.0]])
def clamped_at_80(scores):
    e = scores.clamp(max=80).exp()
    return e / e.sum(dim=-1, keepdim=True)


# WRONG: repairs the NaN of the overflow by replacing it with 0: nothing is left of the largest score
# SHOWS: torch.tensor([[1000.0, 0.0]])
def overflow_swept_to_zero(scores):
    e = scores.exp()
    return (e / e.sum(dim=-1, keepdim=True)).nan_to_num(0.0)


# WRONG: subtracts in place, so the caller's scores are changed
# SHOWS: compare scores before and after the call, torch.randn(3, 4)
def caller_scores_overwritten(scores):
    scores -= scores.amax(dim=-1, keepdim=True)
    e = scores.exp()
    return e / e.sum(dim=-1, keepdim=True)


# WRONG: forgets e^s and divides the scores by their sum; negative "weights"
# SHOWS: torch.tensor([[1.0, -2.0, 3.0]])
def share_without_exp(scores):
    return scores / scores.sum(dim=-1, keepdim=True)


# WRONG: divides by the Euclidean length instead of the sum; rows do not sum to 1, their squares do
# SHOWS: torch.randn(3, 4)
def euclidean_norm(scores):
    e = (scores - scores.amax(dim=-1, keepdim=True)).exp()
    return F.normalize(e, dim=-1)


# WRONG: returns the logarithms of the weights
# SHOWS: any scores; the result is negative
def stays_in_logs(scores):
    return scores - scores.logsumexp(dim=-1, keepdim=True)


# WRONG: max(dim=...) returns values and indices; the pair cannot be subtracted (TypeError)
# SHOWS: any scores
def max_pair_not_unpacked(scores):
    e = (scores - scores.max(dim=-1, keepdim=True)).exp()
    return e / e.sum(dim=-1, keepdim=True)


# WRONG: the sign is turned round: the smallest score gets the largest weight
# SHOWS: torch.tensor([[0.0, 1.0, 2.0]])
def smallest_wins(scores):
    e = (scores.amin(dim=-1, keepdim=True) - scores).exp()
    return e / e.sum(dim=-1, keepdim=True)


# WRONG: detached from the scores, so nothing behind them can be trained
# SHOWS: scores with requires_grad; the result has no grad_fn
def cut_off_from_training(scores):
    s = scores.detach()
    e = (s - s.amax(dim=-1, keepdim=True)).exp()
    return e / e.sum(dim=-1, keepdim=True)


# WRONG: base 2 instead of e: the weights are softer than they should be
# SHOWS: torch.tensor([[0.0, 1.0, 2.0]])
def base_two(scores):
    e = 2 ** (scores - scores.amax(dim=-1, keepdim=True))
    return e / e.sum(dim=-1, keepdim=True)


# WRONG: "against division by 0" adds 0.01 to the sum, so rows sum to less than 1
# SHOWS: torch.zeros(2, 3): 0.3322 instead of 0.3333
def padded_denominator(scores):
    e = (scores - scores.amax(dim=-1, keepdim=True)).exp()
    return e / (e.sum(dim=-1, keepdim=True) + 0.01)


# WRONG: exp is taken twice (softmax of e^s); far too sharp, and scores that differ little are blown up
# SHOWS: torch.tensor([[0.0, 1.0, 2.0]])
def exp_twice(scores):
    e = (scores - scores.amax(dim=-1, keepdim=True)).exp().exp()
    return e / e.sum(dim=-1, keepdim=True)


# WRONG: loops over the first axis, which is a row only in a single matrix; in a batch each matrix shares one budget
# SHOWS: torch.randn(2, 3, 4)
def loop_over_the_first_axis(scores):
    rows = []
    for row in scores:
        e = (row - row.max()).exp()
        rows.append(e / e.sum())
    return torch.stack(rows)


# WRONG: flattens the leading dimensions and forgets to bring the shape back
# SHOWS: torch.randn(2, 3, 4): returns (6, 4)
def flattened_and_left_so(scores):
    rows = scores.reshape(-1, scores.shape[-1])
    e = (rows - rows.amax(dim=-1, keepdim=True)).exp()
    return e / e.sum(dim=-1, keepdim=True)


# WRONG: subtracts the largest score of each column; what is subtracted must be one number a row, else weights change
# SHOWS: torch.randn(3, 4)
def maximum_of_the_columns(scores):
    e = (scores - scores.amax(dim=-2, keepdim=True)).exp()
    return e / e.sum(dim=-1, keepdim=True)


# WRONG: subtracts the largest absolute value; very negative rows underflow to 0/0
# SHOWS: torch.tensor([[-1000.0, -999.0]])
def largest_absolute_value(scores):
    e = (scores - scores.abs().amax(dim=-1, keepdim=True)).exp()
    return e / e.sum(dim=-1, keepdim=True)


# WRONG: sigmoid squeezes each score by itself; rows do not sum to 1
# SHOWS: torch.zeros(2, 3): 0.5 each
def sigmoid_each(scores):
    return 1 / (1 + (-scores).exp())


# WRONG: computes the weights and does not return them
# SHOWS: any scores; None
def nothing_returned(scores):
    e = (scores - scores.amax(dim=-1, keepdim=True)).exp()
    e / e.sum(dim=-1, keepdim=True)


# WRONG: returns nested Python lists instead of a tensor
# SHOWS: any scores; the result has no shape
def nested_lists(scores):
    e = (scores - scores.amax(dim=-1, keepdim=True)).exp()
    return (e / e.sum(dim=-1, keepdim=True)).tolist()


# WRONG: a half fix: the maximum is subtracted in the numerator only, not in the sum below
# SHOWS: torch.tensor([[0.0, 1.0, 2.0]])
def shifted_above_only(scores):
    shifted = scores - scores.amax(dim=-1, keepdim=True)
    return shifted.exp() / scores.exp().sum(dim=-1, keepdim=True)


# RIGHT: logarithms: subtract the logsumexp, then exp (at scores of 1000 float32 rounds it to about 4 digits, no worse)
def through_logsumexp(scores):
    return (scores - scores.logsumexp(dim=-1, keepdim=True)).exp()


# RIGHT: computes in float64 and goes back to the dtype of the scores
def double_inside(scores):
    s = scores.double()
    e = torch.exp(s - s.max(dim=-1, keepdim=True)[0])
    return (e / e.sum(dim=-1, keepdim=True)).to(scores.dtype)


# RIGHT: recursion down to single rows, stacked again
def recursion_to_rows(scores):
    if scores.dim() > 1:
        return torch.stack([recursion_to_rows(part) for part in scores])
    e = (scores - scores.max()).exp()
    return e / e.sum()


# RIGHT: keys moved to the front, softmax over dim 0, and back
def keys_first(scores):
    s = scores.movedim(-1, 0)
    e = (s - s.amax(dim=0)).exp()
    return (e / e.sum(dim=0)).movedim(0, -1)


# RIGHT: the sum as a product with a matrix of ones, the maximum by sorting
def sum_by_matrix_product(scores):
    n = scores.shape[-1]
    e = (scores - scores.sort(dim=-1).values[..., -1:]).exp()
    return e / (e @ torch.ones(n, n, dtype=scores.dtype))


def _stable_exp(scores):
    return torch.exp(scores - scores.detach().amax(-1, True))


# RIGHT: a lambda around a helper, maximum detached (a shift changes nothing), einsum for the sum
lambda_with_helper = lambda scores: (  # noqa: E731
    lambda e: e / torch.einsum("...k->...", e).unsqueeze(-1)
)(_stable_exp(scores))


# RIGHT: a loop over keys that adds up the denominator, math.e to a power
def loop_over_keys(scores):
    top = scores.amax(dim=-1)
    columns = [torch.pow(math.e, scores[..., j] - top) for j in range(scores.size(-1))]
    total = sum(columns)
    return torch.stack([column / total for column in columns], dim=-1)


# RIGHT: in-place steps, but on a copy
def in_place_on_a_copy(scores):
    w = scores.clone()
    w -= scores.amax(dim=-1, keepdim=True)
    w = w.exp_()
    return w / w.sum(dim=-1, keepdim=True)
