"""Several heads on one sentence: their maps, their differences, and what the output owes to each."""

import math
from collections.abc import Mapping
from typing import ClassVar

import ipywidgets as widgets
import torch
import traitlets
from torch import Tensor

from attention_core import MultiHeadAttention, scaled_dot_product_attention, words
from attention_core._calling import Failed, call_attention
from attention_core.live.bank import Dial
from attention_core.live.controls import button, choice, text, tick
from attention_core.live.explorer import SentenceExplorer
from attention_core.live.heads import Heads, HeadSwitches
from attention_core.live.heatmap import AttentionHeatmap
from attention_core.live.map import AttentionMap
from attention_core.live.remarks import Unusable, instead, row_remark, unlisted
from attention_core.live.strip import Strip, Words

DIM = 16  # features of a word here: the 8 of `words.FEATURES`, and 8 that tell its position
COUNTS = (1, 2, 4, 8)
MOST_WORDS = 40  # a map a head: more would be too small to read
RATES = (0.9, 0.5, 0.3, 0.15)  # radians a word: two features each, a cosine and a sine

ROLES = ("who is meant", "what about it", "the word before", "words of its kind")
_ASKS_OFFERS = (  # a line makes one dimension of the queries and of the keys, by word features
    # who is meant
    ({"pronoun": 8, "feeling": 8}, {"animate": 1}),
    ({"action": 6}, {"animate": 1}),
    ({"quality": 8}, {"noun": 1, "animate": -0.5}),
    ({"link": 6}, {"noun": 1}),
    # what about it
    ({"noun": 6}, {"action": 1}),
    ({"animate": 6}, {"feeling": 1}),
    ({"noun": 6}, {"quality": 1}),
    ({"action": 6}, {"place": 1}),
    # the word before: see `_by_hand`
    ({}, {}),
    ({}, {}),
    ({}, {}),
    ({}, {}),
    # words of its kind
    ({"noun": 8}, {"noun": 1}),
    ({"action": 8}, {"action": 1}),
    ({"link": 8}, {"link": 1}),
    ({"pronoun": 8, "feeling": 8, "quality": 8}, {"pronoun": 1, "feeling": 1, "quality": 1}),
)
_BY_HEAD = {"shape": "{part} should have shape {wanted}, heads first; it has {got}"}


def embed(tokens: list[str]) -> Tensor:
    """Words with their positions: the 8 features of `words.embed` beside 4 cosines and 4 sines, `(n, 16)`."""
    angles = torch.arange(len(tokens))[:, None] * torch.tensor(RATES, dtype=torch.float32)  # (n, 4)
    return torch.cat([words.embed(tokens), angles.cos(), angles.sin()], dim=-1)


def make_layer(num_heads: int, seed: int | None = None) -> MultiHeadAttention:
    """The layer that `MultiHeadExplorer` shows. The number of heads changes no parameter, only the cut.

    Without a seed W_Q and W_K are made by hand so that four heads have four ROLES; with one they are
    normal numbers. W_V and W_O are normal numbers in both, biases are 0. Nothing was trained.
    """
    with torch.device("meta"):  # a reader's own random numbers stay what they are
        layer = MultiHeadAttention(DIM, num_heads)
    layer = layer.to_empty(device="cpu").float()
    draw = torch.Generator().manual_seed(0 if seed is None else seed)
    with torch.no_grad():
        for parameter in layer.parameters():
            if parameter.ndim == 1:
                parameter.zero_()
            else:
                drawn = torch.randn(DIM, DIM, generator=draw, dtype=torch.float32)
                parameter.copy_(drawn / math.sqrt(DIM))
        if seed is None:
            for projection, made in zip((layer.to_query, layer.to_key), _by_hand(), strict=True):
                projection.weight.copy_(made)
        else:
            for projection in (layer.to_query, layer.to_key):
                projection.weight.mul_(3)  # so that the weights are far from even
    return layer


