"""Answers to `count_parameters(dim, num_heads)`: how many numbers a layer learns."""

import numpy as np
import torch

import attention_core
from answers import known, right, unlisted


@right
def four_matrices_and_biases(dim, num_heads):
    return 4 * dim**2 + 4 * dim


@right
def by_building_it(dim, num_heads):
    return sum(p.numel() for p in attention_core.MultiHeadAttention(dim, num_heads).parameters())


@right
def head_by_head(dim, num_heads):
    d_k = dim // num_heads
    of_a_head = 3 * (dim * d_k + d_k)  # its columns of W_Q, W_K and W_V, and their biases
    output = dim * dim + dim
    return sum(of_a_head for _ in range(num_heads)) + output


@right
def with_numpy(dim, num_heads):
    return np.prod([4, dim, dim + 1])


@right
def with_a_tensor(dim, num_heads):
    return torch.tensor([dim * dim, dim]).sum() * 4


@right
def with_a_float(dim, num_heads):
    return num_heads * 4 * (dim * (dim / num_heads) + dim / num_heads)


@known("no-output-projection")
def three_matrices(dim, num_heads):
    return 3 * dim**2 + 3 * dim


@known("no-biases")
def matrices_only(dim, num_heads):
    return 4 * dim * dim


@known("some-biases-missing")
def one_bias_for_all_four(dim, num_heads):
    return 4 * dim**2 + dim


@known("some-biases-missing")
def no_bias_in_the_output(dim, num_heads):
    return 4 * dim**2 + 3 * dim


@known("too-few-projections")
def one_layer(dim, num_heads):
    return dim**2 + dim


@known("too-many-projections")
def five_layers(dim, num_heads):
    return 5 * (dim**2 + dim)


@known("times-heads")
def a_layer_for_each_head(dim, num_heads):
    return num_heads * (4 * dim**2 + 4 * dim)


@known("times-heads")
def output_reads_all_heads_at_full_width(dim, num_heads):
    return 3 * (dim**2 + dim) + num_heads * dim * dim + dim


@known("biases-for-each-head")
def biases_for_each_head(dim, num_heads):
    return 4 * dim**2 + 4 * dim * num_heads


@known("per-head")
def matrices_of_one_head(dim, num_heads):
    d_k = dim // num_heads
    return 4 * dim * d_k + 4 * d_k


@known("per-head")
def one_head_and_the_output(dim, num_heads):
    d_k = dim // num_heads
    return 3 * (dim * d_k + d_k) + dim * dim + dim


@known("per-head")
def small_squares(dim, num_heads):
    return 4 * num_heads * (dim // num_heads) ** 2


@known("per-head")
def small_squares_and_the_output(dim, num_heads):
    d_k = dim // num_heads
    return num_heads * 3 * (d_k * d_k + d_k) + dim * dim + dim


@known("bias-of-one-number")
def one_for_each_bias(dim, num_heads):
    return 4 * (dim * dim + 1)


@known("bias-of-one-head")
def narrow_biases(dim, num_heads):
    return 4 * (dim * dim + dim // num_heads)


@known("bias-on-both-sides")
def one_more_on_both_sides(dim, num_heads):
    return 4 * (dim + 1) ** 2


@known("plus-for-times")
def plus_4_plus_dim(dim, num_heads):
    return 4 * dim**2 + 4 + dim


@known("exclusive-or")
def not_a_power(dim, num_heads):
    return 4 * (dim ^ 2) + 4 * dim


@known("exclusive-or")
def no_power_of_the_sum(dim, num_heads):
    return 4 * (dim ^ 2 + dim)


@known("doubled")
def twice(dim, num_heads):
    return 4 * dim * 2 + 4 * dim


@known("4-squared")
def four_too(dim, num_heads):
    return (4 * dim) ** 2 + 4 * dim


@known("biases-only")
def four_rows(dim, num_heads):
    return 4 * dim


@known("width-built-in")
def always_64(dim, num_heads):
    return 4 * 64 * 64 + 4 * 64


@known("tensors-counted")
def how_many_there_are(dim, num_heads):
    return len(list(attention_core.MultiHeadAttention(dim, num_heads).parameters()))


@known("several-numbers")
def not_added_up(dim, num_heads):
    return 4 * dim**2, 4 * dim


@unlisted("grows with dim", lambda f: f(4, 2) == f(12, 1) == f(64, 8))
def a_guess(dim, num_heads):
    return 1000


@unlisted("the same for any number of heads", lambda f: f(64, 2) != f(64, 8))
def each_head_counts(dim, num_heads):
    return 4 * dim**2 + 4 * dim + num_heads


@unlisted("not right yet: parameters differ", lambda f: f(4, 2) == 4 * 4**2 + 4 * 4 - 1)
def one_too_few(dim, num_heads):
    return 4 * dim**2 + 4 * dim - 1


@unlisted("it should return a number; it returned a str", lambda f: isinstance(f(4, 2), str))
def as_a_sentence(dim, num_heads):
    return f"{4 * dim**2 + 4 * dim} parameters"


@unlisted("it should return a number; it returned a bool", lambda f: f(4, 2) is True)
def compared(dim, num_heads):
    return 4 * dim**2 + 4 * dim > 0


@unlisted("it returned a number of more than 300 digits", lambda f: f(4, 2) > 10**300)
def far_too_many(dim, num_heads):
    return 10 ** (400 + dim)
