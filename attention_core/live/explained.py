"""One sentence explained in several ways: each explanation's scores, or why it has none, and the answer."""

import copy
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from attention_core import explain
from attention_core._calling import Failed, Part, call, formed
from attention_core.explain.reading import read, undisturbed
from attention_core.live.remarks import Unusable, instead

YOURS = "yours"
MOST_WORDS = 40
_STOP = re.compile(r"[.,;:!?](?=\s|$)")
_OWN = {
    "nothing": "not finished yet: it returns nothing",
    "raised": "it stopped with {kind}: {message}",
    "too long": "it was ended after {seconds:g} seconds: is there a loop that never ends?",
}
_STRANGER, _STRANGERS = "is none of the words, and left out", "are none of the words, and left out"
_NAMED = 5  # of them, at most


@dataclass(frozen=True, eq=False)
class Explained:
    """What a model says of a sentence, and what explanations say of that.

    removable: boolean `(n,)`, which words can be taken away. probabilities: `(classes,)`, of the answer.
    target: the class that is explained. truth: boolean `(n,)`, which words decide, None where nobody knows.
    right: the task's answer. scores: `(n,)` by the explanations' names. failed: why there are none,
    likewise; and what is left out of the sentence.
    """

    words: list[str]
    x: Tensor
    removable: Tensor
    probabilities: Tensor
    target: int
    truth: Tensor | None
    right: int | None
    scores: dict[str, Tensor]
    failed: dict[str, str]


def _still(model):
    """A copy, which no cell trains meanwhile; the model itself where there can be none."""
    try:
        return copy.deepcopy(model)
    except Exception:  # whatever a learner's module holds: a tensor of a graph cannot be copied, nor a file
        return model


def parts(sentence: str) -> list[str]:
    """The words of a sentence as it is typed: a stop may stand at the end of one, and is one itself."""
    return _STOP.sub(r" \g<0>", sentence.lower()).split()


def explained(
    model, sentence: str, task, explanations: Mapping[str, Callable], own: Callable | None
) -> Explained:
    """All that is said of the sentence. Raises: Unusable, with what is wrong with it or with the model."""
    if model is None:
        raise Unusable("There is no model yet.")
    typed = parts(sentence)
    words, strangers = [word for word in typed if word in task.words], {*typed} - {*task.words}
    if not words:
        raise Unusable("Type a word or two of these: {words}", words=" ".join(task.words))
    if len(words) > MOST_WORDS:
        raise Unusable("{n} words are too many: the most is {most}.", n=len(words), most=MOST_WORDS)
    model = _still(model)
    try:
        x = task.encode(" ".join(words))  # (1, n)
        with undisturbed(model), torch.no_grad():
            reading = call(read, model, x, quiet=False).answer
    except Failed as problem:
        raise Unusable(instead(problem)) from problem
    except ValueError as problem:
        raise Unusable(str(problem)) from None
    scores, failed = {}, _strangers(sorted(strangers))
    every = {**explanations, **({YOURS: own} if own else {})}
    for name, explanation in every.items():
        try:
            answer = call(explanation, model, x, quiet=False).answer
            (given,) = formed(answer, Part("the explanation", (len(words),)))
            if not bool((given := given.detach().float().cpu()).isfinite().all()):
                raise ValueError("it holds NaN or ∞")
            scores[name] = given
        except Failed as problem:
            ours = name != YOURS and isinstance(problem.error, ValueError)  # it says what the model lacks
            failed[name] = str(problem.error) if ours else instead(problem, _OWN)
        except ValueError as problem:
            failed[name] = str(problem)
    right = int(task.solve(x)[0, -1]) if hasattr(task, "solve") else -1
    return Explained(
        words, x, reading.removable.cpu(), reading.logits.float().cpu().softmax(-1), reading.target,
        task.decides(x)[0] if hasattr(task, "decides") else None,
        right if right >= 0 else None, scores, failed,
    )  # fmt: skip


def _strangers(words: list[str]) -> dict[str, str]:
    """What is said of those that the task has not, all in one line."""
    if not words:
        return {}
    named = ", ".join(f"“{word}”" for word in words[:_NAMED])
    more = f" and {len(words) - _NAMED} more" if len(words) > _NAMED else ""
    return {f"{named}{more}": _STRANGER if len(words) == 1 else _STRANGERS}


def left(model, done: Explained, scores: Tensor) -> Tensor:
    """The answer's probability with 0, 1, 2, … words taken away, those first that matter most.

    Raises: Unusable, where the model cannot be asked so.
    """
    try:
        with torch.no_grad():
            return call(explain.deletion_curve, model, done.x, scores, done.target, quiet=False).answer
    except Failed as problem:
        raise Unusable("Words cannot be taken away: {why}", why=instead(problem)) from problem


def first(done: Explained, scores: Tensor) -> list[int]:
    """The words that can be taken away, by their places, those first that matter most."""
    places = done.removable.nonzero()[:, 0]
    return places[scores[places].argsort(descending=True, stable=True)].tolist()


def found(done: Explained, scores: Tensor) -> float | None:
    """The share of the words that decide which it puts first; None where nobody knows."""
    if done.truth is None or not bool(done.truth[done.removable].any()):
        return None
    return explain.recall(scores[done.removable][None], done.truth[done.removable][None])