def head_distances(weights: Tensor) -> Tensor:
    """Jensen–Shannon distance between the heads, `(heads, n_q, n_k)` → `(heads, heads)`.

    0 where two heads look alike, 1 where their looks have nothing in common: the square root of the
    divergence in bits, averaged over the queries. Source: Endres and Schindelin 2003.
    """
    mixed = (weights[:, None] + weights) / 2  # (heads, heads, n_q, n_k)
    divergence = _entropy(mixed) - (_entropy(weights)[:, None] + _entropy(weights)) / 2
    return divergence.clamp(min=0).sqrt().mean(-1)  # rounding may end just below 0


class MultiHeadExplorer(SentenceExplorer):
    """One sentence, one layer, all of its heads: cut it anew, switch heads off, listen to one alone.

    The layer has 16 features and as many parameters with any number of heads: `make_layer` says how
    they are made, and `embed` what they are given. By hand, four heads have a role each; two heads do
    two things at a time, one head all four, and eight have half a role each. With a seed, no head has
    a role that anyone gave it.

    Args:
        sentence: the words, with white space between them.
        attention: the function that all heads are computed with, in one call: `(query, key, value) ->
            (output, weights)`, where query, key and value are `(heads, n, d_k)`.
        simple: to begin with, only the sentence, the switches and the maps; said when it is made.

    Traits, each of which can be set and observed: `sentence`; `num_heads`, one of 1, 2, 4, 8; `seed`,
    None for projections made by hand; `off`, the heads whose output is replaced by 0; `solo`, the one
    head that is left on, or None; `show_mean`, the mean of all heads as a map beside theirs; and
    `attention`. Another number of heads is another cut, so it switches all of them on.

    To be read, None while nothing can be shown: `weights` `(heads, n, n)`; `output` `(n, 16)` of the
    heads that are on; `change`, the length of what that output lacks, as a share of the length of the
    output of all heads; `change_by_word` `(n,)`, the same of each word; `distances` `(heads, heads)`.
    `layer` is the `MultiHeadAttention` whose parameters are used; another number of heads or another
    seed makes another.

    Raises:
        traitlets.TraitError: for a number of heads or a head that there is not; the old value stays.
    """

    most_words = MOST_WORDS
    sentence = traitlets.Unicode().tag(control=text("Sentence", width="28em"))
    num_heads = traitlets.Enum(COUNTS, default_value=4).tag(control=choice("Heads", COUNTS))
    seed = traitlets.Int(None, allow_none=True, min=0, max=2**32).tag(
        control=choice("W_Q and W_K", {"made by hand": None, "random": 0}, at=lambda seed: seed is not None)
    )
    off = traitlets.List(traitlets.Int())
    solo = traitlets.Int(None, allow_none=True)
    attention = traitlets.Callable(scaled_dot_product_attention)
    linked: ClassVar = {"switches": ("off", "solo")}
    simple = traitlets.Bool(False)
    output = traitlets.Any(None, allow_none=True).tag(computed=True)
    change = traitlets.Float(None, allow_none=True).tag(computed=True)
    change_by_word = traitlets.Any(None, allow_none=True).tag(computed=True)
    distances = traitlets.Any(None, allow_none=True).tag(computed=True)

    @button("reseed")
    def reseed(self) -> None:
        """Other random projections; the first ones after those made by hand."""
        self.seed = 0 if self.seed is None else self.seed + 1

    show_mean = traitlets.Bool(False).tag(control=tick("show their mean"))

    def make_controls(self) -> dict[str, widgets.Widget]:
        made = super().make_controls()
        if not self.simple:
            return made
        made["sentence"].layout.width = "32em"  # alone it has the room for all of ours
        return {"sentence": made["sentence"]}

    def views(self) -> dict[str, widgets.Widget]:
        return {"switches": HeadSwitches(), "changes": Strip(), "heatmap": AttentionHeatmap(None)}

    def more_dials(self) -> list[Dial]:
        return [
            Dial(("solo",), self.switches, "solo", lambda: [(x, {"solo": x}) for x in self._alone()]),
            Dial(("off",), self.switches, "off", lambda: [(x, {"off": x}) for x in self._one_switched()]),
        ]

    def _alone(self) -> list[int | None]:
        return [None, *range(self.num_heads)]

    def _one_switched(self) -> list[list[int]]:
        """What is off now, and after each switch."""
        return [self.off, *(sorted({*self.off} ^ {head}) for head in range(self.num_heads))]

    def following(self, name: str, inputs: Mapping) -> dict[str, object]:
        # the heads of another cut are other heads: none of them is off yet
        return {"off": [], "solo": None} if name == "num_heads" else {}

    @traitlets.validate("off")
    def _check_off(self, proposal) -> list[int]:
        return sorted({self._a_head(head) for head in proposal.value})

    @traitlets.validate("solo")
    def _check_solo(self, proposal) -> int | None:
        return None if proposal.value is None else self._a_head(proposal.value)

    def _a_head(self, head: int) -> int:
        if not 0 <= head < self.num_heads:
            raise traitlets.TraitError(f"there is no head {head}: they are 0 to {self.num_heads - 1}")
        return head

    @property
    def on(self) -> list[int]:
        """The heads whose output is used."""
        return _on(self.num_heads, self.off, self.solo)

    def settle(self, name: str | None) -> None:
        if name == "num_heads":
            self.off, self.solo = [], None
        if name in (None, "num_heads", "seed"):
            self.layer = make_layer(self.num_heads, self.seed)

    def compute(self, sentence, num_heads, seed, off, solo, show_mean, attention, simple):
        same = (num_heads, seed) == (self.num_heads, self.seed)
        layer = self.layer if same else make_layer(num_heads, seed)
        on = _on(num_heads, off, solo)
        try:
            tokens = self.tokens(sentence)
            x = embed(tokens)  # (n, 16)
            with torch.no_grad():
                query, key, value = (layer.split(part) for part in layer.project(x, x, x))  # (heads, n, d_k)
                heads, weights = call_attention(attention, query, key, value)
                is_off = torch.tensor([head not in on for head in range(num_heads)])
                complete = layer.output(layer.merge(heads))  # (n, 16)
                output = layer.output(layer.merge(heads.masked_fill(is_off[:, None, None], 0)))
        except (Failed, Unusable) as problem:
            return {
                "message": instead(problem, _BY_HEAD),
                "switches": Heads(_cut(layer, seed, simple), num_heads, bars=not simple),
            }
        lack = output - complete
        change = float(lack.norm() / complete.norm().clamp(min=1e-12))
        by_word = lack.norm(dim=-1) / complete.norm(dim=-1).clamp(min=1e-12)
        distances = head_distances(weights)
        return {
            "heatmap": _maps(weights, tokens, query, key, _names(num_heads, seed, on), show_mean),
            "faded": [head for head in range(num_heads) if head not in on],
            "message": _remark(weights, tokens) or unlisted(tokens),
            "switches": Heads(
                _cut(layer, seed, simple), num_heads, _to_the_others(distances), bars=not simple
            ),
            "changes": Words(_change_in_words(on, num_heads, change), tokens, by_word.tolist()),
            "weights": weights,
            "output": output,
            "change": change,
            "change_by_word": by_word,
            "distances": distances,
        }

    def facts(self) -> str:
        if self.weights is None:
            return super().facts()
        names = [f"head {head}" for head in range(self.num_heads)]
        # without the mean, and whatever the heads are called
        maps = AttentionMap(self.weights, self.heatmap.query_labels, heads=names).facts()
        return f"{maps}; {self.beneath()}"

    def beneath(self) -> str:
        if self.weights is None:
            return ""
        on = " ".join(map(str, self.on)) or "none"
        text = f"heads on: {on}, output changed by {self.change:.2f}"
        if self.num_heads > 1 and not self.simple:
            others = " ".join(f"{distance:.2f}" for distance in _to_the_others(self.distances))
            text += f", distance to the other heads {others}"
        return text


