# ruff: noqa
# fmt: off
import numpy as np
import torch


# WRONG: the other triangle: itself and what comes later
# SHOWS: n = 3
def upper_triangle(n):
    return torch.ones(n, n, dtype=torch.bool).triu()


# WRONG: True means "forbidden" here, the convention of other libraries
# SHOWS: n = 3; the diagonal is False and the future True
def true_means_forbidden(n):
    return torch.ones(n, n, dtype=torch.bool).triu(diagonal=1)


# WRONG: off by one: a query may not look at itself, so the first may look nowhere
# SHOWS: n = 3; also n = 1, all False
def not_at_itself(n):
    return torch.ones(n, n, dtype=torch.bool).tril(diagonal=-1)


# WRONG: off by one the other way: one word of the future is visible
# SHOWS: n = 3, cell (0, 1)
def one_word_ahead(n):
    return torch.ones(n, n, dtype=torch.bool).tril(diagonal=1)


# WRONG: ones and zeros as floats instead of booleans; ~mask does not work on it
# SHOWS: the dtype, any n
def floats_instead_of_booleans(n):
    return torch.tril(torch.ones(n, n))


# WRONG: whole numbers (int64) instead of booleans; ~1 is -2
# SHOWS: the dtype, any n
def whole_numbers(n):
    return torch.tril(torch.ones(n, n, dtype=torch.long))


# WRONG: the additive mask of other tutorials, 0 and -inf, where a boolean is asked for
# SHOWS: any n
def additive_mask(n):
    return torch.full((n, n), float("-inf")).triu(1)


# WRONG: the size of the example sentence is built in
# SHOWS: n = 4 returns (10, 10)
def ten_words_always(n):
    return torch.ones(10, 10, dtype=torch.bool).tril()


# WRONG: a list of lists instead of a tensor
# SHOWS: any n; no shape, no dtype
def list_of_lists(n):
    return [[j <= i for j in range(n)] for i in range(n)]


# WRONG: a NumPy array instead of a tensor
# SHOWS: any n; isinstance(mask, torch.Tensor) is False
def numpy_array(n):
    return np.tril(np.ones((n, n), dtype=bool))


# WRONG: the loop starts at 1, so the first query may look nowhere; the other rows are right
# SHOWS: any n, row 0
def loop_from_one(n):
    mask = torch.zeros(n, n, dtype=torch.bool)
    for i in range(1, n):
        mask[i, : i + 1] = True
    return mask


# WRONG: a half fix of the missing diagonal: only cell (0, 0) is set, so the others still cannot see themselves
# SHOWS: n = 3, cells (1, 1) and (2, 2)
def only_first_diagonal_cell_mended(n):
    mask = torch.ones(n, n, dtype=torch.bool).tril(-1)
    mask[0, 0] = True
    return mask


# WRONG: a causal window: itself and one word before, but not all earlier words; right up to n = 2
# SHOWS: n = 3, cell (2, 0)
def itself_and_one_before(n):
    ones = torch.ones(n, n, dtype=torch.bool)
    return ones.tril() & ones.triu(-1)


# WRONG: the window of the explorer, itself and both neighbours, taken for the causal mask
# SHOWS: n = 3, cells (0, 1) and (2, 0)
def both_neighbours(n):
    i = torch.arange(n)
    return (i[:, None] - i).abs() <= 1


# WRONG: [[False] * n] * n is one row n times, so every row ends up like the last: all True
# SHOWS: n = 2, cell (0, 1)
def one_row_shared_by_all(n):
    mask = [[False] * n] * n
    for i in range(n):
        for j in range(i + 1):
            mask[i][j] = True
    return torch.tensor(mask)


# WRONG: compares the positions without unsqueeze, so (n,) with (n,): a vector of True
# SHOWS: any n; the shape is (n,)
def vector_with_itself(n):
    i = torch.arange(n)
    return i >= i


# WRONG: only the diagonal: each word sees itself and nothing earlier
# SHOWS: n = 2, cell (1, 0)
def only_itself(n):
    return torch.eye(n, dtype=torch.bool)


# WRONG: the triangle is mirrored left to right (the other diagonal)
# SHOWS: n = 3
def mirrored_triangle(n):
    return torch.ones(n, n, dtype=torch.bool).tril().fliplr()


# WRONG: squeezes, so that for one word a single boolean without axes is left
# SHOWS: n = 1; the shape is ()
def squeezed_for_one_word(n):
    return torch.ones(1, n, n, dtype=torch.bool).tril().squeeze()


# WRONG: adds axes for batch and heads that were not asked for
# SHOWS: any n; the shape is (1, 1, n, n)
def extra_batch_and_head_axes(n):
    return torch.ones(n, n, dtype=torch.bool).tril().view(1, 1, n, n)


# WRONG: range(n - 1) builds one row and one column too few
# SHOWS: n = 4 returns (3, 3)
def one_word_short(n):
    i = torch.arange(n - 1)
    return i <= i.unsqueeze(1)


# WRONG: > 1 instead of > 0 when turning the ones into booleans: everything is forbidden
# SHOWS: any n
def nothing_is_larger_than_one(n):
    return torch.ones(n, n).tril() > 1


# WRONG: both triangles are joined, so everyone sees everyone
# SHOWS: n = 2, cell (0, 1)
def triangle_and_its_mirror(n):
    mask = torch.ones(n, n, dtype=torch.bool).tril()
    return mask | mask.T


# WRONG: the ends of the row range are taken literally: earlier words, but position 0 is left out (j from 1)
# SHOWS: n = 2, cell (0, 0) and (1, 0)
def counts_keys_from_one(n):
    mask = torch.zeros(n, n, dtype=torch.bool)
    for i in range(n):
        mask[i, 1 : i + 1] = True
    return mask


# RIGHT: two loops over cells
def two_loops(n):
    mask = torch.zeros(n, n, dtype=torch.bool)
    for query in range(n):
        for key in range(n):
            if key <= query:
                mask[query, key] = True
    return mask


# RIGHT: NumPy inside, a tensor outside
def numpy_inside(n):
    return torch.from_numpy(np.tril(np.ones((n, n), dtype=bool)))


# RIGHT: positions compared by broadcasting
def compare_positions(n):
    position = torch.arange(n)
    return position[None, :] <= position[:, None]


# RIGHT: cumulative sum of the identity down the columns
def cumulative_identity(n):
    return torch.eye(n).cumsum(dim=0).bool()


# RIGHT: what is not the future
def not_the_future(n):
    return ~torch.ones(n, n, dtype=torch.bool).triu(1)


# RIGHT: a list comprehension made into a tensor
def from_list_comprehension(n):
    return torch.tensor([[True] * (i + 1) + [False] * (n - i - 1) for i in range(n)])


# RIGHT: fills the cells named by tril_indices
def by_indices(n):
    mask = torch.full((n, n), False)
    rows, columns = torch.tril_indices(n, n)
    mask[rows, columns] = True
    return mask


# RIGHT: a lambda: the additive mask compared with 0
lambda_from_additive = lambda n: torch.full((n, n), -torch.inf).triu(1) == 0  # noqa: E731
