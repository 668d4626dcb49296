"""What an answer came from: explanations, and measures of how true they are.

    explanation = explain.EXPLANATIONS["norms"](model, x)  # (n,), one number for each word
    explain.comprehensiveness(model, x, explanation)

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
from attention_core.explain.measures import comprehensiveness, deletion_curve, recall, sufficiency
from attention_core.explain.patching import patch, patched_logits
from attention_core.explain.rolled import rollout

__all__ = [
    "EXPLANATIONS",
    "comprehensiveness",
    "deletion_curve",
    "gradient_times_input",
    "leave_one_out",
    "norms",
    "patch",
    "patched_logits",
    "recall",
    "rollout",
    "rollout_of",
    "sufficiency",
    "value_zeroing",
    "weights",
]
