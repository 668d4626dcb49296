"""How far apart two right computations of one number may be: no tolerance is chosen, each is derived here.

Floating point keeps a number to half an `eps` of its size, so each rounding errs by at most that. However a
sum of n products is ordered, cut or fused, it rounds at most 2n times; sums that follow one another add up.
Two computations err both. This is a bound, not a guess: right code on another processor, with other threads
or at another place in memory keeps to it. Source: Higham, Accuracy and Stability of Numerical Algorithms
(2nd edition, 2002), sections 3.1 and 4.2.
"""

import math

import torch
from torch import Tensor

from attention_core._checks import check_whole

# Roundings beside a sum: its factor (√d_k), what is added (a bias, a mask), exp, a division.
BESIDE = 4


def rounding(dtype: torch.dtype, *sums: int, size: float = 1.0) -> float:
    """The most by which two right computations of a number may differ, to first order in eps.

    Args:
        dtype: in which numbers are kept. Sums of half precision are added up in float32, as torch does.
        sums: the lengths of the sums that follow one another on the way to the number: for the weights
            of attention d_k and n_k, for its output n_k once more. None: a number that is only rounded.
        size: of the largest number met on the way, a running total or a product, times what a change of
            it does to the result.

    Raises: ValueError for a dtype that does not round, or a length that is no whole number, 0 or more.
    """
    if not dtype.is_floating_point:
        raise ValueError(f"numbers of {dtype} are not rounded: only floating point is")
    for n in sums:
        check_whole("the length of a sum", n, 0)
    eps, within = (torch.finfo(kind).eps for kind in (dtype, torch.promote_types(dtype, torch.float32)))
    return size * (2 * sum(sums) * within + BESIDE * max(1, len(sums)) * eps)


# The longest way to a number in the lessons' own small examples: norm, project, compare, share out, average
# and project again, over at most 12 features or words, with no number above 4.
LONGEST = (12,) * 6
SAME = rounding(torch.float32, *LONGEST, size=4)


def agree(one: Tensor, other: Tensor, *sums: int, size: float | None = None) -> bool:
    """Whether two results of one shape are the same but for rounding. Whole numbers are not rounded.

    Args:
        sums: as in `rounding`; dtype is that of the coarser result.
        size: as in `rounding`; unless given, the largest entry of the two, or 1 if that is larger. Give it
            where larger numbers cancel on the way, or where scores much above 1 go through a softmax.

    Raises: ValueError for results of two shapes, a size that is not finite, or as in `rounding`.
    """
    if size is not None and not math.isfinite(size):
        raise ValueError(f"the size of the largest number must be finite, got {size}")
    one, other = (torch.as_tensor(x).detach() for x in (one, other))
    if one.shape != other.shape:
        raise ValueError(f"results of shapes {tuple(one.shape)} and {tuple(other.shape)} cannot be compared")
    off = max(rounding(x.dtype, *sums) if x.dtype.is_floating_point else 0.0 for x in (one, other))
    one, other = one.double(), other.double()
    if size is None:
        size = max([1.0, *(float(x[x.isfinite()].abs().max()) for x in (one, other) if x.isfinite().any())])
    near = (one - other).abs() <= size * off  # NaN is near nothing
    return bool((near | (one == other)).all())  # ∞ − ∞ is no number, yet ∞ is ∞


def attention_rounding(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    scale: float | None = None,
    bias: Tensor | None = None,
    dtype: torch.dtype | None = None,
    before: tuple[int, ...] = (),
) -> tuple[float, float]:
    """How far apart two right answers `(output, weights)` of attention on these inputs may be.

    A change of the scores by at most ε changes a weight by ε/2 at most, and all weights of a row by ε.
    Arguments as for `scaled_dot_product_attention`; dtype is that of the answer, unless given the query's;
    before, the lengths of the sums that made query, key and value, as a projection does.
    """
    dtype, d_k, n_k = dtype or query.dtype, max(1, query.shape[-1]), key.shape[-2]
    scale = 1 / math.sqrt(d_k) if scale is None else abs(scale)
    longest_query, longest_key = (_largest(x.double().norm(dim=-1)) for x in (query, key))
    largest_score = scale * longest_query * longest_key  # at most: Cauchy and Schwarz
    largest_score += 0 if bias is None else _largest(bias[bias.isfinite()])
    scores = rounding(dtype, *before, *before, d_k, size=largest_score)
    largest_value = _largest(value)
    output = scores * largest_value + rounding(dtype, *before, n_k, n_k, size=largest_value)
    return output, scores / 2 + rounding(dtype, n_k)


def _largest(x: Tensor) -> float:
    return float(x.detach().abs().max()) if x.numel() else 0.0