def _on(num_heads: int, off: list[int], solo: int | None) -> list[int]:
    return [solo] if solo is not None else [head for head in range(num_heads) if head not in off]


def _to_the_others(distances: Tensor) -> list[float]:
    """The mean distance of each head to the others; empty for one head, which has none."""
    others = len(distances) - 1
    return [] if others == 0 else (distances.sum(-1) / others).tolist()


def _maps(
    weights: Tensor, tokens: list[str], query: Tensor, key: Tensor, names: list[str], mean: bool
) -> AttentionMap:
    if mean and len(weights) > 1:  # last, so that map h stays head h; a mean of weights has no score
        maps = torch.cat([weights, weights.mean(0, keepdim=True)])
        return AttentionMap(maps, tokens, heads=[*names, "mean of the heads"])
    d_k = query.shape[-1]
    scores = query @ key.transpose(-2, -1) / math.sqrt(d_k)  # for the arithmetic
    return AttentionMap(
        weights, tokens, heads=names, scores=scores, steps=[(f"÷ √{d_k}", 1 / math.sqrt(d_k))]
    )


def _names(num_heads: int, seed: int | None, on: list[int]) -> list[str]:
    names = [f"head {head}{_role(head, num_heads, seed)}" for head in range(num_heads)]
    return [name if head in on else f"{name} (off)" for head, name in enumerate(names)]


