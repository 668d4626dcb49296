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
from attention_core.vision import GridEncoding, PatchTransformer, from_patches, to_patches

__all__ = [
    "ALiBi",
    "DecoderBlock",
    "EncoderDecoder",
    "GridEncoding",
    "KeyValueCache",
    "LearnedEncoding",
    "MultiHeadAttention",
    "PatchTransformer",
    "PositionalEncoding",
    "RelativeEncoding",
    "RotaryEncoding",
    "SelfAttention",
    "SinusoidalEncoding",
    "TinyTransformer",
    "TransformerBlock",
    "alibi_slopes",
    "causal_mask",
    "from_patches",
    "linear_attention",
    "merge_heads",
    "padding_mask",
    "rotate_by_position",
    "scaled_dot_product_attention",
    "sinusoidal_table",
    "split_heads",
    "tiled_attention",
    "to_patches",
    "window_mask",
]
