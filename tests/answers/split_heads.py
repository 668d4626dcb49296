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
    heads = torch.empty(x.shape[0], num_heads, x.shape[1], d_k, dtype=x.dtype)
    for h in range(num_heads):
        heads[:, h] = x[..., h * d_k : (h + 1) * d_k]
    return heads


@right
def width_by_true_division(x, num_heads):
    return x.unflatten(-1, (num_heads, int(x.shape[-1] / num_heads))).swapaxes(1, 2)


@right
def by_numpy(x, num_heads):
    heads = x.numpy().reshape(*x.shape[:2], num_heads, -1).swapaxes(1, 2)
    return torch.from_numpy(heads)


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


@known("heads-reversed")
def last_head_first(x, num_heads):
    return view_and_transpose(x, num_heads).flip(1)


@known("words-shared-out")
def words_dealt_out_to_heads(x, num_heads):
    return torch.stack(x.chunk(num_heads, dim=1), dim=1)


@known("axes-in-another-order")
def heads_and_features_exchanged(x, num_heads):
    return x.unflatten(-1, (num_heads, -1)).transpose(2, 3)


@known("axes-in-another-order")
def heads_first(x, num_heads):
    return torch.stack(x.chunk(num_heads, dim=-1))


@known("rows-mix-words")
def transposed_too_early(x, num_heads):
    batch, n, dim = x.shape
    return x.transpose(1, 2).reshape(batch, num_heads, n, dim // num_heads)


@known("heads-taken-for-width")
def split_into_pieces_of_num_heads(x, num_heads):
    return torch.stack(x.split(num_heads, dim=-1), dim=1)


@known("heads-built-in")
def two_heads(x, num_heads):
    batch, n, dim = x.shape
    return x.view(batch, n, 2, dim // 2).transpose(1, 2)


@known("width-built-in")
def two_features_each(x, num_heads):
    return x.unflatten(-1, (-1, 2)).transpose(1, 2)


@known("whole-word")
def repeated(x, num_heads):
    return x[:, None].repeat(1, num_heads, 1, 1)


@known("same-slice")
def first_slice_for_all(x, num_heads):
    d_k = x.shape[-1] // num_heads
    return torch.stack([x[..., :d_k] for _ in range(num_heads)], dim=1)


@known("head-left-empty")
def loop_from_1(x, num_heads):
    d_k = x.shape[-1] // num_heads
    heads = x.new_zeros(x.shape[0], num_heads, x.shape[1], d_k)
    for h in range(1, num_heads):
        heads[:, h] = x[..., h * d_k : (h + 1) * d_k]
    return heads


@known("slices-begin-elsewhere")
def slices_one_apart(x, num_heads):
    d_k = x.shape[-1] // num_heads
    return torch.stack([x[..., h : h + d_k] for h in range(num_heads)], dim=1)


@known("folded-into-batch")
def laid_along_the_batch(x, num_heads):
    return torch.cat(x.chunk(num_heads, dim=-1), dim=0)


@known("axis-squeezed")
def squeezed(x, num_heads):
    return view_and_transpose(x, num_heads).squeeze()


@known("one-sequence")
def first_sequence(x, num_heads):
    x = x[0]
    return x.view(len(x), num_heads, -1).transpose(0, 1)


@known("one-slice")
def first_slice(x, num_heads):
    return x[..., : x.shape[-1] // num_heads]


@known("not-stacked")
def slices_in_a_list(x, num_heads):
    d_k = x.shape[-1] // num_heads
    return [x[..., h * d_k : (h + 1) * d_k] for h in range(num_heads)]


@known("heads-among-words")
def laid_along_the_words(x, num_heads):
    return torch.cat(x.chunk(num_heads, dim=-1), dim=1)


@known("unchanged")
def cut_and_joined_again(x, num_heads):
    return torch.cat(x.chunk(num_heads, dim=-1), dim=-1)


@known("size-no-whole-number")
def width_with_a_point(x, num_heads):
    d_k = x.shape[-1] / num_heads
    return x.view(x.shape[0], x.shape[1], num_heads, d_k).transpose(1, 2)


@known("size-no-whole-number")
def places_with_a_point(x, num_heads):
    d_k = x.shape[-1] / num_heads
    return torch.stack([x[..., h * d_k : (h + 1) * d_k] for h in range(num_heads)], dim=1)


@known("view-after-transpose")
def viewed_too_late(x, num_heads):
    batch, n, dim = x.shape
    return x.transpose(1, 2).view(batch, num_heads, n, dim // num_heads)


@known("loses-digits")
def in_float32_each_time(x, num_heads):
    return view_and_transpose(x.float(), num_heads)


@known("no-gradient")
def cut_off(x, num_heads):
    return view_and_transpose(x.detach(), num_heads)


def _loses_numbers(f):
    return not torch.isin(torch.arange(8.0), f(torch.arange(8.0).view(1, 2, 4), 2).flatten()).all()


@unlisted("moves numbers only", _loses_numbers)
def rounded_to_tens(x, num_heads):
    return (view_and_transpose(x, num_heads) / 10).round() * 10


@unlisted("not right yet: heads differ", lambda f: f(torch.arange(8.0).view(1, 2, 4), 2)[0, 0, 0, 0] == 4)
def last_word_first(x, num_heads):
    return view_and_transpose(x.flip(1), num_heads)


@unlisted(
    "heads should have shape (1, 2, 4, 3); it has (1, 2, 4, 1, 3)",
    lambda f: f(torch.ones(1, 2, 4), 2).shape == (1, 2, 2, 1, 2),
)
def one_axis_too_many(x, num_heads):
    return view_and_transpose(x, num_heads).unsqueeze(3)


@unlisted("TypeError", None, status="error")
def a_float_without_a_division(x, num_heads):
    return x.view(x.shape[0], x.shape[1], num_heads, -1.0).transpose(1, 2)
