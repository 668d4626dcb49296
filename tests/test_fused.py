"""Without weights every layer reaches torch's fused kernel, whatever its positions and its mask."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from attention_core import (
    ALiBi,
    MultiHeadAttention,
    RelativeEncoding,
    RotaryEncoding,
    SelfAttention,
    causal_mask,
    padding_mask,
)
from attention_core.agreement import agree
from attention_core.cost import peak_bytes

DIM, HEADS, N = 16, 8, 6
LAYERS = {
    "self": lambda: SelfAttention(DIM),
    "several heads": lambda: MultiHeadAttention(DIM, HEADS),
    "rotary": lambda: MultiHeadAttention(DIM, HEADS, positions=RotaryEncoding(DIM // HEADS)),
    "alibi": lambda: MultiHeadAttention(DIM, HEADS, positions=ALiBi(HEADS)),
    "relative": lambda: MultiHeadAttention(DIM, HEADS, positions=RelativeEncoding(DIM // HEADS, 3)),
}
MASKS = {
    "none": lambda: None,
    "causal": lambda: causal_mask(N),
    "padding": lambda: padding_mask([N, N - 2, 1]),
    "each its own": lambda: causal_mask(N) & padding_mask([N, N - 2, 1]),
}


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("lead", [(3,), (), (2, 3)])
def test_the_fused_kernel_is_reached_and_says_the_same(name, mask, lead):
    torch.manual_seed(0)
    layer, allowed = LAYERS[name](), MASKS[mask]()
    if lead == () and mask in ("padding", "each its own"):
        allowed = allowed[1]
    elif lead == (2, 3) and allowed is not None and allowed.ndim == 3:
        allowed = allowed.expand(2, 3, *allowed.shape[1:])
    x = torch.randn(*lead, N, DIM)
    with torch.no_grad():
        output, _ = layer(x, allowed=allowed)
        with sdpa_kernel([SDPBackend.FLASH_ATTENTION]):  # an error where it cannot be taken
            fused, nothing = layer(x, allowed=allowed, need_weights=False)
    assert nothing is None
    assert agree(output, fused, DIM, DIM, N, N, DIM, size=32)


@pytest.mark.parametrize("name", LAYERS)
def test_without_weights_at_most_half_of_the_memory_is_needed(name):
    """The weights, and what makes them, are n² numbers a head; what stays is a bias of that size."""
    torch.manual_seed(0)
    layer, x = LAYERS[name](), torch.randn(1, 256, DIM)
    with torch.no_grad():
        with_them, without = (peak_bytes(lambda w=w: layer(x, need_weights=w)) for w in (True, False))
    assert without <= with_them / 2
