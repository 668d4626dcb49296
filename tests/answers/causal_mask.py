"""Answers to `causal_mask(n)`: True where a word may look."""

import torch

from answers import known, right, unlisted


@right
def lower_triangle(n):
    return torch.ones(n, n).tril().bool()


@right
def by_comparison(n):
    position = torch.arange(n)
    return position[None, :] <= position[:, None]


@right
def with_two_loops(n):
    mask = torch.zeros(n, n, dtype=torch.bool)
    for i in range(n):
        for j in range(i + 1):
            mask[i, j] = True
    return mask


@right
def not_the_future(n):
    return ~torch.triu(torch.ones(n, n, dtype=torch.bool), diagonal=1)


@right
def from_lists(n):
    return torch.tensor([[j <= i for j in range(n)] for i in range(n)])


@known("inverted")
def true_for_the_future(n):
    return torch.triu(torch.ones(n, n), diagonal=1) == 1


@known("not-itself")
def strictly_before(n):
    return torch.tril(torch.ones(n, n), diagonal=-1) == 1


@known("one-ahead")
def diagonal_1(n):
    return torch.tril(torch.ones(n, n), diagonal=1) == 1


@known("transposed")
def upper_triangle(n):
    i = torch.arange(n)
    return i[:, None] <= i[None, :]


@known("everything")
def all_true(n):
    return torch.full((n, n), True)


@known("only-itself")
def the_diagonal(n):
    return torch.eye(n).bool()


@known("not-boolean")
def ones_and_zeros(n):
    return torch.tril(torch.ones(n, n))


@known("not-boolean")
def whole_numbers(n):
    return torch.ones(n, n, dtype=torch.int).tril()


@known("added-mask")
def to_be_added(n):
    return torch.full((n, n), float("-inf")).triu(1)


@known("only-the-first-sees-itself")
def a_first_row_mended(n):
    mask = torch.ones(n, n).tril(-1).bool()
    mask[0, 0] = True
    return mask


@known("mirrored")
def from_the_other_corner(n):
    return torch.ones(n, n).tril().bool().flip(1)


@known("mirrored")
def from_the_bottom(n):
    return torch.ones(n, n).tril().bool().flip(0)


@known("everything")
def one_row_for_all(n):
    mask = [[False] * n] * n
    for i in range(n):
        for j in range(i + 1):
            mask[i][j] = True
    return torch.tensor(mask)


@known("nothing")
def compared_with_more_than_there_is(n):
    return torch.ones(n, n).tril() > 1


@known("window")
def itself_and_the_word_before(n):
    return torch.ones(n, n).tril().triu(-1).bool()


@known("window")
def three_words_back(n):
    distance = torch.arange(n)[:, None] - torch.arange(n)
    return (distance >= 0) & (distance <= 3)


@known("neighbours")
def both_sides(n):
    return (torch.arange(n)[:, None] - torch.arange(n)).abs() < 2


@known("first-row-empty")
def rows_from_1(n):
    mask = torch.zeros(n, n, dtype=torch.bool)
    for i in range(1, n):
        mask[i, : i + 1] = True
    return mask


@known("last-row-empty")
def rows_to_the_last_but_one(n):
    mask = torch.zeros(n, n, dtype=torch.bool)
    for i in range(n - 1):
        mask[i, : i + 1] = True
    return mask


@known("first-column-empty")
def keys_from_1(n):
    return torch.tensor([[0 < j <= i for j in range(n)] for i in range(n)])


@known("last-column-empty")
def keys_to_the_last_but_one(n):
    mask = torch.zeros(n, n, dtype=torch.bool)
    for i in range(n):
        for j in range(n - 1):
            mask[i, j] = j <= i
    return mask


@known("numbers-inverted")
def ones_for_the_future(n):
    return torch.ones(n, n).triu(1)


@known("added-mask")
def a_large_price(n):
    return torch.full((n, n), -1e9).triu(1)


@known("one-row")
def positions_with_themselves(n):
    return torch.arange(n) >= torch.arange(n)


@known("an-axis-too-many")
def with_a_batch(n):
    return torch.ones(1, n, n).tril().bool()


@known("an-axis-too-many")
def with_a_batch_and_heads(n):
    return torch.ones(n, n).tril().bool()[None, None]


@known("squeezed")
def without_axes_of_size_1(n):
    return torch.ones(n, n).tril().bool().squeeze()


@known("one-too-few")
def a_row_too_few(n):
    i = torch.arange(n - 1)
    return i <= i[:, None]


@known("one-too-many")
def a_row_too_many(n):
    i = torch.arange(n + 1)
    return i <= i[:, None]


@known("always-as-many")
def of_ten_words(n):
    return torch.ones(10, 10).tril().bool()


@unlisted("no future", lambda f: f(3)[0, 2])
def all_but_the_next(n):
    mask = torch.ones(n, n, dtype=torch.bool)
    for i in range(n - 1):
        mask[i, i + 1] = False
    return mask


@unlisted("all of the past", lambda f: not f(41)[40, 0])
def forty_words_at_most(n):
    return torch.ones(n, n).tril().triu(-39).bool()


@unlisted("mask should have shape (3, 3); it has (3, 6)", lambda f: f(3).shape == (3, 6))
def twice_as_wide(n):
    return torch.ones(n, n).tril().bool().repeat(1, 2)


@known("not-a-tensor")
def lists(n):
    return [[j <= i for j in range(n)] for i in range(n)]


@known("only-the-one-before")
def the_word_before(n):
    return torch.ones(n, n).tril(-1).triu(-1).bool()


@unlisted("all of the past", lambda f: not f(300)[128, 0])
def positions_in_a_byte(n):
    positions = torch.arange(n).to(torch.int8)
    return positions[None] <= positions[:, None]
