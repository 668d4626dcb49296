"""A size that is no whole number is refused with the same words wherever it is given."""

import numpy as np
import pytest
import torch

from attention_core import (
    ALiBi,
    LearnedEncoding,
    MultiHeadAttention,
    RelativeEncoding,
    RotaryEncoding,
    SelfAttention,
    SinusoidalEncoding,
    TinyTransformer,
    TransformerBlock,
    alibi_slopes,
    causal_mask,
    padding_mask,
    sinusoidal_table,
    split_heads,
    window_mask,
)
from attention_core._checks import check_whole, is_whole
from attention_core.agreement import rounding
from attention_core.interop import from_attn_mask, to_attn_mask
from attention_core.live.explorers.sinusoids import SinusoidExplorer
from attention_core.tasks import Repeat, Reverse

X, YES = torch.ones(2, 3, 4), torch.ones(2, 3, 4, dtype=torch.bool)
TOKENS = torch.zeros(1, 2, dtype=torch.long)
# what is refused: its name, the least it may be, and a call with it
SIZES = [
    ("dim", 1, lambda n: SelfAttention(n)),
    ("dim", 1, lambda n: MultiHeadAttention(n, 1)),
    ("dim", 1, lambda n: TransformerBlock(n, 1)),
    ("dim", 1, lambda n: TinyTransformer(4, dim=n, num_heads=1)),
    ("dim", 1, lambda n: LearnedEncoding(3, n)),
    ("num_heads", 1, lambda n: MultiHeadAttention(12, n)),
    ("num_heads", 1, lambda n: TransformerBlock(12, n)),
    ("num_heads", 1, lambda n: split_heads(torch.ones(3, 12), n)),
    ("num_heads", 1, lambda n: ALiBi(n)),
    ("num_heads", 1, lambda n: alibi_slopes(n)),
    ("num_heads", 1, lambda n: to_attn_mask(YES, n)),
    ("num_heads", 1, lambda n: from_attn_mask(torch.ones(12, 3, 4, dtype=torch.bool), n)),
    ("hidden", 1, lambda n: TransformerBlock(4, 1, hidden=n)),
    ("num_layers", 1, lambda n: TinyTransformer(4, num_layers=n)),
    ("vocabulary", 1, lambda n: TinyTransformer(n)),
    ("steps", 0, lambda n: TinyTransformer(4, causal=True).generate(TOKENS, n)),
    ("n_q", 0, lambda n: causal_mask(n)),
    ("n_k", 0, lambda n: causal_mask(3, n)),
    ("n_k", 0, lambda n: window_mask(3, n)),
    ("n_k", 0, lambda n: padding_mask([0], n)),
    ("width", 0, lambda n: window_mask(3, width=n)),
    ("max_length", 1, lambda n: LearnedEncoding(n, 4)),
    ("head_dim", 1, lambda n: RelativeEncoding(n, 3)),
    ("max_distance", 0, lambda n: RelativeEncoding(4, n)),
    ("offset", 0, lambda n: LearnedEncoding(9, 4).embed(X, offset=n)),
    ("offset", 0, lambda n: RotaryEncoding(4).rotate(X, X, offset=n)),
    ("offset", 0, lambda n: sinusoidal_table(3, 4, offset=n)),
    ("n", 0, lambda n: sinusoidal_table(n, 4)),
    ("length", 1, lambda n: Reverse(length=n)),
    ("vocabulary", 2, lambda n: Reverse(vocabulary=n)),
    ("shortest", 2, lambda n: Repeat(shortest=n)),
    ("longest", 4, lambda n: Repeat(longest=n)),
    ("steps", 0, lambda n: Reverse().batches(n)),
    ("batch_size", 1, lambda n: Reverse().batches(3, n)),
    ("seed", 0, lambda n: Reverse().batches(3, seed=n)),
    ("the length of a sum", 0, lambda n: rounding(torch.float32, n)),
]
every_size = pytest.mark.parametrize(
    ("name", "least", "call"), SIZES, ids=[f"{i}-{name}" for i, (name, *_) in enumerate(SIZES)]
)
NO_NUMBERS = (2.0, 4.5, "4", [4], True, False, np.True_, np.float64(4), float("nan"), torch.tensor(4))


@every_size
def test_what_is_no_whole_number_or_too_small_is_refused_with_the_same_words(name, least, call):
    for given in (*NO_NUMBERS, least - 1, np.int64(least - 1), -7):
        with pytest.raises(ValueError) as refusal:
            call(given)
        assert str(refusal.value) == f"{name} must be a whole number, {least} or more, got {given!r}"


@every_size
def test_numpys_whole_numbers_are_whole_numbers(name, least, call):
    for kind in (int, np.int64, np.uint8, np.int32):
        made = call(kind(4))
        assert type(getattr(made, name, 4)) is int  # what is kept is Python's, and so is its repr


def test_the_length_of_the_sinusoids_has_an_end():
    for given in (*NO_NUMBERS, 1, 257, np.int64(257)):
        with pytest.raises(ValueError) as refusal:
            SinusoidExplorer(given)
        assert str(refusal.value) == f"length must be a whole number from 2 to 256, got {given!r}"
    assert type(SinusoidExplorer(np.int64(8)).length) is int


@pytest.mark.parametrize("name, make", [("dim", SinusoidalEncoding), ("head_dim", RotaryEncoding)])
def test_features_that_turn_in_pairs_are_even_whole_numbers(name, make):
    for given in (*NO_NUMBERS, 0, 3, np.int64(3)):
        with pytest.raises(ValueError, match=f"^{name} must be even, 2 or more, as features turn in pairs"):
            make(given)
    assert type(getattr(make(np.int64(4)), name)) is int


def test_no_small_dtype_of_numpys_overflows():
    block = TransformerBlock(np.uint8(100), 2)
    assert block.feed_forward[0].out_features == 400


@pytest.mark.parametrize("number, least, most, whole", [
    (1, 1, None, True), (0, 1, None, False), (0, 0, None, True), (-1, 0, None, False), (-2, -2, None, True),
    (2, 2, 5, True), (5, 2, 5, True), (1, 2, 5, False), (6, 2, 5, False),
])  # fmt: skip
def test_both_ends_belong_to_it(number, least, most, whole):
    if whole:
        assert check_whole("it", number, least, most) == number
    else:
        with pytest.raises(ValueError, match="it must be a whole number"):
            check_whole("it", number, least, most)
    assert is_whole(number)


def test_the_least_is_one_unless_given():
    assert check_whole("it", 1) == 1
    with pytest.raises(ValueError, match=r"^it must be a whole number, 1 or more, got 0$"):
        check_whole("it", 0)
