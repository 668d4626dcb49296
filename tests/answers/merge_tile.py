"""Answers to `merge_tile(largest, total, output, scores, value)`: the first three, one tile later."""

import math

import torch

from answers import known, right, unlisted


def new(largest, scores):
    return torch.maximum(largest, scores.amax(-1, keepdim=True))


def finite(x):
    return x.masked_fill(x == -math.inf, 0)


@right
def as_in_the_lesson(largest, total, output, scores, value):
    larger = torch.maximum(largest, scores.amax(dim=-1, keepdim=True))
    reference = larger.masked_fill(larger == -math.inf, 0)
    weights = (scores - reference).exp()
    shrunk = (largest - reference).exp()
    total = total * shrunk + weights.sum(dim=-1, keepdim=True)
    output = output * shrunk + weights @ value
    return larger, total, output


@right
def nan_swept_away(largest, total, output, scores, value):
    larger = torch.maximum(largest, scores.max(dim=-1, keepdim=True).values)
    weights = torch.exp(scores - larger).nan_to_num(0.0)
    shrunk = torch.exp(largest - larger).nan_to_num(0.0)
    return larger, shrunk * total + weights.sum(-1, True), shrunk * output + torch.matmul(weights, value)


@right
def two_softmaxes_in_proportion(largest, total, output, scores, value):
    own = scores.amax(-1, keepdim=True)
    powers = torch.exp(scores - finite(own))
    larger = torch.maximum(largest, own)
    of_old, of_new = (torch.exp(x - finite(larger)) for x in (largest, own))
    return [
        larger,
        total * of_old + powers.sum(-1, keepdim=True) * of_new,
        output * of_old + powers @ value * of_new,
    ]


@right
def one_key_at_a_time(largest, total, output, scores, value):
    for i in range(scores.shape[-1]):
        score, row = scores[..., i : i + 1], value[..., i : i + 1, :]
        larger = torch.maximum(largest, score)
        shrunk, weight = torch.exp(largest - finite(larger)), torch.exp(score - finite(larger))
        largest, total, output = larger, total * shrunk + weight, output * shrunk + weight * row
    return largest, total, output


@right
def with_the_total_as_one_more_value(largest, total, output, scores, value):
    larger = torch.cat((largest, scores), dim=-1).amax(-1, keepdim=True)
    both = torch.cat((value, torch.ones_like(value[..., :1])), dim=-1)
    sums = torch.cat((output, total), -1) * (largest - finite(larger)).exp()
    sums = sums + torch.einsum("...qk,...kd->...qd", torch.exp(scores - finite(larger)), both)
    return larger, sums[..., -1:], sums[..., :-1]


@right
def a_low_number_for_nothing(largest, total, output, scores, value):
    larger = torch.maximum(largest, scores.amax(-1, keepdim=True)).clamp(min=-1e38)
    weights, shrunk = (scores - larger).exp(), (largest - larger).exp()
    return larger, total * shrunk + weights.sum(-1, keepdim=True), output * shrunk + weights @ value


@right
def written_in_place(largest, total, output, scores, value):
    larger = new(largest, scores)
    reference = torch.where(larger.isinf(), torch.zeros_like(larger), larger)
    total *= (largest - reference).exp()
    output *= (largest - reference).exp()
    scores -= reference
    total += scores.exp_().sum(-1, keepdim=True)
    output += scores @ value
    return larger, total, output


@right
def by_logarithms(largest, total, output, scores, value):
    larger = new(largest, scores)
    reference = finite(larger)
    all_of_it = torch.logaddexp(largest + total.log(), scores.logsumexp(-1, keepdim=True))
    return (
        larger,
        (all_of_it - reference).exp(),
        (largest - reference).exp() * output + (scores - reference).exp() @ value,
    )


# --- known mistakes --------------------------------------------------------------------------------------


def steps(largest, scores, larger=None):
    """Reference, weights and factor, as they should be unless another largest is given."""
    larger = new(largest, scores) if larger is None else larger
    return larger, (scores - finite(larger)).exp(), (largest - finite(larger)).exp()


