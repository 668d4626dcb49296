"""A pre-norm block."""

import contextlib
import copy
import inspect
import itertools
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from attention_core._calling import Failed, call, learners_line
from attention_core.masks import causal_mask
from attention_core.practice.exercise import Bug, Case, Exercise, Stop, Subject, Trial, parts, random, same
from attention_core.practice.modules import begun
from attention_core.practice.reshapes import Error, telling
from attention_core.practice.source import line_to_look_at
from attention_core.probes import Verdict

_PARTS = ("attention", "norm_1", "norm_2", "feed_forward")
_NO_WEIGHTS = "forward has lost need_weights, by which a model asks: leave its first line as it was"
_WEIGHTS_NONE = "the weights are None; return those that the attention gives, beside the output"
_MASK_AS_KEY = "the mask stands where a key or a value should; hand it on by its name: allowed=allowed"
TWO_THINGS = Error(
    "two-things",
    TypeError,
    r"'Tensor' and 'tuple'|'tuple' and 'Tensor'|not tuple|\(not \"Tensor\"\) to tuple",
    "the attention returns two things, what it says and the weights: attended, weights = …",
    "",
    line=r"^(\w+\s*=|return\b).*\battention\(",
)


def _norm(module: nn.Module, name: str, x: Tensor) -> Tensor:
    return getattr(module, name)(x) if name else x


def block(
    module: nn.Module,
    x: Tensor,
    allowed: Tensor | None = None,
    asked: bool = True,
    *,
    before: tuple[str, str] = ("norm_1", "norm_2"),
    said: tuple[str, str] = ("", ""),
    after: tuple[str, str] = ("", ""),
    norm: Callable = _norm,
    mask: Callable = lambda allowed, x: allowed,
    given: Callable = lambda normed, x: (normed,),
    first: Callable = lambda x, normed, attended: x + attended,
    hears: Callable = lambda x, attended, middle: middle,
    second: Callable = lambda x, attended, middle, normed, thought: middle + thought,
    give: Callable = lambda output, weights: (output, weights),
) -> tuple[Tensor, Tensor]:
    """A transformer block with a module's own parts, each step of which can be exchanged for a wrong one.

    Args: asked: whether the weights are; if not, there is an empty tensor in their place. before, said,
    after: the norm on what a part is given, on what it says, and on the sum; "" for none. given: what the
    attention is called with. hears: what feed_forward is given, before its norm.
    """
    normed = norm(module, before[0], x)
    attended, weights = module.attention(*given(normed, x), allowed=mask(allowed, x))
    attended = norm(module, said[0], attended)
    middle = norm(module, after[0], first(x, normed, attended))
    normed = norm(module, before[1], hears(x, attended, middle))
    thought = norm(module, said[1], module.feed_forward(normed))
    output = norm(module, after[1], second(x, attended, middle, normed, thought))
    return give(output, weights if asked else torch.empty(0))


def _what_attention_said(x: Tensor, normed: Tensor, attended: Tensor) -> Tensor:
    """A first sum that is none."""
    return attended


def _right(module: nn.Module, x: Tensor, allowed: Tensor | None = None, asked: bool = True):
    """The block; and, so that no number is blamed where the words of a line tell more, some mistakes."""
    for changes in (*_FROM_NORMED, {"first": _what_attention_said}):
        block(module, x, allowed, asked, **changes)
    return block(module, x, allowed, asked)


def _made(answer) -> list[Subject]:
    """The learner's block, with norms that do something, so that it matters which is used where."""
    module = begun(answer, (8, 2)).float()
    missing = [name for name in _PARTS if not isinstance(getattr(module, name, None), nn.Module)]
    if missing:
        raise Stop("wrong", "{layer} is missing: leave __init__ as it was", layer=missing[0])
    with torch.no_grad():
        for place, name in enumerate(("norm_1", "norm_2")):
            for parameter in getattr(module, name).parameters():
                parameter.add_(0.3 * random(*parameter.shape, seed=70 + place))
    return [(telling(_asked(answer, module), TWO_THINGS, of=answer), (module,))]


