"""Answers to `count_parameters(dim, num_heads)`: how many numbers a layer learns."""

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


@known("no-output-projection")
def three_matrices(dim, num_heads):
    return 3 * dim**2 + 3 * dim


@known("no-biases")
def matrices_only(dim, num_heads):
    return 4 * dim * dim


@known("times-heads")
def a_layer_for_each_head(dim, num_heads):
    return num_heads * (4 * dim**2 + 4 * dim)


@known("per-head")
def matrices_of_one_head(dim, num_heads):
    d_k = dim // num_heads
    return 4 * dim * d_k + 4 * d_k


@unlisted("not right yet: parameters differ", lambda f: f(4, 2) == 4 * 4**2 + 4)
def one_bias_for_all_four(dim, num_heads):
    return 4 * dim**2 + dim


@unlisted("it should return a number; it returned a str", lambda f: isinstance(f(4, 2), str))
def as_a_sentence(dim, num_heads):
    return f"{4 * dim**2 + 4 * dim} parameters"
