"""The checks of all lessons, by the name of what the learner writes: `check.softmax(softmax)`."""

from attention_core.practice.hunt import hunt
from attention_core.practice.single_head import attention, causal_mask, self_attention, softmax

__all__ = ["attention", "causal_mask", "hunt", "self_attention", "softmax"]
