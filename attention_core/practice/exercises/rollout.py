"""Rollout: the weights of several layers, followed from the last word back to the first."""

import functools
import itertools
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from attention_core._saying import number
from attention_core.practice.exercise import Bug, Case, Exercise, Trial, random
from attention_core.practice.recipes import Raised, bugs, slip, telling
from attention_core.probes import Verdict

_HEADS = (r"mean\(", r"heads")
_MIX = (r"eye\(|identity", r"/ ?2|0?\.5")
_SUM = (r"/.*sum\(|sum\(", r"normalize", r"/")
_ORDER = (r"@|matmul|mm\(|einsum|multi_dot", r"for ")
_LAYERS = (r"for ", r"weights\[", r"@")
_RETURN = (r"return",)
_MAPS = tuple[Tensor, ...]


def _average(layer: Tensor) -> Tensor:
    return layer.mean(0)


def _half(a: Tensor) -> Tensor:
    return (a + torch.eye(len(a))) / 2


def _shares(a: Tensor) -> Tensor:
    return a / a.sum(-1, keepdim=True)


def _through(steps: list[Tensor]) -> Tensor:
    return functools.reduce(lambda so_far, step: step @ so_far, steps)


def _rollout(
    weights: list[Tensor],
    *,
    layers: Callable = lambda weights: weights,
    heads: Callable = _average,
    mix: Callable = _half,
    normalise: Callable = _shares,
    through: Callable = _through,
    finish: Callable = lambda rolled: rolled,
) -> Tensor:
    """A rollout, each step of which can be exchanged for a wrong one."""
    return finish(through([normalise(mix(heads(layer))) for layer in layers(weights)]))


def _right(weights: list[Tensor]) -> Tensor:
    """The reference; it also makes what right answers pass through, so that no line is wrong for it."""
    n = weights[0].shape[-1]
    _mine = torch.eye(n), torch.eye(n) / 2
    steps = [_average(layer) for layer in weights]
    steps = [_half(a) for a in steps]
    steps = [_shares(a) for a in steps]
    _on_the_way = [[a @ b for a, b in itertools.pairwise(steps[::-1])], _backwards(steps)]
    rolled = torch.eye(n)
    for step in steps:
        rolled = step @ rolled
    return rolled


def _backwards(steps: list[Tensor]) -> list[Tensor]:
    """What one has who begins with the last layer and multiplies on the right."""
    return list(itertools.accumulate(steps[::-1], torch.matmul))


def _drawn(layers: int, heads: int, n: int, seed: int) -> list[Tensor]:
    return [(2 * random(heads, n, n, seed=seed + i)).softmax(-1) for i in range(layers)]


def _looking_nowhere(weights: list[Tensor], *words: int) -> list[Tensor]:
    made = [layer.clone() for layer in weights]
    for layer in made:
        layer[:, list(words)] = 0
    return made


def _cases() -> list[Case]:
    hint = "weights is a list of layers, the first one first; each is (heads, n, n)."
    zeros = "A word that may look nowhere has weights of 0 only: then (A + I) / 2 has a row that sums to 1/2."
    one = [torch.tensor([[[0.0, 1.0], [0.5, 0.5]]]), torch.tensor([[[1.0, 0.0], [0.5, 0.5]]])]
    two = [torch.tensor([[[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]],
                         [[0.2, 0.8, 0.0], [0.0, 0.4, 0.6], [0.4, 0.0, 0.6]]])]  # fmt: skip
    masked = _looking_nowhere(_drawn(2, 2, 4, 130), 1)
    made = [
        ("2 layers of 1 head, and 2 words", one, 0),
        ("1 layer of 2 heads, and 3 words", two, 0),
        ("3 layers of 2 heads, and 3 words", _drawn(3, 2, 3, 120), 0),
        ("2 layers of 3 heads, and 5 words", _drawn(2, 3, 5, 123), 0),
        ("4 layers of 4 heads, and 4 words", _drawn(4, 4, 4, 125), 0),  # most mistakes can be computed here
        ("2 layers of 2 heads and 4 words, of which word 1 may look nowhere", masked, 1),
        ("a causal text of 3 words", [layer.tril() / layer.tril().sum(-1, keepdim=True)
                                      for layer in _drawn(3, 2, 3, 133)], 0),
    ]  # fmt: skip
    return [
        Case(
            words,
            (weights,),
            stage,
            zeros if stage else hint,
            tuple((f"layer {i}", layer.flatten(0, 1)) for i, layer in enumerate(weights[:2])),
        )
        for words, weights, stage in made
    ]


