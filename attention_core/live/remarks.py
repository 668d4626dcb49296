"""What is said instead of a map that a function did not give, or beside one that is not right."""

from collections.abc import Mapping

import torch
from torch import Tensor

from attention_core import words
from attention_core._calling import Failed
from attention_core._saying import SENTENCES, sentence
from attention_core.agreement import rounding

_AT = "{what}\nin line {line}: {code}"
_NAN = "The row of “{word}” holds NaN, not numbers: was 0 divided by 0?"
_BELOW_0 = "The row of “{word}” holds a weight below 0: {weight:.2f}."
_SUM = "The row of “{word}” sums to {total:.2f}, not to 1."
_COLUMNS_SUM = (
    "The row of “{word}” sums to {total:.2f}, not to 1. The columns do: is the softmax over queries?"
)
_UNLISTED = {
    1: "Not in our list: {words}. Its numbers are drawn from its letters.",
    2: "Not in our list: {words}. Their numbers are drawn from their letters.",
    "more": "Not in our list: {words} and {n} more. Their numbers are drawn from their letters.",
}
_NAMED = 4  # of such words, at most
_FORBIDDEN = "“{word}” gives {weight:.2f} to “{other}”, which the mask forbids: does the function use it?"


class Unusable(Exception):
    """There is nothing to show. sentence: why, for the learner, with named slots, which data fill."""

    def __init__(self, sentence: str, **data):
        super().__init__(sentence, data)
        self.sentence, self.data = sentence, data

    def __str__(self) -> str:
        return self.sentence.format(**self.data) if self.data else self.sentence


def instead(problem: Exception, sentences: Mapping[str, str] = SENTENCES, **more) -> str:
    """The sentence in place of a map: what the learner's function did, and on which of its lines.

    Args: as for `in_words`.
    """
    if isinstance(problem, Failed):
        said = sentence(problem, sentences, **more)
        line, code = problem.where or (0, "")
        return _AT.format(what=said, line=line, code=code) if line else said
    return str(problem) if isinstance(problem, Unusable) else f"{type(problem).__name__}: {problem}"


def row_remark(
    weights: Tensor, tokens: list[str], allowed: Tensor | None = None, *, by_columns: str = _COLUMNS_SUM
) -> str:
    """What is wrong with the weights, in words; empty when rows sum to 1 or to 0 and keep to the mask.

    Args: by_columns: the sentence for weights whose columns sum to 1.
    """
    sums, exact = weights.sum(-1), rounding(torch.float32)
    # in half precision the row's sum and the division by it are rounded, by eps / 2 each; then it is added up
    near = torch.finfo(_half(weights)).eps + rounding(torch.float32, len(tokens)) / 2
    for word, row, total in zip(tokens, weights, sums.tolist(), strict=True):
        if row.isnan().any():
            return _NAN.format(word=word)
        if row.min() < -exact:
            return _BELOW_0.format(word=word, weight=float(row.min()))
        if abs(total - 1) > near and abs(total) > exact:
            by_column = bool(((weights.sum(-2) - 1).abs() <= near).all())
            return (by_columns if by_column else _SUM).format(word=word, total=total)
    if allowed is not None:
        forbidden = weights.masked_fill(allowed, 0)
        row, column = divmod(int(forbidden.argmax()), weights.shape[-1])
        if (weight := float(forbidden[row, column])) > exact:
            return _FORBIDDEN.format(word=tokens[row], weight=weight, other=tokens[column])
    return ""


def unlisted(tokens: list[str]) -> str:
    """That the features of some words say nothing, as nobody made them; empty if all are in the list."""
    found = words.unlisted(tokens)
    named = ", ".join(f"“{word}”" for word in found[:_NAMED])
    if len(found) > _NAMED:
        return _UNLISTED["more"].format(words=named, n=len(found) - _NAMED)
    return _UNLISTED[min(len(found), 2)].format(words=named) if found else ""


def _half(weights: Tensor) -> torch.dtype:
    """The half precision in which a function may have computed them: bfloat16 only if it holds them all."""
    return torch.bfloat16 if weights.bfloat16().to(weights).equal(weights) else torch.float16
