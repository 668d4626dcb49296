"""Answers to `merge_heads(x)`: `(batch, heads, n, d_k)` back to `(batch, n, dim)`."""

import torch

from answers import known, right, unlisted


@right
def transpose_and_reshape(x):
    batch, heads, n, d_k = x.shape
    return x.transpose(1, 2).reshape(batch, n, heads * d_k)


@right
def concatenated(x):
    return torch.cat(list(x.unbind(1)), dim=-1)


@right
def with_contiguous(x):
    return x.permute(0, 2, 1, 3).contiguous().flatten(2)


@known("merge-without-transpose")
def reshape_alone(x):
    batch, heads, n, d_k = x.shape
    return x.reshape(batch, n, heads * d_k)


@known("interleaved")
def features_dealt_out(x):
    return x.permute(0, 2, 3, 1).flatten(2)


@known("summed")
def heads_added(x):
    return x.sum(dim=1)


@unlisted("RuntimeError", None, status="error")
def view_after_transpose(x):
    return x.transpose(1, 2).view(x.shape[0], x.shape[2], -1)


@unlisted(
    "merged should have shape (1, 2, 4); it has (1, 4, 2)",
    lambda f: f(torch.ones(1, 2, 2, 2)).shape == (1, 4, 2),
)
def heads_one_below_the_other(x):
    return torch.cat(list(x.unbind(1)), dim=1)


@unlisted("not right yet: merged differs", lambda f: f(torch.tensor([[[[1.0]], [[2]]]]))[0, 0, 0] == 2)
def last_head_first(x):
    return transpose_and_reshape(x.flip(1))