def merged(largest, total, output, scores, value, larger=None):
    larger, weights, shrunk = steps(largest, scores, larger)
    return larger, total * shrunk + weights.sum(-1, keepdim=True), output * shrunk + weights @ value


@known("max-from-zero")
def never_below_0(largest, total, output, scores, value):
    return merged(largest, total, output, scores, value, new(largest, scores).clamp(min=0))


@known("no-max")
def plain_exp(largest, total, output, scores, value):
    weights = scores.exp()
    return largest, total + weights.sum(-1, keepdim=True), output + weights @ value


@known("no-max")
def plain_exp_with_a_factor(largest, total, output, scores, value):
    larger, _, shrunk = steps(largest, scores)
    weights = torch.exp(scores)
    return larger, total * shrunk + weights.sum(-1, keepdim=True), output * shrunk + weights @ value


@known("max-of-the-tile")
def own_largest(largest, total, output, scores, value):
    return merged(largest, total, output, scores, value, scores.amax(-1, keepdim=True))


@known("old-max")
def old_largest(largest, total, output, scores, value):
    return merged(largest, total, output, scores, value, largest)


@known("largest-not-returned")
def old_one_returned(largest, total, output, scores, value):
    return largest, *merged(largest, total, output, scores, value)[1:]


@known("one-max-for-all")
def of_the_whole_tile(largest, total, output, scores, value):
    return merged(largest, total, output, scores, value, torch.maximum(largest, scores.max()))


@known("max-over-queries")
def along_the_queries(largest, total, output, scores, value):
    larger = torch.maximum(largest, scores.amax(-2, keepdim=True))
    return merged(largest, total, output, scores, value, larger)


@known("total-not-rescaled")
def denominator_as_it_was(largest, total, output, scores, value):
    larger, weights, shrunk = steps(largest, scores)
    total = total + weights.sum(-1, keepdim=True)
    return larger, total, output * shrunk + weights @ value


@known("output-not-rescaled")
def accumulator_as_it_was(largest, total, output, scores, value):
    larger, weights, shrunk = steps(largest, scores)
    output = output + weights @ value
    return larger, total * shrunk + weights.sum(-1, keepdim=True), output


@known("not-rescaled")
def nothing_shrinks(largest, total, output, scores, value):
    larger, weights, _ = steps(largest, scores)
    return larger, total + weights.sum(-1, keepdim=True), output + weights @ value


@known("upside-down")
def grows(largest, total, output, scores, value):
    larger, weights, _ = steps(largest, scores)
    shrunk = (finite(larger) - largest).exp()
    return larger, total * shrunk + weights.sum(-1, keepdim=True), output * shrunk + weights @ value


@known("factor-without-exp")
def difference_as_factor(largest, total, output, scores, value):
    larger, weights, _ = steps(largest, scores)
    shrunk = largest - finite(larger)
    return larger, total * shrunk + weights.sum(-1, keepdim=True), output * shrunk + weights @ value


@known("new-rescaled")
def the_tile_shrinks(largest, total, output, scores, value):
    larger, weights, shrunk = steps(largest, scores)
    return larger, total + weights.sum(-1, keepdim=True) * shrunk, output + weights @ value * shrunk


@known("all-rescaled")
def sum_shrinks(largest, total, output, scores, value):
    larger, weights, shrunk = steps(largest, scores)
    return larger, (total + weights.sum(-1, keepdim=True)) * shrunk, (output + weights @ value) * shrunk


@known("tile-not-rescaled")
def relative_to_its_own(largest, total, output, scores, value):
    larger, _, shrunk = steps(largest, scores)
    weights = (scores - finite(scores.amax(-1, keepdim=True))).exp()
    return larger, total * shrunk + weights.sum(-1, keepdim=True), output * shrunk + weights @ value


@known("divided")
def divided_at_each_tile(largest, total, output, scores, value):
    larger, total, output = merged(largest, total, output, scores, value)
    return larger, total, output / total


