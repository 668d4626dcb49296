# ruff: noqa
# fmt: off
import math
from collections import namedtuple

import torch


# WRONG: the scale is forgotten
# SHOWS: any query and key with d_k > 1, no mask
def no_scale(query, key, value, allowed=None):
    scores = query @ key.mT
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    weights = scores.softmax(dim=-1).nan_to_num(0.0)
    return weights @ value, weights


# WRONG: divides by d_k instead of its root
# SHOWS: random input with d_k = 4
def divided_by_the_width_itself(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1]
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    weights = scores.softmax(dim=-1).nan_to_num(0.0)
    return weights @ value, weights


# WRONG: multiplies by the root instead of dividing
# SHOWS: random input with d_k = 4
def multiplied_by_the_root(query, key, value, allowed=None):
    scores = query @ key.mT * query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    weights = scores.softmax(dim=-1).nan_to_num(0.0)
    return weights @ value, weights


# WRONG: takes the width of the values, d_v, for d_k; right when both are equal
# SHOWS: d_k = 4, d_v = 7
def root_of_the_value_width(query, key, value, allowed=None):
    scores = query @ key.mT / value.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    weights = scores.softmax(dim=-1).nan_to_num(0.0)
    return weights @ value, weights


# WRONG: takes the number of keys for d_k (the wrong axis of the shape)
# SHOWS: n_k = 6, d_k = 4
def root_of_the_number_of_keys(query, key, value, allowed=None):
    scores = query @ key.mT / math.sqrt(key.size(-2))
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    weights = scores.softmax(dim=-1).nan_to_num(0.0)
    return weights @ value, weights


# WRONG: the five wishes of the example are built in
# SHOWS: d_k = 4; with d_k = 5 it is right
def five_wishes_always(query, key, value, allowed=None):
    scores = query @ key.mT / 5**0.5
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    weights = scores.softmax(dim=-1).nan_to_num(0.0)
    return weights @ value, weights


# WRONG: // rounds the scaled scores down to whole numbers
# SHOWS: random input
def whole_number_division(query, key, value, allowed=None):
    scores = query @ key.mT // query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    weights = scores.softmax(dim=-1).nan_to_num(0.0)
    return weights @ value, weights


# WRONG: the scale comes after the softmax, so that rows sum to 1 / root of d_k
# SHOWS: row sums, d_k = 4
def scaled_after_softmax(query, key, value, allowed=None):
    scores = query @ key.mT
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    weights = scores.softmax(dim=-1).nan_to_num(0.0) / query.shape[-1] ** 0.5
    return weights @ value, weights


