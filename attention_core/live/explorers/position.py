"""Every way to put positions in, on one sentence."""

import math
from collections.abc import Callable, Mapping
from functools import partial

import ipywidgets as widgets
import torch
import traitlets
from torch import Tensor
from torch.nn import functional as F

from attention_core import (
    ALiBi,
    LearnedEncoding,
    PositionalEncoding,
    RelativeEncoding,
    RotaryEncoding,
    SinusoidalEncoding,
    alibi_slopes,
    scaled_dot_product_attention,
    words,
)
from attention_core._calling import Failed, Part, call, call_attention, formed
from attention_core.agreement import SAME
from attention_core.live.controls import button, choice
from attention_core.live.explorer import MOST_WORDS, SentenceExplorer
from attention_core.live.explorers.self_attention import MASKS
from attention_core.live.heatmap import AttentionHeatmap
from attention_core.live.map import AttentionMap
from attention_core.live.remarks import Unusable, instead, row_remark, unlisted
from attention_core.live.strip import Strip, Words

DIM, HEADS = len(words.FEATURES), 4  # of PositionExplorer: features of a word, query and key; heads


class PositionExplorer(SentenceExplorer):
    """One sentence and one layer of attention, with a switch for where positions are put in.

    The layer is that of lesson 1, made by hand: a word of 8 features asks for and offers 5 wishes (filled
    up with zeros to 8, as rotary needs pairs), in 4 heads that are alike. Words are multiplied by √8 before
    positions are added to them and divided by it after, as in Vaswani et al. 2017, section 3.4. One map
    is shown where the heads agree, and four where they do not. What is learned is not trained here:
    the tables of "learned" and "relative" are random numbers, the same ones each time.

    Args:
        sentence: the words, with white space between them.
        attention: the function that is called for each head, `(query, key, value[, allowed]) -> (output,
            weights)`, and with `bias=` where the scheme has one.
        schemes: more choices for the switch, by name: objects with the hooks of `PositionalEncoding`, for
            dim 8, head_dim 8 and 4 heads; the learner's own after the exercise.

    Traits, each of which can be set and observed: `sentence`; `scheme`, one of `.schemes`; `mask`, "none"
    or "causal"; `shuffle`, 0 for the words as typed, and each other whole number for another order of
    them; `attention`; and, to be read, `weights` `(n, n)` or `(4, n, n)`, `output` `(4, n, 8)`, both None
    when nothing can be shown, and `difference`, the largest change of any word's output by the shuffle.

    Raises: ValueError for a scheme without the hooks; traitlets.TraitError for what cannot be.
    """

    scheme = traitlets.Unicode("none").tag(
        control=choice("Positions", lambda explorer: list(explorer.schemes))
    )
    mask = traitlets.Enum(["none", "causal"], default_value="none").tag(
        control=choice("Mask", ["none", "causal"])
    )
    shuffle = traitlets.Int(0, min=0, max=2**31 - 1)
    attention = traitlets.Callable(scaled_dot_product_attention)
    output = traitlets.Any(None, allow_none=True).tag(computed=True)
    difference = traitlets.Float(0.0).tag(computed=True)

    def __init__(
        self,
        sentence: str = "the cat sat on the mat because it was tired",
        *,
        schemes: Mapping[str, PositionalEncoding] | None = None,
        **traits,
    ):
        self.schemes = {**_schemes(), **(schemes or {})}
        for name, scheme in self.schemes.items():
            if not all(callable(getattr(scheme, hook, None)) for hook in ("embed", "rotate", "bias")):
                raise ValueError(f"scheme {name!r} needs the hooks embed, rotate and bias, got {scheme!r}")
        super().__init__(sentence, **traits)

    @button("Shuffle the words")
    def shuffle_words(self) -> None:
        """Another order than all before."""
        self.shuffle += 1

    @button("As typed")
    def as_typed(self) -> None:
        """The order in which the words were typed."""
        self.shuffle = 0

    def views(self) -> dict[str, widgets.Widget]:
        return {"heatmap": AttentionHeatmap(None), "changes": Strip()}

    @traitlets.validate("scheme")
    def _check_scheme(self, proposal) -> str:
        if proposal.value not in self.schemes:
            choices = ", ".join(self.schemes)
            raise traitlets.TraitError(f"scheme must be one of {choices}, got {proposal.value!r}")
        return proposal.value

    def compute(self, sentence, scheme, mask, shuffle, attention):
        typed = self.tokens(sentence)
        order = _order(len(typed), shuffle)
        tokens = [typed[i] for i in order]
        allowed = MASKS[mask](len(typed)) if MASKS[mask] else None
        attend = partial(_attend, scheme, self.schemes[scheme], attention, allowed=allowed)
        output, weights, scores = attend(tokens)
        before = attend(typed)[0][:, order] if shuffle else output
        change = (output - before).abs().amax(dim=(0, 2))  # (n,), a word's largest over heads and features
        alike = torch.allclose(weights, weights[:1].expand_as(weights), atol=SAME, equal_nan=True)
        shown = AttentionMap(
            weights[0] if alike else weights,
            tokens,
            heads=None if alike else _head_names(self.schemes[scheme]),
            allowed=allowed,
            scores=scores[0] if alike else scores,
        )
        said = f"{_say(tokens, change, shuffled=shuffle > 0)} {_twins(tokens, weights)}".strip()
        return {
            "heatmap": shown,
            "message": next(filter(None, (row_remark(head, tokens, allowed) for head in weights)), "")
            or unlisted(typed),
            "changes": Words(said, tokens, change.tolist()) if shuffle else Words(said),
            "output": output,
            "difference": float(change.max()),
        }

    def facts(self) -> str:
        order = f"; shuffled, outputs change by up to {self.difference:.2f}" if self.shuffle else ""
        return f"{self.scheme}: {super().facts()}{order}"

    def beneath(self) -> str:
        return self.changes.content.plain if self.shuffle else ""


