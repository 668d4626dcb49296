# ruff: noqa
# fmt: off
import math

import numpy as np


# WRONG: the biases are forgotten
# SHOWS: dim = 64: 16384 instead of 16640
def without_biases(dim, num_heads):
    return 4 * dim * dim


# WRONG: the output layer is forgotten
# SHOWS: dim = 64: 12480 instead of 16640
def without_output_layer(dim, num_heads):
    return 3 * (dim * dim + dim)


# WRONG: a bias in the output layer only
# SHOWS: dim = 64: 16448
def bias_at_the_end_only(dim, num_heads):
    return 4 * dim**2 + dim


# WRONG: biases of query, key and value only
# SHOWS: dim = 64: 16576
def no_bias_at_the_end(dim, num_heads):
    return 4 * dim**2 + 3 * dim


# WRONG: multiplied by the number of heads, as if each head had matrices of full width
# SHOWS: num_heads = 2; right for num_heads = 1
def full_width_for_every_head(dim, num_heads):
    return num_heads * 4 * (dim * dim + dim)


# WRONG: counts one head only: projections to d_k, and nothing for the others
# SHOWS: dim = 64, num_heads = 8; right for num_heads = 1
def one_head_counted(dim, num_heads):
    d_k = dim // num_heads
    return 4 * (dim * d_k + d_k)


# WRONG: each head projects from d_k to d_k, so the slices are cut before the projection
# SHOWS: dim = 64, num_heads = 8
def slices_cut_before_projecting(dim, num_heads):
    d_k = dim // num_heads
    return num_heads * 3 * (d_k * d_k + d_k) + dim * dim + dim


# WRONG: a bias is one number a layer
# SHOWS: dim = 64: 16388
def one_number_as_bias(dim, num_heads):
    return 4 * (dim * dim + 1)


# WRONG: adds the one on both sides: (dim + 1)² a layer
# SHOWS: dim = 64: 16900
def bias_on_both_sides(dim, num_heads):
    return 4 * (dim + 1) ** 2


# WRONG: a bias of full width for each head: the biases are counted num_heads times
# SHOWS: num_heads = 2
def biases_once_a_head(dim, num_heads):
    return 4 * dim * dim + 4 * dim * num_heads


# WRONG: a bias of width d_k only in the three projections
# SHOWS: dim = 64, num_heads = 8
def bias_as_wide_as_one_head(dim, num_heads):
    return 3 * (dim * dim + dim // num_heads) + dim * dim + dim


# WRONG: the width 64 of the example is built in
# SHOWS: dim = 16
def example_width_always(dim, num_heads):
    return 4 * (64 * 64 + 64)


# WRONG: returns weights and biases as a pair instead of their sum
# SHOWS: any input
def pair_not_added_up(dim, num_heads):
    return 4 * dim * dim, 4 * dim


# WRONG: prints the number and returns None
# SHOWS: any input
def printed_not_returned(dim, num_heads):
    print(4 * (dim * dim + dim))


# WRONG: the four biases are counted as 4 + dim instead of 4 · dim
# SHOWS: dim = 64: 16452
def plus_instead_of_times(dim, num_heads):
    return 4 * dim * dim + 4 + dim


# WRONG: ^ taken for "to the power of"; it is exclusive or
# SHOWS: dim = 64: 4 · (64 ^ 2) + 256 = 520
def exclusive_or(dim, num_heads):
    return 4 * (dim ^ 2) + 4 * dim


# WRONG: counts layers, not numbers in them: four matrices and four biases
# SHOWS: dim = 2 or more: always 8
def tensors_counted(dim, num_heads):
    return sum(1 for _ in ("query", "key", "value", "output") for _ in ("matrix", "bias"))


# WRONG: the output layer reads num_heads · dim numbers
# SHOWS: num_heads = 2; right for num_heads = 1
def output_reads_too_much(dim, num_heads):
    return 3 * (dim * dim + dim) + (num_heads * dim * dim + dim)


# RIGHT: the closed form
def closed_form(dim, num_heads):
    return 4 * dim * (dim + 1)


# RIGHT: head by head, projections to d_k and a slice of the output layer, and the output's bias once
def head_by_head(dim, num_heads):
    d_k = dim // num_heads
    total = 0
    for _ in range(num_heads):
        total += 3 * (dim * d_k + d_k)
        total += d_k * dim
    return total + dim


# RIGHT: a NumPy integer, from an array of sizes
def numpy_integer(dim, num_heads):
    sizes = np.array([[dim, dim], [1, dim]])
    return 4 * sizes.prod(axis=1).sum()


# RIGHT: a sum over the shapes of all tensors
def over_shapes(dim, num_heads):
    shapes = {}
    for name in ("query", "key", "value", "output"):
        shapes[f"to_{name}.weight"] = (dim, dim)
        shapes[f"to_{name}.bias"] = (dim,)
    return sum(math.prod(shape) for shape in shapes.values())


# RIGHT: a lambda; the bias as one more input
lambda_one_more_input = lambda dim, num_heads: sum([(dim + 1) * dim] * 4)  # noqa: E731


def _linear(n_in, n_out, bias=True):
    return n_in * n_out + bias * n_out


# RIGHT: a helper that counts one layer
def helper_for_one_layer(dim, num_heads):
    assert dim % num_heads == 0
    return 3 * _linear(dim, dim) + _linear(num_heads * (dim // num_heads), dim)


# RIGHT: the difference of two squares: (2 dim + 1)² - 1
def completed_square(dim, num_heads):
    return (2 * dim + 1) ** 2 - 1
