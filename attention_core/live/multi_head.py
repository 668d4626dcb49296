"""Several heads on one sentence: their maps, their differences, and what the output owes to each."""

import html
import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING

import ipywidgets as widgets
import torch
import traitlets
from torch import Tensor

from attention_core import MultiHeadAttention, merge_heads, scaled_dot_product_attention, split_heads, words
from attention_core._calling import what_happened
from attention_core.live import still
from attention_core.live.call import Unusable, call_attention, row_remark
from attention_core.live.explorers import Explorer
from attention_core.live.heatmap import AttentionHeatmap, facts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DIM = 16  # features of a word here: the 8 of `words.FEATURES`, and 8 that tell its position
COUNTS = (1, 2, 4, 8)
MOST_WORDS = 40
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


def embed(tokens: list[str]) -> Tensor:
    """Words with their positions: the 8 features of `words.embed` beside 4 cosines and 4 sines, `(n, 16)`."""
    angles = torch.arange(len(tokens))[:, None] * torch.tensor(RATES)  # (n, 4)
    return torch.cat([words.embed(tokens), angles.cos(), angles.sin()], dim=-1)


def make_layer(num_heads: int, seed: int | None = None) -> MultiHeadAttention:
    """The layer that `MultiHeadExplorer` shows. The number of heads changes no parameter, only the cut.

    Without a seed W_Q and W_K are made by hand so that four heads have four ROLES; with one they are
    normal numbers. W_V and W_O are normal numbers in both, biases are 0. Nothing was trained.
    """
    with torch.random.fork_rng(devices=[]):  # a reader's own random numbers stay what they are
        layer = MultiHeadAttention(DIM, num_heads)
    draw = torch.Generator().manual_seed(0 if seed is None else seed)
    with torch.no_grad():
        for parameter in layer.parameters():
            if parameter.ndim == 1:
                parameter.zero_()
            else:
                parameter.copy_(torch.randn(DIM, DIM, generator=draw) / math.sqrt(DIM))
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


