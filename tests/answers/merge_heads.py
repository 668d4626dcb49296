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


@right
def slice_by_slice(x):
    batch, heads, n, d_k = x.shape
    merged = torch.zeros(batch, n, heads * d_k, dtype=x.dtype)
    for h in range(heads):
        merged[..., h * d_k : (h + 1) * d_k] = x[:, h]
    return merged


@known("merge-without-transpose")
def reshape_alone(x):
    batch, heads, n, d_k = x.shape
    return x.reshape(batch, n, heads * d_k)


@known("merge-without-transpose")
def flatten_alone(x):
    return x.flatten(2)


@known("interleaved")
def features_dealt_out(x):
    return x.permute(0, 2, 3, 1).flatten(2)


@known("axes-misnamed")
def words_before_heads(x):
    batch, n, heads, d_k = x.shape
    return x.transpose(1, 2).reshape(batch, n, heads * d_k)


@known("summed")
def heads_added(x):
    return x.sum(dim=1)


@known("averaged")
def heads_averaged(x):
    return x.mean(dim=1)


@known("one-below-the-other")
def heads_one_below_the_other(x):
    return torch.cat(list(x.unbind(1)), dim=1)


@known("words-joined")
def all_in_one_row(x):
    return x.transpose(1, 2).flatten(1)


@known("one-head")
def first_head(x):
    return x[:, 0]


@known("heads-built-in")
def two_heads(x):
    return torch.cat([x[:, 0], x[:, 1]], dim=-1)


@known("heads-reversed")
def last_head_first(x):
    return transpose_and_reshape(x.flip(1))


@known("head-left-empty")
def loop_ends_too_early(x):
    batch, heads, n, d_k = x.shape
    merged = x.new_zeros(batch, n, heads * d_k)
    for h in range(heads - 1):
        merged[..., h * d_k : (h + 1) * d_k] = x[:, h]
    return merged


@known("four-axes")
def transposed_only(x):
    return x.transpose(1, 2)


@known("axes-in-another-order")
def words_and_features_exchanged(x):
    moved = x.transpose(2, 3)
    return moved.reshape(x.shape[0], x.shape[2], -1)


@known("axes-in-another-order")
def words_before_the_batch(x):
    return x.permute(2, 0, 1, 3).flatten(2)


@known("axis-squeezed")
def squeezed(x):
    return transpose_and_reshape(x).squeeze()


@known("sequences-joined")
def unbound_along_the_batch(x):
    return torch.cat(x.unbind(0), dim=-1)


@known("batch-run-together")
def a_row_for_each_word_of_all(x):
    return x.transpose(1, 2).reshape(-1, x.shape[1] * x.shape[3])


@known("heads-in-the-batch")
def heads_as_sequences(x):
    return x.reshape(-1, *x.shape[2:])


@known("one-sequence")
def first_sequence(x):
    return transpose_and_reshape(x[:1])


@known("width-built-in")
def sixteen_wide(x):
    return x.transpose(1, 2).reshape(len(x), -1, 16)


@known("not-joined")
def heads_in_a_tuple(x):
    return x.unbind(1)


@known("written-elsewhere")
def written_one_apart(x):
    batch, heads, n, d_k = x.shape
    merged = x.new_zeros(batch, n, heads * d_k)
    for h in range(heads):
        merged[..., h : h + d_k] = x[:, h]
    return merged


@known("view-after-transpose")
def view_after_transpose(x):
    return x.transpose(1, 2).view(x.shape[0], x.shape[2], -1)


@known("loses-digits")
def collected_in_float32(x):
    batch, heads, n, d_k = x.shape
    merged = torch.zeros(batch, n, heads * d_k)
    for h in range(heads):
        merged[..., h * d_k : (h + 1) * d_k] = x[:, h]
    return merged


@known("no-gradient")
def cut_off(x):
    with torch.no_grad():
        return transpose_and_reshape(x)


@unlisted(
    "merged should have shape (1, 4, 6); it has (1, 4, 1, 6)",
    lambda f: f(torch.ones(1, 2, 2, 2)).shape == (1, 2, 1, 4),
)
def one_axis_too_many(x):
    return transpose_and_reshape(x).unsqueeze(2)


@unlisted("not right yet: merged differs", lambda f: f(torch.tensor([[[[1.0], [2]]]]))[0, 0, 0] == 2)
def last_word_first(x):
    return transpose_and_reshape(x.flip(2))


@unlisted("moves numbers only", lambda f: 1.0 not in f(torch.tensor([[[[1.0]], [[2]]]])))
def first_head_twice(x):
    x[:, 0] = 7 + x[:, -1]
    return transpose_and_reshape(x)
