"""Attention in tiles, with a cache, with shared keys, and linear: the same answers, and what they cost."""

import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from memory import threads
from torch.nn import functional as F

from attention_core import (
    KeyValueCache,
    causal_mask,
    linear_attention,
    padding_mask,
    scaled_dot_product_attention,
    tiled_attention,
    window_mask,
)
from attention_core.agreement import agree, attention_rounding
from attention_core.cost import peak_bytes
from attention_core.fast import merge_tile

sizes = st.integers(1, 7)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    with threads(1):
        yield


def draw(*shape, seed=0, dtype=torch.float64, size=1.0):
    made = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (size * made).to(dtype)


def qkv(n_q=5, n_k=7, d_k=4, d_v=3, lead=(2,), **how):
    shapes = ((*lead, n_q, d_k), (*lead, n_k, d_k), (*lead, n_k, d_v))
    return [draw(*shape, seed=i, **how) for i, shape in enumerate(shapes)]


# ---------------------------------------------------------------- tiles


MASKS = {
    "none": lambda n_q, n_k: None,
    "causal": lambda n_q, n_k: causal_mask(n_q, n_k),
    "window": lambda n_q, n_k: window_mask(n_q, n_k, width=1),
    "keys": lambda n_q, n_k: draw(n_k) > 0,
    "one column": lambda n_q, n_k: draw(n_q, 1) > 0,
    "any": lambda n_q, n_k: draw(n_q, n_k, seed=5) > 0.5,
    "each its own": lambda n_q, n_k: draw(2, n_q, n_k, seed=6) > 0.5,
    "nowhere": lambda n_q, n_k: torch.zeros(n_q, n_k, dtype=torch.bool),
}


@settings(max_examples=60, deadline=None)
@given(n_q=sizes, n_k=sizes, block=st.integers(1, 8), mask=st.sampled_from(list(MASKS)))
def test_tiles_of_any_size_give_what_the_whole_map_gives(n_q, n_k, block, mask):
    given_, allowed = qkv(n_q, n_k, size=3), MASKS[mask](n_q, n_k)
    output = tiled_attention(*given_, allowed, block=block)
    right, _ = scaled_dot_product_attention(*given_, allowed)
    assert output.shape == right.shape
    assert (output - right).abs().max() <= min(1e-12, attention_rounding(*given_)[0])


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize(
    ("n_q", "n_k", "block"), [(300, 300, 64), (70, 257, 64), (257, 70, 256), (1, 513, 256)]
)
def test_tiles_at_the_size_they_are_for(n_q, n_k, block, mask):
    given_, allowed = qkv(n_q, n_k, 16, 8, size=2), MASKS[mask](n_q, n_k)
    right, _ = scaled_dot_product_attention(*given_, allowed)
    assert (tiled_attention(*given_, allowed, block=block) - right).abs().max() <= 1e-12


@pytest.mark.parametrize("extra", ["none", "causal", "any"])
@pytest.mark.parametrize("d_k", [16, 48, 64])
@pytest.mark.parametrize("seed", range(3))
def test_scores_to_500_err_no_more_than_twice_as_much_as_torchs_kernel(seed, d_k, extra):
    query, key, value = (draw(2, 3, 200, d_k, seed=10 * seed + i) for i in range(3))
    largest = (query @ key.mT / math.sqrt(d_k)).abs().max()
    query, key, value = (
        x.float() for x in (query * (500 / largest).sqrt(), key * (500 / largest).sqrt(), value)
    )
    allowed = MASKS[extra](200, 200)
    exact, _ = scaled_dot_product_attention(query.double(), key.double(), value.double(), allowed)
    theirs = F.scaled_dot_product_attention(query, key, value, attn_mask=allowed)
    seen = exact.new_ones(200).bool() if allowed is None else allowed.any(-1)
    off = [
        (x - exact)[..., seen, :].abs().max()
        for x in (tiled_attention(query, key, value, allowed, block=64), theirs)
    ]
    assert off[0] <= 2 * off[1]


