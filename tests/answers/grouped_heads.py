"""Answers to `grouped_heads(query, key, value)`: `(b, h, n, d)`, of heads that share keys."""

import math

import torch
from torch.nn import functional as F

from answers import known, right, unlisted
from attention_core import scaled_dot_product_attention


@right
def rows_of_one_head(query, key, value):
    b, h, n, d = query.shape
    rows = query.reshape(b, key.shape[1], -1, d)
    weights = (rows @ key.transpose(-2, -1) / math.sqrt(d)).softmax(dim=-1)
    return (weights @ value).reshape(b, h, n, d)


@right
def with_an_axis_for_the_members(query, key, value):
    grouped = query.unflatten(1, (key.shape[1], -1)) / query.shape[-1] ** 0.5
    weights = torch.einsum("bgmqd,bgkd->bgmqk", grouped, key).softmax(-1)
    return torch.einsum("bgmqk,bgkd->bgmqd", weights, value).flatten(1, 2)


@right
def head_by_head(query, key, value):
    shared = query.shape[1] // key.shape[1]
    heads = []
    for i in range(query.shape[1]):
        scores = query[:, i] @ key[:, i // shared].mT / math.sqrt(query.shape[-1])
        heads.append(torch.softmax(scores, -1) @ value[:, i // shared])
    return torch.stack(heads, dim=1)


@right
def group_by_group(query, key, value):
    outputs = []
    for i, q in enumerate(query.chunk(key.shape[1], dim=1)):
        rows = q.flatten(1, 2)  # (b, h/g · n, d)
        outputs.append(scaled_dot_product_attention(rows, key[:, i], value[:, i])[0].view(q.shape))
    return torch.cat(outputs, dim=1)


@right
def by_torch(query, key, value):
    return F.scaled_dot_product_attention(query, key, value, enable_gqa=True)


@right
def member_by_member(query, key, value):
    members = query.unflatten(1, (key.shape[1], -1)).unbind(2)
    return torch.stack([scaled_dot_product_attention(q, key, value)[0] for q in members], dim=2).flatten(1, 2)


@right
def by_our_own_in_tiles(query, key, value):
    from attention_core import tiled_attention

    return tiled_attention(
        query.reshape(len(query), key.shape[1], -1, query.shape[-1]), key, value, block=3
    ).reshape(query.shape)


# --- known mistakes --------------------------------------------------------------------------------------


def repeated(x, heads):
    return x.repeat_interleave(heads // x.shape[1], dim=1)


def rows_of(query, key):
    return query.reshape(len(query), key.shape[1], -1, query.shape[-1])


@known("copied")
def keys_repeated(query, key, value):
    shared = query.shape[1] // key.shape[1]
    keys, values = key.repeat_interleave(shared, dim=1), value.repeat_interleave(shared, dim=1)
    return scaled_dot_product_attention(query, keys, values)[0]


@known("copied")
def expanded_and_flattened(query, key, value):
    shared = query.shape[1] // key.shape[1]
    keys, values = (x.unsqueeze(2).expand(-1, -1, shared, -1, -1).flatten(1, 2) for x in (key, value))
    return F.scaled_dot_product_attention(query, keys, values)


@known("copied")
def a_matmul_that_copies(query, key, value):
    grouped = query.unflatten(1, (key.shape[1], -1))
    weights = (grouped @ key.unsqueeze(2).mT / math.sqrt(query.shape[-1])).softmax(-1)
    return (weights @ value.unsqueeze(2)).flatten(1, 2)


@known("copied")
def picked_by_index(query, key, value):
    own = torch.arange(query.shape[1]) // (query.shape[1] // key.shape[1])
    return scaled_dot_product_attention(query, key[:, own], value[:, own])[0]


@known("tile-for-interleave")
def taking_turns(query, key, value):
    shared = query.shape[1] // key.shape[1]
    keys, values = key.repeat(1, shared, 1, 1), value.repeat(1, shared, 1, 1)
    return scaled_dot_product_attention(query, keys, values)[0]


@known("tile-for-interleave")
def members_before_groups(query, key, value):
    by_member = query.unflatten(1, (-1, key.shape[1]))
    weights = torch.einsum("bmgqd,bgkd->bmgqk", by_member, key) / math.sqrt(query.shape[-1])
    return torch.einsum("bmgqk,bgkd->bmgqd", weights.softmax(-1), value).flatten(1, 2)


@known("key-tiled")
def keys_take_turns(query, key, value):
    h = query.shape[1]
    keys = key.repeat(1, h // key.shape[1], 1, 1)
    return scaled_dot_product_attention(query, keys, repeated(value, h))[0]


@known("value-tiled")
def values_take_turns(query, key, value):
    h = query.shape[1]
    values = value.repeat(1, h // key.shape[1], 1, 1)
    return scaled_dot_product_attention(query, repeated(key, h), values)[0]


@known("one-group-for-all")
def first_keys_for_all(query, key, value):
    return scaled_dot_product_attention(query, key[:, :1], value[:, :1])[0]


@known("groups-averaged")
def mean_of_the_groups(query, key, value):
    return scaled_dot_product_attention(query, key.mean(1, keepdim=True), value.mean(1, keepdim=True))[0]


@known("groups-reversed")
def last_keys_first(query, key, value):
    return rows_of_one_head(query, key.flip(1), value.flip(1))


@known("queries-averaged")
def mean_of_a_groups_queries(query, key, value):
    mean = query.unflatten(1, (key.shape[1], -1)).mean(2)
    return repeated(scaled_dot_product_attention(mean, key, value)[0], query.shape[1])


@known("one-query-for-a-group")
def first_of_each_group(query, key, value):
    first = query[:, :: query.shape[1] // key.shape[1]]
    return repeated(scaled_dot_product_attention(first, key, value)[0], query.shape[1])


@known("no-scale")
def unscaled(query, key, value):
    weights = (rows_of(query, key) @ key.mT).softmax(-1)
    return (weights @ value).reshape(query.shape)


@known("one-over-d")
def by_d(query, key, value):
    weights = (rows_of(query, key) @ key.mT / query.shape[-1]).softmax(-1)
    return (weights @ value).reshape(query.shape)


@known("root-of-another-size")
def by_the_root_of_all_features(query, key, value):
    dim = query.shape[1] * query.shape[-1]
    weights = (rows_of(query, key) @ key.mT / math.sqrt(dim)).softmax(-1)
    return (weights @ value).reshape(query.shape)


@known("over-queries")
def over_rows(query, key, value):
    weights = (rows_of(query, key) @ key.mT / math.sqrt(query.shape[-1])).softmax(-2)
    return (weights @ value).reshape(query.shape)


@known("over-heads")
def over_members(query, key, value):
    grouped = query.unflatten(1, (key.shape[1], -1)) / math.sqrt(query.shape[-1])
    weights = torch.einsum("bgmqd,bgkd->bgmqk", grouped, key).softmax(2)
    return torch.einsum("bgmqk,bgkd->bgmqd", weights, value).flatten(1, 2)


@known("over-all")
def over_everything_of_a_head(query, key, value):
    scores = rows_of(query, key) @ key.mT / math.sqrt(query.shape[-1])
    weights = scores.flatten(2).softmax(-1).view_as(scores)
    return (weights @ value).reshape(query.shape)


@known("no-softmax")
def scores_average(query, key, value):
    return (rows_of(query, key) @ key.mT / math.sqrt(query.shape[-1]) @ value).reshape(query.shape)


@known("argmax")
def best_key_only(query, key, value):
    best = (rows_of(query, key) @ key.mT).argmax(-1)
    weights = F.one_hot(best, key.shape[-2]).to(value.dtype)
    return (weights @ value).reshape(query.shape)


@known("overflow")
def plain_exp(query, key, value):
    powers = (rows_of(query, key) @ key.mT / math.sqrt(query.shape[-1])).exp()
    weights = powers / powers.sum(-1, keepdim=True)
    return (weights @ value).reshape(query.shape)


@known("masked")
def with_a_causal_mask(query, key, value):
    return F.scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=True)


@known("key-for-value")
def keys_averaged(query, key, value):
    return rows_of_one_head(query, key, key)


@known("heads-exchanged")
def members_first_at_the_end(query, key, value):
    output = rows_of_one_head(query, key, value)
    return output.unflatten(1, (key.shape[1], -1)).transpose(1, 2).flatten(1, 2)


@known("rows-mixed")
def members_after_words(query, key, value):
    b, h, n, d = query.shape
    weights = (rows_of(query, key) @ key.mT / math.sqrt(d)).softmax(-1)
    return (weights @ value).view(b, key.shape[1], n, -1, d).transpose(2, 3).reshape(b, h, n, d)


@known("not-flattened")
def still_in_groups(query, key, value):
    weights = (rows_of(query, key) @ key.mT / math.sqrt(query.shape[-1])).softmax(-1)
    return weights @ value


@known("merged")
def side_by_side(query, key, value):
    return rows_of_one_head(query, key, value).transpose(1, 2).flatten(2)


@known("one-of-each-group")
def mean_of_the_members(query, key, value):
    return rows_of_one_head(query, key, value).unflatten(1, (key.shape[1], -1)).mean(2)


@known("weights-too")
def output_and_weights(query, key, value):
    return scaled_dot_product_attention(query, repeated(key, query.shape[1]), repeated(value, query.shape[1]))


@known("heads-do-not-meet")
def as_if_there_were_no_groups(query, key, value):
    weights = (query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])).softmax(-1)
    return weights @ value


@known("view-refuses")
def view_of_heads_that_lie_apart(query, key, value):
    b, h, n, d = query.shape
    rows = query.view(b, key.shape[1], -1, d)
    weights = (rows @ key.mT / math.sqrt(d)).softmax(-1)
    return (weights @ value).view(b, h, n, d)


@known("tile-for-interleave + no-scale")
def two_at_once(query, key, value):
    shared = query.shape[1] // key.shape[1]
    weights = (query @ key.repeat(1, shared, 1, 1).mT).softmax(-1)
    return weights @ value.repeat(1, shared, 1, 1)


@known("no-return")
def nothing_comes_back(query, key, value):
    rows_of_one_head(query, key, value)


@known("no-gradient")
def nothing_learns(query, key, value):
    return rows_of_one_head(query.detach(), key.detach(), value.detach())


@known("loses-digits")
def in_float32(query, key, value):
    return rows_of_one_head(query.float(), key.float(), value.float())


@known("four-axes-turned")
def all_axes_turned(query, key, value):
    b, h, n, d = query.shape
    rows = query.reshape(b, key.shape[1], -1, d)
    weights = (rows @ key.T / math.sqrt(d)).softmax(-1)
    return (weights @ value).reshape(b, h, n, d)


@known("expanded-from-groups")
def expanded_to_heads(query, key, value):
    b, h, _, d = query.shape
    key, value = (x.expand(b, h, -1, d) for x in (key, value))
    return (query @ key.mT / math.sqrt(d)).softmax(-1) @ value


# --- and some that are in no table -------------------------------------------------------------------------


def _sample():
    drawn = torch.Generator().manual_seed(3)
    return [torch.randn(2, n, 3, 4, generator=drawn) for n in (4, 2, 2)]


def _off(f):
    """By how much each head is off."""
    return (f(*_sample()) - rows_of_one_head(*_sample())).abs().amax((0, 2, 3))


@unlisted("each head", lambda f: bool((_off(f) > 0.01).any()))
def last_head_left_out(query, key, value):
    output = rows_of_one_head(query, key, value).clone()
    output[:, -1] = 0
    return output


@unlisted("an average of values", lambda f: bool((_off(f) > 0.01).all()))
def three_times_as_much(query, key, value):
    return 3 * rows_of_one_head(query, key, value)


@unlisted("each head", lambda f: bool((_off(f) > 0.01).any()))
def keys_centred_by_head(query, key, value):
    return rows_of_one_head(query, key * key.std(-2, keepdim=True), value)


@unlisted(
    "output should have shape (1, 4, 2, 2); it has (1, 4, 2, 4)", lambda f: f(*_sample()).shape[-1] == 8
)
def twice_as_wide(query, key, value):
    return rows_of_one_head(query, key, value).repeat(1, 1, 1, 2)


@unlisted("NameError", None, status="error")
def a_name_that_is_not_there(query, key, value):
    return rows_of_one_head(query, keys, value)  # noqa: F821
