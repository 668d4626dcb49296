"""Look-up: each step of the decoder looks at the source, and lays what it finds beside its own state."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from attention_core._saying import number
from attention_core.agreement import attention_rounding
from attention_core.attention import scaled_dot_product_attention
from attention_core.practice import recipes
from attention_core.practice.evidence import about_shares
from attention_core.practice.exercise import Case, Exercise, Subject, Trial, by_place, random, same
from attention_core.practice.recipes import MASK, SCORES, SOFTMAX, Raised, Slip
from attention_core.probes import Verdict


def _beside(states: Tensor, context: Tensor) -> Tensor:
    return torch.cat((states, context), -1)


def _look_up(
    states: Tensor,
    memory: Tensor,
    allowed: Tensor | None = None,
    *,
    given: Callable = lambda states, memory: (states, memory, memory),
    own: Callable = lambda states, memory: states,
    beside: Callable = _beside,
    give: Callable = lambda beside, weights: (beside, weights),
    **steps,
):
    """A look-up, each step of which can be exchanged for a wrong one.

    given: what is handed to attention, and steps: how that goes, as in `recipes.attention`. own: what the
    context is laid beside, and beside: how. give: what comes back.
    """
    context, weights = recipes.attention(*given(states, memory), allowed, **steps)
    return give(beside(own(states, memory), context), weights)


def _right(states: Tensor, memory: Tensor, allowed: Tensor | None = None):
    """The reference; it also makes the masks that a right answer may, so that no line is wrong for one."""
    if allowed is not None:
        _made = allowed, ~allowed, allowed.expand(-1, states.shape[1], -1)
    context, weights = scaled_dot_product_attention(states, memory, memory, allowed)
    return _beside(states, context), weights


def _cases() -> list[Case]:
    """Every size is another number, so that no two can be confused unnoticed, but in one case."""

    def drawn(batch: int, n_t: int, n_s: int, dim: int, seed: int, **kind) -> tuple[Tensor, Tensor]:
        return random(batch, n_t, dim, seed=seed, **kind), random(batch, n_s, dim, seed=seed + 1, **kind)

    small, batch = drawn(1, 2, 3, 4, 37, decimals=1), drawn(2, 3, 5, 6, 35)
    cube, step = drawn(3, 3, 3, 5, 43), drawn(3, 1, 4, 2, 39)
    best = torch.tensor([[-4.0, 0.4, 0.04, 0.28], [-4.24, -3.6, 0.16, 0.08], [3.6, -3.92, -0.12, 0.2]])
    far = (1000 * torch.eye(3, 4)[torch.tensor([[0, 2], [1, 2]])], best.repeat(2, 1, 1))
    shapes = "states are (batch, n_t, dim), memory is (batch, n_s, dim), and weights (batch, n_t, n_s)."
    fits = "allowed is boolean, (batch, 1, n_s), and fits the scores as it is; True means “may look”."
    cases = [
        Case("1 sentence, 2 steps × 3 letters", small, 0, shapes),
        Case("3 sentences, each 3 steps × 3 letters", cube, 0, shapes),  # most mistakes can be computed here
        Case("2 sentences, each 3 steps × 5 letters", batch, 0, shapes),
        Case("3 sentences, each 1 step × 4 letters", step, 0, shapes),
        Case("2 sentences of float64", drawn(2, 4, 2, 3, 41, dtype=torch.float64), 0, shapes),
        Case("2 steps × 3 letters, with scores of some hundreds", (small[0] * 400, small[1]), 4),
    ]
    for words, inputs, stage, seen in (
        ("2 sentences, each 3 steps × 5 letters, with padding", batch, 2, [[1, 1, 1, 0, 0], [1] * 5]),
        ("3 sentences, each 3 steps × 3 letters, with padding", cube, 2, [[1] * 3, [1, 0, 0], [1, 1, 0]]),
        ("3 sentences of 1 step, with padding", step, 2, [[1, 1, 0, 0], [1] * 4, [1, 1, 1, 0]]),
        ("2 sentences, the second all padding", batch, 3, [[1, 1, 1, 0, 0], [0] * 5]),
        ("scores of up to 2000, with padding", far, 5, [[1, 1, 0], [0, 1, 1]]),
    ):
        allowed = torch.tensor(seen).bool()[:, None]  # (batch, 1, n_s)
        shown = allowed.expand(-1, inputs[0].shape[1], -1)  # a row for each step
        cases.append(Case(words, (*inputs, allowed), stage, fits, (("allowed", shown),)))
    near = [max(attention_rounding(*c.inputs[:2], c.inputs[1], dtype=torch.float32)) for c in cases]
    return [replace(case, near=off) for case, off in zip(cases, near, strict=True)]


_CONTEXT = (r"context\s*=", r"attention\(", *recipes.OUTPUT)
_JOINED = (r"cat\(|stack\(|beside\s*=", r"return")
_ASKED = (r"attention\(", *SCORES)
_MISSING = "{} missing: beside should be the states and, after them, the context"
_OTHERS = "a sentence is given the padding of another; allowed is (batch, 1, n_s), and fits as it is"


def _masked(inputs: tuple) -> bool:
    return len(inputs) == 3


def _slip(name: str, words: str, look_at: tuple[str, ...], *variants: dict, why: str = "") -> Slip:
    return Slip(name, words, why, look_at, variants, rare=True)


# fmt: off
_ONLY_HERE = (
    _slip("source-unused", "the weights come from the states alone; each should be compared with the memory",
          _ASKED, {"given": lambda s, m: (s, s, s)}, {"given": lambda s, m: (s, s, m)},
          why="The decoder looks at its own steps, and the source has no say in it."),
    _slip("states-unused", "the weights come from the memory alone; it is the decoder's states that ask",
          _ASKED, {"given": lambda s, m: (m, m, m)}),
    _slip("query-and-key-swapped", "the memory asks and the states are looked at; it should be the other way",
          _ASKED, {"given": lambda s, m: (m, s, s)}, {"given": lambda s, m: (m, s, m)},
          {"given": lambda s, m: (m, s, s), "own": lambda s, m: m},
          why="A step of the decoder is a query; a letter of the source is a key, and a value."),
    _slip("state-before", "each step asks with the state before its own; here it asks with its own",
          _ASKED, {"given": lambda s, m: (F.pad(s, (0, 0, 1, -1)), m, m)},
          {"given": lambda s, m: (s.roll(1, 1), m, m)}),
    _slip("states-averaged", "the context averages the decoder's states; it should average the memory",
          _CONTEXT, {"given": lambda s, m: (s, m, s)}, why="That is: context = weights @ memory."),
    _slip("even-weights", "every letter counts the same; how much one counts comes from states · memory",
          (r"mean\(|ones|full|/", *SOFTMAX), {"normalise": lambda s: torch.full_like(s, 1 / s.shape[-1])},
          why="The context is then the same at every step, as if there were no attention."),
    _slip("over-batch", "the softmax runs over the batch, dimension 0; it should run over the source, dim=-1",
          SOFTMAX, {"normalise": lambda s: s.softmax(0)}),
    _slip("mask-of-another-sentence", _OTHERS, (r"squeeze|\[:, *0\]|\[0\]|view|reshape", *MASK),
          {"see": lambda allowed, *n: allowed.squeeze(1)}, {"see": lambda allowed, *n: allowed[:1]}),
    _slip("unpacked-the-other-way", "context and weights have changed places: attention gives context first",
          (r"attention\(",), {"average": lambda w, q, k, v: w, "show": lambda w, q, k: w @ k}),
    _slip("context-unused", _MISSING.format("the context is"), _JOINED, {"beside": lambda s, c: s},
          {"beside": lambda s, c: torch.cat((s, s), -1)}, why="What was looked up is thrown away."),
    _slip("context-alone", _MISSING.format("the states are"), _JOINED, {"beside": lambda s, c: c},
          {"beside": lambda s, c: c, "give": lambda beside, weights: beside},
          {"beside": lambda s, c: torch.cat((c, c), -1)}),
    _slip("memory-for-states", "the memory stands where the states should: torch.cat((states, context), -1)",
          _JOINED, {"own": lambda s, m: m}),
    _slip("memory-beside", "the memory itself stands beside the states; it should be the context",
          _JOINED, {"average": lambda w, q, k, v: v}, why="That is: context = weights @ memory."),
    _slip("states-changed",
          "the states are scaled where they stand beside the context; there they stay as they are",
          (r"sqrt|\*\*", *_JOINED), {"own": lambda s, m: s / math.sqrt(s.shape[-1])},
          why="Scale the scores, or a copy of the states."),
    _slip("context-first", "the context stands before the states; the states come first",
          _JOINED, {"beside": lambda s, c: torch.cat((c, s), -1)}),
    _slip("added", "states and context are made into one; they should stand side by side, 2 · dim features",
          (r"[+*/-]", *_JOINED), {"beside": torch.add}, {"beside": torch.sub}, {"beside": torch.mul},
          {"beside": lambda s, c: (s + c) / 2},
          why="In a sum one cannot tell what was known from what was looked up."),
    _slip("wrong-axis", "states and context are joined along another axis; it should be the last, dim=-1",
          _JOINED, {"beside": lambda s, c: torch.cat((s, c), 1)}, {"beside": lambda s, c: torch.cat((s, c))},
          *({"beside": lambda s, c, dim=dim: torch.stack((s, c), dim)} for dim in range(4)),
          why="A step stays one step, with more features: (batch, n_t, 2 · dim)."),
    _slip("taking-turns", "the features of states and context take turns; all of the states come first",
          _JOINED, {"beside": lambda s, c: torch.stack((s, c), -1).flatten(-2)}),
    _slip("not-joined", "states and context come as two things; torch.cat makes one of them",
          _JOINED, {"beside": lambda s, c: (s, c)},
          {"beside": lambda s, c: (s, c), "give": lambda beside, weights: (*beside, weights)}),
)
# key and value are one, there is always a batch, allowed has one row: here these are others, or none
_NOT_HERE = ("sqrt-d-model", "key-for-value", "scores-transposed", "fixed-dim", "mask-as-index",
             "mask-unsqueezed", "sentences-mixed")
_SAID_HERE = {
    "over-queries": {
        "words": "the softmax runs over the decoder's steps; it should run over the source, dim=-1",
        "why": "Each column sums to 1 now; each row should: a step shares out its attention.",
        "variants": ({"normalise": lambda s: s.softmax(-2)},),
    },
    "minus-1e9": {"variants": next(s for s in recipes.HIDE if s.name == "minus-1e9").variants[:2]},
    "diagonal-off-by-one": {"why": "Use allowed as it is."},
    "nan-row": {"words": "a step that may look nowhere gets NaN; its weights and its context should be 0"},
    "output-scaled": {"words": "the context is divided by √d_k; the scores should be, before the softmax"},
    "no-value": {"words": "the context is the weights; they should average the memory"},
    "swapped": {"words": "weights and beside have changed places: return beside first"},
    "output-alone": {"words": "only beside is returned; return beside, weights"},
    "weights-alone": {"words": "only the weights are returned; return beside, weights"},
    "output-from-scores": {"words": "the context is scores @ memory; it should be weights @ memory"},
    "output-unmasked": {
        "words": "the context is averaged by weights without the mask; those returned have one",
    },
    "weights-transposed": {"words": "the context averages by columns of the weights; it should by rows"},
}
_NAMES = (("output", "context"), ("@ value", "@ memory"), ("query @ key", "states @ memory"),
          ("from the query: query", "from the states: states"))
_SIZES = r"cannot be multiplied|size of tensor|must match|[Ee]xpected size"
_RAISED = (
    Raised("value-left-out", "attention takes query, key and value; here the memory is both key and value",
           "", r"value must be a torch tensor, got NoneType|required positional argument: 'value'", r""),
    Raised("not-unpacked", "attention gives two things, which are to be taken apart: context, weights = …",
           "", r"expected Tensor as element \d in argument 0, but got tuple", r""),
    Raised("attention-of-torch", "torch's own attention gives no weights; take attention_core's", "",
           r"values to unpack \(expected 2", r"(F|functional)\.\w*attention\("),
    Raised("memory-not-transposed", "the memory is not transposed; a score is a state's dot product with it",
           "That is: states @ memory.transpose(-2, -1), one row a step.", _SIZES,
           r"\bstates ?@ ?memory\b(?! ?[.(\[])|(matmul|bmm)\(states, ?memory\)"),
    Raised("factors-swapped", "the product is weights @ memory, in this order", "", _SIZES,
           r"\bmemory ?@ ?w|(matmul|bmm)\(memory, ?w"),
    Raised("a-dimension-too-many", "allowed is (batch, 1, n_s) already; here it has got one more dimension",
           "It fits the scores as it is: the 1 stands for every step.",
           r"same number of dimensions: got 3 and 4|allowed has shape \((\d+, ){3,}\d+\)", r"", _masked),
    Raised("mask-of-another-sentence", _OTHERS, "", r"allowed has shape \(\d+, \d+\)", r"", _masked),
    *recipes.RAISED,
)
# fmt: on


def _as_said_here(slip: Slip) -> Slip:
    """A slip of attention's, where what comes out is a context, and key and value are the memory."""
    why = slip.why
    for there, here in _NAMES:
        why = why.replace(there, here)
    look_at = _CONTEXT if slip.look_at == recipes.OUTPUT else slip.look_at
    return replace(slip, **({"why": why, "look_at": look_at} | _SAID_HERE.get(slip.name, {})))


