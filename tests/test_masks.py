"""Masks: one convention, True means "may look", and the bridges to torch's opposite one."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from attention_core import causal_mask, padding_mask, scaled_dot_product_attention, window_mask
from attention_core.agreement import agree
from attention_core.masks import (
    from_attn_mask,
    from_key_padding_mask,
    to_attn_mask,
    to_key_padding_mask,
)

sizes = st.integers(0, 7)
DIM, HEADS = 8, 2


def draw(*size, seed=0):
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def looks(*rows):
    """A mask as it is drawn: x may look, . may not."""
    return torch.tensor([[c == "x" for c in row] for row in rows])


# ---------------------------------------------------------------- causal


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ((1,), looks("x")),
        ((3,), looks("x..", "xx.", "xxx")),
        ((2, 5), looks("xxxx.", "xxxxx")),  # the last two of five positions
        ((1, 4), looks("xxxx")),  # one new word, three in the cache
        ((4, 2), looks("..", "..", "x.", "xx")),  # the first two queries come before every key
    ],
)
def test_a_causal_mask_drawn(given_, expected):
    assert causal_mask(*given_).dtype == torch.bool
    assert torch.equal(causal_mask(*given_), expected)


@settings(deadline=None)
@given(n_q=sizes, n_k=sizes)
def test_causal_masks_are_aligned_at_the_end(n_q, n_k):
    mask = causal_mask(n_q, n_k)
    assert mask.shape == (n_q, n_k) and mask.dtype == torch.bool
    for i in range(n_q):
        for j in range(n_k):
            assert mask[i, j].item() == (
                n_k - 1 - j >= n_q - 1 - i
            )  # the key is at least as far from the end
    assert mask[-1:].all()  # the last query sees everything


@settings(deadline=None)
@given(n=st.integers(1, 7), new=st.integers(1, 7))
def test_the_rows_of_a_cached_step_are_the_last_rows_of_the_whole(n, new):
    new = min(n, new)
    assert torch.equal(causal_mask(new, n), causal_mask(n)[n - new :])
    assert torch.equal(window_mask(new, n, width=2), window_mask(n, width=2)[n - new :])


def test_the_future_cannot_leak():
    x = draw(6, 4)
    changed = x.clone()
    changed[4:] = 100
    before, after = (scaled_dot_product_attention(y, y, y, causal_mask(6)) for y in (x, changed))
    for one, other in zip(before, after, strict=True):
        assert torch.equal(one[:4], other[:4])
        assert not torch.equal(one[4], other[4])


# ---------------------------------------------------------------- window


@pytest.mark.parametrize(
    ("given_", "width", "expected"),
    [
        ((4,), 1, looks("xx..", "xxx.", ".xxx", "..xx")),
        ((3,), 0, looks("x..", ".x.", "..x")),
        ((2, 4), 1, looks(".xxx", "..xx")),
        ((3, 1), 1, looks(".", "x", "x")),
        ((3,), 9, looks("xxx", "xxx", "xxx")),
    ],
)
def test_a_window_mask_drawn(given_, width, expected):
    mask = window_mask(*given_, width=width)
    assert mask.dtype == torch.bool
    assert torch.equal(mask, expected)


def test_a_window_is_one_wide_unless_told():
    assert torch.equal(window_mask(5), window_mask(5, width=1))


def test_a_causal_window_is_both_masks():
    assert torch.equal(window_mask(4, width=1) & causal_mask(4), looks("x...", "xx..", ".xx.", "..xx"))


# ---------------------------------------------------------------- padding


def test_a_padding_mask_drawn():
    mask = padding_mask([3, 1, 0])
    assert mask.shape == (3, 1, 3) and mask.dtype == torch.bool
    assert torch.equal(mask[:, 0], looks("xxx", "x..", "..."))
    assert torch.equal(padding_mask([1], 3)[0], looks("x.."))
    assert torch.equal(padding_mask(torch.tensor([3, 1, 0])), mask)
    assert padding_mask([0]).shape == (1, 1, 0)


def test_padding_masks_fit_weights_and_join_with_causal_ones():
    x = draw(2, 3, 4)
    weights = scaled_dot_product_attention(x, x, x, padding_mask([3, 1]) & causal_mask(3))[1]
    assert torch.equal(weights != 0, torch.stack([looks("x..", "xx.", "xxx"), looks("x..", "x..", "x..")]))


# ---------------------------------------------------------------- torch's convention


@pytest.fixture(scope="module")
def theirs():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.MultiheadAttention(DIM, HEADS, batch_first=True).double().eval()


@pytest.fixture(scope="module")
def ours(theirs):
    """Torch's layer with this package's function inside: only the masks' convention differs."""

    def attend(x, allowed):
        q, k, v = (
            (x @ w.T + b).unflatten(-1, (HEADS, -1)).transpose(1, 2)
            for w, b in zip(theirs.in_proj_weight.chunk(3), theirs.in_proj_bias.chunk(3), strict=True)
        )
        heads, weights = scaled_dot_product_attention(q, k, v, allowed)
        return theirs.out_proj(heads.transpose(1, 2).flatten(-2)), weights

    return attend