def _asked(answer, module: nn.Module) -> Callable:
    """The block as a function, which says so where there is nothing to compare."""

    def called(x: Tensor, allowed: Tensor | None = None, asked: bool = True):
        masks = () if allowed is None else (allowed,)
        named = {} if asked else {"need_weights": False}
        if not asked and not _takes_need_weights(module):
            where = line_to_look_at(answer, r"^def forward\b")
            raise Stop("wrong", _NO_WEIGHTS, bug="need-weights-dropped", where=where)
        hook = module.attention.register_forward_pre_hook(_no_mask_as_key, with_kwargs=True)
        try:
            result = module(x, *masks, **named)
        except Stop as stop:
            stop.where = learners_line(stop)
            raise
        finally:
            hook.remove()
        if not isinstance(result, tuple | list) or len(result) != 2 or not isinstance(result[0], Tensor):
            return result
        if not asked:
            return result[0], torch.empty(0)  # None, or the weights all the same: both are right
        if result[1] is None:
            where = line_to_look_at(answer, r"^return\b.*\bNone\b")
            raise Stop("wrong", _WEIGHTS_NONE, bug="weights-none", where=where)
        return result

    return called


def _takes_need_weights(module: nn.Module) -> bool:
    parameters = inspect.signature(module.forward).parameters.values()
    return any(p.kind is p.VAR_KEYWORD or p.name == "need_weights" for p in parameters)


def _no_mask_as_key(_attention: nn.Module, arguments: tuple, named: dict) -> None:
    others = (*arguments[1:3], named.get("key"), named.get("value"))
    if any(isinstance(x, Tensor) and x.dtype == torch.bool for x in others):
        raise Stop("wrong", _MASK_AS_KEY, bug="mask-as-key")


def _cases(module: nn.Module) -> list[Case]:
    dim = _width(module)
    hidden = torch.ones(4, 4, dtype=torch.bool)
    hidden[:, 1] = False
    return [
        Case("1 sequence of 3 words", (3 * random(1, 3, dim, seed=73),)),
        Case("2 sequences of 5 words", (3 * random(2, 5, dim, seed=74),)),
        Case("4 words and a causal mask", (3 * random(1, 4, dim, seed=75), causal_mask(4)), 1),
        Case("4 words, of which word 1 is hidden from all", (3 * random(1, 4, dim, seed=75), hidden), 1),
        Case(
            "2 sequences of 5 words, and need_weights=False", (3 * random(2, 5, dim, seed=74), None, False), 2
        ),
    ]


def _width(module: nn.Module) -> int:
    """Features of a word: of a class that is given 8; a module that is given has its own."""
    shape = getattr(module.norm_1, "normalized_shape", None) or (getattr(module.attention, "dim", 8),)
    return shape[-1]


def _about_block(trials: list[Trial], module: nn.Module) -> Iterator[Verdict]:
    """Of a block: which of its two answers is right, and what comes out when both parts say nothing."""
    wrong = next(t for t in trials if not t.right)
    output, weights = (same(got, made) for got, made in zip(wrong.got, wrong.expected, strict=True))
    if output != weights and wrong.expected[1].numel():
        said = "they are right, the output is not" if weights else "they are not right, but the output is"
        yield Verdict("weights", weights, said)
    silent, x = copy.deepcopy(module), wrong.case.inputs[0]
    with torch.no_grad(), contextlib.suppress(Failed):
        for parameter in (*silent.attention.parameters(), *silent.feed_forward.parameters()):
            parameter.zero_()
        if same(block(silent, x)[0], x):
            gives = same(parts(call(silent, x).answer)[0], x)
            said = f"when its parts say nothing, it {'gives' if gives else 'does not give'} back x as it was"
            yield Verdict("sums left alone", gives, said)


def _by_hand(axes: int | tuple[int, ...], correction: int, own: bool = True) -> Callable:
    """A norm written out, over these axes; own: with the weight and bias of the module's norm."""

    def norm(module: nn.Module, name: str, x: Tensor) -> Tensor:
        if not name:
            return x
        layer = getattr(module, name)
        spread, mean = torch.var_mean(x, axes, correction=correction, keepdim=True)
        shape = (x - mean) / (spread + layer.eps).sqrt()
        return shape * layer.weight + layer.bias if own else shape

    return norm