@pytest.mark.parametrize("sign", [1, -1])
def test_all_scores_large_and_of_one_sign(sign):
    """−200 everywhere is where a largest of 0 leaves nothing, and +200 where none leaves infinity."""
    query, key = torch.ones(1, 4, dtype=torch.float32) * 20, sign * torch.ones(9, 4) * 20
    key += draw(9, 4, dtype=torch.float32) / 50
    value = draw(9, 2, seed=1, dtype=torch.float32)
    exact, _ = scaled_dot_product_attention(query.double(), key.double(), value.double())
    for block in (1, 2, 4, 9):
        assert (tiled_attention(query, key, value, block=block) - exact).abs().max() < 2e-3


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    given_ = qkv(40, 50, 16, 8, dtype=dtype, size=4)
    output = tiled_attention(*given_, block=16)
    exact, _ = scaled_dot_product_attention(*(x.double() for x in given_))
    assert output.dtype == dtype
    assert (output - exact).abs().max() <= torch.finfo(dtype).eps * exact.abs().max()
    assert linear_attention(*given_).dtype == linear_attention(*given_, causal=True).dtype == dtype
    huge = torch.eye(5, dtype=dtype) * 600
    assert tiled_attention(huge, huge, huge, block=2).isfinite().all()


def test_autocast_makes_of_it_what_it_makes_of_the_whole():
    given_ = qkv(20, 20, 8, 8, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        output, whole = tiled_attention(*given_, block=8), scaled_dot_product_attention(*given_)[0]
        assert linear_attention(*given_).dtype == torch.bfloat16
    assert output.dtype == whole.dtype == torch.bfloat16
    assert (output.float() - whole.float()).abs().max() <= 2**-7 * whole.abs().max()


@pytest.mark.parametrize("block", [2, 3, 16])
@pytest.mark.parametrize("mask", MASKS)
def test_gradients_are_those_of_the_whole_map(mask, block):
    allowed, found = MASKS[mask](5, 7), []
    for attend in (
        lambda *x: tiled_attention(*x, block=block),
        lambda *x: scaled_dot_product_attention(*x)[0],
    ):
        given_ = [x.requires_grad_() for x in qkv(5, 7, size=4)]
        output = attend(*given_, allowed)
        (output * draw(*output.shape, seed=9)).sum().backward()
        found.append([x.grad for x in given_])
    for ours, right in zip(*found, strict=True):
        assert ours.isfinite().all() and (ours - right).abs().max() <= 1e-11


def test_gradients_are_those_of_finite_differences():
    given_ = [x.requires_grad_() for x in qkv(3, 5, lead=())]
    allowed = causal_mask(3, 5)
    allowed[1] = False
    assert torch.autograd.gradcheck(lambda *x: tiled_attention(*x, allowed, block=2), given_)


@pytest.mark.parametrize(
    "leads", [((), (), ()), ((2, 3), (2, 3), (2, 3)), ((3, 1), (2,), (2,)), ((), (2,), (4, 2))]
)
@pytest.mark.parametrize(("n_q", "n_k"), [(5, 7), (0, 7), (5, 0)])
def test_leading_dimensions_broadcast_and_there_may_be_nothing(leads, n_q, n_k):
    shapes = zip(leads, ((n_q, 4), (n_k, 4), (n_k, 3)), strict=True)
    given_ = [draw(*lead, *shape, seed=i) for i, (lead, shape) in enumerate(shapes)]
    for allowed in (None, draw(n_q, n_k) > 0):
        right, _ = scaled_dot_product_attention(*given_, allowed)
        output = tiled_attention(*given_, allowed, block=2)
        assert output.shape == right.shape and torch.allclose(output, right, rtol=0, atol=1e-12)
    right = linear_attention(*given_, causal=True)
    assert right.shape == output.shape == linear_attention(*given_).shape
    assert n_k or not right.any()


def test_the_scale_is_that_of_the_whole():
    given_ = qkv()
    for scale in (0.0, 0.3, -2.0, None):
        right, _ = scaled_dot_product_attention(*given_, scale=scale)
        assert (tiled_attention(*given_, scale=scale, block=3) - right).abs().max() <= 1e-12


@pytest.mark.parametrize("masked", [False, True])
def test_memory_grows_with_n_and_not_with_its_square(masked):
    def bytes_at(n):
        given_, allowed = qkv(n, n, 16, 16, dtype=torch.float32), causal_mask(n) if masked else None
        return peak_bytes(lambda: tiled_attention(*given_, allowed, block=64))

    small, large = bytes_at(1024), bytes_at(2048)
    assert large < 2.2 * small
    assert large < 2048**2 / 4  # not even the mask once more


@torch.no_grad()
def test_a_tile_at_which_nobody_may_look_is_left_out(monkeypatch):
    merged = []
    monkeypatch.setattr(
        "attention_core.fast.merge_tile",
        lambda *given_: merged.append(given_[3].shape) or merge_tile(*given_),
    )
    given_ = qkv(8, 8)
    tiled_attention(*given_, causal_mask(8), block=2)
    assert len(merged) == 4 + 3 + 2 + 1
    tiled_attention(*given_, window_mask(8, width=2), block=2)
    assert len(merged) == 10 + 10
    tiled_attention(*given_, block=3)
    assert [shape[-2:] for shape in merged[-9:]] == [(a, b) for a in (3, 3, 2) for b in (3, 3, 2)]


def test_one_tile_after_the_other_by_hand():
    value = torch.tensor([[1.0, 0.0], [0.0, 1.0], [4.0, 4.0]])
    start = torch.full((1, 1), -math.inf), torch.zeros(1, 1), torch.zeros(1, 2)
    masked = merge_tile(*start, torch.full((1, 2), -math.inf), value[:2])
    assert all(torch.equal(a, b) for a, b in zip(masked, start, strict=True))
    one = merge_tile(*masked, torch.tensor([[0.0, math.log(3)]]), value[:2])
    assert [x.flatten().tolist() for x in one] == [
        pytest.approx(x) for x in ([math.log(3)], [4 / 3], [1 / 3, 1])
    ]
    two = merge_tile(*one, torch.tensor([[math.log(6)]]), value[2:])
    assert [x.flatten().tolist() for x in two] == [
        pytest.approx(x) for x in ([math.log(6)], [10 / 6], [4 + 1 / 6, 4.5])
    ]
    same = merge_tile(*two, torch.full((1, 3), -math.inf), value)
    assert all(torch.equal(a, b) for a, b in zip(same, two, strict=True))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"block": 0}, "block must be a whole number, 1 or more, got 0"),
        ({"block": 2.0}, "block must be a whole number, 1 or more, got 2.0"),
        ({"scale": math.inf}, "scale must be a finite number, got inf"),
        ({"allowed": torch.ones(5, 7)}, "allowed must be a boolean tensor"),
        ({"allowed": torch.ones(7, 5).bool()}, r"\(7, 5\), which does not fit 5 queries × 7 keys"),
        ({"allowed": torch.ones(3, 5, 7).bool()}, r"does not fit weights \(2, 5, 7\)"),
    ],
)
def test_tiles_refuse_in_words(change, message):
    with pytest.raises(ValueError, match=message):
        tiled_attention(*qkv(), **change)
    for attend in (tiled_attention, linear_attention):
        with pytest.raises(ValueError, match="key has 7 positions but value has 6"):
            attend(*qkv()[:2], draw(2, 6, 3))


