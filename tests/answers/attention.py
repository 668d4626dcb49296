"""Answers to `attention(query, key, value, allowed=None)`: `(output, weights)`."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

import attention_core
from answers import known, right, unlisted
from attention_core.agreement import attention_rounding


@right
def with_matmul(query, key, value, allowed=None):
    scores = torch.matmul(query, key.transpose(-2, -1)) / math.sqrt(query.size(-1))
    if allowed is not None:
        scores = scores.masked_fill(~allowed, float("-inf"))
    weights = torch.nan_to_num(torch.softmax(scores, dim=-1))
    return torch.matmul(weights, value), weights


@right
def with_einsum(query, key, value, allowed=None):
    scores = torch.einsum("...qd,...kd->...qk", query, key) * query.shape[-1] ** -0.5
    if allowed is not None:
        scores = torch.where(allowed, scores, -torch.inf)
    e = torch.exp(scores - scores.amax(-1, keepdim=True).clamp(min=-1e30))
    weights = e / e.sum(-1, keepdim=True).clamp(min=1e-30)
    return torch.einsum("...qk,...kv->...qv", weights, value), weights


@right
def with_loops(query, key, value, allowed=None):
    lead, (n_q, d_k), n_k = query.shape[:-2], query.shape[-2:], key.shape[-2]
    weights = torch.zeros(*lead, n_q, n_k, dtype=query.dtype)
    output = torch.zeros(*lead, n_q, value.shape[-1], dtype=query.dtype)
    mask = torch.ones(n_q, n_k).bool() if allowed is None else allowed
    mask = mask.expand(weights.shape)
    for place in torch.cartesian_prod(*(torch.arange(n) for n in (*lead, n_q))).view(-1, len(lead) + 1):
        at, i = tuple(place[:-1].tolist()), int(place[-1])
        seen = [j for j in range(n_k) if mask[(*at, i, j)]]
        if not seen:
            continue
        scores = [float(query[at][i] @ key[at][j]) / d_k**0.5 for j in seen]
        e = [math.exp(s - max(scores)) for s in scores]
        for j, share in zip(seen, e, strict=True):
            weights[(*at, i, j)] = share / sum(e)
            output[(*at, i)] += share / sum(e) * value[at][j]
    return output, weights


@right
def written_in_place(query, key, value, allowed=None):
    query /= query.shape[-1] ** 0.5
    weights = query @ key.mT
    if allowed is not None:
        weights += torch.where(allowed, 0.0, float("-inf"))
    weights -= weights.amax(-1, keepdim=True).clamp(min=-1e30)
    weights.exp_()
    weights /= weights.sum(-1, keepdim=True) + 1e-30
    return weights @ value, weights


@right
def in_float64_inside(query, key, value, allowed=None):
    q, k, v = query.double(), key.double(), value.double()
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    if allowed is not None:
        scores[~allowed.expand_as(scores)] = -torch.inf
    weights = scores.softmax(-1).nan_to_num(0.0)
    return weights @ v, weights


@known("masked-after-rounding")
def masked_after_and_renormalised(query, key, value, allowed=None):
    weights = F.softmax(query @ key.mT / query.shape[-1] ** 0.5, -1)
    if allowed is not None:
        weights = weights * allowed
        weights = weights / weights.sum(-1, keepdim=True).clamp_min(1e-20)
    return weights @ value, weights


@right
def mask_by_name_only(query, key, value, *, allowed=None):
    return list(attention_core.scaled_dot_product_attention(query, key, value, allowed))


def masked_softmax(scores, allowed):
    """What the answers below do where they are right."""
    if allowed is None:
        return scores.softmax(-1)
    return scores.masked_fill(~allowed, -torch.inf).softmax(-1).nan_to_num(0)


@known("no-scale")
def without_the_scale(query, key, value, allowed=None):
    scores = query @ key.transpose(-2, -1)
    weights = masked_softmax(scores, allowed)
    return weights @ value, weights


@known("one-over-d-k")
def divided_by_d_k(query, key, value, allowed=None):
    weights = masked_softmax(query @ key.mT / query.shape[-1], allowed)
    return weights @ value, weights


@known("sqrt-d-model")
def divided_by_the_root_of_d_v(query, key, value, allowed=None):
    weights = masked_softmax(query @ key.mT / value.shape[-1] ** 0.5, allowed)
    return weights @ value, weights


@known("sqrt-n")
def divided_by_the_root_of_n_k(query, key, value, allowed=None):
    weights = masked_softmax(query @ key.mT / math.sqrt(key.size(-2)), allowed)
    return weights @ value, weights


@known("over-queries")
def softmax_over_queries(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    weights = torch.softmax(scores, dim=-2)
    return weights @ value, weights


@known("fixed-dim")
def softmax_over_dimension_1(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    weights = torch.softmax(scores, dim=1).nan_to_num(0)
    return weights @ value, weights


@known("argmax")
def only_the_best_key(query, key, value, allowed=None):
    best = (query @ key.mT).argmax(-1)
    weights = F.one_hot(best, key.shape[-2]).to(value.dtype)
    return weights @ value, weights


@known("not-normalised")
def never_normalised(query, key, value, allowed=None):
    weights = torch.exp(query @ key.mT / query.shape[-1] ** 0.5)
    return weights @ value, weights


@known("over-everything")
def normalised_over_everything(query, key, value, allowed=None):
    e = torch.exp(query @ key.mT / query.shape[-1] ** 0.5)
    weights = e / e.sum(dim=(-2, -1), keepdim=True)
    return weights @ value, weights


@known("no-exp")
def divided_by_the_sum_of_scores(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    weights = scores / scores.sum(-1, keepdim=True)
    return weights @ value, weights


@known("no-softmax")
def scores_for_weights(query, key, value, allowed=None):
    weights = query @ key.mT / query.shape[-1] ** 0.5
    return weights @ value, weights


@known("log")
def log_softmax_for_softmax(query, key, value, allowed=None):
    weights = F.log_softmax(query @ key.mT / query.shape[-1] ** 0.5, -1)
    return weights @ value, weights


@known("overflow")
def exp_of_large_scores(query, key, value, allowed=None):
    e = torch.exp(query @ key.mT / query.shape[-1] ** 0.5)
    if allowed is not None:
        e = e * allowed
    weights = e / e.sum(-1, keepdim=True).clamp(min=1e-30)
    return weights @ value, weights


@known("mask-inverted")
def true_means_hidden(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(allowed, -torch.inf)
    weights = scores.softmax(-1)
    return weights @ value, weights


@known("mask-inverted")
def true_means_hidden_and_filled(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(allowed == 1, -1e9)
    weights = scores.softmax(-1)
    return weights @ value, weights


@known("mask-ignored")
def mask_never_used(query, key, value, allowed=None):
    weights = masked_softmax(query @ key.mT / query.shape[-1] ** 0.5, None)
    return weights @ value, weights


@known("no-mask-argument")
def no_fourth_argument(query, key, value):
    weights = masked_softmax(query @ key.mT / query.shape[-1] ** 0.5, None)
    return weights @ value, weights


@known("diagonal-off-by-one")
def the_diagonal_is_lost(query, key, value, allowed=None):
    if allowed is not None and allowed.shape[-1] == allowed.shape[-2]:
        allowed = allowed.tril(-1)
    elif allowed is not None:
        allowed = allowed & ~torch.eye(query.shape[-2], key.shape[-2]).bool()
    weights = masked_softmax(query @ key.mT / query.shape[-1] ** 0.5, allowed)
    return weights @ value, weights


@known("diagonal-off-by-one")
def the_mask_is_moved_by_one(query, key, value, allowed=None):
    if allowed is not None:
        allowed = F.pad(allowed, (1, 0))[..., :-1]
    weights = masked_softmax(query @ key.mT / query.shape[-1] ** 0.5, allowed)
    return weights @ value, weights


@known("mask-transposed")
def the_mask_is_transposed(query, key, value, allowed=None):
    if allowed is not None:
        allowed = allowed.mT
    weights = masked_softmax(query @ key.mT / query.shape[-1] ** 0.5, allowed)
    return weights @ value, weights


@known("mask-after-softmax")
def mask_after_softmax(query, key, value, allowed=None):
    weights = torch.softmax(query @ key.mT / query.shape[-1] ** 0.5, -1)
    if allowed is not None:
        weights = weights.masked_fill(~allowed, 0)
    return weights @ value, weights


@known("mask-multiplied")
def scores_times_the_mask(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores * allowed
    weights = scores.softmax(-1)
    return weights @ value, weights


@known("minus-1e9")
def filled_with_minus_1e9(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -1e9)
    weights = scores.softmax(-1)
    return weights @ value, weights


@known("minus-1e9")
def filled_with_the_smallest_number(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = torch.where(allowed, scores, torch.finfo(scores.dtype).min)
    weights = scores.softmax(-1)
    return weights @ value, weights


@known("nan-row")
def nan_where_nothing_is_allowed(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(allowed.logical_not(), -math.inf)
    weights = scores.softmax(-1)
    return weights @ value, weights


@known("nan-row")
def nan_in_the_output_only(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -math.inf)
    weights = scores.softmax(-1)
    return weights @ value, weights.nan_to_num(0)


@known("no-value")
def weights_for_output(query, key, value, allowed=None):
    weights = masked_softmax(query @ key.mT / query.shape[-1] ** 0.5, allowed)
    return weights, weights


@known("key-for-value")
def keys_averaged(query, key, value, allowed=None):
    weights = masked_softmax(query @ key.mT / query.shape[-1] ** 0.5, allowed)
    return weights @ key, weights


@known("swapped")
def weights_first(query, key, value, allowed=None):
    weights = masked_softmax(query @ key.mT / query.shape[-1] ** 0.5, allowed)
    return weights, weights @ value


@known("no-return")
def nothing_comes_back(query, key, value, allowed=None):
    weights = masked_softmax(query @ key.mT / query.shape[-1] ** 0.5, allowed)
    weights @ value


@known("no-scale + over-queries")
def no_scale_and_over_queries(query, key, value, allowed=None):
    weights = torch.softmax(query @ key.mT, dim=-2)
    return weights @ value, weights


@known("one-over-d-k")
def divided_by_d_k_and_nan(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1]
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    weights = scores.softmax(-1)
    return weights @ value, weights


@known("no-scale + key-for-value")
def no_scale_and_keys_averaged(query, key, value, allowed=None):
    weights = masked_softmax(query @ key.mT, allowed)
    return weights @ key, weights


def _sample() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    return tuple(torch.randn(4, d, generator=generator) for d in (4, 4, 3))


def _reference(allowed=None):
    return attention_core.scaled_dot_product_attention(*_sample(), allowed)


def _same_weights(answer, right=None, **how) -> bool:
    """Whether they differ from the right ones by no more than rounding explains."""
    right = _reference()[1] if right is None else right
    return (answer(*_sample())[1] - right).abs().max() <= attention_rounding(*_sample(), **how)[1]


def _same_weights_other_output(answer) -> bool:
    return _same_weights(answer) and not torch.allclose(answer(*_sample())[0], _reference()[0], atol=0.01)


def _row_sums_off(answer) -> bool:
    return (answer(*_sample())[1].sum(-1) - 1).abs().max() > 0.01


def _future_leaks(answer) -> bool:
    allowed = torch.ones(4, 4).tril().bool()
    query, key, value = _sample()
    before = answer(query, key, value, allowed)
    key[3] += 1
    value[3] += 1
    after = answer(query, key, value, allowed)
    return max((x - y)[:3].abs().max() for x, y in zip(before, after, strict=True)) > 1e-3


@known("softmax-twice")
def softmax_twice(query, key, value, allowed=None):
    weights = masked_softmax(query @ key.mT / query.shape[-1] ** 0.5, allowed).softmax(-1)
    return weights @ value, weights


@known("scores-transposed")
def keys_ask_queries(query, key, value, allowed=None):
    weights = masked_softmax(key @ query.mT / query.shape[-1] ** 0.5, allowed)
    return weights @ value, weights


@unlisted("causality", _future_leaks)
def values_are_masked(query, key, value, allowed=None):
    weights = masked_softmax(query @ key.mT / query.shape[-1] ** 0.5, None)
    if allowed is not None:
        seen = allowed.to(value.dtype).mean(-2, keepdim=True).mT
        value = value * seen
    return weights @ value, weights


@known("times-root")
def multiplied_by_the_root(query, key, value, allowed=None):
    weights = masked_softmax(query @ key.mT * query.shape[-1] ** 0.5, allowed)
    return weights @ value, weights


@unlisted("output = weights @ value", _same_weights_other_output)
def output_before_normalising(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    return scores.exp() @ value, masked_softmax(scores, allowed)


@unlisted("permutation equivariance", lambda f: _moves_when_shuffled(f))
def a_bias_for_late_keys(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5 + 0.3 * torch.arange(key.shape[-2])
    weights = masked_softmax(scores, allowed)
    return weights @ value, weights


def _moves_when_shuffled(answer) -> bool:
    query, key, value = _sample()
    back = [3, 2, 1, 0]
    return not torch.allclose(
        answer(query, key, value)[0], answer(query, key[back], value[back])[0], atol=0.01
    )


@unlisted("not right yet: weights differ", lambda f: not _same_weights(f))
def temperature_squared(query, key, value, allowed=None):
    scores = (query @ key.mT / query.shape[-1] ** 0.5) ** 2
    weights = masked_softmax(scores, allowed)
    return weights @ value, weights


@known("not-repeatable")
def dropout_left_on(query, key, value, allowed=None):
    weights = F.dropout(masked_softmax(query @ key.mT / query.shape[-1] ** 0.5, allowed), 0.3)
    return weights @ value, weights


@known("length-for-sum")
def rows_of_length_1(query, key, value, allowed=None):
    e = torch.exp(query @ key.mT / query.shape[-1] ** 0.5)
    weights = e / e.norm(dim=-1, keepdim=True)
    return weights @ value, weights


@known("sigmoid")
def sigmoid_for_softmax(query, key, value, allowed=None):
    weights = torch.sigmoid(query @ key.mT / query.shape[-1] ** 0.5)
    return weights @ value, weights


@unlisted("output = weights @ value", _same_weights_other_output)
def values_centred(query, key, value, allowed=None):
    weights = masked_softmax(query @ key.mT / query.shape[-1] ** 0.5, allowed)
    return weights @ (value - value.mean(-2, keepdim=True)), weights


@unlisted("convex hull", lambda f: (f(*_sample())[0] > _sample()[2].amax(0)).any())
def output_doubled(query, key, value, allowed=None):
    weights = masked_softmax(query @ key.mT / query.shape[-1] ** 0.5, allowed)
    return weights @ value * 5, weights


@known("small-fill")
def a_fill_of_minus_5(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -5)
    weights = scores.softmax(-1)
    return weights @ value, weights


@known("cosine")
def cosine_for_dot_product(query, key, value, allowed=None):
    weights = masked_softmax(F.normalize(query, dim=-1) @ F.normalize(key, dim=-1).mT, allowed)
    return weights @ value, weights


@unlisted(
    "not right yet: weights differ",
    lambda f: not _same_weights(f) and _same_weights(f, dtype=torch.bfloat16),
)
def with_few_digits(query, key, value, allowed=None):
    scores = (query.bfloat16() @ key.mT.bfloat16()).to(query.dtype) / query.shape[-1] ** 0.5
    weights = masked_softmax(scores, allowed)
    return weights @ value, weights


@known("output-alone")
def only_the_output(query, key, value, allowed=None):
    return masked_softmax(query @ key.mT / query.shape[-1] ** 0.5, allowed) @ value


@unlisted(
    "weights should have shape (2, 3); it has (3, 2). Rows are queries, columns are keys",
    lambda f: f(torch.ones(2, 4), torch.ones(3, 4), torch.ones(3, 1))[1].shape == (3, 2),
)
def weights_transposed(query, key, value, allowed=None):
    weights = masked_softmax(query @ key.mT / query.shape[-1] ** 0.5, allowed)
    return weights @ value, weights.mT


@unlisted("RuntimeError", None, status="error")
def transposed_with_T(query, key, value, allowed=None):
    weights = masked_softmax(query @ key.permute(*range(key.ndim)[::-1]) / query.shape[-1] ** 0.5, allowed)
    return weights @ value, weights


# --- known by their numbers -------------------------------------------------------------------------------


def _weighted(normalise):
    """An answer with this softmax, for one that differs in nothing else."""

    def answer(query, key, value, allowed=None):
        scores = query @ key.mT / query.shape[-1] ** 0.5
        if allowed is not None:
            scores = scores.masked_fill(~allowed, -torch.inf)
        weights = normalise(scores).nan_to_num(0)
        return weights @ value, weights

    return answer


def _row(bug, name, normalise):
    answer = _weighted(normalise)
    answer.__name__ = name
    return known(bug)(answer)


_row("one-maximum", "one_maximum_of_all", lambda s: (e := (s - s.max()).exp()) / e.sum(-1, keepdim=True))
_row("exp-twice", "exp_before_softmax", lambda s: s.exp().softmax(-1))
_row("negated", "minus_the_scores", lambda s: (-s).softmax(-1))
_row("base-two", "powers_of_two", lambda s: (s * math.log(2)).softmax(-1))
_row("padded-sum", "a_hundredth_in_the_sum", lambda s: s.exp() / (s.exp().sum(-1, keepdim=True) + 0.01))
_row("sum-of-another-row", "without_keepdim", lambda s: s.exp() / s.exp().sum(-1))


@known("fourth-root")
def the_fourth_root(query, key, value, allowed=None):
    weights = masked_softmax(query @ key.mT / query.shape[-1] ** 0.25, allowed)
    return weights @ value, weights


@known("fixed-scale")
def divided_by_the_root_of_6(query, key, value, allowed=None):
    weights = masked_softmax(query @ key.mT / 6**0.5, allowed)
    return weights @ value, weights


@known("fixed-scale")
def divided_by_8(query, key, value, allowed=None):
    weights = masked_softmax(query @ key.mT / 8, allowed)
    return weights @ value, weights


@known("scaled-after-softmax")
def scaled_after_the_softmax(query, key, value, allowed=None):
    weights = masked_softmax(query @ key.mT, allowed) / query.shape[-1] ** 0.5
    return weights @ value, weights


@known("output-scaled")
def output_divided_by_the_root(query, key, value, allowed=None):
    weights = masked_softmax(query @ key.mT / query.shape[-1] ** 0.5, allowed)
    return weights @ value / query.shape[-1] ** 0.5, weights


@known("floor-division")
def two_slashes(query, key, value, allowed=None):
    weights = masked_softmax(query @ key.mT // query.shape[-1] ** 0.5, allowed)
    return weights @ value, weights


@known("mask-replaced")
def a_causal_mask_for_any(query, key, value, allowed=None):
    if allowed is not None:
        allowed = torch.ones(query.shape[-2], key.shape[-2]).tril().bool()
    weights = masked_softmax(query @ key.mT / query.shape[-1] ** 0.5, allowed)
    return weights @ value, weights


@known("always-causal")
def causal_unless_told(query, key, value, allowed=None):
    if allowed is None:
        allowed = torch.ones(query.shape[-2], key.shape[-2]).tril().bool()
    weights = masked_softmax(query @ key.mT / query.shape[-1] ** 0.5, allowed)
    return weights @ value, weights


@known("too-few-keys")
def only_as_many_keys_as_queries(query, key, value, allowed=None):
    seen = torch.arange(key.shape[-2]) < query.shape[-2]
    seen = seen if allowed is None else seen & allowed
    weights = masked_softmax(query @ key.mT / query.shape[-1] ** 0.5, seen.expand(query.shape[-2], -1))
    return weights @ value, weights


@known("mask-unsqueezed")
def one_dimension_more(query, key, value, allowed=None):
    if allowed is not None:
        allowed = allowed.unsqueeze(-2)
    weights = masked_softmax(query @ key.mT / query.shape[-1] ** 0.5, allowed)
    return weights @ value, weights


@known("small-fill")
def minus_100_then_0(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is None:
        return scores.softmax(-1) @ value, scores.softmax(-1)
    weights = scores.masked_fill(~allowed, -100).softmax(-1) * allowed.any(-1, keepdim=True)
    return weights @ value, weights


@known("large-fill")
def the_sign_of_the_fill(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(~allowed, 1e9)
    weights = scores.softmax(-1)
    return weights @ value, weights


@known("mask-added")
def mask_added_as_numbers(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores + allowed.float()
    weights = scores.softmax(-1)
    return weights @ value, weights


@known("infinity-times-zero")
def infinity_times_the_mask(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores + (1 - allowed.float()) * -math.inf
    weights = scores.softmax(-1)
    return weights @ value, weights


@known("mask-as-index")
def mask_in_brackets(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores[~allowed] = -torch.inf
    weights = scores.softmax(-1).nan_to_num(0)
    return weights @ value, weights


@known("mask-on-rows")
def whole_queries_hidden(query, key, value, allowed=None):
    weights = masked_softmax(query @ key.mT / query.shape[-1] ** 0.5, None)
    if allowed is not None:
        weights = weights.masked_fill(~allowed.all(-1, keepdim=True), 0)
    return weights @ value, weights


@known("mask-multiplied")
def filled_with_0(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(~allowed, 0)
    weights = scores.softmax(-1)
    return weights @ value, weights


@known("nan-row")
def nan_in_the_weights_only(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -math.inf)
    weights = scores.softmax(-1)
    return (weights @ value).nan_to_num(0), weights


@known("weights-alone")
def only_the_weights(query, key, value, allowed=None):
    return masked_softmax(query @ key.mT / query.shape[-1] ** 0.5, allowed)


@known("scores-for-weights")
def scores_given_back(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    return masked_softmax(scores, allowed) @ value, scores


@known("output-from-scores")
def scores_average(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    return scores @ value, masked_softmax(scores, allowed)


@known("output-unmasked")
def output_before_the_mask(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    return scores.softmax(-1) @ value, masked_softmax(scores, allowed)


@known("weights-transposed")
def columns_average(query, key, value, allowed=None):
    weights = masked_softmax(query @ key.mT / query.shape[-1] ** 0.5, allowed)
    return weights.mT @ value, weights


@known("sentences-mixed")
def one_long_sentence(query, key, value, allowed=None):
    query, key, value = (x.reshape(-1, x.shape[-1]) for x in (query, key, value))
    weights = masked_softmax(query @ key.mT / query.shape[-1] ** 0.5, allowed)
    return weights @ value, weights


@known("no-gradient")
@torch.no_grad()
def with_no_grad(query, key, value, allowed=None):
    return attention_core.scaled_dot_product_attention(query, key, value, allowed)


@known("wrong-gradient")
def minus_infinity_added(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores + allowed.to(scores.dtype).log()
    weights = scores.softmax(-1).nan_to_num(0)
    return weights @ value, weights


# --- known by the error -----------------------------------------------------------------------------------


@known("truth-of-a-mask")
def if_allowed(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed:
        scores = scores.masked_fill(~allowed, -torch.inf)
    weights = scores.softmax(-1).nan_to_num(0)
    return weights @ value, weights


@known("other-dimensions-swapped")
def key_dot_T(query, key, value, allowed=None):
    weights = masked_softmax(query @ key.T / query.shape[-1] ** 0.5, allowed)
    return weights @ value, weights


@known("fixed-dimensions")
def a_batch_is_expected(query, key, value, allowed=None):
    _batch, _n_q, d_k = query.shape
    weights = masked_softmax(query @ key.mT / d_k**0.5, allowed)
    return weights @ value, weights


@known("mask-that-is-none")
def always_masked(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    scores = scores.masked_fill(~allowed, -torch.inf)
    weights = scores.softmax(-1).nan_to_num(0)
    return weights @ value, weights


@known("key-not-transposed")
def key_as_it_is(query, key, value, allowed=None):
    weights = masked_softmax(query @ key / query.shape[-1] ** 0.5, allowed)
    return weights @ value, weights


@known("factors-swapped")
def value_first(query, key, value, allowed=None):
    weights = masked_softmax(query @ key.mT / query.shape[-1] ** 0.5, allowed)
    return value @ weights, weights


@known("counted-from-the-front")
def transposed_1_and_2(query, key, value, allowed=None):
    weights = masked_softmax(query @ key.transpose(1, 2) / query.shape[-1] ** 0.5, allowed)
    return weights @ value, weights


# --- and some that are in no table ------------------------------------------------------------------------


@unlisted(
    "sharpness",
    lambda f: _same_weights(f, (_sample()[0] @ _sample()[1].T * 0.2).softmax(-1), scale=0.5),
)
def a_warmer_softmax(query, key, value, allowed=None):
    weights = masked_softmax(query @ key.mT / query.shape[-1] ** 0.5 * 0.4, allowed)
    return weights @ value, weights


@unlisted(
    "evenness",
    lambda f: (f(*_sample())[1].amax(-1) < _reference()[1].amax(-1) - 0.01).all(),
)
def half_of_it_even(query, key, value, allowed=None):
    weights = masked_softmax(query @ key.mT / query.shape[-1] ** 0.5, allowed)
    weights = weights / 2 + 1 / (2 * key.shape[-2])
    return weights @ value, weights


@unlisted("rows sum to one", _row_sums_off)
def nine_tenths(query, key, value, allowed=None):
    weights = masked_softmax(query @ key.mT / query.shape[-1] ** 0.5, allowed) * 0.9
    return weights @ value, weights


@unlisted("output = weights @ value", _same_weights_other_output)
def query_added(query, key, value, allowed=None):
    weights = masked_softmax(query @ key.mT / query.shape[-1] ** 0.5, allowed)
    return weights @ value + query.sum(-1, keepdim=True), weights
