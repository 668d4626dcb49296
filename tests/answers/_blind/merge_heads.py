# ruff: noqa
# fmt: off
import torch


# WRONG: reshape alone: answers of the heads go to the wrong words
# SHOWS: x = arange(8).view(1, 2, 2, 2)
def reshape_alone(x):
    batch, num_heads, n, d_k = x.shape
    return x.reshape(batch, n, num_heads * d_k)


# WRONG: view after transpose, without contiguous: RuntimeError
# SHOWS: any input with two heads and two words
def view_after_transpose(x):
    batch, num_heads, n, d_k = x.shape
    return x.transpose(1, 2).view(batch, n, num_heads * d_k)


# WRONG: transposes the wrong axes (words and features)
# SHOWS: x = arange(12).view(1, 2, 3, 2)
def words_and_features_swapped(x):
    batch, num_heads, n, d_k = x.shape
    return x.transpose(2, 3).reshape(batch, n, num_heads * d_k)


# WRONG: transposes heads and features: the answers are mixed up
# SHOWS: x = arange(12).view(1, 2, 3, 2)
def heads_and_features_swapped(x):
    batch, num_heads, n, d_k = x.shape
    return x.transpose(1, 3).reshape(batch, n, num_heads * d_k)


# WRONG: the heads are averaged instead of laid side by side
# SHOWS: shape (batch, n, d_k)
def heads_averaged(x):
    return x.mean(dim=1)


# WRONG: averaged and then repeated, so that the shape is right
# SHOWS: x = randn(1, 2, 3, 2): both halves are equal
def averaged_and_repeated(x):
    return x.mean(dim=1).repeat(1, 1, x.shape[1])


# WRONG: the heads are laid below each other, along the words
# SHOWS: shape (batch, num_heads · n, d_k)
def laid_below_each_other(x):
    return torch.cat(x.unbind(dim=1), dim=1)


# WRONG: features of the heads alternate (first of each head, second of each head, …)
# SHOWS: x = arange(8).view(1, 2, 2, 2)
def features_alternate(x):
    batch, num_heads, n, d_k = x.shape
    return x.permute(0, 2, 3, 1).reshape(batch, n, num_heads * d_k)


# WRONG: flattens the words, too
# SHOWS: shape (batch, n · num_heads · d_k)
def words_flattened_too(x):
    return x.transpose(1, 2).flatten(1)


# WRONG: returns the first head only
# SHOWS: two heads or more: shape (batch, n, d_k)
def first_head_only(x):
    return x[:, 0]


# WRONG: heads are laid side by side in reverse order
# SHOWS: x = arange(8).view(1, 2, 2, 2)
def heads_in_reverse(x):
    return torch.cat(x.flip(1).unbind(dim=1), dim=-1)


# WRONG: the width 16 of the lesson's layer is built in
# SHOWS: 2 heads of 4 features: RuntimeError or the wrong number of words
def sixteen_wide_always(x):
    return x.transpose(1, 2).reshape(x.shape[0], -1, 16)


# WRONG: four heads are built in
# SHOWS: num_heads = 2: IndexError; num_heads = 8: half is lost
def four_heads_always(x):
    return torch.cat([x[:, 0], x[:, 1], x[:, 2], x[:, 3]], dim=-1)


# WRONG: transposes but does not merge: still four axes
# SHOWS: shape (batch, n, num_heads, d_k)
def merge_forgotten(x):
    return x.transpose(1, 2)


# WRONG: words before the batch
# SHOWS: batch 2, n 3: shape (3, 2, dim)
def words_before_batch(x):
    return x.permute(2, 0, 1, 3).flatten(2)


# WRONG: squeezes away axes of size 1
# SHOWS: batch 1, or n = 1
def squeezed(x):
    return x.transpose(1, 2).flatten(2).squeeze()


# WRONG: goes through the first axis, which is the batch, instead of the heads
# SHOWS: batch 2: shape (num_heads, n, 2 · d_k)
def sentences_side_by_side(x):
    return torch.cat([head for head in x], dim=-1)


# WRONG: detached, so the heads do not learn
# SHOWS: x with requires_grad
def cut_off_from_training(x):
    return x.detach().transpose(1, 2).flatten(2)


# WRONG: batch and words are merged into one axis
# SHOWS: shape (batch · n, dim)
def sentences_run_together(x):
    batch, num_heads, n, d_k = x.shape
    return x.transpose(1, 2).reshape(-1, num_heads * d_k)


# WRONG: names the axes in the wrong order (words before heads); right where num_heads = n
# SHOWS: 2 heads, 3 words: shape (batch, 2, 3 · d_k)
def axes_misnamed(x):
    batch, n, num_heads, d_k = x.shape
    return x.transpose(1, 2).reshape(batch, n, num_heads * d_k)


# WRONG: transposes the caller's tensor in place
# SHOWS: x.shape after the call
def caller_transposed(x):
    return x.transpose_(1, 2).flatten(2)


# WRONG: collects in a float32 tensor whatever the dtype of x
# SHOWS: x in float64
def always_single_precision(x):
    batch, num_heads, n, d_k = x.shape
    out = torch.empty(batch, n, num_heads * d_k, dtype=torch.float32)
    for i in range(num_heads):
        out[..., i * d_k : (i + 1) * d_k] = x[:, i]
    return out


# WRONG: returns a list, one entry a sentence
# SHOWS: any input
def list_of_sentences(x):
    return [torch.cat(list(sentence), dim=-1) for sentence in x]


# WRONG: slices start at i · num_heads instead of i · d_k; right where both are equal
# SHOWS: 2 heads of 4 features: head 1 overwrites half of head 0, the end stays 0
def slices_start_at_multiples_of_heads(x):
    batch, num_heads, n, d_k = x.shape
    out = x.new_zeros(batch, n, num_heads * d_k + num_heads * num_heads)
    for i in range(num_heads):
        out[..., i * num_heads : i * num_heads + d_k] = x[:, i]
    return out[..., : num_heads * d_k]


# RIGHT: the heads, unbound, laid side by side
def cat_of_heads(x):
    return torch.cat(x.unbind(1), dim=-1)


# RIGHT: permute and flatten
def permute_flatten(x):
    return x.permute(0, 2, 1, 3).flatten(start_dim=-2)


# RIGHT: transpose, contiguous, view
def contiguous_view(x):
    batch, num_heads, n, d_k = x.shape
    return x.transpose(1, 2).contiguous().view(batch, -1, num_heads * d_k)


# RIGHT: a loop over words, reshape for each
def loop_over_words(x):
    return torch.stack(
        [x[:, :, i].reshape(x.shape[0], -1) for i in range(x.shape[2])], dim=1
    )


# RIGHT: einsum puts the axes in order
def einsum_order(x):
    ordered = torch.einsum("bhnd->bnhd", x)
    return ordered.reshape(*ordered.shape[:2], -1)


# RIGHT: a reduction that adds heads side by side, two at a time
def side_by_side_one_by_one(x):
    merged = x[:, 0]
    for head in range(1, x.size(1)):
        merged = torch.cat((merged, x[:, head]), -1)
    return merged


# RIGHT: a lambda over lists of heads, hstack within each sentence
lambda_hstack = lambda x: torch.stack([torch.hstack(list(s)) for s in x])  # noqa: E731


# RIGHT: fills a tensor like x feature by feature
def fill_by_feature(x):
    batch, num_heads, n, d_k = x.shape
    out = x.new_empty(batch, n, num_heads * d_k)
    for feature in range(num_heads * d_k):
        head, place = divmod(feature, d_k)
        out[:, :, feature] = x[:, head, :, place]
    return out
