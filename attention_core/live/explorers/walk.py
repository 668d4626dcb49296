"""The walk from one word to another: features · W_Q → wishes ← features · W_K."""

import math
from typing import TYPE_CHECKING

import ipywidgets as widgets
import torch
import traitlets

from attention_core import scaled_dot_product_attention, words
from attention_core.live import still
from attention_core.live.controls import button, pick
from attention_core.live.explorer import SentenceExplorer
from attention_core.live.heatmap import AttentionHeatmap
from attention_core.live.map import AttentionMap
from attention_core.live.table import MOST, Cells, Table, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _each(explorer: "WalkExplorer") -> list[str]:
    return list(dict.fromkeys(words.split(explorer.sentence)))


class WalkExplorer(SentenceExplorer):
    """From one word's features through W_Q to its wishes, and through W_K to what another offers.

    Edit one number of W_Q, and query, score and the whole map follow.

    Traits, each of which can be set and observed: `sentence`; `asks` and `offers`, two words of it (the first
    such word, where there are several; where a sentence has lost it, the one in its place); `to_query`, the
    `(8, 5)` map W_Q, float32, of numbers from −9 to 9: a copy of what is set, so that an entry is changed by
    setting a changed clone; and, to be read, `weights` `(n, n)`.

    Raises: traitlets.TraitError for a word that is not in the sentence, or another W_Q; the old one stays.
    """

    asks = traitlets.Unicode("it").tag(control=pick("Asks", _each, follows="sentence"))
    offers = traitlets.Unicode("cat").tag(control=pick("Offers", _each, follows="sentence"))
    to_query = traitlets.TraitType(default_value=None)  # of the words, unless one is given

    @button("start again")
    def start_again(self) -> None:
        """All as it was when it was made."""
        with self.together():
            for name, value in self._start.items():
                setattr(self, name, value)

    @traitlets.validate("to_query")
    def _check_to_query(self, proposal) -> torch.Tensor:
        try:
            given = torch.as_tensor(proposal.value).detach().to(torch.float32, copy=True)
        except (TypeError, ValueError, RuntimeError):
            given = torch.empty(0)
        if given.shape != words.W_QUERY.shape or not bool((given.abs() <= MOST).all()):  # NaN is not
            got = " × ".join(map(str, given.shape)) if given.numel() else repr(proposal.value)[:60]
            raise traitlets.TraitError(f"to_query must be 8 × 5 numbers from −9 to 9, got {got}")
        return given

    @traitlets.validate("asks", "offers")
    def _check_word(self, proposal) -> str:
        there = words.split(self.sentence)
        if there and proposal.value not in there:
            must = f"{proposal.trait.name} must be a word of the sentence: {', '.join(there)}"
            raise traitlets.TraitError(f"{must}; got {proposal.value!r}")
        return proposal.value

    def views(self) -> dict[str, widgets.Widget]:
        asking = Table(editable=True)
        asking.on_edit(lambda: self.set_trait("to_query", torch.tensor(asking.values)))
        return {"asking": asking, "walk": Table(), "offering": Table(), "heatmap": AttentionHeatmap(None)}

    def arranged(self) -> list[widgets.Widget]:
        tables = widgets.VBox([self.asking, self.walk, self.offering])
        tables.add_class("attention-walk")
        return [tables, self.heatmap]

    def settle(self, name: str | None) -> None:
        if name is None:
            self.to_query = words.W_QUERY if self.to_query is None else self.to_query
            self._places = {"asks": 7, "offers": 1}  # of “it” and “cat” in the lessons' sentence
        there = words.split(self.sentence)
        if there and name != "to_query":
            for one, place in self._places.items():
                if getattr(self, one) not in there:  # while a word is typed, it is still meant
                    setattr(self, one, there[min(place, len(there) - 1)])
            self._places = {one: there.index(getattr(self, one)) for one in self._places}
            self.heatmap.pinned = [self._places["asks"]]
        if name is None:
            self._start = {each: getattr(self, each) for each in ("sentence", "asks", "offers", "to_query")}

    def compute(self, sentence, asks, offers, to_query):
        tokens = self.tokens(sentence)
        x = words.embed(tokens)  # (n, 8)
        query, key, value = x @ to_query, x @ words.W_KEY, x @ words.W_VALUE  # (n, 5), (n, 5), (n, 8)
        _, weights = scaled_dot_product_attention(query, key, value)
        i, j = tokens.index(asks), tokens.index(offers)
        terms = query[i] * key[j]  # (5,)
        score = float(terms.sum())
        d_k = query.shape[-1]
        shown = AttentionMap(
            weights, tokens, scores=query @ key.T / math.sqrt(d_k), steps=[(f"÷ √{d_k}", 1 / math.sqrt(d_k))],
            terms=(words.WISHES, query, key),
        )  # fmt: skip
        walk = Cells(
            f"“{asks}” · “{offers}” = **{tidy(score)}** → weight **{still.two(float(weights[i, j]))}**",
            [f"“{asks}” asks", f"“{offers}” offers", "asks × offers"],
            [*words.WISHES, "sum"],
            [[*query[i].tolist(), None], [*key[j].tolist(), None], [*terms.tolist(), score]],
            marked=[2],
        )
        return {
            "asking": _map(
                f"**W_Q**: what each feature asks for; marked: “{asks}”", x[i], to_query, reach=6.0
            ),
            "walk": walk,
            "offering": _map(f"**W_K**: what each feature offers; marked: “{offers}”", x[j], words.W_KEY, 1),
            "heatmap": shown,
        }

    def facts(self) -> str:
        return "; ".join(filter(None, (self.walk.content.said.replace("**", ""), self.heatmap.facts())))

    def figure(self) -> "Figure":
        """The tables, and the map beside them."""
        if self.weights is None:
            return super().figure()
        figure = still.blank(9.6, 5.4)
        left, right = figure.subfigures(1, 2, width_ratios=(0.44, 0.56))
        tables = (self.asking, self.walk, self.offering)
        axes = left.subplots(3, 1, height_ratios=[len(table.content.rows) for table in tables])
        for table, ax in zip(tables, axes, strict=True):
            table.draw(ax, columns=len(words.WISHES) + 1)  # wishes stand below each other
        still.draw_alone(right.subplots(), self.heatmap.map, (4.2, 4.2))
        return figure


def _map(said: str, features: torch.Tensor, wishes: torch.Tensor, reach: float) -> Cells:
    """Features to wishes; the rows of the features that this word has stand out, with how much it has."""
    has = features.tolist()
    rows = [f"{tidy(x)} × {name}" if x else name for x, name in zip(has, words.FEATURES, strict=True)]
    marked = [i for i, x in enumerate(has) if x]
    return Cells(said, rows, words.WISHES, wishes.tolist(), marked=marked, reach=reach)