def _role(head: int, num_heads: int, seed: int | None) -> str:
    if seed is not None or num_heads == 1:
        return ""
    if num_heads > len(ROLES):
        return f": half of “{ROLES[head * len(ROLES) // num_heads]}”"
    each = len(ROLES) // num_heads
    return ": " + " + ".join(ROLES[head * each : (head + 1) * each])


def _cut(layer: MultiHeadAttention, seed: int | None, simple: bool) -> str:
    """How the features are shared out, in a line."""
    if simple:
        return ""
    n, size = layer.num_heads, sum(parameter.numel() for parameter in layer.parameters())
    heads = "1 head" if n == 1 else f"{n} heads"
    made = "made by hand" if seed is None else f"random, seed {seed}"
    return (
        f"**{heads}** of d_k = {DIM} ÷ {n} = **{DIM // n}** features · "
        f"**{size} parameters** = 4·{DIM}² + 4·{DIM} · {made}"
    )


def _change_in_words(on: list[int], num_heads: int, change: float) -> str:
    if len(on) == num_heads:
        return "All heads are on: switch one off, or keep only one, and see whose output changes."
    left = "no head" if not on else f"head{'s' * (len(on) > 1)} {_listed(on)} alone"
    return f"With {left} the output changes by **{change:.2f}** of its length. By word:"


def _listed(heads: list[int]) -> str:
    *most, last = map(str, heads)
    return f"{', '.join(most)} and {last}" if most else last


def _remark(weights: Tensor, tokens: list[str]) -> str:
    for head, one in enumerate(weights):
        if remark := row_remark(one, tokens):
            return f"Head {head}: {remark}"
    return ""


def _by_hand() -> tuple[Tensor, Tensor]:
    """Weights of the query and key projections, `(16, 16)` each: a row makes one dimension."""
    asks, offers = torch.zeros(2, DIM, DIM, dtype=torch.float32)
    for row, features in enumerate(_ASKS_OFFERS):
        for made, wanted in zip((asks, offers), features, strict=True):
            for feature, strength in wanted.items():
                made[row, words.FEATURES.index(feature)] = strength
    n = len(words.FEATURES)
    for row, pair in ((8, 0), (10, 3)):  # cos and sin of one rate, turned back by one word
        cosine, sine = n + pair, n + len(RATES) + pair
        back = torch.tensor(RATES[pair])
        offers[row, cosine] = offers[row + 1, sine] = 1
        asks[row, cosine], asks[row, sine] = back.cos(), back.sin()
        asks[row + 1, cosine], asks[row + 1, sine] = -back.sin(), back.cos()
        asks[row : row + 2] *= 20
    return asks, offers


def _entropy(weights: Tensor) -> Tensor:
    """In bits, of each row; 0 · log 0 is 0."""
    return -torch.special.xlogy(weights, weights).sum(-1) / math.log(2)
