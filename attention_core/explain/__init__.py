"""What an answer came from.

    explanation = explain.EXPLANATIONS["norms"](model, x)  # (n,), one number for each word

`reading.read` says which models can be explained, and where they are taken to read their answer.
"""

from attention_core.explain.explanations import (
    EXPLANATIONS,
    gradient_times_input,
    leave_one_out,
    norms,
    rollout_of,
    value_zeroing,
    weights,
)
from attention_core.explain.rolled import rollout

__all__ = [
    "EXPLANATIONS",
    "gradient_times_input",
    "leave_one_out",
    "norms",
    "rollout",
    "rollout_of",
    "value_zeroing",
    "weights",
]
