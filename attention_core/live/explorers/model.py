"""All layers and heads of a model at a glance, and one of them opened."""

import math
import textwrap
from typing import TYPE_CHECKING

import ipywidgets as widgets
import numpy as np
import torch
import traitlets
from torch import Tensor

from attention_core import words
from attention_core._calling import Failed, noted
from attention_core.live import still
from attention_core.live.controls import button, choice, declared, pick, whole
from attention_core.live.explorer import Explorer
from attention_core.live.heatmap import AttentionHeatmap
from attention_core.live.layers import SIDE, Layers, Taken, asked, order, scored, shared_out, taken, without
from attention_core.live.map import AttentionMap
from attention_core.live.picture import Picture, Pixels, image_of
from attention_core.live.reading import Reading
from attention_core.live.remarks import Unusable, instead
from attention_core.live.strip import Strip, Words
from attention_core.masks import causal_mask
from attention_core.transformer import TinyTransformer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WEIGHTS, NORMS = "weights", "norms"
MOST_KEPT = 20_000_000  # weights, of models asked without a token
_STRUCK = "struck "
BEST = 8  # heads that are named, of those sorted by a score
SENT = Reading(
    cell="{number} of all that {query} is sent comes from {key}.",
    row="What {query} is sent, by length:",
    caption="The length of each vector that is sent, ‖α f(x)‖, as a share of its row.",
    number="share",
    rows="queries",
    columns="keys",
    hidden="struck out",
)
_AT_A_GLANCE = "**{layers} layers × {heads} heads**, a row a layer, each by its own largest weight"
_HINT = "A click, or Enter, opens a head."
_MOST = "On average this head looks most at “{token}”: **{share}** of a row."
_SENT_MOST = "On average what this head sends comes most from “{token}”: **{share}** of a row."
_SCORED = "{most} Its score is **{score}**, the {place} of {n}; the best:"
_NO_SCORE = "{most} The score has nothing to show here; the best:"
_NO_SCORES = "{most} The score has nothing to show in any head."
_ONLY_HERE = (
    "“{token}” is struck out of this map alone: its weights went to the others, in proportion. What the "
    "layers would make of it only the model can say: give again=…"
)