def same(ours, theirs):
    """The sums of a layer on 5 words: a projection, a score of a head, a softmax, a mixture, a projection.

    Scores are below 4, and what is projected is too.
    """
    sums = DIM, DIM // HEADS, 5, 5, DIM
    return all(agree(one, other, *sums, size=4 * 4) for one, other in zip(ours, theirs, strict=True))


def with_a_key_each(*size, seed=1):
    """A random mask in which every query may look at something, as torch's layer needs it."""
    return (draw(*size, seed=seed) > 0) | torch.eye(*size[-2:], dtype=torch.bool)


def test_to_attn_mask_means_the_same_to_torchs_layer(theirs, ours):
    x, allowed = draw(3, 5, DIM), with_a_key_each(5, 5)
    call = {"need_weights": True, "average_attn_weights": False}
    assert same(ours(x, allowed), theirs(x, x, x, attn_mask=to_attn_mask(allowed), **call))
    # the polarity matters: the same numbers the wrong way round are another mask
    assert not same(ours(x, allowed), theirs(x, x, x, attn_mask=~to_attn_mask(allowed), **call))


def test_to_attn_mask_of_a_batch_and_of_heads_means_the_same_to_torchs_layer(theirs, ours):
    x = draw(3, 5, DIM)
    call = {"need_weights": True, "average_attn_weights": False}
    by_batch = with_a_key_each(3, 5, 5)
    assert same(ours(x, by_batch[:, None]), theirs(x, x, x, attn_mask=to_attn_mask(by_batch, HEADS), **call))
    by_head = with_a_key_each(3, HEADS, 5, 5)
    assert same(ours(x, by_head), theirs(x, x, x, attn_mask=to_attn_mask(by_head, HEADS), **call))


def test_to_key_padding_mask_means_the_same_to_torchs_layer(theirs, ours):
    x, allowed = draw(3, 5, DIM), padding_mask([5, 2, 1])
    call = {"need_weights": True, "average_attn_weights": False}
    mask = to_key_padding_mask(allowed)
    assert mask.shape == (3, 5)
    assert same(ours(x, allowed[:, None]), theirs(x, x, x, key_padding_mask=mask, **call))
    assert not same(ours(x, allowed[:, None]), theirs(x, x, x, key_padding_mask=mask.flip(1), **call))


def test_torchs_own_causal_mask_is_ours(theirs):
    square = nn.Transformer.generate_square_subsequent_mask(5)
    assert torch.equal(from_attn_mask(square == -torch.inf), causal_mask(5))
    assert torch.equal(to_attn_mask(causal_mask(5)), square == -torch.inf)


@settings(deadline=None)
@given(batch=st.integers(1, 3), heads=st.integers(1, 3), n_q=st.integers(1, 4), n_k=st.integers(1, 4))
def test_there_and_back(batch, heads, n_q, n_k):
    flat, by_head = draw(n_q, n_k) > 0, draw(batch, heads, n_q, n_k) > 0
    assert torch.equal(from_attn_mask(to_attn_mask(flat, heads), heads), flat)
    assert to_attn_mask(by_head, heads).shape == (batch * heads, n_q, n_k)
    assert torch.equal(from_attn_mask(to_attn_mask(by_head, heads), heads), by_head)
    back = from_attn_mask(to_attn_mask(by_head[:, 0], heads), heads)
    assert torch.equal(back, by_head[:, :1].expand_as(by_head))
    padding = draw(batch, 1, n_k) > 0
    assert torch.equal(from_key_padding_mask(to_key_padding_mask(padding)), padding)


# ---------------------------------------------------------------- refusals

