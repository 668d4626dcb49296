"""The open exercise of lesson 10: a claim about a head, tried on sentences that its finder did not see."""

import functools
import math
import numbers
from collections.abc import Callable

import torch
from torch import Tensor

from attention_core._calling import Failed, call
from attention_core._checks import is_whole
from attention_core._saying import a, number
from attention_core.practice.exercise import Stop, unmade
from attention_core.practice.exercises.training_step import fits
from attention_core.practice.result import Result
from attention_core.practice.source import returns, untouched
from attention_core.pretrained import Missing, load_minilm
from attention_core.probes import Verdict

UNSEEN = (
    # a woman and a man, and a pronoun that fits one of them
    "Julia phoned Robert because she had lost the keys.",
    "Robert phoned Julia because she had found the keys.",
    "David helped Laura although he was in a hurry.",
    "Laura helped David although he was rude.",
    "Emma met Thomas when she was abroad.",
    "Thomas met Emma when she was abroad.",
    "Sarah asked James whether he would come.",
    "James asked Sarah whether he could come.",
    "The queen wrote to the king because she was ill.",
    "The king wrote to the queen because he was ill.",
    "My sister told my brother that she had won.",
    "My aunt told my uncle that he had won.",
    # words that stand there twice, or more often
    "The boat passed the bridge and the bridge shook.",
    "Old friends are better than new friends.",
    "A teacher taught another teacher how to teach.",
    "What is true for one is not true for all.",
    "Red paint and blue paint make purple paint.",
    "If you wait long enough, you wait too long.",
    "The river is wide, but the bridge over the river is narrow.",
    "He sold his car and bought her car.",
    # others, short and long
    "Snow fell all night.",
    "Where does this train go?",
    "Please close the window before you leave.",
    "Three small boats crossed the lake at dawn.",
    "Nobody in the office knew why the printer had stopped.",
    "The bread, which was still warm, smelled wonderful.",
    "After the concert we walked home along the empty streets.",
    "Her answer surprised everyone at the table, even the judge.",
    "Some of the oldest trees in this forest are more than a thousand years old.",
    "The price of copper rose again last week.",
)
SHUFFLES = 8  # of each map: what the score says where the head looks elsewhere
ROUNDED = 1e-6  # a few roundings of float32
CHANCE = 0.01  # how likely a coin may be to do as well

_OPEN = "not started yet. Name a head and a score: check.claim(layer, head, score)"
_NO_HEAD = "there is no {axis} {given}; there are {n}, numbered from 0"
_NOT_WHOLE = "{axis} should be a whole number; it is {given}"
_NO_SCORE = "the third thing is the score itself, without brackets; this is {given}"
_TRIED_ON = "It was tried on a sentence of {n} tokens."
_NO_NUMBER = "a score should be one number from 0 to 1; of a sentence of {n} tokens it is {given}"
_OUTSIDE = "a score should be from 0 to 1, to be compared; of a sentence of {n} tokens it is {given}"
_DICE = "the same map gives another score each time: {one}, then {two}"
_BLIND = "it says the same of every head, and of every shuffled map: it does not look at its weights"
_BLIND_WHY = "What it says then follows from the tokens alone, and is no claim about a head."
_NOTHING = "it returns nothing: is the return missing?"
_NONE = "None for all {n} sentences: nothing to show in any of them; tokens are lower case"
_FEW = "it tells heads apart on {n} of {of} sentences only; with fewer than {least} a coin would do as well"
_FEW_WHY = "Say it more generally: which words, at which places?"
_SCORE, _OTHERS, _SHUFFLED = "unseen sentences", "other heads", "shuffled maps"
_ITS_SCORE = "{mean} on {n} sentences, from {least} to {most}"
_AMONG = (
    "{mean} on average; it is above that in {above} of {n}; its place is {place} of {heads}. The best other: "
    "layer {layer}, head {head}, with {best}"
)
_BY_CHANCE = "{mean} when the columns of each map are shuffled; it is above that in {above} of {n}"
_HOLDS = "passed: it holds on sentences that you had not seen. The score is {mean}"
_NO_BETTER = "it holds no better than {what}"
_THAN_OTHERS, _THAN_SHUFFLED = "in the other heads", "when the head looks elsewhere"
_COMMON = "so do {n} others, as much or more: what many heads do is no claim about one"
_BEST = "A claim about one head needs a place among the best {most} of {heads}."
_NEEDED = "Above in {least} of {n} or more would be seldom chance: a coin does it once in 100 times, or less."


