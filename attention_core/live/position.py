"""Every way to put positions in, on one sentence."""

import html
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
from attention_core.agreement import SAME
from attention_core.live.call import Unusable, call_attention, row_remark
from attention_core.live.explorers import MASKS, MOST_WORDS, Explorer
from attention_core.live.heatmap import AttentionHeatmap, facts

DIM, HEADS = len(words.FEATURES), 4  # of PositionExplorer: features of a word, query and key; heads


class PositionExplorer(Explorer):
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

    sentence = traitlets.Unicode()
    scheme = traitlets.Unicode("none")
    mask = traitlets.Enum(["none", "causal"], default_value="none")
    shuffle = traitlets.Int(0, min=0, max=2**31 - 1)
    attention = traitlets.Callable(scaled_dot_product_attention)
    output = traitlets.Any(None, allow_none=True).tag(computed=True)
    difference = traitlets.Float(0.0).tag(computed=True)

    def __init__(
        self,
        sentence: str = "the cat sat on the mat because it was tired",
        *,
        attention: Callable = scaled_dot_product_attention,
        schemes: Mapping[str, PositionalEncoding] | None = None,
        **traits,
    ):
        self.schemes = {**_schemes(), **(schemes or {})}
        for name, scheme in self.schemes.items():
            if not all(callable(getattr(scheme, hook, None)) for hook in ("embed", "rotate", "bias")):
                raise ValueError(f"scheme {name!r} needs the hooks embed, rotate and bias, got {scheme!r}")
        text = widgets.Text(description="Sentence", layout={"width": "32em"}, continuous_update=True)
        switch, mask = (
            widgets.ToggleButtons(options=options, description=label, style={"button_width": "auto"})
            for options, label in ((list(self.schemes), "Positions"), (["none", "causal"], "Mask"))
        )
        again = widgets.Button(description="Shuffle the words")
        back = widgets.Button(description="As typed")
        super().__init__([text, switch, mask, again, back], AttentionHeatmap(None))
        self._below, self._chips = widgets.HTML(), widgets.HTML()
        self._below.add_class("attention-said")  # read out when it changes; not the number of each word
        self.children = [*self.children, self._below, self._chips]
        self.set_trait("attention", attention)
        self.sentence = sentence
        for name, value in traits.items():
            setattr(self, name, value)
        again.on_click(lambda _: self.set_trait("shuffle", self.shuffle + 1))
        back.on_click(lambda _: self.set_trait("shuffle", 0))
        for name, control in (("sentence", text), ("scheme", switch), ("mask", mask)):
            traitlets.link((self, name), (control, "value"))
        self.observe(self._show, ["sentence", "scheme", "mask", "shuffle", "attention"])
        self._show()

    @traitlets.validate("scheme")
    def _check_scheme(self, proposal) -> str:
        if proposal.value not in self.schemes:
            choices = ", ".join(self.schemes)
            raise traitlets.TraitError(f"scheme must be one of {choices}, got {proposal.value!r}")
        return proposal.value

    def _show(self, _change=None) -> None:
        typed = words.split(self.sentence)
        n = len(typed)
        if not 1 <= n <= MOST_WORDS:
            too_many = f"{n} words are too many: the most is {MOST_WORDS}."
            self._nothing(too_many if n else "Type a word or two.")
            return
        order = _order(n, self.shuffle)
        tokens = [typed[i] for i in order]
        allowed = MASKS[self.mask](n) if MASKS[self.mask] else None
        try:
            output, weights, scores = self._attend(tokens, allowed)
            before = self._attend(typed, allowed)[0][:, order] if self.shuffle else output
        except Unusable as problem:
            self._nothing(str(problem))
            return
        change = (output - before).abs().amax(dim=(0, 2))  # (n,), a word's largest over heads and features
        self.output, self.difference = output, float(change.max())
        self._below.value = self._say(tokens, change, weights)
        self._chips.value = "".join(map(_chip, tokens, change.tolist())) if self.shuffle else ""
        alike = torch.allclose(weights, weights[:1].expand_as(weights), atol=SAME, equal_nan=True)
        self._put(
            weights[0] if alike else weights,
            next(filter(None, (row_remark(head, tokens, allowed) for head in weights)), ""),
            queries=tokens,
            keys=tokens,
            heads=None if alike else self._head_names(),
            allowed=allowed,
            scores=scores[0] if alike else scores,
        )

    def _nothing(self, message: str) -> None:
        self.output, self.difference = None, 0.0
        self._below.value = self._chips.value = ""
        self._put(None, message)

    def _attend(self, tokens: list[str], allowed: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Output `(4, n, 8)`, weights and scores `(4, n, n)`; raises Unusable, in words."""
        with torch.no_grad():
            try:
                query, key, value, bias = self._placed(tokens)
                scores = query @ key.transpose(-2, -1) / math.sqrt(DIM) + (0 if bias is None else bias)
            except Unusable:
                raise
            except Exception as error:
                raise Unusable(f"“{self.scheme}” stopped with {type(error).__name__}: {error}") from error
            heads = []
            for head in range(HEADS):
                attend = self.attention if bias is None else partial(self.attention, bias=bias[head])
                heads.append(call_attention(attend, query[head], key[head], value, allowed))
        output, weights = (torch.stack(parts) for parts in zip(*heads, strict=True))
        return output, weights, scores

    def _placed(self, tokens: list[str]) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Query and key `(4, n, 8)`, value `(n, 8)` and bias `(4, n, n)`, by the scheme's three hooks."""
        n, root, scheme = len(tokens), math.sqrt(DIM), self.schemes[self.scheme]
        x = words.embed(tokens)  # (n, 8)
        x = _kept("embed", scheme.embed(x * root), x) / root
        wishes = torch.stack((x @ words.W_QUERY, x @ words.W_KEY))  # (2, n, 5)
        wishes = F.pad(wishes, (0, DIM - wishes.shape[-1]))  # (2, n, 8)
        query, key = wishes[:, None].repeat(1, HEADS, 1, 1)  # (4, n, 8) each, which a hook may write into
        turned = scheme.rotate(query, key)
        if not isinstance(turned, tuple | list) or len(turned) != 2:
            raise Unusable("Not finished yet: rotate should return a pair, (query, key).")
        query, key = (_kept("rotate", after, query) for after in turned)
        bias = scheme.bias(n, n, query=query)
        if bias is not None:
            bias = bias.float().expand(HEADS, n, n)
        return query, key, x @ words.W_VALUE, bias

    def _head_names(self) -> list[str] | None:
        if not isinstance(self.schemes[self.scheme], ALiBi):
            return None
        return [f"slope 1/{1 / slope:g}" for slope in alibi_slopes(HEADS).tolist()]

    def _say(self, tokens: list[str], change: Tensor, weights: Tensor) -> str:
        """Below the map: what the shuffle did to each word's output."""
        if self.shuffle == 0:
            said = "Shuffle the words: does each keep its output?"
        elif change.isnan().any():
            said = "The outputs hold NaN, which nothing can be compared with."
        elif self.difference < SAME:
            said = "<b>The outputs shuffled with the words</b>: each word has its output as before."
        else:
            most = html.escape(tokens[int(change.argmax())])
            said = (
                "<b>Order counts</b>: the same words have other outputs, changed by up to "
                f"{self.difference:.2f}, of “{most}”."
            )
        return f"<div style='line-height:1.5'>{said} {_twins(tokens, weights)}</div>"

    def __repr__(self) -> str:
        order = f"; shuffled, outputs change by up to {self.difference:.2f}" if self.shuffle else ""
        return f"PositionExplorer({self.scheme}: {facts(self.heatmap)}{order})"


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
    return schemes


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
            same = torch.allclose(rows, rows[:, :1].expand_as(rows), atol=SAME, equal_nan=True)
            return f"The rows of each “{html.escape(word)}” are " + (
                "the same: nothing tells them apart." if same else "not the same."
            )
    return ""


def _chip(word: str, change: float) -> str:
    share = round(60 * min(1.0, change))  # percent; the full 60 for NaN, which is not below 1
    tint = f"color-mix(in srgb, var(--attention-accent, #1769c4) {share}%, transparent)"
    style = f"display:inline-block;margin:2px 5px 2px 0;padding:1px 8px;border-radius:5px;background:{tint}"
    return f"<span style='{style}'>{html.escape(word)} <small>{change:.2f}</small></span>"


def _kept(hook: str, x: Tensor, like: Tensor) -> Tensor:
    """What a hook returned, float32; raises Unusable, in words, unless it has kept the shape."""
    if x is None or x is ...:
        raise Unusable(f"Not finished yet: {hook} returns nothing.")
    if not isinstance(x, Tensor) or x.shape != like.shape:
        got = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
        raise Unusable(f"{hook} should keep the shape {tuple(like.shape)}; it returned {got}.")
    return x.float()