def _with_or_without_mask(answer) -> list[Subject]:
    function = recipes.asking_for_a_mask(answer, by_place(answer, (3,)), 2, "(batch, 1, n_s)")
    return [(recipes.telling(function, _RAISED), ())]


def _about(trials: list[Trial], answer) -> Iterator[Verdict]:
    """Of states, weights and context: what is wrong with those that are not right."""
    wrong = next(t for t in trials if not t.right)
    (states, memory, *mask), (beside, weights), near = wrong.case.inputs, wrong.got, wrong.case.near
    own, context = beside.split(states.shape[-1], -1)
    if not same(own, states, near):
        said = "the first dim features of beside are not the states"
        yield Verdict("the states come first", False, said)
    if mask and (hidden := weights.detach().masked_select(~mask[0])).any():
        said = "a letter that may not be looked at has a weight of {size}"
        yield Verdict("padding gets no weight", False, said.format(size=number(hidden.abs().max())))
    elif not same(weights, wrong.expected[1], near):
        yield from about_shares([replace(wrong, got=weights, expected=wrong.expected[1:])], answer)
    if not same(context, weights.to(memory.dtype) @ memory, near):
        yield Verdict("context = weights @ memory", False, "what stands after the states is something else")


_SHARED = tuple(_as_said_here(slip) for slip in recipes.SLIPS if slip.name not in _NOT_HERE)
look_up = Exercise(
    "look-up",
    ("beside", "weights"),
    _right,
    _cases,
    recipes.bugs((*_ONLY_HERE, *_SHARED), _look_up),
    "Checked: batches, 1 to 4 steps, 2 to 5 letters, float64, padding and nothing else, large scores.",
    prepare=_with_or_without_mask,
    explain=_about,
    show="weights",
    learns=3,
)
