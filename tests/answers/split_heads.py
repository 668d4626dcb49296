"""Answers to `split_heads(x, num_heads)`: `(batch, n, dim)` to `(batch, heads, n, d_k)`."""

import torch

from answers import known, right, unlisted


@right
def view_and_transpose(x, num_heads):
    batch, n, dim = x.shape
    return x.view(batch, n, num_heads, dim // num_heads).transpose(1, 2)


@right
def chunk_and_stack(x, num_heads):
    return torch.stack(x.chunk(num_heads, dim=-1), dim=1)


@right
def slice_by_slice(x, num_heads):
    d_k = x.shape[-1] // num_heads
    heads = torch.empty(x.shape[0], num_heads, x.shape[1], d_k)
    for h in range(num_heads):
        heads[:, h] = x[..., h * d_k : (h + 1) * d_k]
    return heads


@known("split-without-transpose")
def view_alone(x, num_heads):
    batch, n, dim = x.shape
    return x.view(batch, num_heads, n, dim // num_heads)


@known("not-transposed")
def transpose_forgotten(x, num_heads):
    batch, n, dim = x.shape
    return x.view(batch, n, num_heads, dim // num_heads)


@known("interleaved")
def d_k_before_heads(x, num_heads):
    batch, n, dim = x.shape
    return x.view(batch, n, dim // num_heads, num_heads).permute(0, 3, 1, 2)


@unlisted("not right yet: heads differ", lambda f: f(torch.tensor([[[1.0, 2]]]), 2)[0, 0] == 2)
def last_head_first(x, num_heads):
    return view_and_transpose(x, num_heads).flip(1)


@unlisted(
    "heads should have shape (1, 2, 2, 2); it has (1, 2, 1, 4)",
    lambda f: f(torch.ones(1, 2, 4), 2).shape == (1, 2, 1, 4),
)
def words_dealt_out_to_heads(x, num_heads):
    return torch.stack(x.chunk(num_heads, dim=1), dim=1)