def claim(layer=..., head=..., score=...) -> Result:
    """Whether what you say of a head holds on sentences that you did not see.

    Args: layer, head: which, numbered from 0. score: `score(weights (n, n), tokens) -> number`, as
    `ModelExplorer` takes it: from 0 to 1, the higher, the more a map is as you claim; None where a sentence
    has nothing to show for it. tokens are lower case.

    The people in the sentences are julia, laura, emma, sarah, robert, david, thomas, james, queen, king,
    sister, brother, aunt and uncle. It is compared with the other heads, and with the same maps with their
    columns shuffled, which is what it says of a head that looks anywhere; and it has to be among the best
    tenth of all heads: what many do is no claim about one. Needs the package of lesson 10.
    """
    try:
        if layer is ... or head is ... or untouched(score):
            raise Stop("not started", _OPEN)
        return _judged(layer, head, score)
    except Stop as stop:
        return stop.result("claim")
    except Missing as missing:
        return Result("claim", "not started", str(missing))
    except Exception as error:  # a mistake of ours must not look like one of the learner's
        said = f"the check itself failed: {type(error).__name__}: {error}. Please report it."
        return Result("claim", "error", said)


def _judged(layer, head, score) -> Result:
    if not callable(score):
        raise Stop("wrong", _NO_SCORE, bug="not-a-function", given=a(score))
    fits(score, "weights", "tokens")
    maps = _unseen()
    layers, heads = maps[0][0].shape[:2]
    for axis, given, n in (("layer", layer, layers), ("head", head, heads)):
        if not is_whole(given):
            raise Stop("wrong", _NOT_WHOLE, bug="no-such-head", axis=axis, given=a(given))
        if not 0 <= given < n:
            raise Stop("wrong", _NO_HEAD, bug="no-such-head", axis=axis, given=given, n=n)
    every = [_scores(score, weights, tokens, layer, head, k) for k, (weights, tokens) in enumerate(maps)]
    told = [(scores, control) for scores, control in filter(None, every) if _tells(scores, control)]
    if not told:
        if not any(every):
            if returns(score) is not False:
                raise Stop("wrong", _NONE, bug="nothing-to-show", n=len(maps))
            raise Stop("wrong", _NOTHING, bug="no-return")
        raise Stop("wrong", _BLIND, bug="does-not-look", details=(_BLIND_WHY,))
    if len(told) < math.ceil(-math.log2(CHANCE)):
        few = {"n": len(told), "of": len(maps), "least": math.ceil(-math.log2(CHANCE))}
        raise Stop("wrong", _FEW, bug="too-few", details=(_FEW_WHY,), **few)
    scores, controls = torch.stack([s for s, _ in told]), torch.stack([c.mean() for _, c in told])
    return _verdict(scores, controls, layer, head)


def least_of(n: int) -> int:
    """How often of n times is more than a coin does but once in 1 / `CHANCE` times."""
    ways, k = 0, n + 1
    while k > 0 and ways + math.comb(n, k - 1) <= CHANCE * 2**n:
        k -= 1
        ways += math.comb(n, k)
    return k


