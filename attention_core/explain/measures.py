"""How true an explanation is: by what happens when words are taken away, and by a truth that is known.

A word is taken away as in `leave_one_out`: nobody may look at it, in no layer, by the model's `allowed`. It
leaves a gap, so that no word moves; nothing stands in its place, which would say something, too. The word at
which the answer is read cannot be taken away, and is left out of the order.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from attention_core._checks import check_whole, shape
from attention_core.explain.reading import Reading, probability, read, undisturbed

FEW = (1, 2, 3)


@torch.no_grad()
def deletion_curve(model: nn.Module, x: Tensor, explanation: Tensor, target: int | None = None) -> Tensor:
    """The probability of the answer with 0, 1, 2, … words taken away, those that matter most first.

    Args: x, target: as for the explanations. explanation: `(n,)`; of equal ones the first word goes first.

    Returns: `(m + 1,)`, where m words can be taken away: all n, but for one at which the answer is read.

    Raises: ValueError for an explanation of another length, or with numbers that are none, and for a model
    or an input as in `explain.leave_one_out`.

    Source: Samek et al. 2017, "Evaluating the Visualization of What a Deep Neural Network Has Learned".
    """
    with undisturbed(model):
        reading = read(model, x, target)
        rank = _ranks(reading, explanation)
        steps = torch.arange(int(reading.removable.sum()) + 1, device=rank.device)
        return probability(model, reading, rank < steps[:, None])


@torch.no_grad()
def comprehensiveness(
    model: nn.Module,
    x: Tensor,
    explanation: Tensor,
    k: int | Sequence[int] = FEW,
    target: int | None = None,
) -> float:
    """By how much the probability of the answer falls without the k words that matter most. Much is good.

    Args: k: a number of words, 0 or more, or several, whose mean it is; the others as in `deletion_curve`.

    Returns: a number from −1 to 1.

    Raises: ValueError as in `deletion_curve`, and for k words that are more than can be taken away.

    Source: DeYoung et al. 2020, "ERASER: A Benchmark to Evaluate Rationalized NLP Models", there with
    shares of the words in place of numbers.
    """
    return _fall(model, x, explanation, k, target, lambda rank, k: rank < k)


@torch.no_grad()
def sufficiency(
    model: nn.Module,
    x: Tensor,
    explanation: Tensor,
    k: int | Sequence[int] = FEW,
    target: int | None = None,
) -> float:
    """By how much the probability of the answer falls with those k words alone. Little is good.

    Arguments, what is returned, raised, and the source: as in `comprehensiveness`.
    """
    return _fall(model, x, explanation, k, target, lambda rank, k: rank >= k)


def recall(explanation: Tensor, decides: Tensor) -> float:
    """How many of the words that decide are among as many that the explanation puts first.

    Words that it holds equal share the last places between them, so that one who says nothing gets what
    guessing would. A word that is no candidate, such as a full stop, is left out of both beforehand.

    Args: explanation: `(..., n)`. decides: boolean, of the same shape, at least one True in each row.

    Returns: from 0 to 1, the mean of all rows.

    Raises: ValueError for shapes that differ, a `decides` that is not boolean, or a row in which nothing
    decides.
    """
    if not isinstance(decides, Tensor) or decides.dtype != torch.bool:
        got = decides.dtype if isinstance(decides, Tensor) else type(decides).__name__
        raise ValueError(f"decides must be a boolean tensor (True means that the word decides), got {got}")
    _check_numbers(explanation, shape(decides))
    many = decides.sum(dim=-1, keepdim=True)  # (..., 1)
    if not decides.numel() or not many.all():
        raise ValueError("there is a row in which no word decides: nothing could be found in it")
    last = explanation.sort(dim=-1, descending=True).values.gather(-1, many - 1)  # the least that has a place
    above, equal = explanation > last, explanation == last
    left = (many - above.sum(dim=-1, keepdim=True)) / equal.sum(dim=-1, keepdim=True)  # of a place, for each
    found = (decides * (above + equal * left)).sum(dim=-1, keepdim=True)
    return float((found / many).mean())


def _fall(model: nn.Module, x: Tensor, explanation: Tensor, k, target: int | None, taken) -> float:
    """The mean fall over all k, when the words whose rank is `taken(rank, k)` are hidden."""
    with undisturbed(model):
        reading = read(model, x, target)
        rank, most = _ranks(reading, explanation), int(reading.removable.sum())
        ks = [check_whole("k", one, 0, most) for one in (k if isinstance(k, Sequence) else (k,))]
        if not ks:
            raise ValueError("k is empty: there must be a number of words")
        hidden = taken(rank, torch.tensor(ks, device=rank.device)[:, None]) & reading.removable
        p = probability(model, reading, hidden)
    return float(reading.logits.softmax(-1)[reading.target] - p.mean())


def _ranks(reading: Reading, explanation: Tensor) -> Tensor:
    """The rank of each word, `(n,)`, 0 for the one that matters most; n for one that stays."""
    _check_numbers(explanation, (reading.n,))
    removable = reading.removable.nonzero()[:, 0]
    order = removable[explanation.to(removable.device)[removable].argsort(descending=True, stable=True)]
    rank = torch.full((reading.n,), reading.n, device=removable.device)
    rank[order] = torch.arange(len(order), device=removable.device)
    return rank


def _check_numbers(explanation: Tensor, wanted: tuple[int, ...]) -> None:
    if not isinstance(explanation, Tensor) or shape(explanation) != wanted:
        got = shape(explanation) if isinstance(explanation, Tensor) else type(explanation).__name__
        raise ValueError(f"explanation must be a tensor of shape {wanted}, one number a word, got {got}")
    if explanation.isnan().any():
        raise ValueError(f"explanation has {int(explanation.isnan().sum())} numbers that are NaN")