_HOOKS = {  # of a scheme, by `Failed.what`
    "raised": "“{scheme}” stopped with {kind}: {message}",
    "nothing": "not finished yet: {part} returns nothing",
    "empty part": "not finished yet: {part} returns nothing",
    "not parts": "not finished yet: rotate should return a pair, (query, key)",
    "not alone": "{part} should return a tensor; it returned {returned}",
    "not a tensor": "{part} should return a tensor; it returned {got}",
    "shape": "{part} should keep the shape {wanted}; it returned {got}",
}


def _attend(
    name: str, scheme: PositionalEncoding, attention: Callable, tokens: list[str], allowed: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Output `(4, n, 8)`, weights and scores `(4, n, n)`. Raises: Unusable, or Failed for the attention."""
    with torch.no_grad():
        try:
            query, key, value, bias = call(_placed, scheme, tokens, quiet=False).answer
        except Failed as problem:
            raise Unusable(instead(problem, _HOOKS, scheme=name)) from problem
        scores = query @ key.transpose(-2, -1) / math.sqrt(DIM) + (0 if bias is None else bias)
        heads = []
        for head in range(HEADS):
            attend = attention if bias is None else partial(attention, bias=bias[head])
            heads.append(call_attention(attend, query[head], key[head], value, allowed))
    output, weights = (torch.stack(parts) for parts in zip(*heads, strict=True))
    return output, weights, scores


def _placed(scheme: PositionalEncoding, tokens: list[str]) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Query and key `(4, n, 8)`, value `(n, 8)` and bias `(4, n, n)`, by the scheme's three hooks."""
    n, root = len(tokens), math.sqrt(DIM)
    x = words.embed(tokens)  # (n, 8)
    (moved,) = formed(scheme.embed(x * root), Part("embed", x.shape))
    x = moved.float() / root
    wishes = torch.stack((x @ words.W_QUERY, x @ words.W_KEY))  # (2, n, 5)
    wishes = F.pad(wishes, (0, DIM - wishes.shape[-1]))  # (2, n, 8)
    query, key = wishes[:, None].repeat(1, HEADS, 1, 1)  # (4, n, 8) each, which a hook may write into
    turned = formed(scheme.rotate(query, key), Part("rotate", query.shape), Part("rotate", key.shape))
    query, key = (after.float() for after in turned)
    bias = scheme.bias(n, n, query=query)
    if bias is not None:
        bias = bias.float().expand(HEADS, n, n)
    return query, key, x @ words.W_VALUE, bias


def _head_names(scheme: PositionalEncoding) -> list[str] | None:
    if not isinstance(scheme, ALiBi):
        return None
    return [f"slope 1/{1 / slope:g}" for slope in alibi_slopes(HEADS).tolist()]


def _say(tokens: list[str], change: Tensor, *, shuffled: bool) -> str:
    """Below the map: what the shuffle did to each word's output."""
    if not shuffled:
        return "Shuffle the words: does each keep its output?"
    if change.isnan().any():
        return "The outputs hold NaN, which nothing can be compared with."
    largest, most = float(change.max()), tokens[int(change.argmax())]
    if largest < SAME:
        return "**The outputs shuffled with the words**: each word has its output as before."
    return (
        f"**Order counts**: the same words have other outputs, changed by up to {largest:.2f}, of “{most}”."
    )


def _schemes() -> dict[str, PositionalEncoding]:
    with torch.random.fork_rng(devices=[]):  # a lesson's own random numbers stay what they were
        torch.manual_seed(0)
        schemes = {
            "none": PositionalEncoding(),
            "sinusoidal": SinusoidalEncoding(DIM),
            "learned": LearnedEncoding(MOST_WORDS, DIM),
            "rotary": RotaryEncoding(DIM),
            "ALiBi": ALiBi(HEADS),
            "relative": RelativeEncoding(DIM, 4),
        }
    return {name: scheme.float() for name, scheme in schemes.items()}


def _order(n: int, shuffle: int) -> list[int]:
    """The words as typed for 0, and for each other number a random order that is not that one."""
    if shuffle == 0:
        return list(range(n))
    order = torch.randperm(n, generator=torch.Generator().manual_seed(shuffle))
    return (order.roll(1) if order.equal(torch.arange(n)) else order).tolist()


def _twins(tokens: list[str], weights: Tensor) -> str:
    """Whether a word that occurs twice has the same row of weights both times."""
    for word in dict.fromkeys(tokens):
        rows = weights[:, [i for i, token in enumerate(tokens) if token == word]]  # (4, times, n)
        if rows.shape[1] > 1:
            if torch.allclose(rows, rows[:, :1].expand_as(rows), atol=SAME, equal_nan=True):
                return f"The rows of each “{word}” are the same: nothing tells them apart."
            return f"The rows of each “{word}” are not the same."
    return ""