# ---------------------------------------------------------------- the cache


@settings(max_examples=60, deadline=None)
@given(cuts=st.lists(st.integers(0, 9), max_size=9), graph=st.lists(st.booleans(), min_size=9, max_size=9))
def test_what_is_remembered_is_all_in_its_order(cuts, graph):
    cache, key, value = KeyValueCache(), draw(2, 3, 81, 4), draw(2, 3, 81, 5, seed=1)
    assert len(cache) == cache.nbytes == 0
    n, before = 0, []
    for more, recorded in zip(cuts, graph, strict=False):
        with torch.set_grad_enabled(recorded):
            got = cache.append(key[..., n : n + more, :], value[..., n : n + more, :])
        n += more
        before.append((n, got))
        assert len(cache) == n and cache.nbytes == 8 * 2 * 3 * n * (4 + 5)
        for end, (keys, values) in before:  # what was handed out earlier stays as it was
            assert torch.equal(keys, key[..., :end, :]) and torch.equal(values, value[..., :end, :])


def test_what_is_given_may_be_written_over_afterwards():
    with torch.no_grad():
        cache, key, value = KeyValueCache(), draw(1, 2, 3, 4), draw(1, 2, 3, 4, seed=1)
        kept = key.clone(), value.clone()
        cache.append(key, value)
        key.zero_(), value.zero_()
        keys, values = cache.append(key, value)
    assert torch.equal(keys[..., :3, :], kept[0]) and torch.equal(values[..., :3, :], kept[1])


def test_it_grows_without_copying_all_of_it_each_time():
    with torch.no_grad():
        cache, one, places, made = KeyValueCache(), torch.ones(1, 1, 1, 4), [], 0
        for n in range(1, 1001):
            keys, values = cache.append(one, one)
            assert keys.shape[-2] == values.shape[-2] == n
            assert keys.untyped_storage().nbytes() <= 2 * 16 * n + 16
            made += not places or keys.data_ptr() != places[-1]
            places.append(keys.data_ptr())
    assert made <= 11  # 1000 positions, each room twice the last