def _partly(norm: Callable, *names: str) -> Callable:
    """That norm where one of these stands, the module's own elsewhere."""
    return lambda module, name, x: (norm if name in names else _norm)(module, name, x)


def _everywhere(norm: Callable) -> tuple[dict, ...]:
    return tuple(
        {"norm": _partly(norm, *names)} for names in (("norm_1", "norm_2"), ("norm_1",), ("norm_2",))
    )


def _feed_forward_first(module: nn.Module, x: Tensor, allowed: Tensor | None = None, asked: bool = True):
    middle = x + module.feed_forward(module.norm_2(x))
    attended, weights = module.attention(module.norm_1(middle), allowed=allowed)
    return middle + attended, weights if asked else torch.empty(0)


def _same_norms_the_other_way(
    module: nn.Module, x: Tensor, allowed: Tensor | None = None, asked: bool = True
):
    middle = x + module.feed_forward(module.norm_1(x))
    attended, weights = module.attention(module.norm_2(middle), allowed=allowed)
    return middle + attended, weights if asked else torch.empty(0)


def _weights_of_x(module: nn.Module, x: Tensor, allowed: Tensor | None = None, asked: bool = True):
    output, _ = block(module, x, allowed, asked)
    return output, module.attention(x, allowed=allowed)[1] if asked else torch.empty(0)


def _bug(
    name: str, words: str, *changes: dict | Callable, why: str = "", look_at: tuple[str, ...] = ()
) -> Bug:
    """A mistake with what it changes of the block; its line is the one that leaves its numbers."""
    functions = tuple(change if callable(change) else _changed(change) for change in changes)
    return Bug(name, words, why, look_at, functions)


def _changed(changes: dict) -> Callable:
    return lambda module, x, allowed=None, asked=True: block(module, x, allowed, asked, **changes)


_FIRST_FROM_NORMED = {"first": lambda x, normed, attended: normed + attended}
_SECOND_FROM_NORMED = {"second": lambda x, attended, middle, normed, thought: normed + thought}
_FROM_NORMED = (_FIRST_FROM_NORMED | _SECOND_FROM_NORMED, _FIRST_FROM_NORMED, _SECOND_FROM_NORMED)
_SECOND_REPLACED = {"second": lambda x, attended, middle, normed, thought: thought}
_NORMS = ("norm_1", "norm_2", "")
_WITH_ONE_AFTER = [pair for pair in itertools.product(_NORMS, _NORMS) if any(pair)]


def _causal(x: Tensor) -> Tensor:
    return causal_mask(x.shape[1])


def _second(thinks: Callable) -> dict:
    return {"second": lambda x, attended, middle, normed, thought: middle + thinks(thought)}


