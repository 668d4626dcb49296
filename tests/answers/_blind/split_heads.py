# ruff: noqa
# fmt: off
import numpy as np
import torch


# WRONG: only re-reads the numbers: the pieces of one word become several words of one head
# SHOWS: x = arange(8).view(1, 2, 4), 2 heads
def view_alone(x, num_heads):
    batch, n, dim = x.shape
    return x.reshape(batch, num_heads, n, dim // num_heads)


# WRONG: cuts but does not transpose: the axis of words comes before that of heads
# SHOWS: n different from num_heads: shape (batch, n, num_heads, d_k)
def transpose_forgotten(x, num_heads):
    batch, n, dim = x.shape
    return x.view(batch, n, num_heads, dim // num_heads)


# WRONG: swaps the wrong axes, heads with features
# SHOWS: shape (batch, n, d_k, num_heads)
def heads_and_features_swapped(x, num_heads):
    batch, n, dim = x.shape
    return x.view(batch, n, num_heads, dim // num_heads).transpose(2, 3)


# WRONG: each head gets every num_heads-th feature instead of a slice of neighbours
# SHOWS: x = arange(8).view(1, 2, 4), 2 heads: head 0 gets features 0 and 2
def every_other_feature(x, num_heads):
    batch, n, dim = x.shape
    return x.view(batch, n, dim // num_heads, num_heads).permute(0, 3, 1, 2)


# WRONG: returns the slices as a list instead of one tensor
# SHOWS: any input
def list_of_slices(x, num_heads):
    return list(x.chunk(num_heads, dim=-1))


# WRONG: four heads are built in; the argument is ignored
# SHOWS: num_heads = 2
def four_heads_always(x, num_heads):
    batch, n, dim = x.shape
    return x.view(batch, n, 4, dim // 4).transpose(1, 2)


# WRONG: takes the number of heads for the width of a head; right where both are equal
# SHOWS: dim = 12, num_heads = 2: shape (batch, 6, n, 2)
def width_and_number_mistaken(x, num_heads):
    batch, n, dim = x.shape
    return x.view(batch, n, -1, num_heads).transpose(1, 2)


# WRONG: / instead of //: the width is a float, which view does not take (TypeError)
# SHOWS: any input
def width_as_a_float(x, num_heads):
    batch, n, dim = x.shape
    return x.view(batch, n, num_heads, dim / num_heads).transpose(1, 2)


# WRONG: the axis of heads comes first, before the batch
# SHOWS: batch 2, 4 heads: shape (4, 2, n, d_k)
def heads_before_batch(x, num_heads):
    return torch.stack(x.chunk(num_heads, dim=-1))


# WRONG: squeezes away axes of size 1
# SHOWS: batch 1, or num_heads = 1
def squeezed(x, num_heads):
    batch, n, dim = x.shape
    return x.view(batch, n, num_heads, dim // num_heads).transpose(1, 2).squeeze()


# WRONG: splits the first sentence only
# SHOWS: batch 2: shape (1, num_heads, n, d_k)
def first_sentence_only(x, num_heads):
    n, dim = x.shape[1:]
    return x[0].view(1, n, num_heads, dim // num_heads).transpose(1, 2)


# WRONG: heads are lined up in reverse order
# SHOWS: x = arange(8).view(1, 2, 4), 2 heads: head 0 gets features 2 and 3
def heads_in_reverse(x, num_heads):
    d_k = x.shape[-1] // num_heads
    slices = [x[..., x.shape[-1] - (i + 1) * d_k : x.shape[-1] - i * d_k] for i in range(num_heads)]
    return torch.stack(slices, dim=1)


# WRONG: every head gets the first slice
# SHOWS: any input with two heads: all heads are equal
def all_heads_get_slice_zero(x, num_heads):
    d_k = x.shape[-1] // num_heads
    return x[..., :d_k].unsqueeze(1).repeat(1, num_heads, 1, 1)


# WRONG: every head gets the whole word
# SHOWS: shape (batch, num_heads, n, dim)
def every_head_gets_everything(x, num_heads):
    return x.unsqueeze(1).expand(-1, num_heads, -1, -1)


# WRONG: slices start at i · num_heads instead of i · d_k; right where both are equal
# SHOWS: dim = 12, 3 heads: slices overlap
def slices_start_at_multiples_of_heads(x, num_heads):
    d_k = x.shape[-1] // num_heads
    slices = [
        x[..., i * num_heads : i * num_heads + d_k] for i in range(num_heads)
    ]
    return torch.stack(slices, dim=1)


# WRONG: cuts the words, not the features: each head gets some of the words
# SHOWS: n = 4, 2 heads: shape (batch, 2, 2, dim)
def words_shared_out(x, num_heads):
    return torch.stack(x.chunk(num_heads, dim=1), dim=1)


# WRONG: detached from x, so nothing before it learns
# SHOWS: x with requires_grad
def cut_off_from_training(x, num_heads):
    batch, n, dim = x.shape
    return x.data.view(batch, n, num_heads, dim // num_heads).transpose(1, 2)


# WRONG: changes the shape of the caller's x in place
# SHOWS: x.shape after the call
def caller_reshaped(x, num_heads):
    batch, n, dim = x.shape
    x.resize_(batch, n, num_heads, dim // num_heads)
    return x.transpose(1, 2).clone()


# WRONG: transposes words and features before the cut; a head's numbers are right, their order is not
# SHOWS: x = arange(8).view(1, 2, 4), 2 heads
def transposed_before_the_cut(x, num_heads):
    batch, n, dim = x.shape
    return x.transpose(1, 2).reshape(batch, num_heads, n, dim // num_heads)


# WRONG: heads are folded into the batch, as in some tutorials; one axis is missing
# SHOWS: shape (batch · num_heads, n, d_k)
def folded_into_the_batch(x, num_heads):
    batch, n, dim = x.shape
    split = x.view(batch, n, num_heads, dim // num_heads).transpose(1, 2)
    return split.reshape(batch * num_heads, n, dim // num_heads)


# WRONG: fills a float32 tensor whatever the dtype of x
# SHOWS: x in float64: other dtype, less exact
def always_single_precision(x, num_heads):
    batch, n, dim = x.shape
    d_k = dim // num_heads
    out = torch.zeros(batch, num_heads, n, d_k, dtype=torch.float32)
    for i in range(num_heads):
        out[:, i] = x[..., i * d_k : (i + 1) * d_k]
    return out


# WRONG: off by one: the loop leaves the last head empty
# SHOWS: any input: the last head is all 0
def last_head_left_empty(x, num_heads):
    batch, n, dim = x.shape
    d_k = dim // num_heads
    out = x.new_zeros(batch, num_heads, n, d_k)
    for i in range(num_heads - 1):
        out[:, i] = x[..., i * d_k : (i + 1) * d_k]
    return out


# WRONG: the batch is taken for the words (permute in the wrong order)
# SHOWS: batch different from n: shape (n, num_heads, batch, d_k)
def batch_and_words_swapped(x, num_heads):
    batch, n, dim = x.shape
    return x.view(batch, n, num_heads, dim // num_heads).permute(1, 2, 0, 3)


# WRONG: the width of the lesson's layer (16 with 4 heads, 4 each) is built in
# SHOWS: dim = 16, 2 heads: 4 heads of 4 come out
def four_features_each_always(x, num_heads):
    return x.unflatten(-1, (-1, 4)).transpose(1, 2)


# RIGHT: slices stacked on a new axis 1
def stacked_chunks(x, num_heads):
    return torch.stack(x.chunk(num_heads, dim=-1), dim=1)


# RIGHT: unflatten and movedim
def unflatten_movedim(x, num_heads):
    return x.unflatten(-1, (num_heads, -1)).movedim(-2, 1)


# RIGHT: a loop that fills a tensor of the same dtype
def loop_fills_new_tensor(x, num_heads):
    batch, n, dim = x.shape
    d_k = dim // num_heads
    heads = x.new_zeros((batch, num_heads, n, d_k))
    for head in range(num_heads):
        for feature in range(d_k):
            heads[:, head, :, feature] = x[:, :, head * d_k + feature]
    return heads


# RIGHT: NumPy makes the table of which feature goes where, fancy indexing does the rest
def table_of_features(x, num_heads):
    table = np.arange(x.shape[-1]).reshape(num_heads, -1)
    return x[:, :, torch.from_numpy(table)].permute(0, 2, 1, 3)


# RIGHT: einsum with a selection of zeros and ones
def einsum_selection(x, num_heads):
    dim = x.shape[-1]
    pick = torch.eye(dim, dtype=x.dtype).view(dim, num_heads, dim // num_heads)
    return torch.einsum("bnf,fhd->bhnd", x, pick)


# RIGHT: a view alone is right after the features come before the words
def features_first(x, num_heads):
    batch, n, dim = x.shape
    return x.mT.reshape(batch, num_heads, dim // num_heads, n).mT


# RIGHT: a lambda, contiguous at the end
lambda_contiguous = lambda x, num_heads: (  # noqa: E731
    x.reshape(x.shape[0], x.shape[1], num_heads, -1).transpose(1, 2).contiguous()
)
