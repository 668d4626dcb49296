"""Every tolerance is derived in `attention_core.agreement`: here it is held against errors as they are."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from memory import shifted, shifting, threads

from attention_core import causal_mask, scaled_dot_product_attention
from attention_core.agreement import agree, attention_rounding, rounding

DTYPES = [torch.float32, torch.bfloat16, torch.float16]
odd = st.sampled_from([1, 3, 5, 7])
every_machine = pytest.mark.parametrize("n_threads", [1, 2])
every_dtype = pytest.mark.parametrize("dtype", DTYPES)


def draw(*size, seed, dtype=torch.float64):
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def error(got, exact):
    return float((got.double() - exact).abs().max())


# ---------------------------------------------------------------- the bound holds, and is near what it bounds


@every_machine
@every_dtype
@settings(max_examples=60)
@given(n=st.integers(1, 4000), by=odd, seed=st.integers(0, 10_000))
def test_a_sum_errs_by_half_the_bound_at_most(n_threads, dtype, n, by, seed):
    one, other = (shifted(draw(8, n, seed=seed + i, dtype=dtype), by) for i in (0, 1))
    exact = one.double() @ other.double().T
    size = float((one.double().abs() @ other.double().abs().T).max())  # no running total is larger
    with threads(n_threads):
        ways = [
            one @ other.T,
            torch.einsum("an,bn->ab", one, other),
            torch.stack([one @ row for row in other], dim=1),
        ]
    for got in ways:
        assert error(got, exact) <= rounding(dtype, n, size=size) / 2
        assert agree(got, ways[0], n, size=size)


@every_machine
@every_dtype
@settings(max_examples=60)
@given(
    sizes=st.tuples(*[st.sampled_from([1, 2, 3, 8, 33, 200])] * 4),
    scale=st.sampled_from([0.3, 1, 3]),
    masked=st.booleans(),
    by=odd,
    seed=st.integers(0, 10_000),
)
def test_attention_errs_by_half_the_bound_at_most(n_threads, dtype, sizes, scale, masked, by, seed):
    n_q, n_k, d_k, d_v = sizes
    shapes = ((n_q, d_k), (n_k, d_k), (n_k, d_v))
    inputs = [shifted(scale * draw(*shape, seed=seed + i), by).to(dtype) for i, shape in enumerate(shapes)]
    allowed = causal_mask(n_q, n_k) if masked and n_q <= n_k else None
    exact = scaled_dot_product_attention(*(x.double() for x in inputs), allowed)
    with threads(n_threads):
        answer = scaled_dot_product_attention(*inputs, allowed)
    for got, right, bound in zip(answer, exact, attention_rounding(*inputs), strict=True):
        assert error(got, right) <= bound / 2


@every_dtype
def test_the_bound_is_within_a_thousand_times_what_happens(dtype):
    """One that could never be reached would let mistakes pass."""
    n = 10
    one, other = draw(64, n, seed=0, dtype=dtype), draw(64, n, seed=1, dtype=dtype)
    size = float((one.double().abs() @ other.double().abs().T).max())
    seen = error(one @ other.T, one.double() @ other.double().T)
    assert rounding(dtype, n, size=size) / 2 <= 1000 * seen
    inputs = [draw(16, 8, seed=i, dtype=dtype) for i in range(3)]
    exact = scaled_dot_product_attention(*(x.double() for x in inputs))
    for got, right, bound in zip(
        scaled_dot_product_attention(*inputs), exact, attention_rounding(*inputs), strict=True
    ):
        assert bound / 2 <= 1000 * error(got, right)


def test_the_bound_counts_roundings():
    eps = 2.0**-23
    assert rounding(torch.float32) == 4 * eps
    assert rounding(torch.float32, 10) == (2 * 10 + 4) * eps
    assert rounding(torch.float32, 10, 5, size=3) == 3 * (2 * 15 + 8) * eps
    assert rounding(torch.float64, 10) == (2 * 10 + 4) * 2.0**-52
    assert rounding(torch.bfloat16, 10) == 2 * 10 * eps + 4 * 2.0**-7  # sums in float32, then rounded


# ---------------------------------------------------------------- agree


def test_order_and_place_of_a_sum_are_no_difference_but_a_mistake_is_one():
    x = draw(4, 3000, seed=0, dtype=torch.float32)
    whole, parts = x.sum(-1), x[:, :1234].sum(-1) + x[:, 1234:].sum(-1)
    size = float(x.abs().sum(-1).max())
    assert agree(whole, parts, 3000, size=size)
    assert not agree(whole, x[:, 1:].sum(-1), 3000, size=size)
    assert not agree(whole, whole.roll(1), 3000, size=size)


def test_size_is_the_largest_entry_unless_given_and_never_below_one():
    step = torch.tensor(rounding(torch.float32, 8))
    one = torch.zeros(3)
    assert agree(one, one + 0.9 * step, 8) and not agree(one, one + 1.1 * step, 8)
    assert agree(one, one + 50 * step, 8, size=64) and not agree(one, one + 50 * step, 8)
    one[0] = -64
    assert agree(one, one + 50 * step, 8) and not agree(one, one + 70 * step, 8)


def test_the_coarser_dtype_counts():
    exact = draw(5, 5, seed=0)
    assert agree(exact.bfloat16(), exact) and agree(exact, exact.half()) and agree(exact, exact.float())
    assert not agree(exact.bfloat16().double(), exact)


def test_whole_numbers_are_not_rounded():
    assert agree([1, 2], [1, 2]) and not agree([1, 2], [1, 3]) and agree([True], [True])
    assert not agree(torch.tensor([1_000_000]), torch.tensor([1_000_001]), 500)


def test_what_is_no_number():
    nan, infinite = torch.tensor([1.0, torch.nan]), torch.tensor([1.0, torch.inf])
    assert not agree(nan, nan) and not agree(nan, torch.ones(2)) and not agree(infinite, torch.ones(2))
    assert agree(infinite, infinite) and not agree(infinite, -infinite)
    assert agree(torch.zeros(0), torch.zeros(0)) and agree(
        torch.full((2,), torch.inf), infinite.amax().expand(2)
    )


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: rounding(torch.int64, 3), "numbers of torch.int64 are not rounded"),
        (lambda: rounding(torch.float32, 2.5), "whole number, 0 or more, got 2.5"),
        (lambda: rounding(torch.float32, 3, -1), "whole number, 0 or more, got -1"),
        (lambda: agree(torch.ones(2), torch.ones(3)), r"shapes \(2,\) and \(3,\) cannot be compared"),
        (lambda: agree(torch.ones(2), torch.ones(2), size=torch.inf), "must be finite, got inf"),
        (lambda: agree(torch.ones(2), torch.ones(2), size=torch.nan), "must be finite, got nan"),
    ],
)
def test_refusals_in_words(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# ---------------------------------------------------------------- the shift that this is tried with


def test_a_shift_moves_and_keeps_what_it_moves():
    x = draw(3, 5, seed=0, dtype=torch.float32).requires_grad_()
    moved = shifted(x, 3)
    assert torch.equal(moved, x) and moved.data_ptr() % 64 == 12 and moved.is_leaf and moved.requires_grad
    with shifting(5):
        made = [torch.randn(4, 4), torch.zeros(7), torch.nn.Linear(3, 3).weight, torch.tensor([1.0, 2.0])]
    assert all(x.data_ptr() % 64 == 20 for x in made)
    assert torch.zeros(7).data_ptr() % 64 == 0  # and no longer afterwards