@known("softmax-in-the-tile")
def own_softmax(largest, total, output, scores, value):
    larger, _, shrunk = steps(largest, scores)
    weights = scores.softmax(-1)
    return larger, total * shrunk + weights.sum(-1, keepdim=True), output * shrunk + weights @ value


@known("no-exp")
def differences(largest, total, output, scores, value):
    larger, _, shrunk = steps(largest, scores)
    weights = scores - finite(larger)
    return larger, total * shrunk + weights.sum(-1, keepdim=True), output * shrunk + weights @ value


@known("total-forgotten")
def total_of_this_tile(largest, total, output, scores, value):
    larger, weights, shrunk = steps(largest, scores)
    total = weights.sum(-1, keepdim=True)
    return larger, total, output * shrunk + weights @ value


@known("output-forgotten")
def output_of_this_tile(largest, total, output, scores, value):
    larger, weights, shrunk = steps(largest, scores)
    return larger, total * shrunk + weights.sum(-1, keepdim=True), weights @ value


@known("old-forgotten")
def only_this_tile(largest, total, output, scores, value):
    larger, weights, _ = steps(largest, scores)
    return larger, weights.sum(-1, keepdim=True), weights @ value


@known("tile-forgotten")
def only_shrunk(largest, total, output, scores, value):
    larger, _, shrunk = steps(largest, scores)
    return larger, total * shrunk, output * shrunk


@known("mean-for-sum")
def mean_of_the_weights(largest, total, output, scores, value):
    larger, weights, shrunk = steps(largest, scores)
    return larger, total * shrunk + weights.mean(-1, keepdim=True), output * shrunk + weights @ value


@known("sum-of-all-rows")
def sum_of_everything(largest, total, output, scores, value):
    larger, weights, shrunk = steps(largest, scores)
    return larger, total * shrunk + weights.sum(), output * shrunk + weights @ value


@known("keepdim-forgotten")
def sum_without_keepdim(largest, total, output, scores, value):
    larger, weights, shrunk = steps(largest, scores)
    return larger, total * shrunk + weights.sum(-1), output * shrunk + weights @ value


@known("keepdim-forgotten")
def max_without_keepdim(largest, total, output, scores, value):
    larger = torch.maximum(largest, scores.amax(-1))
    weights = (scores - larger).exp()
    shrunk = (largest - larger).exp()
    return larger, total * shrunk + weights.sum(-1, keepdim=True), output * shrunk + weights @ value


@known("max-gives-two")
def max_as_a_pair(largest, total, output, scores, value):
    larger = torch.maximum(largest, scores.max(-1, keepdim=True))
    return merged(largest, total, output, scores, value, larger)


@known("values-unweighted")
def values_as_they_are(largest, total, output, scores, value):
    larger, weights, shrunk = steps(largest, scores)
    output = output * shrunk + value.sum(-2, keepdim=True)
    return larger, total * shrunk + weights.sum(-1, keepdim=True), output


@known("scores-for-weights")
def scores_times_values(largest, total, output, scores, value):
    larger, weights, shrunk = steps(largest, scores)
    return larger, total * shrunk + weights.sum(-1, keepdim=True), output * shrunk + scores @ value


@known("scaled-again")
def by_the_root_of_8(largest, total, output, scores, value):
    return merged(largest, total, output, scores / math.sqrt(8), value)


@known("masked-as-low")
def low_for_hidden(largest, total, output, scores, value):
    return merged(largest, total, output, scores.clamp(min=-1e9), value)


@known("nan-row")
def minus_infinity_twice(largest, total, output, scores, value):
    larger = torch.maximum(largest, scores.amax(dim=-1, keepdim=True))
    weights = (scores - larger).exp()
    shrunk = (largest - larger).exp()
    return larger, total * shrunk + weights.sum(-1, keepdim=True), output * shrunk + weights @ value


@known("nan-row")
def only_the_weights_swept(largest, total, output, scores, value):
    larger = new(largest, scores)
    weights, shrunk = (scores - larger).exp().nan_to_num(0), (largest - larger).exp()
    return larger, total * shrunk + weights.sum(-1, keepdim=True), output * shrunk + weights @ value