# WRONG: softmax over the queries
# SHOWS: row sums, random input without mask
def softmax_over_queries(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    weights = scores.softmax(dim=-2).nan_to_num(0.0)
    return weights @ value, weights


# WRONG: softmax(dim=1) is right for one matrix; in a batch it runs over the queries
# SHOWS: query (2, 3, 4), key (2, 5, 4)
def softmax_over_axis_one(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    weights = scores.softmax(dim=1).nan_to_num(0.0)
    return weights @ value, weights


# WRONG: masked after the softmax without renormalising: rows sum to less than 1 and the future leaks in
# SHOWS: a causal mask; row sums
def masked_after_softmax(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    weights = scores.softmax(dim=-1)
    if allowed is not None:
        weights = weights * allowed
    return weights @ value, weights


# WRONG: renormalised after the softmax of all scores: where a forbidden score is far the largest, the rest has underflowed to 0
# SHOWS: scores 0 (allowed) and 200 (forbidden): the row is 0 instead of 1
def renormalised_after_underflow(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    weights = scores.softmax(dim=-1)
    if allowed is not None:
        weights = weights * allowed
        weights = weights / weights.sum(dim=-1, keepdim=True).clamp(min=1e-9)
    return weights @ value, weights


# WRONG: forbidden scores times 0: e to the 0 is 1, so forbidden keys get an ordinary share
# SHOWS: a causal mask; weights[0, 1] is not 0
def forbidden_scores_times_zero(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores * allowed
        weights = scores.softmax(dim=-1) * allowed.any(dim=-1, keepdim=True)
    else:
        weights = scores.softmax(dim=-1)
    return weights @ value, weights


# WRONG: -1e9 for "forbidden": a query that may look nowhere spreads evenly over forbidden keys
# SHOWS: allowed with one row of False
def minus_a_billion(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(allowed == 0, -1e9)
    weights = torch.softmax(scores, dim=-1)
    return weights @ value, weights


# WRONG: -100 is not minus infinity: with large scores a forbidden key still gets a share, or all
# SHOWS: allowed scores near -120, or a row with scores of -98 allowed
def minus_a_hundred(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -100.0)
    weights = scores.softmax(dim=-1)
    if allowed is not None:
        weights = weights * allowed.any(dim=-1, keepdim=True)
    return weights @ value, weights


# WRONG: nothing is done about a query that may look nowhere: NaN
# SHOWS: allowed with one row of False
def empty_row_is_nan(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    weights = scores.softmax(dim=-1)
    return weights @ value, weights


# WRONG: the mask the wrong way round: the allowed keys are hidden
# SHOWS: a causal mask
def hides_what_is_allowed(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(allowed, -torch.inf)
    weights = scores.softmax(dim=-1).nan_to_num(0.0)
    return weights @ value, weights


# WRONG: `if allowed:` asks a whole tensor for its truth: RuntimeError with more than one element
# SHOWS: any mask of more than one cell; a (1, 1) mask of False is ignored
def truth_of_a_tensor(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed:
        scores = scores.masked_fill(~allowed, -torch.inf)
    weights = scores.softmax(dim=-1).nan_to_num(0.0)
    return weights @ value, weights


# WRONG: the argument allowed is ignored
# SHOWS: a causal mask
def mask_ignored(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    weights = scores.softmax(dim=-1)
    return weights @ value, weights


# WRONG: masked_fill returns a new tensor that is thrown away
# SHOWS: a causal mask; same outcome as no mask
def masked_copy_thrown_away(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores.masked_fill(~allowed, -torch.inf)
    weights = scores.softmax(dim=-1)
    if allowed is not None:
        weights.masked_fill(~allowed.any(dim=-1, keepdim=True), 0.0)
    return weights @ value, weights


# WRONG: causal always, even when no mask is given
# SHOWS: no mask, n_q = n_k = 4
def causal_without_being_asked(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is None:
        allowed = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
    scores = scores.masked_fill(~allowed, -torch.inf)
    weights = scores.softmax(dim=-1).nan_to_num(0.0)
    return weights @ value, weights


# WRONG: the mask is transposed (keys by queries); right only for symmetric masks such as a window
# SHOWS: a causal mask
def mask_transposed(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(~allowed.mT, -torch.inf)
    weights = scores.softmax(dim=-1).nan_to_num(0.0)
    return weights @ value, weights


# WRONG: silences whole queries instead of keys: rows with anything forbidden become 0, the others see everything
# SHOWS: a causal mask: only the last row is left
def mask_taken_for_rows(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    weights = scores.softmax(dim=-1)
    if allowed is not None:
        weights = weights * allowed.all(dim=-1, keepdim=True)
    return weights @ value, weights


# WRONG: key.T reverses all axes; right for one matrix, an error or nonsense in a batch
# SHOWS: query, key of shape (2, 3, 4)
def dot_t_in_a_batch(query, key, value, allowed=None):
    scores = query @ key.T / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    weights = scores.softmax(dim=-1).nan_to_num(0.0)
    return weights @ value, weights


# WRONG: expects exactly four axes (batch, heads, words, features); a single sentence raises
# SHOWS: query (3, 4): ValueError
def four_axes_expected(query, key, value, allowed=None):
    batch, heads, n_q, d_k = query.shape
    scores = query @ key.transpose(2, 3) / d_k**0.5
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    weights = scores.softmax(dim=-1).nan_to_num(0.0)
    return weights @ value, weights


# WRONG: weights and output in the wrong order
# SHOWS: any input; the first result has the shape (n_q, n_k)
def weights_first(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    weights = scores.softmax(dim=-1).nan_to_num(0.0)
    return weights, weights @ value


# WRONG: returns the output without the weights
# SHOWS: any input
def output_alone(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    return scores.softmax(dim=-1).nan_to_num(0.0) @ value


# WRONG: returns the masked scores, not the weights, as the second result
# SHOWS: row sums of the second result; the output is right
def scores_returned_as_weights(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    return scores.softmax(dim=-1).nan_to_num(0.0) @ value, scores


# WRONG: the output is averaged with the weights from before the mask; the map looks right
# SHOWS: a causal mask; output differs from weights @ value
def output_from_unmasked_weights(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    output = scores.softmax(dim=-1) @ value
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    weights = scores.softmax(dim=-1).nan_to_num(0.0)
    return output, weights


# WRONG: averages the keys instead of the values
# SHOWS: value different from key; d_v = 7 gives the wrong width
def keys_averaged(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    weights = scores.softmax(dim=-1).nan_to_num(0.0)
    return weights @ key, weights


# WRONG: averages with the transposed weights; runs for squares only
# SHOWS: n_q = n_k = 4 gives wrong numbers, n_q != n_k raises
def averaged_with_columns(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    weights = scores.softmax(dim=-1).nan_to_num(0.0)
    return weights.mT @ value, weights


# WRONG: query and key are swapped in the product, so keys ask and queries answer
# SHOWS: n_q = n_k = 4 (wrong numbers); n_q != n_k raises or has the wrong shape
def keys_ask_queries(query, key, value, allowed=None):
    scores = key @ query.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    weights = scores.softmax(dim=-1).nan_to_num(0.0)
    return weights @ value, weights


# WRONG: no_grad: nothing can be trained through it
# SHOWS: query with requires_grad; the output has no grad_fn
@torch.no_grad()
def without_gradients(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    weights = scores.softmax(dim=-1).nan_to_num(0.0)
    return weights @ value, weights


# WRONG: .data on the scores: values still learn, queries and keys no longer do
# SHOWS: backward of output.sum(): query.grad stays None
def only_values_learn(query, key, value, allowed=None):
    scores = (query @ key.mT).data / query.shape[-1] ** 0.5
    if allowed is not None:
        scores[(~allowed).expand(scores.shape)] = -torch.inf
    weights = scores.softmax(dim=-1).nan_to_num(0.0)
    return weights @ value, weights


# WRONG: scales the caller's query in place
# SHOWS: query before and after the call; a second call gives another answer
def query_scaled_in_place(query, key, value, allowed=None):
    query /= query.shape[-1] ** 0.5
    scores = query @ key.mT
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    weights = scores.softmax(dim=-1).nan_to_num(0.0)
    return weights @ value, weights


# WRONG: turns the caller's mask round in place
# SHOWS: allowed before and after the call; the second call hides the opposite
def mask_turned_round_in_place(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        forbidden = allowed.logical_not_()
        scores = scores.masked_fill(forbidden, -torch.inf)
    weights = scores.softmax(dim=-1).nan_to_num(0.0)
    return weights @ value, weights


# WRONG: a half fix: looks only for a mask that is empty as a whole; one empty row among others is still NaN
# SHOWS: allowed with one row of False among rows of True
def only_a_wholly_empty_mask(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        if not allowed.any():
            weights = torch.zeros_like(scores)
            return weights @ value, weights
        scores = scores.masked_fill(~allowed, -torch.inf)
    weights = scores.softmax(dim=-1)
    return weights @ value, weights


# WRONG: a half fix: NaN is removed from the output, but the weights returned still hold it
# SHOWS: allowed with one row of False; weights
def nan_left_in_the_weights(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    weights = scores.softmax(dim=-1)
    return (weights @ value).nan_to_num(0.0), weights


# WRONG: a half fix: looks for keys nobody may see (columns) instead of queries that may see nothing (rows)
# SHOWS: allowed with one row of False: the row is evenly spread
def empty_columns_instead_of_rows(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(~allowed, torch.finfo(scores.dtype).min)
    weights = scores.softmax(dim=-1)
    if allowed is not None:
        weights = weights * allowed.any(dim=-2, keepdim=True)
    return weights @ value, weights


# WRONG: softmax twice: the second one flattens the weights, and forbidden keys get a share again
# SHOWS: any input
def softmax_twice(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    weights = scores.softmax(dim=-1).nan_to_num(0.0)
    weights = weights.softmax(dim=-1)
    return weights @ value, weights


# WRONG: a hard look-up: the best key takes everything
# SHOWS: random input
def best_key_takes_all(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    best = scores.argmax(dim=-1)
    weights = torch.nn.functional.one_hot(best, key.shape[-2]).to(value.dtype)
    return weights @ value, weights


# WRONG: indexes the scores with the mask; a mask (n_q, n_k) does not fit a batch that way
# SHOWS: query (2, 3, 4) with allowed (3, 3): IndexError
def mask_as_index(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores[~allowed] = -torch.inf
    weights = scores.softmax(dim=-1).nan_to_num(0.0)
    return weights @ value, weights


# WRONG: its own softmax without subtracting the maximum: large scores overflow to NaN
# SHOWS: query and key of size 100: scores over 88
def own_softmax_overflows(query, key, value, allowed=None):
    e = (query @ key.mT / query.shape[-1] ** 0.5).exp()
    if allowed is not None:
        e = e * allowed
    total = e.sum(dim=-1, keepdim=True)
    weights = e / total.masked_fill(total == 0, 1.0)
    return weights @ value, weights


# WRONG: dropout from a tutorial, always switched on: another answer at each call
# SHOWS: two calls with the same input, or row sums
def dropout_always_on(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    weights = scores.softmax(dim=-1).nan_to_num(0.0)
    weights = torch.dropout(weights, 0.1, True)
    return weights @ value, weights


# WRONG: adds the mask as if it were made of 0 and -inf; True adds 1, nothing is hidden
# SHOWS: a causal mask
def boolean_added_to_scores(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores + allowed
    weights = scores.softmax(dim=-1)
    return weights @ value, weights


# WRONG: minus infinity times the mask: 0 times infinity is NaN at all allowed cells
# SHOWS: any mask
def infinity_times_zero(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores + (~allowed) * float("-inf")
    weights = scores.softmax(dim=-1).nan_to_num(0.0)
    return weights @ value, weights


# WRONG: the mask is added as log(0) = -inf; forwards right, but backwards an empty row gives NaN gradients
# SHOWS: allowed with one row of False, query.requires_grad: query.grad holds NaN
def empty_row_nan_backwards(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores + allowed.to(scores.dtype).log()
    weights = scores.softmax(dim=-1).nan_to_num(0.0)
    return weights @ value, weights


# WRONG: the output is made as wide as the query; right only where d_v = d_k
# SHOWS: d_k = 4, d_v = 7
def output_like_query(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    weights = scores.softmax(dim=-1).nan_to_num(0.0)
    output = torch.zeros_like(query)
    for j in range(key.shape[-2]):
        output = output + weights[..., :, j : j + 1] * value[..., j : j + 1, :]
    return output, weights


# WRONG: loops over as many keys as there are queries; right only for squares
# SHOWS: n_q = 3, n_k = 5: the last two keys are never looked at
def as_many_keys_as_queries(query, key, value, allowed=None):
    n = query.shape[-2]
    scores = torch.full(
        (*query.shape[:-1], key.shape[-2]), -torch.inf, dtype=query.dtype
    )
    for j in range(min(n, key.shape[-2])):
        scores[..., j] = (query * key[..., j : j + 1, :]).sum(-1) / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    weights = scores.softmax(dim=-1).nan_to_num(0.0)
    return weights @ value, weights


# WRONG: casts to float32 and stays there; float64 input comes back less exact and in another dtype
# SHOWS: float64 query, key, value
def always_single_precision(query, key, value, allowed=None):
    query, key, value = query.float(), key.float(), value.float()
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    weights = scores.softmax(dim=-1).nan_to_num(0.0)
    return weights @ value, weights


# WRONG: compares directions only: query and key are brought to length 1 (cosine) before the product
# SHOWS: random input whose rows are not of length 1
def cosine_instead_of_dot_product(query, key, value, allowed=None):
    unit = torch.nn.functional.normalize
    scores = unit(query, dim=-1) @ unit(key, dim=-1).mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    weights = scores.softmax(dim=-1).nan_to_num(0.0)
    return weights @ value, weights


# WRONG: flattens the batch into one long sentence, so that sentences attend to each other
# SHOWS: query (2, 3, 4): weights (6, 6) instead of (2, 3, 3)
def batch_as_one_sentence(query, key, value, allowed=None):
    query, key, value = query.flatten(0, -2), key.flatten(0, -2), value.flatten(0, -2)
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    weights = scores.softmax(dim=-1).nan_to_num(0.0)
    return weights @ value, weights


# WRONG: a query that may look nowhere keeps weights 0 but its output is overwritten with its own value ("it sees itself")
# SHOWS: n_q = n_k, d_v any, allowed with one row of False: output of that row is not 0
def empty_row_answers_its_own_value(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is None:
        weights = scores.softmax(dim=-1)
        return weights @ value, weights
    weights = scores.masked_fill(~allowed, -torch.inf).softmax(dim=-1).nan_to_num(0.0)
    nowhere = ~allowed.any(dim=-1, keepdim=True)
    return torch.where(nowhere, value, weights @ value), weights


# RIGHT: einsum throughout, torch.where for the mask
def einsum_throughout(query, key, value, allowed=None):
    scores = torch.einsum("...qd,...kd->...qk", query, key) / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = torch.where(allowed, scores, -torch.inf)
    weights = scores.softmax(dim=-1).nan_to_num(0.0)
    return torch.einsum("...qk,...kv->...qv", weights, value), weights


# RIGHT: the query is scaled before the product; -1e9 in the mask, but forbidden weights are set to 0 afterwards
def query_scaled_first(query, key, value, allowed=None):
    scaled = query * query.size(-1) ** -0.5
    scores = scaled @ key.transpose(-2, -1)
    if allowed is None:
        weights = torch.softmax(scores, -1)
    else:
        weights = torch.softmax(scores.masked_fill(allowed == 0, -1e9), -1)
        weights = weights.masked_fill(allowed == 0, 0.0)
    return torch.matmul(weights, value), weights


# RIGHT: by hand: exp, mask on the numerators, division by a sum that is never 0
def numerators_by_hand(query, key, value, allowed=None):
    scores = query @ key.mT / math.sqrt(key.shape[-1])
    if allowed is None:
        allowed = torch.ones((), dtype=torch.bool)
    masked = scores.masked_fill(~allowed, -torch.inf)
    top = masked.detach().amax(dim=-1, keepdim=True).clamp(min=-1e30)
    e = (masked - top).exp()
    total = e.sum(dim=-1, keepdim=True)
    weights = e / total.masked_fill(total == 0, 1)
    return weights @ value, weights


# RIGHT: float64 inside, the dtype of the input outside; a list for the pair
def double_inside_list_outside(query, key, value, allowed=None):
    q, k, v = query.double(), key.double(), value.double()
    scores = q @ k.mT / k.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(allowed.logical_not(), float("-inf"))
    w = scores.softmax(dim=-1).nan_to_num(nan=0.0)
    return [(w @ v).to(value.dtype), w.to(query.dtype)]


# RIGHT: a loop over queries, one look-up at a time
def loop_over_queries(query, key, value, allowed=None):
    rows, answers = [], []
    if allowed is not None:
        allowed = allowed.expand(*query.shape[:-1], key.shape[-2])
    for i in range(query.shape[-2]):
        s = (query[..., i : i + 1, :] * key).sum(dim=-1) / query.shape[-1] ** 0.5
        if allowed is not None:
            may = allowed[..., i, :]
            w = s.masked_fill(~may, -torch.inf).softmax(dim=-1)
            w = w.masked_fill(~may.any(dim=-1, keepdim=True), 0.0)
        else:
            w = s.softmax(dim=-1)
        rows.append(w)
        answers.append((w.unsqueeze(-1) * value).sum(dim=-2))
    return torch.stack(answers, dim=-2), torch.stack(rows, dim=-2)


_Answer = namedtuple("_Answer", "output weights")


def _softmax(scores):
    e = (scores - scores.amax(dim=-1, keepdim=True)).exp()
    return e / e.sum(dim=-1, keepdim=True)


# RIGHT: own softmax in a helper, empty rows opened before and closed after it, a named tuple for the pair
def empty_rows_opened_then_closed(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is None:
        weights = _softmax(scores)
    else:
        somewhere = allowed.any(dim=-1, keepdim=True)
        weights = _softmax(scores.masked_fill(~(allowed | ~somewhere), -torch.inf))
        weights = weights * somewhere
    return _Answer(weights @ value, weights)


# RIGHT: an extra key with a score of minus a very large number takes over the empty rows and is cut off again
def an_extra_key_for_empty_rows(query, key, value, allowed=None):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    nobody = scores.new_full((*scores.shape[:-1], 1), -1e30)
    weights = torch.cat([scores, nobody], dim=-1).softmax(dim=-1)[..., :-1]
    return weights @ value, weights


# RIGHT: a lambda for the scores, both factors divided by the fourth root of d_k
def fourth_root_on_both_sides(query, key, value, allowed=None):
    shrink = lambda t: t / t.shape[-1] ** 0.25  # noqa: E731
    scores = shrink(query).matmul(shrink(key).swapaxes(-1, -2))
    mask = torch.zeros_like(scores, dtype=torch.bool) if allowed is None else ~allowed
    weights = scores.masked_fill(mask, -math.inf).softmax(-1).masked_fill(mask, 0)
    return weights.matmul(value), weights
