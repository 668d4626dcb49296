"""The mathematics of attention, small enough to read: see `attention_core.live` for the pictures."""

from attention_core.attention import SelfAttention, scaled_dot_product_attention
from attention_core.masks import causal_mask, padding_mask, window_mask

__all__ = [
    "SelfAttention",
    "causal_mask",
    "padding_mask",
    "scaled_dot_product_attention",
    "window_mask",
]