class MultiHeadExplorer(Explorer):
    """One sentence, one layer, all of its heads: cut it anew, switch heads off, listen to one alone.

    The layer has 16 features and as many parameters with any number of heads: `make_layer` says how
    they are made, and `embed` what they are given. By hand, four heads have a role each; two heads do
    two things at a time, one head all four, and eight have half a role each. With a seed, no head has
    a role that anyone gave it.

    Args:
        sentence: the words, with white space between them.
        attention: the function that all heads are computed with, in one call: `(query, key, value) ->
            (output, weights)`, where query, key and value are `(heads, n, d_k)`.

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

    sentence = traitlets.Unicode()
    num_heads = traitlets.Enum(COUNTS, default_value=4)
    seed = traitlets.Int(None, allow_none=True, min=0, max=2**32)
    off = traitlets.List(traitlets.Int())
    solo = traitlets.Int(None, allow_none=True)
    show_mean = traitlets.Bool(False)
    attention = traitlets.Callable(scaled_dot_product_attention)
    output = traitlets.Any(None, allow_none=True).tag(computed=True)
    change = traitlets.Float(None, allow_none=True).tag(computed=True)
    change_by_word = traitlets.Any(None, allow_none=True).tag(computed=True)
    distances = traitlets.Any(None, allow_none=True).tag(computed=True)

    def __init__(
        self,
        sentence: str = "the cat sat on the mat because it was tired",
        *,
        attention: Callable = scaled_dot_product_attention,
        **traits,
    ):
        text = widgets.Text(description="Sentence", layout={"width": "28em"}, continuous_update=True)
        count = widgets.ToggleButtons(
            options=[(str(n), n) for n in COUNTS], description="Heads", style={"button_width": "auto"}
        )
        made = widgets.ToggleButtons(
            options=[("made by hand", True), ("random", False)],
            description="W_Q and W_K", style={"button_width": "auto"},
        )  # fmt: skip
        reseed = widgets.Button(description="reseed", layout={"width": "auto"})
        mean = widgets.Checkbox(description="show their mean", indent=False, layout={"width": "auto"})
        self._cards = [_Card(head) for head in range(max(COUNTS))]
        self._cut, self._lack, self._lacks = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self._lack.add_class("attention-said")  # read out when it changes; not the number of each word
        self._legend = widgets.HTML(
            _text(
                "Bars: the mean distance of a head’s map from the others’ (Jensen–Shannon), "
                "0 the same, 1 nothing in common."
            )
        )
        super().__init__([text, count, made, reseed, mean], AttentionHeatmap(None))
        self._strip = widgets.HBox()
        self._strip.add_class("attention-controls")
        self.children = [self.children[0], self._cut, self._strip, self._lack, self._lacks, self.heatmap]

        self.set_trait("attention", attention)
        self.sentence = sentence
        for name in sorted(traits):  # num_heads before the heads that are off
            setattr(self, name, traits[name])
        made.value = self.seed is None
        for name, control in (("sentence", text), ("num_heads", count), ("show_mean", mean)):
            traitlets.link((self, name), (control, "value"))
        reseed.on_click(lambda _: self.set_trait("seed", 0 if self.seed is None else self.seed + 1))
        made.observe(self._choose_parameters, "value")
        self.observe(lambda _: made.set_trait("value", self.seed is None), "seed")
        for card in self._cards:
            card.on.observe(self._switch, "value")
            card.alone.observe(self._single_out, "value")
        self._made_for = None
        self._setting = False  # of several things, of which only the last is to be shown
        self.observe(self._recut, "num_heads")
        self.observe(self._show, ["sentence", "seed", "off", "solo", "show_mean", "attention"])
        self._show()

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
        if self.solo is not None:
            return [self.solo]
        return [head for head in range(self.num_heads) if head not in self.off]

    def figure(self) -> "Figure":
        """All maps, and below them what the strip and the line about the output say."""
        figure = self.heatmap.figure()
        if self.weights is not None:
            sums = still.sums_in_words(self.weights.numpy())
            figure.supxlabel(f"Each row is one query; {sums}.\n{self._facts()}", fontsize=8)
        return figure

    def __repr__(self) -> str:
        if self.weights is None:
            return super().__repr__()
        names = [f"head {head}" for head in range(self.num_heads)]
        tokens = self.heatmap.query_labels
        shown = SimpleNamespace(  # without the mean, and whatever the heads are called
            weights=self.weights, query_labels=tokens, key_labels=tokens, head_labels=names, message=""
        )
        return f"{type(self).__name__}({facts(shown)}; {self._facts()})"

    def _facts(self) -> str:
        text = f"heads on: {' '.join(map(str, self.on)) or 'none'}, output changed by {self.change:.2f}"
        if self.num_heads > 1:
            text += ", distance to the other heads " + " ".join(f"{d:.2f}" for d in self._mean_distances())
        return text

    def _mean_distances(self) -> list[float]:
        """Of each head to the others; empty for one head, which has none."""
        others = self.num_heads - 1
        return [] if others == 0 else (self.distances.sum(-1) / others).tolist()

    # ---- controls

    def _choose_parameters(self, change) -> None:
        if change.new:
            self.seed = None
        elif self.seed is None:
            self.seed = 0

    def _switch(self, _change) -> None:
        if not self._setting:
            self.off = [h for h, card in enumerate(self._cards[: self.num_heads]) if not card.on.value]

    def _single_out(self, change) -> None:
        head = self._cards.index(change.owner.card)
        if not self._setting:
            self.solo = head if change.new else None

    def _recut(self, _change) -> None:
        """The heads of another cut are other heads: none of them is off yet."""
        self._setting = True
        self.off, self.solo = [], None
        self._setting = False
        self._show()

    # ---- the page

    def _show(self, _change=None) -> None:
        if self._setting:
            return
        if self._made_for != (self.num_heads, self.seed):
            self._made_for = self.num_heads, self.seed
            self.layer = make_layer(*self._made_for)
        tokens = words.split(self.sentence)
        if not 1 <= len(tokens) <= MOST_WORDS:
            self._fail(
                f"{len(tokens)} words are too many here: the most is {MOST_WORDS}."
                if tokens
                else "Type a word or two."
            )
            return
        x = embed(tokens)  # (n, 16)
        layer = self.layer
        with torch.no_grad():
            projections = (layer.to_query, layer.to_key, layer.to_value)
            query, key, value = (split_heads(p(x), self.num_heads) for p in projections)  # (heads, n, d_k)
            try:
                heads, weights = _attend(self.attention, query, key, value)
            except Unusable as problem:
                self._fail(str(problem))
                return
            is_off = torch.tensor([head not in self.on for head in range(self.num_heads)])
            complete = layer.to_output(merge_heads(heads))  # (n, 16)
            output = layer.to_output(merge_heads(heads.masked_fill(is_off[:, None, None], 0)))
        lack = output - complete
        self.output = output
        self.change = float(lack.norm() / complete.norm().clamp(min=1e-12))
        self.change_by_word = lack.norm(dim=-1) / complete.norm(dim=-1).clamp(min=1e-12)
        self.distances = head_distances(weights)
        self._draw(weights, _remark(weights, tokens), tokens, query, key)
        self._tell(tokens)

    def _fail(self, message: str) -> None:
        self.output = self.change = self.change_by_word = self.distances = None
        self._put(None, message)
        self._tell([])

    def _draw(self, weights: Tensor, message: str, tokens: list[str], query: Tensor, key: Tensor) -> None:
        names = [f"head {head}{self._role(head)}" for head in range(self.num_heads)]
        names = [name if head in self.on else f"{name} (off)" for head, name in enumerate(names)]
        content = {"queries": tokens, "keys": tokens}
        d_k = query.shape[-1]
        maps = weights
        if self.show_mean and self.num_heads > 1:
            maps = torch.cat([weights, weights.mean(0, keepdim=True)])  # last: map h stays head h
            names.append("mean of the heads")
        else:
            content |= {
                "scores": query @ key.transpose(-2, -1) / math.sqrt(d_k),  # for the arithmetic
                "steps": [(f"÷ √{d_k}", 1 / math.sqrt(d_k))],
            }
        with self.heatmap.hold_sync():
            self.heatmap.update(maps, heads=names, **content)
            self.heatmap.faded = [head for head in range(self.num_heads) if head not in self.on]
            self.heatmap.message = message
        self.weights = weights

    def _role(self, head: int) -> str:
        if self.seed is not None or self.num_heads == 1:
            return ""
        if self.num_heads > len(ROLES):
            return f": half of “{ROLES[head * len(ROLES) // self.num_heads]}”"
        each = len(ROLES) // self.num_heads
        return ": " + " + ".join(ROLES[head * each : (head + 1) * each])

    def _tell(self, tokens: list[str]) -> None:
        """The strip of heads, and the two lines of text."""
        size = sum(parameter.numel() for parameter in self.layer.parameters())
        made = "made by hand" if self.seed is None else f"random, seed {self.seed}"
        self._cut.value = _text(
            f"<b>{self.num_heads} head{'s' * (self.num_heads > 1)}</b> of d_k = {DIM} ÷ {self.num_heads} = "
            f"<b>{DIM // self.num_heads}</b> features · <b>{size} parameters</b> = 4·{DIM}² + 4·{DIM} · "
            f"{made}"
        )
        distances = self._mean_distances() if tokens else []
        self._setting = True
        for head, card in enumerate(self._cards[: self.num_heads]):
            card.show(head not in self.off, head == self.solo, distances[head] if distances else None)
        self._setting = False
        self._strip.children = [
            *self._cards[: self.num_heads],
            *([self._legend] if self.num_heads > 1 else []),
        ]
        self._lack.value = _text(self._change_in_words()) if tokens else ""
        self._lacks.value = self._change_by_word(tokens)

    def _change_in_words(self) -> str:
        if len(self.on) == self.num_heads:
            return "All heads are on: switch one off, or keep only one, and see whose output changes."
        left = "no head" if not self.on else f"head{'s' * (len(self.on) > 1)} {_listed(self.on)} alone"
        return f"With {left} the output changes by <b>{self.change:.2f}</b> of its length. By word:"

    def _change_by_word(self, tokens: list[str]) -> str:
        if not tokens:
            return ""
        shares = "".join(
            f'<span style="padding: 0 6px; border-radius: 5px; text-align: center; background: color-mix('
            f'in srgb, var(--attention-accent) {min(60, round(45 * share))}%, transparent)">'
            f'{html.escape(token)}<br><span style="font-size: 11px">{share:.2f}</span></span>'
            for token, share in zip(tokens, self.change_by_word.nan_to_num(1).tolist(), strict=True)
        )
        return f'<div style="display: flex; flex-wrap: wrap; gap: 4px; line-height: 1.35">{shares}</div>'


class _Card(widgets.VBox):
    """One head's switch, its solo button, and how far its map is from the others'."""

    def __init__(self, head: int):
        fitting = {"width": "auto"}
        self.on = widgets.Checkbox(True, description=f"head {head} on", indent=False, layout=fitting)
        self.alone = widgets.ToggleButton(description=f"only head {head}", layout=fitting)
        self.alone.card = self
        self.bar = widgets.HTML()
        row = widgets.HBox([self.on, self.alone], layout={"align_items": "center", "grid_gap": "8px"})
        super().__init__([row, self.bar], layout={"width": "246px"})  # as wide as a small map

    def show(self, on: bool, alone: bool, distance: float | None) -> None:
        self.on.value, self.alone.value = on, alone
        self.bar.value = "" if distance is None else _bar(distance)


def _text(content: str) -> str:
    """With lines as close as in the map's own text."""
    return f'<div style="line-height: 1.35; padding: 5px 0 3px">{content}</div>'


