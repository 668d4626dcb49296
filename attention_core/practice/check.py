"""The checks of all lessons, by the name of what the learner writes: `check.softmax(softmax)`."""

from attention_core.practice.hunt import hunt
from attention_core.practice.multi_head import count_parameters, merge_heads, multi_head, split_heads
from attention_core.practice.positions import alibi_bias, rotate, sinusoidal_table
from attention_core.practice.single_head import attention, causal_mask, self_attention, softmax
from attention_core.practice.training import looks_ahead, pre_norm, training_step

__all__ = [
    "alibi_bias",
    "attention",
    "causal_mask",
    "count_parameters",
    "hunt",
    "looks_ahead",
    "merge_heads",
    "multi_head",
    "pre_norm",
    "rotate",
    "self_attention",
    "sinusoidal_table",
    "softmax",
    "split_heads",
    "training_step",
]