def _as_it_is(a: Tensor) -> Tensor:
    return a


def _none(weights: list[Tensor]) -> list[Tensor]:
    """No layer: everything stays as it is."""
    return [torch.eye(weights[0].shape[-1])[None]]


def _other_way(steps: list[Tensor]) -> Tensor:
    return functools.reduce(torch.matmul, steps)


def _heads_apart(weights: list[Tensor], **steps) -> Tensor:
    """What each head gives by itself, `(heads, n, n)`."""
    return torch.stack([_rollout([layer[[h]] for layer in weights], **steps) for h in range(len(weights[0]))])


# fmt: off
_SLIPS = (
    slip("no-identity", "the identity is missing: half of each word goes past the attention, as it is",
          _MIX, {"mix": _as_it_is}, {"mix": _as_it_is, "normalise": _as_it_is},
          why="That is: (A + torch.eye(n)) / 2."),
    slip("identity-not-halved", "the identity is added and nothing halved, so each row of a layer sums to 2",
          _MIX, {"mix": lambda a: a + torch.eye(len(a)), "normalise": _as_it_is},
          why="Over several layers that is 4, 8, 16 … Take (A + I) / 2, or divide each row by its sum."),
    slip("only-identity-halved", "only the identity is halved; the weights should be, too: (A + I) / 2",
          _MIX, {"mix": lambda a: a + torch.eye(len(a)) / 2}, {"mix": lambda a: a / 2 + torch.eye(len(a))},
          {"mix": lambda a: a + torch.eye(len(a)) / 2, "normalise": _as_it_is},
          {"mix": lambda a: a / 2 + torch.eye(len(a)), "normalise": _as_it_is}),
    slip("ones-for-identity", "ones are added everywhere; torch.eye(n) has them on the diagonal only",
          (r"ones|\+ ?1", *_MIX), {"mix": lambda a: (a + 1) / 2}, {"mix": lambda a: (a + 1) / 2,
                                                                  "normalise": _as_it_is}),
    slip("identity-subtracted", "the identity is subtracted; it should be added",
          _MIX, {"mix": lambda a: (a - torch.eye(len(a))) / 2, "normalise": _as_it_is}, rare=True),
    slip("normalised-over-columns", "the columns sum to 1; the rows should: a row is one word's shares",
          _SUM, {"normalise": lambda a: a / a.sum(-2, keepdim=True)}, {"normalise": lambda a: a / a.sum(-2)},
          {"normalise": lambda a: a / a.sum(0)[:, None]},
          why="That is: a / a.sum(dim=-1, keepdim=True)."),
    slip("order", "the layers are multiplied the wrong way round; a later layer stands on the left",
          _ORDER, {"through": _other_way}, {"through": lambda steps: _through(steps[::-1])},
          why="The last layer's words are made of those of the layer before: rolled = a @ rolled."),
    slip("first-head", "one head of each layer is followed; it should be the average of all",
          _HEADS, {"heads": lambda layer: layer[0]}, {"heads": lambda layer: layer[-1]}),
    slip("largest-head", "the largest or smallest of the heads is taken; it should be their average",
          (r"max|min", *_HEADS), {"heads": lambda layer: layer.amax(0)},
          {"heads": lambda layer: layer.amin(0)},
          {"heads": lambda layer: layer.amax(0), "normalise": _as_it_is},
          {"heads": lambda layer: layer.amin(0), "normalise": _as_it_is}),
    slip("heads-added", "the heads are added up; they should be averaged, or the identity counts for less",
          (r"sum\(", *_HEADS), {"heads": lambda layer: layer.sum(0)},
          {"heads": lambda layer: layer.sum(0), "normalise": _as_it_is}),
    slip("heads-multiplied", "the heads are multiplied; they work side by side, so they should be averaged",
          (r"prod|@", *_HEADS), {"heads": lambda layer: layer.prod(0)},
          {"heads": lambda layer: _through(list(layer))}, rare=True),
    slip("last-layer-only", "only the last layer is used; each takes from the words that those before made",
          _LAYERS, {"layers": lambda weights: weights[-1:]},
          {"layers": lambda weights: weights[-1:], "mix": _as_it_is}),
    slip("first-layer-only", "only the first layer is used; all should be, later ones on the left",
          _LAYERS, {"layers": lambda weights: weights[:1]},
          {"layers": lambda weights: weights[:1], "mix": _as_it_is}),
    slip("a-layer-left-out", "a layer is left out, the first or the last; all should be multiplied",
          (r"\[1:\]|\[:-1\]|range", *_LAYERS), {"layers": lambda weights: weights[1:] or weights},
          {"layers": lambda weights: weights[1:] or _none(weights)},
          {"layers": lambda weights: weights[:-1] or _none(weights)},
          {"layers": lambda weights: weights[:-1] or weights}, rare=True),
    slip("a-layer-twice", "one layer counts twice: what it begins with is multiplied once more",
          _LAYERS, {"layers": lambda weights: [weights[0], *weights]},
          {"layers": lambda weights: [*weights, weights[-1]]}, rare=True),
    slip("one-layer-again", "the same layer is taken each time; each layer has weights of its own",
          _LAYERS, {"layers": lambda weights: weights[-1:] * len(weights)},
          {"layers": lambda weights: weights[:1] * len(weights)}, rare=True),
    slip("layers-averaged", "the layers are averaged; they follow one another, so they are multiplied",
          (r"mean|/", *_ORDER), {"through": lambda steps: sum(steps) / len(steps)}),
    slip("layers-added", "the layers are added up; they follow one another, so they are multiplied",
          (r"sum|\+", *_ORDER), {"through": sum}),
    slip("entry-by-entry", "the layers are multiplied entry by entry, with *; as matrices it is @",
          (r"\*", *_ORDER), {"through": lambda steps: functools.reduce(torch.mul, steps)},
          {"through": lambda steps: functools.reduce(torch.mul, steps, torch.eye(len(steps[0])))}),
    slip("transposed", "rows and columns are exchanged: a row should say where one word comes from",
          (r"\.T\b|\.mT|transpose|\.t\(", *_RETURN), {"finish": lambda rolled: rolled.mT},
          {"heads": lambda layer: layer.mean(0).mT}, rare=True),
    slip("identity-at-the-end", "the identity is mixed in once, at the end; it belongs to each layer",
          _MIX, {"mix": _as_it_is, "finish": _half},
          {"mix": _as_it_is, "normalise": _as_it_is, "finish": _half}),
    slip("identity-once-more", "the identity is mixed in once more at the end; each layer has had it",
          _MIX, {"finish": _half}, rare=True),
    slip("softmax-again", "a softmax is taken of weights; they are shares already",
          (r"softmax",), {"normalise": lambda a: a.softmax(-1)},
          {"finish": lambda rolled: rolled.softmax(-1)},
          rare=True),
    slip("one-row", "one row comes out; it should be all of them, (n, n)",
          _RETURN, {"finish": lambda rolled: rolled[0]}, {"finish": lambda rolled: rolled[0, 1:]},
          {"finish": lambda rolled: rolled[-1]}, {"finish": lambda rolled: rolled[:1]}, rare=True),
    slip("axis-too-many", "an axis too many stands in front; it should be (n, n)",
          (r"keepdim|None|unsqueeze", *_RETURN), {"finish": lambda rolled: rolled[None]}, rare=True),
    slip("keepdim-forgotten", "a column is divided by the sum of a row: keepdim=True keeps each in its row",
          _SUM, {"normalise": lambda a: a / a.sum(-1)},
          why="It shows where rows do not all have one sum."),
    slip("not-normalised", "a word that may look nowhere is halved in each layer; its row should sum to 1",
          _MIX, {"normalise": _as_it_is},
          why="Divide each row by its sum: a / a.sum(dim=-1, keepdim=True)."),
    slip("normalised-at-the-end", "the rows are made to sum to 1 at the end only; do it in each layer",
          _SUM, {"normalise": _as_it_is, "finish": _shares}),
    slip("normalised-before", "the weights are made to sum to 1 before the identity; there 0 ÷ 0 is NaN",
          _SUM, {"heads": lambda layer: _shares(layer.mean(0)), "normalise": _as_it_is},
          {"heads": lambda layer: _shares(layer).mean(0), "normalise": _as_it_is},
          {"heads": lambda layer: _shares(layer.mean(0))},
          why="(A + I) / 2 has no row of 0: normalise that."),
)
# fmt: on
_HEADS_APART = Bug(
    "heads-averaged-after",
    "each head is followed by itself, and the average comes last; average them in each layer",
    "The next layer sees what all heads together have made of a word, not what one of them has.",
    _HEADS,
    (
        lambda weights: _heads_apart(weights).mean(0),
        lambda weights: _heads_apart(weights, normalise=_as_it_is).mean(0),
        lambda weights: _heads_apart(weights, mix=_as_it_is).mean(0),
    ),
)
_LAYERS_FOR_HEADS = Bug(
    "layers-for-heads",
    "the layers are averaged, and the heads follow one another; it should be the other way round",
    "weights[i] is a layer, (heads, n, n): layer.mean(dim=0) is the average of its heads.",
    (r"stack\(", *_HEADS),
    (
        lambda weights: _rollout([head[None] for head in torch.stack(weights).mean(0)]),
        lambda weights: _rollout([head[None] for head in torch.stack(weights).mean(0)], normalise=_as_it_is),
    ),
)
_HEADS_LEFT = Bug(
    "heads-left",
    "the heads are still there, (heads, n, n); average them in each layer: layer.mean(dim=0)",
    "",
    _HEADS,
    (
        _heads_apart,
        lambda weights: _heads_apart(weights, normalise=_as_it_is),
        lambda weights: _heads_apart(weights, mix=_as_it_is),
    ),
)
_RAISED = (
    Raised(
        "layers-in-a-list",
        "weights is a list; take its layers one by one: for layer in weights",
        "torch.stack(weights) makes one tensor of them, (layers, heads, n, n).",
        r"'list' object has no attribute",
        r"",
    ),
)


