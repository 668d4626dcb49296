"""Calling a learner's attention function: whatever it does, the page stays alive and says what happened."""

from collections.abc import Callable

import torch
from torch import Tensor

from attention_core._calling import a, what_happened
from attention_core.agreement import rounding


class Unusable(Exception):
    """The function's answer cannot be shown; the message says why, for the learner."""


def call_attention(
    attention: Callable, query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """`(output, weights)` of `attention(query, key, value[, allowed])`, its shapes checked.

    The mask is passed only when there is one, so that a function that takes none yet can be driven too.
    Raises: Unusable, in words, when the function is unfinished, raises, or returns something else.
    """
    arguments = [x.clone() for x in (query, key, value)]  # the function may write into its arguments
    if allowed is not None:
        arguments.append(allowed.clone())
    try:
        answer = attention(*arguments)
    except Exception as error:
        raise Unusable(what_happened(error)) from error
    n_q, n_k, d_v = query.shape[-2], key.shape[-2], value.shape[-1]
    if answer is None or answer is ...:
        raise Unusable("Not finished yet: the function returns nothing.")
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise Unusable(f"The function should return a pair, (output, weights); it returned {a(answer)}.")
    if any(part is None or part is ... for part in answer):
        raise Unusable("Not finished yet: a part of (output, weights) is still empty.")
    for name, part, shape in (("output", answer[0], (n_q, d_v)), ("weights", answer[1], (n_q, n_k))):
        if not isinstance(part, Tensor):
            raise Unusable(f"{name} should be a tensor; it is {a(part)}.")
        if tuple(part.shape) != shape:
            raise Unusable(
                f"{name} should have shape {shape}; it has {tuple(part.shape)}.{_swapped(answer, n_q, n_k)}"
            )
        if part.is_complex():
            raise Unusable(f"{name} should hold real numbers; it holds {part.dtype}.")
    output, weights = (part.detach().float() for part in answer)
    return output, weights


def row_remark(weights: Tensor, words: list[str], allowed: Tensor | None = None) -> str:
    """What is wrong with the weights, in words; empty when rows sum to 1 or to 0 and keep to the mask."""
    sums, exact = weights.sum(-1), rounding(torch.float32)
    # in half precision the row's sum and the division by it are rounded, by eps / 2 each; then it is added up
    near = torch.finfo(_half(weights)).eps + rounding(torch.float32, len(words)) / 2
    for word, row, total in zip(words, weights, sums.tolist(), strict=True):
        if row.isnan().any():
            return f"The row of “{word}” holds NaN, not numbers: was 0 divided by 0?"
        if row.min() < -exact:
            return f"The row of “{word}” holds a weight below 0: {float(row.min()):.2f}."
        if abs(total - 1) > near and abs(total) > exact:
            columns = weights.sum(-2)
            by_column = bool(((columns - 1).abs() <= near).all())
            over_queries = " The columns do: is the softmax over queries?" if by_column else ""
            return f"The row of “{word}” sums to {total:.2f}, not to 1.{over_queries}"
    if allowed is not None:
        forbidden = weights.masked_fill(allowed, 0)
        row, column = divmod(int(forbidden.argmax()), weights.shape[-1])
        if (weight := float(forbidden[row, column])) > exact:
            gives = f"“{words[row]}” gives {weight:.2f} to “{words[column]}”"
            return f"{gives}, which the mask forbids: does the function use it?"
    return ""


def _half(weights: Tensor) -> torch.dtype:
    """The half precision in which a function may have computed them: bfloat16 only if it holds them all."""
    return torch.bfloat16 if weights.bfloat16().to(weights).equal(weights) else torch.float16


def _swapped(answer, n_q: int, n_k: int) -> str:
    output, weights = answer
    if isinstance(weights, Tensor) and isinstance(output, Tensor):
        if tuple(output.shape) == (n_q, n_k):
            return " The order is (output, weights)."
        if tuple(weights.shape) == (n_k, n_q) and n_q != n_k:
            return " Rows are queries, columns are keys."
    return ""