YES = torch.ones(2, 3, 4, dtype=torch.bool)
SIZE = "must be a whole number, 0 or more, got"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: causal_mask(-1), f"n_q {SIZE} -1"),
        (lambda: causal_mask(2, -1), f"n_k {SIZE} -1"),
        (lambda: causal_mask(2.5), f"n_q {SIZE} 2.5"),
        (lambda: causal_mask(2.5, 3), f"n_q {SIZE} 2.5"),
        (lambda: causal_mask(True), f"n_q {SIZE} True"),
        (lambda: window_mask(-1), f"n_q {SIZE} -1"),
        (lambda: window_mask(2, 3.0), f"n_k {SIZE} 3.0"),
        (lambda: window_mask(3, width=-1), f"width {SIZE} -1"),
        (lambda: window_mask(3, width=1.5), f"width {SIZE} 1.5"),
        (lambda: padding_mask([3, -1]), "lengths must be between 0 and n_k=3, got [3, -1]"),
        (lambda: padding_mask([3, 1], 2), "lengths must be between 0 and n_k=2, got [3, 1]"),
        (lambda: padding_mask([3], -2), f"n_k {SIZE} -2"),
        (lambda: padding_mask([3], 3.0), f"n_k {SIZE} 3.0"),
        (lambda: padding_mask([1.5]), "lengths must be a list of whole numbers, got (1,) of torch.float32"),
        (lambda: padding_mask([True]), "lengths must be a list of whole numbers, got (1,) of torch.bool"),
        (lambda: padding_mask([[1]]), "lengths must be a list of whole numbers, got (1, 1) of torch.int64"),
        (lambda: padding_mask(3), "lengths must be a list of whole numbers, got () of torch.int64"),
        (lambda: padding_mask([]), "lengths must be a list of whole numbers, got (0,) of torch.float32"),
        (
            lambda: padding_mask(torch.tensor([], dtype=torch.int64)),
            "lengths must be a list of whole numbers, got (0,) of torch.int64",
        ),
        (lambda: to_attn_mask(YES, 0), "num_heads must be a whole number, 1 or more, got 0"),
        (lambda: from_attn_mask(YES, 0), "num_heads must be a whole number, 1 or more, got 0"),
        (lambda: to_attn_mask(YES, 2.0), "num_heads must be a whole number, 1 or more, got 2.0"),
        (lambda: to_attn_mask(YES.float()), "allowed must be a boolean tensor, got torch.float32"),
        (lambda: to_attn_mask([True]), "allowed must be a boolean tensor, got list"),
        (
            lambda: to_attn_mask(YES[0, 0], 2),
            "allowed must be (n_q, n_k), (batch, n_q, n_k) or (batch, num_heads, n_q, n_k) "
            "with num_heads=2, got (4,)",
        ),
        (
            lambda: to_attn_mask(YES[:, None], 2),
            "allowed must be (n_q, n_k), (batch, n_q, n_k) or (batch, num_heads, n_q, n_k) "
            "with num_heads=2, got (2, 1, 3, 4)",
        ),
        (lambda: from_attn_mask(YES.int()), "attn_mask must be a boolean tensor, got torch.int32"),
        (lambda: from_attn_mask(None), "attn_mask must be a boolean tensor, got NoneType"),
        (
            lambda: from_attn_mask(YES, 3),
            "attn_mask must be (n_q, n_k) or (batch · 3, n_q, n_k), got (2, 3, 4)",
        ),
        (
            lambda: from_attn_mask(YES[0, 0]),
            "attn_mask must be (n_q, n_k) or (batch · 1, n_q, n_k), got (4,)",
        ),
        (lambda: to_key_padding_mask(YES.float()), "allowed must be a boolean tensor, got torch.float32"),
        (
            lambda: to_key_padding_mask(YES),
            "allowed must be (batch, 1, n_k), the same for every query, got (2, 3, 4)",
        ),
        (
            lambda: to_key_padding_mask(YES[0]),
            "allowed must be (batch, 1, n_k), the same for every query, got (3, 4)",
        ),
        (lambda: from_key_padding_mask(0), "key_padding_mask must be a boolean tensor, got int"),
        (lambda: from_key_padding_mask(YES), "key_padding_mask must be (batch, n_k), got (2, 3, 4)"),
    ],
)
def test_bad_input_is_refused_with_its_numbers(make, message):
    with pytest.raises(ValueError) as refusal:
        make()
    assert str(refusal.value) == message
