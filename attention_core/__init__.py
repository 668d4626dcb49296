"""The mathematics of attention, small enough to read: see `attention_core.live` for the pictures."""

from attention_core.attention import (
    MultiHeadAttention,
    SelfAttention,
    merge_heads,
    scaled_dot_product_attention,
    split_heads,
)
from attention_core.fast import KeyValueCache, linear_attention, tiled_attention
from attention_core.masks import causal_mask, padding_mask, window_mask
from attention_core.positional_encoding import (
    ALiBi,
    LearnedEncoding,
    PositionalEncoding,
    RelativeEncoding,
    RotaryEncoding,
    SinusoidalEncoding,
    alibi_slopes,
    rotate_by_position,
    sinusoidal_table,
)
from attention_core.transformer import DecoderBlock, EncoderDecoder, TinyTransformer, TransformerBlock

__all__ = [
    "ALiBi",
    "DecoderBlock",
    "EncoderDecoder",
    "KeyValueCache",
    "LearnedEncoding",
    "MultiHeadAttention",
    "PositionalEncoding",
    "RelativeEncoding",
    "RotaryEncoding",
    "SelfAttention",
    "SinusoidalEncoding",
    "TinyTransformer",
    "TransformerBlock",
    "alibi_slopes",
    "causal_mask",
    "linear_attention",
    "merge_heads",
    "padding_mask",
    "rotate_by_position",
    "scaled_dot_product_attention",
    "sinusoidal_table",
    "split_heads",
    "tiled_attention",
    "window_mask",
]