class ModelExplorer(Explorer):
    """All layers × heads of a model as small maps; a click opens one, with everything a heatmap can do.

    Args:
        maps: what a model looked at, in whatever form it gives that: `(layers, heads, n, n)`; a list or tuple
            of layers `(heads, n, n)` or `(1, heads, n, n)`, as the `attentions` of transformers; a dict of
            layers, as the cache of TransformerLens; tensors of any floating dtype and device, or arrays.
        tokens: a label for each row; numbers unless given. keys: those of the columns, where they differ.
        norms: of the same form, ‖α f(x)‖: how long the vector is that each key sends to each query.
        again: `again(allowed) -> maps`, or `(maps, norms)` where norms are given: asks the model anew, with
            `allowed (n_k,)`, boolean, False for a token that is struck out.
        score: `score(weights, tokens) -> number`, of one map `(n_q, n_k)`: from 0 to 1, by which heads are
            sorted; None or NaN for a head that has nothing to show. Where it fails the maps stay, and why is
            said above the one that is opened.

    Traits, each of which can be set and observed: all of the above, keys as `key_tokens`; `layer` and `head`,
    the one that is opened; `shows`, "weights" or "norms"; `struck`, the number of a token, or None. To be
    read: `size`, layers and heads, and `labels`, of rows and of columns, which stay while nothing can be
    shown; None then: `weights (n_q, n_k)`, of the opened head; `scores (layers, heads)`.

    Raises: ValueError for maps or labels that cannot be shown, with what to write instead;
    traitlets.TraitError for a layer, head or token that there is not; the old value stays.
    """

    layer = traitlets.Int(0, min=0).tag(
        control=whole("Layer", 0, lambda explorer: explorer.size[0] - 1, follows="size", width="230px")
    )
    head = traitlets.Int(0, min=0).tag(
        control=whole("Head", 0, lambda explorer: explorer.size[1] - 1, follows="size", width="230px")
    )
    shows = traitlets.Enum([WEIGHTS, NORMS], WEIGHTS).tag(
        control=choice("Shows", {"weights": WEIGHTS, "what is sent, ‖α f(x)‖": NORMS})
    )
    struck = traitlets.Int(None, allow_none=True, min=0).tag(
        control=pick("Strike out", lambda explorer: explorer.strikes, follows="labels")
    )
    maps = traitlets.Any()
    tokens = traitlets.Any(None, allow_none=True)
    key_tokens = traitlets.Any(None, allow_none=True)
    norms = traitlets.Any(None, allow_none=True)
    again = traitlets.Callable(None, allow_none=True)
    score = traitlets.Callable(None, allow_none=True)
    size = traitlets.Any((1, 1))
    labels = traitlets.Any(((), ()))
    scores = traitlets.Any(None, allow_none=True).tag(computed=True)

    def __init__(self, maps=None, tokens=None, *, keys=None, **traits):
        self._kept: dict[str, tuple] = {}
        self._walking = False  # whether the opened head is one that `next_best` came to
        if maps is None:
            maps, tokens = _untrained(words.split("the cat sat on the mat because it was tired"))
        taken(maps, tokens, keys, traits.get("norms"))  # a refusal reaches who wrote it
        super().__init__(maps=maps, tokens=tokens, key_tokens=keys, **traits)

    def views(self) -> dict[str, widgets.Widget]:
        seen, heatmap = Picture(), AttentionHeatmap(None, learned=True)
        seen.on_choose(self._chosen)
        return {"seen": seen, "heatmap": heatmap, "best": Strip()}

    def arranged(self) -> list[widgets.Widget]:
        both = widgets.HBox([widgets.VBox([self.seen, self.best]), self.heatmap])
        both.add_class("attention-picture")
        both.add_class("attention-model")
        return [both]

    def make_controls(self) -> dict[str, widgets.Widget]:
        self.settle(None)  # they show where it begins
        none = {"shows": self.norms is None, "next_best": self.score is None}
        return {name: make(self, name) for name, make in declared(type(self)).items() if not none.get(name)}

    # ---- what may be set

    @traitlets.validate("maps", "norms")
    def _check_maps(self, proposal):
        try:
            if proposal.value is not None or proposal.trait.name == "maps":
                Layers(proposal.value, proposal.trait.name)
        except ValueError as wrong:
            raise traitlets.TraitError(str(wrong)) from None
        return proposal.value

    @traitlets.validate("layer", "head", "struck")
    def _check_place(self, proposal):
        name, value = proposal.trait.name, proposal.value
        if (taken := self._taken_or_none()) and value is not None:
            there = {
                "layer": taken.weights.shape[0],
                "head": taken.weights.shape[1],
                "struck": len(taken.keys),
            }
            if value >= there[name]:
                what = "token" if name == "struck" else name
                raise traitlets.TraitError(f"there is no {what} {value} among {there[name]}")
        return value

    def settle(self, name: str | None) -> None:
        if name not in ("shows", "struck"):
            self._walking = False
        if have := self._taken_or_none():
            # what there is to choose from, before a control is moved there
            layers, heads, *_ = have.weights.shape
            self.layer, self.head = min(self.layer, layers - 1), min(self.head, heads - 1)
            if self.struck is not None and self.struck >= len(have.keys):
                self.struck = None
            self.set_trait("size", (layers, heads))
            self.set_trait("labels", (have.queries, have.keys))

    @property
    def strikes(self) -> dict[str, int | None]:
        """The tokens that can be struck out, by their names."""
        return {"nothing": None} | {f"{i} {token}": i for i, token in enumerate(self.labels[1])}

    # ---- what is shown

    def compute(self, maps, tokens, key_tokens, norms, again, score, layer, head, shows, struck):
        have, alone = self._struck(self._taken(), again, struck)
        layers, heads, *_ = have.weights.shape
        sent = shows == NORMS and have.norms is not None
        of = have.norms if sent else have.weights
        shown, allowed = of.of(layer, head), None
        if struck is not None:
            allowed = without(struck, len(have.keys)).expand_as(shown)
            if alone:
                shown = shared_out(shown * allowed, shown.sum(-1, keepdim=True))
        if sent:
            shown = shared_out(shown, torch.ones(len(shown), 1))
        scores, failed = self._scores(have, score)
        named = [f"layer {i}, head {j}" for i in range(layers) for j in range(heads)]
        first = order(scores)[:BEST]
        best = {named[i]: float(scores.flatten()[i]) for i in first}
        means = shown.nan_to_num(0, 0, 0).mean(0)
        most = (_SENT_MOST if sent else _MOST).format(
            token=have.keys[int(means.argmax())], share=still.two(float(means.max()))
        )
        told = most if scores is None else _placed(scores, layer, head, most)
        alone = _ONLY_HERE.format(token=have.keys[struck]) if alone else ""
        said = _AT_A_GLANCE.format(layers=layers, heads=heads)
        return {
            "seen": Pixels(
                self._tiles(of, again, struck), (layers, heads), chosen=layer * heads + head, names=named,
                marked=first, said=said, hint=_HINT, marked_means="best by your score", side=SIDE,
            ),
            "heatmap": AttentionMap(
                shown, have.queries, have.keys, allowed=allowed, reading=SENT if sent else None
            ),
            "title": f"Layer {layer}, head {head}",
            "message": "\n".join(filter(None, (failed, alone))),
            "best": Words(told, [*best], [*best.values()]),
            "scores": scores,
        }  # fmt: skip

    def facts(self) -> str:
        if self.weights is None:
            return super().facts()
        layers, heads = self.size
        struck = "" if self.struck is None else f"“{self.labels[1][self.struck]}” struck out"
        parts = [f"{layers} layers × {heads} heads", self.heatmap.title, struck, self.heatmap.facts()]
        return "; ".join(filter(None, parts))

    def figure(self) -> "Figure":
        """All heads, the opened one, and what is said."""
        if self.weights is None:
            return super().figure()
        best = self.best.content
        named = [f"{name}: {still.two(x)}" for name, x in zip(best.words, best.shares, strict=True)]
        named = "; ".join(name.replace(" ", "\N{NO-BREAK SPACE}") for name in named)
        said = [*self.heatmap.message.splitlines(), f"{best.plain} {named}", still.caption(self.heatmap.map)]
        lines = [line for one in said for line in textwrap.wrap(one, 130)]
        figure = still.blank(9.4, 4.2 + 0.16 * len(lines))
        left, right = figure.subfigures(1, 2, width_ratios=(0.44, 0.56))
        self.seen.draw(left.subplots())
        title = textwrap.fill(self.seen.content.said.replace("**", ""), 48)
        left.suptitle(title, fontsize=9, parse_math=False)
        still.draw_alone(right.subplots(), self.heatmap.map, (4.4, 3.2))
        right.suptitle(self.heatmap.title, fontsize=10, parse_math=False)
        figure.supxlabel("\n".join(lines), fontsize=8, color=still.QUIET, parse_math=False)
        return figure

    # ---- the hand

    def _chosen(self, cell: int) -> None:
        with self.together():
            self.layer, self.head = divmod(cell, self.size[1])

    @button("next by score")
    def next_best(self) -> None:
        """The head with the best score, or the second where that one is open; pressed again, the one that
        comes next, and from the last one, the first. After a new score, or once a head was opened in another
        way, it begins with the best."""
        if every := order(self.scores):
            here = self.layer * self.size[1] + self.head
            on = here in every and (self._walking or here == every[0])
            self._chosen(every[(every.index(here) + 1) % len(every)] if on else every[0])
            self._walking = True

    # ---- taken once for what was given

    def _once(self, name: str, of: tuple, make):
        """What `make` makes of these things, kept until they are others. Raises: what it raised."""
        kept = self._kept.get(name)
        if (
            kept is None
            or len(kept[0]) != len(of)
            or any(a is not b for a, b in zip(kept[0], of, strict=True))
        ):
            try:
                made = make()
            except Exception as problem:
                late = problem.__cause__
                if noted.get() is not None and isinstance(late, Failed) and late.what == "too long":
                    raise late from None  # the time of frames made beforehand was over, not its own
                made = problem
            self._kept[name] = kept = (of, made)
        if isinstance(kept[1], Exception):
            raise kept[1]
        return kept[1]

    def update(self) -> None:
        self._kept = {}  # maps may have been written into, functions may have learned
        with self.together():
            self.settle(None)
        super().update()

    def _taken(self) -> "Taken":
        of = (self.maps, self.tokens, self.key_tokens, self.norms)
        return self._once("taken", of, lambda: taken(*of))

    def _taken_or_none(self) -> "Taken | None":
        try:
            return self._taken()
        except Exception:  # `compute` says what
            return None

    def _struck(self, taken: "Taken", again, struck: int | None) -> tuple["Taken", bool]:
        """What there is without that token; and whether it is one map alone that it is struck out of."""
        if struck is None or again is None:
            return taken, struck is not None
        anew = self._once(f"{_STRUCK}{struck}", (taken, again), lambda: asked(taken, again, struck))
        there = [name for name in self._kept if name.startswith(_STRUCK)]
        for name in there[: -max(1, MOST_KEPT // math.prod(taken.weights.shape))]:
            self._kept.pop(name, None)
        return anew, False

    def _tiles(self, of: Layers, again, struck: int | None) -> np.ndarray:
        return self._once("tiles", (of,), lambda: image_of(of.tiles()))

    def _scores(self, taken: "Taken", score) -> tuple[Tensor | None, str]:
        """Of all heads, if they can be scored; and what is said where that fails."""
        if score is None:
            return None, ""
        try:
            return self._once("scores", (taken, score), lambda: scored(taken, score)), ""
        except Unusable as problem:
            return None, instead(problem)


def _placed(scores: Tensor, layer: int, head: int, most: str) -> str:
    """What a head's score is, and how it is placed among all."""
    own, some = scores[layer, head], ~scores.isnan()
    if own.isnan():
        return (_NO_SCORE if some.any() else _NO_SCORES).format(most=most)
    place = _nth(int((scores > own).sum()) + 1)
    return _SCORED.format(most=most, score=still.two(float(own)), n=int(some.sum()), place=place)


def _nth(n: int) -> str:
    ending = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"


def _untrained(tokens: list[str]) -> tuple[list[Tensor], list[str]]:
    """Maps of a small causal model whose numbers are drawn by lot; what it draws changes nobody else's."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        model = TinyTransformer(len(tokens), dim=32, num_heads=4, num_layers=4)
        x = torch.arange(len(tokens))[None]
        return model(x, causal_mask(len(tokens)))[1], tokens