def _rolling(answer) -> list:
    """The answer, given layers of its own: what it writes into them is nobody else's."""

    @functools.wraps(answer)
    def call(weights):
        return answer([layer.clone() for layer in weights])

    return [(telling(call, _RAISED), ())]


def _about(trials: list[Trial], _answer) -> Iterator[Verdict]:
    """Do the rows sum to 1; is a single layer right?"""
    wrong = next(t for t in trials if not t.right)
    rolled = wrong.got.detach().double()
    sums = rolled.sum(-1)
    off = (sums - 1).abs()
    i = int(off.argmax())
    if not bool((off < 1e-4).all()):
        yield Verdict("rows sum to 1", False, f"row {i} sums to {number(sums[i])}")
    else:
        yield Verdict("rows sum to 1", True, f"in {wrong.case.words} each row does")
    alone = [t for t in trials if len(t.case.inputs[0]) == 1]
    if alone and all(t.right for t in alone):
        yield Verdict("several layers", False, "of a single layer it is right, of several it is not")
    elif alone:
        yield Verdict("a single layer", False, "of a single layer it should be (A + I) / 2, and is not")


rollout = Exercise(
    "rollout",
    ("rollout",),
    _right,
    _cases,
    (_HEADS_APART, _LAYERS_FOR_HEADS, _HEADS_LEFT, *bugs(_SLIPS, _rollout)),
    "Checked: 1 to 4 layers of 1 to 4 heads, a causal text, and a word that may look nowhere.",
    prepare=_rolling,
    explain=_about,
)