def test_gradients_go_through_it():
    x = draw(1, 2, 6, 4).requires_grad_()
    cache, total = KeyValueCache(), 0.0
    for n in range(6):
        keys, values = cache.append(x[..., n : n + 1, :], x[..., n : n + 1, :])
        total = total + (keys * values).sum()
    total.backward()
    assert torch.allclose(x.grad, 2 * x * torch.arange(6, 0, -1.0)[:, None])


def test_inference_mode_and_back_and_a_copy_goes_its_own_way():
    cache, one = KeyValueCache(), torch.ones(1, 1, 1, 4)
    for mode in (torch.inference_mode, torch.no_grad, torch.enable_grad, torch.inference_mode, torch.no_grad):
        with mode():
            cache.append(one, one)
    assert len(cache) == 5
    with torch.no_grad():
        other = copy.deepcopy(cache)
        other.append(2 * one, one)
        keys, _ = cache.append(3 * one, one)
        assert other.append(one, one)[0][0, 0, 5, 0] == 2 and keys[0, 0, 5, 0] == 3


ONE = torch.zeros(2, 3, 1, 4)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (ONE[0], ONE[0], r"key has shape \(3, 1, 4\), which cannot follow what is kept, \(2, 3, 5, 4\)"),
        (ONE[:1], ONE[:1], r"key has shape \(1, 3, 1, 4\), which cannot follow"),
        (ONE[:, :2], ONE[:, :2], r"key has shape \(2, 2, 1, 4\), which cannot follow"),
        (ONE[..., :3], ONE, r"key has shape \(2, 3, 1, 3\), which cannot follow"),
        (ONE, ONE[..., :3], r"value has shape \(2, 3, 1, 3\), which cannot follow"),
        (ONE, ONE[:, :, [0, 0]], "key has 1 positions but value has 2"),
        (ONE, ONE[:1], r"key \(2, 3, 1, 4\) and value \(1, 3, 1, 4\) differ in batch or heads"),
        (ONE.double(), ONE, "key is torch.float64 on cpu but what is kept is torch.float32 on cpu"),
        (ONE, ONE.half(), "value is torch.float16 on cpu but"),
        (ONE.tolist(), ONE, "key must be a torch tensor, got list"),
        (ONE[0, 0, 0], ONE, r"key must have shape \(batch, heads, positions, features\), got \(4,\)"),
    ],
)
def test_what_cannot_follow_is_refused_in_words_and_changes_nothing(key, value, message):
    cache = KeyValueCache()
    cache.append(torch.ones(2, 3, 5, 4), torch.ones(2, 3, 5, 4))
    with pytest.raises(ValueError, match=message):
        cache.append(key, value)
    assert len(cache) == 5
    keys, values = cache.append(ONE, ONE)
    assert keys[..., :5, :].all() and values[..., :5, :].all() and keys.shape[-2] == values.shape[-2] == 6


# ---------------------------------------------------------------- linear attention


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("n_q", "n_k"), [(5, 5), (3, 7), (7, 3), (1, 9), (150, 150), (70, 200), (200, 70)])
def test_linear_attention_is_its_formula(n_q, n_k, causal):
    query, key, value = qkv(n_q, n_k)
    weights = (F.elu(query) + 1) @ (F.elu(key) + 1).mT
    if causal:
        weights = weights * causal_mask(n_q, n_k)
    total = weights.sum(-1, keepdim=True)
    right = weights @ value / total.masked_fill(total == 0, 1)
    output = linear_attention(query, key, value, causal=causal)
    assert agree(output, right, 4, n_k, n_k, size=max(1.0, float((weights @ value).abs().max())))


def test_linear_attention_is_another_function_of_linear_memory_whose_gradients_are_right():
    given_ = qkv(5, 5, size=3)
    assert (linear_attention(*given_) - scaled_dot_product_attention(*given_)[0]).abs().max() > 0.1
    leaves = [x.requires_grad_() for x in qkv(4, 4, lead=())]
    for causal in (False, True):
        assert torch.autograd.gradcheck(lambda *x, c=causal: linear_attention(*x, causal=c), leaves)
        few, many = (
            peak_bytes(
                lambda n=n, c=causal: linear_attention(*qkv(n, n, 16, 16, dtype=torch.float32), causal=c)
            )
            for n in (1024, 2048)
        )
        assert many < 2.2 * few


def test_a_padded_batch_is_each_sequence_alone_in_tiles():
    given_ = qkv(5, 5)
    together = tiled_attention(*given_, padding_mask([5, 3]), block=2)
    alone = tiled_attention(*(x[1, :3] for x in given_), block=2)
    assert (together[1, :3] - alone).abs().max() <= 1e-12
