"""The checks of all lessons, by the name of what the learner writes: `check.softmax(softmax)`."""

from attention_core.practice.hunt import hunt
from attention_core.practice.multi_head import merge_heads, multi_head, split_heads
from attention_core.practice.single_head import attention, causal_mask, self_attention, softmax

__all__ = [
    "attention",
    "causal_mask",
    "hunt",
    "merge_heads",
    "multi_head",
    "self_attention",
    "softmax",
    "split_heads",
]