_BUGS = (
    _bug(
        "post-norm",
        "the norm comes after the sum; it should come before each part, with the sum left alone",
        *(
            {"before": ("", ""), "after": (one, two)}
            for one, two in itertools.product(_NORMS[:2], _NORMS[:2])
        ),
        why="What went in is normalised away, layer by layer.",
    ),
    _bug(
        "half-mended",
        "one part has its norm before it, the other after its sum; both should come before",
        {"before": ("norm_1", ""), "after": ("", "norm_2")},
        {"before": ("norm_1", ""), "after": ("", "norm_1")},
        {"before": ("", "norm_2"), "after": ("norm_1", "")},
        {"before": ("", "norm_2"), "after": ("norm_2", "")},
    ),
    _bug(
        "norm-both-ways",
        "a norm stands after a sum, besides those before the parts; only those before should stay",
        *({"after": pair} for pair in _WITH_ONE_AFTER),
    ),
    _bug("no-norm", "nothing is normalised", {"before": ("", "")}),
    _bug(
        "one-norm-missing",
        "one of the two parts is given what was not normalised",
        {"before": ("", "norm_2")},
        {"before": ("norm_1", "")},
    ),
    _bug(
        "one-norm-twice",
        "the same norm is used for both parts; each has its own",
        {"before": ("norm_1", "norm_1")},
        {"before": ("norm_2", "norm_2")},
    ),
    _bug("norms-swapped", "the two norms have changed places", {"before": ("norm_2", "norm_1")}),
    _bug(
        "what-is-said-normed",
        "what a part says is normalised; only what it is given should be",
        {"before": ("", ""), "said": ("norm_1", "norm_2")},
        {"said": ("norm_1", "norm_2")},
        {"before": ("", "norm_2"), "said": ("norm_1", "")},
        {"before": ("norm_1", ""), "said": ("", "norm_2")},
        {"before": ("", "norm_2"), "said": ("norm_1", "norm_2")},
        {"before": ("norm_1", ""), "said": ("norm_1", "norm_2")},
        {"said": ("norm_1", "")},
        {"said": ("", "norm_2")},
    ),
    _bug(
        "sum-of-normed",
        "the normalised words are added to; the words themselves should be",
        *_FROM_NORMED,
        why="The path that meets nothing but additions is then gone.",
        look_at=(
            r"^x\s*=\s*self\.norm_1\(x\)$",
            r"^x\s*=\s*self\.norm_2\([^()]*\)$",
            r"^\w+\s*=\s*(normed|norm\w*|y|h|x_n\w*)\s*\+\s*attended$",
            r"^(return\s*\(?|\w+\s*=\s*)(\w+)\s*\+\s*self\.feed_forward\(\2\)",
        ),
    ),
    _bug(
        "not-added",
        "a part replaces what was there; it should be added to it",
        {"first": _what_attention_said} | _SECOND_REPLACED,
        {"first": _what_attention_said},
        why="Without the sum each layer has to keep everything it wants remembered.",
        look_at=(
            r"^x\s*,.*=.*attention\(",
            r"^x\s*=\s*self\.attention\([^+]*$",
            r"^(\w+\s*=|return)\s*\(?attended\b(?!.*\bx\b)",
        ),
    ),
    _bug(
        "feed-forward-not-added",
        "feed_forward replaces what was there; it should be added to it",
        _SECOND_REPLACED,
        why="Without the sum each layer has to keep everything it wants remembered.",
        look_at=(r"^(x\s*=|return\b).*feed_forward\(", r"^return\b"),
    ),
    _bug(
        "attention-not-kept",
        "the second sum starts from x; it should start from the first sum, which holds attention's part",
        {"second": lambda x, attended, middle, normed, thought: x + thought},
    ),
    _bug(
        "side-by-side",
        "feed_forward is given x without what attention said; it should be given the sum of both",
        {"hears": lambda x, attended, middle: x},
        {
            "hears": lambda x, attended, middle: x,
            "second": lambda x, attended, middle, normed, thought: x + thought,
        },
    ),
    _bug(
        "only-what-was-said",
        "feed_forward is given what attention said, without x; it should be given the sum of both",
        {"hears": lambda x, attended, middle: attended},
        {
            "hears": lambda x, attended, middle: attended,
            "second": lambda x, attended, middle, normed, thought: x + thought,
        },
    ),
    _bug(
        "added-twice",
        "something is added twice; what went in and what each part says is added once",
        {"second": lambda x, attended, middle, normed, thought: x + middle + thought},
        {"second": lambda x, attended, middle, normed, thought: middle + attended + thought},
        {"second": lambda x, attended, middle, normed, thought: middle + middle + thought},
        {"first": lambda x, normed, attended: x + x + attended},
        {"first": lambda x, normed, attended: x + attended + attended},
        {"second": lambda x, attended, middle, normed, thought: middle + thought + thought},
    ),
    _bug(
        "normed-added-too",
        "the normalised words are added, too; only the words themselves and what a part says should be",
        {"first": lambda x, normed, attended: x + normed + attended},
        {"second": lambda x, attended, middle, normed, thought: middle + normed + thought},
        {
            "first": lambda x, normed, attended: x + normed + attended,
            "second": lambda x, attended, middle, normed, thought: middle + normed + thought,
        },
    ),
    _bug(
        "parts-swapped",
        "feed_forward comes first; attention should",
        _feed_forward_first,
        _same_norms_the_other_way,
    ),
    _bug(
        "not-all-normed",
        "not all that attention is given is normalised; queries, keys and values should be",
        {"given": lambda normed, x: (normed, x, x)},
        {"given": lambda normed, x: (normed, normed, x)},
        {"given": lambda normed, x: (x, normed, normed)},
        {"given": lambda normed, x: (x, x, normed)},
        {"given": lambda normed, x: (x, normed, x)},
        {"given": lambda normed, x: (normed, x, normed)},
    ),
    _bug(
        "norm-without-its-own",
        "a norm is used without its own weight and bias, which it learns: call norm_1 and norm_2",
        *_everywhere(_by_hand(-1, 0, own=False)),
        *_everywhere(_by_hand(-1, 1, own=False)),
    ),
    _bug(
        "norm-over-the-words",
        "a norm is not taken over the features of each word alone, which are the last axis",
        *_everywhere(_by_hand(1, 0)),
        *_everywhere(_by_hand(1, 1)),
        *_everywhere(_by_hand((1, 2), 0)),
        *_everywhere(_by_hand((1, 2), 1)),
    ),
    _bug(
        "spread-of-one-less",
        "the spread of a norm divides by one less than dim; LayerNorm's divides by dim: correction=0",
        *_everywhere(_by_hand(-1, 1)),
        why="torch's var and std divide by one less, unless they are told.",
    ),
    _bug(
        "something-after-feed-forward",
        "what feed_forward says is changed, as by a relu; here it is added as it is",
        *(_second(thinks) for thinks in (F.relu, F.gelu, torch.tanh, F.silu, torch.sigmoid)),
    ),
    _bug(
        "causal-each-time",
        "a causal mask is used where none was given; then every word may look everywhere",
        {"mask": lambda allowed, x: _causal(x)},
        {"mask": lambda allowed, x: _causal(x) if allowed is None else allowed},
        {"mask": lambda allowed, x: _causal(x) if allowed is None else _causal(x) & allowed},
    ),
    _bug(
        "mask-ignored",
        "the mask is never used: allowed is not passed to the attention",
        {"mask": lambda allowed, x: None},
    ),
    _bug(
        "mask-turned-round",
        "the mask is turned round; True means that a word may look there",
        {"mask": lambda allowed, x: None if allowed is None else ~allowed},
    ),
    _bug(
        "mask-transposed",
        "the mask's queries and keys have changed places",
        {"mask": lambda allowed, x: None if allowed is None else allowed.mT},
    ),
    _bug(
        "causal-instead",
        "a causal mask is used in place of the one that is given",
        {"mask": lambda allowed, x: None if allowed is None else _causal(x)},
        {"mask": lambda allowed, x: None if allowed is None else _causal(x) & allowed},
    ),
    _bug(
        "output-alone",
        "the output comes alone; it should return (output, weights)",
        {"give": lambda output, weights: output},
        look_at=(r"^return\b",),
    ),
    _bug(
        "weights-first",
        "the weights come first; the order is (output, weights)",
        {"give": lambda output, weights: (weights, output)},
        look_at=(r"^return\b",),
    ),
    _bug(
        "averaged-weights",
        "the weights are averaged over the heads; give each head's own, (batch, heads, n, n)",
        {"give": lambda output, weights: (output, weights.mean(1))},
        {"give": lambda output, weights: (output, weights.mean(1, keepdim=True))},
        why="An average can show a pattern that no head has.",
    ),
    _bug(
        "one-head's-weights",
        "only one head's weights are given; give those of all, (batch, heads, n, n)",
        *({"give": lambda output, weights, i=i: (output, weights[:, i])} for i in (0, -1)),
    ),
    _bug(
        "weights-of-other-words",
        "the output is right; the weights are those of words that were not normalised",
        _weights_of_x,
    ),
    _bug(
        "axis-squeezed",
        "an axis of size 1 is gone; the output keeps its shape, (batch, n, dim), also for a batch of 1",
        {"give": lambda output, weights: (output.squeeze(), weights)},
        {"give": lambda output, weights: (output.squeeze(0), weights)},
        {"give": lambda output, weights: (output.squeeze(), weights.squeeze())},
        {"give": lambda output, weights: (output.squeeze(0), weights.squeeze(0))},
    ),
)

pre_norm = Exercise(
    "pre-norm block",
    ("output", "weights"),
    _right,
    _cases,
    _BUGS,
    "Checked: both norms before their parts, both sums, and a mask.",
    prepare=_made,
    explain=_about_block,
    learns=1,
    of_module=True,
)