@known("other-order")
def output_first(largest, total, output, scores, value):
    larger, total, output = merged(largest, total, output, scores, value)
    return output, larger, total


@known("output-alone")
def only_the_output(largest, total, output, scores, value):
    return merged(largest, total, output, scores, value)[2]


@known("max-from-zero + total-not-rescaled")
def two_at_once(largest, total, output, scores, value):
    larger, weights, shrunk = steps(largest, scores, new(largest, scores).clamp(min=0))
    return larger, total + weights.sum(-1, keepdim=True), output * shrunk + weights @ value


@known("no-return")
def nothing_comes_back(largest, total, output, scores, value):
    merged(largest, total, output, scores, value)


@known("max-of-two-tensors")
def pythons_max(largest, total, output, scores, value):
    larger = max(largest, scores.amax(-1, keepdim=True))
    return merged(largest, total, output, scores, value, larger)


@known("number-by-number")
def weights_times_values(largest, total, output, scores, value):
    larger = new(largest, scores)
    weights, shrunk = (scores - finite(larger)).exp(), (largest - finite(larger)).exp()
    total = total * shrunk + weights.sum(-1, keepdim=True)
    return larger, total, output * shrunk + weights * value


@right
def as_good_as_nothing_seen(largest, total, output, scores, value):
    larger = new(largest, scores).clamp(min=-1e9)
    weights, shrunk = (scores - larger).exp(), (largest - larger).exp()
    total = total * shrunk + weights.sum(-1, keepdim=True)
    return larger, total, output * shrunk + weights @ value


# --- and some that are in no table -------------------------------------------------------------------------


def _sample():
    scores, value = torch.tensor([[2.0, 1.0], [-1.0, 0.5]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    start = torch.full((2, 1), -math.inf), torch.zeros(2, 1), torch.zeros(2, 2)
    return scores, value, start


def _share(f):
    """Output over total of a first tile, and as it should be."""
    scores, value, start = _sample()
    _, total, output = f(*start, scores, value)
    return output / total, scores.softmax(-1) @ value


@unlisted(
    "relative to the largest",
    lambda f: torch.allclose(*_share(f), atol=1e-4) and bool((f(*_sample()[2], *_sample()[:2])[1] < 1).all()),
)
def one_above_the_largest(largest, total, output, scores, value):
    larger = new(largest, scores)
    weights, shrunk = (scores - finite(larger) - 1).exp(), (largest - finite(larger)).exp()
    return larger, total * shrunk + weights.sum(-1, keepdim=True), output * shrunk + weights @ value


@unlisted("the total of the new largest", lambda f: not torch.allclose(*_share(f), atol=0.01))
def a_little_more_in_the_total(largest, total, output, scores, value):
    larger, total, output = merged(largest, total, output, scores, value)
    return larger, total + 0.1, output


@unlisted("the output of the new largest", lambda f: not torch.allclose(*_share(f), atol=0.01))
def values_centred(largest, total, output, scores, value):
    return merged(largest, total, output, scores, value - value.mean(-2, keepdim=True))


@unlisted("the largest score so far", lambda f: f(*_sample()[2], *_sample()[:2])[0].min() < 0)
def the_smallest(largest, total, output, scores, value):
    larger = (
        torch.minimum(largest, scores.amin(-1, keepdim=True))
        if largest.isfinite().all()
        else scores.amin(-1, keepdim=True)
    )
    return merged(largest, total, output, scores, value, larger)


@unlisted("relative to the largest", lambda f: not torch.allclose(*_share(f), atol=0.01))
def powers_of_two(largest, total, output, scores, value):
    larger = new(largest, scores)
    weights, shrunk = 2 ** (scores - finite(larger)), 2 ** (largest - finite(larger))
    return larger, total * shrunk + weights.sum(-1, keepdim=True), output * shrunk + weights @ value


@unlisted("NameError", None, status="error")
def a_name_that_is_not_there(largest, total, output, scores, value):
    return merged(largest, total, output, scores, values)  # noqa: F821