def _verdict(scores: Tensor, controls: Tensor, layer: int, head: int) -> Result:
    """scores: `(sentences, layers, heads)`; controls: `(sentences,)`, of the head."""
    n, _, heads = scores.shape
    own, flat = scores[:, layer, head], scores.flatten(1)
    k, means, least = layer * heads + head, flat.mean(0), least_of(n)
    others = (flat.sum(1) - own) / (flat.shape[1] - 1)
    best = int(means.index_fill(0, torch.tensor(k), -1).argmax())
    above_others, above_chance = int((own > others).sum()), int((own > controls).sum())
    place = int((means >= means[k] - ROUNDED).sum())  # as much is no less: a tie counts against it
    most = max(1, len(means) // 10)
    said = _ITS_SCORE.format(mean=number(own.mean()), n=n, least=number(own.min()), most=number(own.max()))
    among = _AMONG.format(
        mean=number(others.mean()), above=above_others, n=n, place=place, heads=flat.shape[1],
        layer=best // heads, head=best % heads, best=number(means[best]),
    )  # fmt: skip
    by_chance = _BY_CHANCE.format(mean=number(controls.mean()), above=above_chance, n=n)
    evidence = (
        Verdict(_SCORE, None, said),
        Verdict(_OTHERS, above_others >= least and place <= most, among),
        Verdict(_SHUFFLED, above_chance >= least, by_chance),
    )
    if all(verdict.holds for verdict in evidence[1:]):
        return Result("claim", "passed", _HOLDS.format(mean=number(own.mean())), evidence=evidence)
    if above_others >= least and above_chance >= least:
        headline, why = _COMMON.format(n=place - 1), _BEST.format(most=most, heads=len(means))
        return Result("claim", "wrong", headline, "not-only-this-head", (why,), evidence)
    shuffled = above_chance < least
    headline = _NO_BETTER.format(what=_THAN_SHUFFLED if shuffled else _THAN_OTHERS)
    bug = "no-better-than-shuffled" if shuffled else "no-better-than-others"
    return Result("claim", "wrong", headline, bug, (_NEEDED.format(least=least, n=n),), evidence)


def _tells(scores: Tensor, control: Tensor) -> bool:
    """Whether it tells one map of a sentence from another."""
    every = torch.cat((scores.flatten(), control))
    return bool((every - every[0]).abs().max() > ROUNDED)


def _scores(
    score: Callable, weights: Tensor, tokens: tuple[str, ...], layer: int, head: int, seed: int
) -> tuple[Tensor, Tensor] | None:
    """Of all heads `(layers, heads)`, and of the one, shuffled `(SHUFFLES,)`; None: nothing to show."""
    n, dice = len(tokens), torch.Generator().manual_seed(seed)
    own = weights[layer, head]
    shuffled = [own[:, torch.randperm(n, generator=dice)] for _ in range(SHUFFLES)]
    every = [*weights.flatten(0, 1), *shuffled, own]

    def asked() -> list:
        return [score(x.clone(), [*tokens]) for x in every]

    try:
        made = call(asked).answer
    except Failed as failed:
        raise unmade(failed, _TRIED_ON.format(n=n)) from failed
    if all(one is None for one in made):
        return None
    *said, again = (_number(one, n) for one in made)
    first = said[layer * weights.shape[1] + head]
    if abs(first - again) > ROUNDED:
        raise Stop("wrong", _DICE, bug="not-repeatable", one=number(first), two=number(again))
    numbers = torch.tensor(said, dtype=torch.float64)
    return numbers[:-SHUFFLES].reshape(weights.shape[:2]), numbers[-SHUFFLES:]


def _number(made, n: int) -> float:
    one = made.item() if isinstance(made, Tensor) and made.numel() == 1 else made
    if not isinstance(one, numbers.Real) or math.isnan(one):
        given = f"a tensor of shape {tuple(made.shape)}" if isinstance(made, Tensor) else a(made)
        given = "NaN" if isinstance(one, numbers.Real) else given
        raise Stop("wrong", _NO_NUMBER, bug="not-a-number", n=n, given=given)
    if not -ROUNDED <= one <= 1 + ROUNDED:
        raise Stop("wrong", _OUTSIDE, bug="outside", n=n, given=number(one))
    return float(one)


@functools.cache
def _unseen() -> list[tuple[Tensor, tuple[str, ...]]]:
    """The maps `(layers, heads, n, n)` and tokens of each sentence. Raises: Missing, without the package."""
    encoder = load_minilm()
    with torch.no_grad():
        return [(encoder.maps(sentence), encoder.tokens(sentence)) for sentence in UNSEEN]