def _bar(share: float) -> str:
    track = "width: 120px; height: 9px; border-radius: 2px; display: inline-block; margin-right: 8px"
    filled = 0 if math.isnan(share) else 100 * share
    return (
        f'<span style="{track}; background: linear-gradient(90deg, var(--attention-accent) {filled:.0f}%, '
        f'var(--jp-border-color2, #d9dce0) 0)"></span>{share:.2f}'
    )


def _listed(heads: list[int]) -> str:
    *most, last = map(str, heads)
    return f"{', '.join(most)} and {last}" if most else last


def _attend(attention: Callable, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """As `call_attention`, for all heads in one call: `(heads, n, d_k)`; each head's part is checked."""
    try:
        answer = attention(query.clone(), key.clone(), value.clone())  # it may write into its arguments
    except Exception as error:
        raise Unusable(what_happened(error)) from error
    n_heads, n, d_k = query.shape
    pair = isinstance(answer, tuple | list) and len(answer) == 2
    wanted = {"output": (n_heads, n, d_k), "weights": (n_heads, n, n)}
    for (name, shape), part in zip(wanted.items(), answer if pair else (), strict=False):
        if isinstance(part, Tensor) and (part.ndim != 3 or len(part) != n_heads):
            raise Unusable(f"{name} should have shape {shape}, heads first; it has {tuple(part.shape)}.")
    parts = []
    for head in range(n_heads):
        own = [part[head] if isinstance(part, Tensor) else part for part in answer] if pair else answer
        parts.append(call_attention(lambda *_, own=own: own, query[head], key[head], value[head]))
    return torch.stack([output for output, _ in parts]), torch.stack([weights for _, weights in parts])


def _remark(weights: Tensor, tokens: list[str]) -> str:
    for head, one in enumerate(weights):
        if remark := row_remark(one, tokens):
            return f"Head {head}: {remark}"
    return ""


def _by_hand() -> tuple[Tensor, Tensor]:
    """Weights of the query and key projections, `(16, 16)` each: a row makes one dimension."""
    asks, offers = torch.zeros(DIM, DIM), torch.zeros(DIM, DIM)
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
