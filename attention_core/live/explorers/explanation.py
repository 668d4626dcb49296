"""One sentence under several explanations: a strip of words for each, below the truth where it is known."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import ipywidgets as widgets
import torch
import traitlets
from torch import Tensor, nn

from attention_core import LearnedEncoding, explain
from attention_core.live import still
from attention_core.live.controls import button, declared, pick, player, text
from attention_core.live.curves import Curve, Curves
from attention_core.live.explained import Explained, explained, first, found, left, parts
from attention_core.live.explorer import Explorer
from attention_core.live.heatmap import AttentionHeatmap
from attention_core.live.map import AttentionMap
from attention_core.live.reading import Reading
from attention_core.live.remarks import Unusable
from attention_core.live.strip import Strip, Words
from attention_core.tasks import Opinions
from attention_core.transformer import TinyTransformer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TRUTH = "the truth"
_AXIS = "its probability, with so many words taken away"
_FOUND = "Of the words that decide, each puts first this share:"
STRIPS = Reading(
    cell="{query}: {key} has {number} of the largest.",
    row="{query}, each word as a share of the largest",
    caption="A strip for each explanation. The truth is what the rule asks for.",
    number="share",
    rows="explanations",
    columns="words",
)


class ExplanationExplorer(Explorer):
    """Type a sentence: a model answers, and each explanation says which words it came from.

    A row for each explanation, tinted by its scores, each row by its own largest; above them the planted
    truth. Below, one of them is tested: its first k words are taken away, and the answer is asked for again.

    Args:
        model: `model(tokens, allowed=None) -> (logits, weights)`, as `TinyTransformer`. An untrained one
            unless given.
        sentence: words of the task; others are left out, and named.

    Traits, each of which can be set and observed: `model`; `sentence`; `task`, whose `encode` makes tokens
    of words, and which may say by `decides` which words decide, and by `solve` what is right; `explanations`,
    `{name: (model, x) -> (n,)}`; `own`, one more of them, the learner's, or None; `by`, whose words are taken
    away, and `k`, how many; `place`, a word, and `word`, which is then put there. To be read, None or nothing
    while nothing can be shown: `scores`, `{name: (n,)}`; `names`, theirs and "the truth"; `most`, how many
    words can be taken away; `weights`, the map `(rows, n)`; `answer`, a token; `probability`, its own;
    `curve` `(most + 1,)`, the same with 0, 1, … words taken away; `truth`, boolean `(n,)`.

    Raises: traitlets.TraitError for what cannot be; the old value stays.
    """

    sentence = traitlets.Unicode().tag(control=text("Sentence", width="40em"))
    place = traitlets.Int(12, min=0).tag(
        control=pick("Replace", lambda explorer: explorer.places, follows="sentence")
    )
    word = traitlets.Unicode("").tag(
        control=pick("by", lambda explorer: sorted(explorer.task.words), follows="place")
    )
    by = traitlets.Unicode("weights").tag(
        control=pick("Take away, as says", lambda explorer: explorer.names, follows="names")
    )
    k = traitlets.Int(2, min=0).tag(
        control=player("words", lambda explorer: explorer.most, follows="most", width="230px")
    )
    model = traitlets.Any()
    task = traitlets.Any(Opinions())
    explanations = traitlets.Dict(explain.EXPLANATIONS)
    own = traitlets.Callable(None, allow_none=True)
    scores = traitlets.Any(None, allow_none=True).tag(computed=True)
    names = traitlets.Any(()).tag(computed=True)
    most = traitlets.Int(0).tag(computed=True)
    answer = traitlets.Int(None, allow_none=True).tag(computed=True)
    probability = traitlets.Float(None, allow_none=True).tag(computed=True)
    curve = traitlets.Any(None, allow_none=True).tag(computed=True)
    truth = traitlets.Any(None, allow_none=True).tag(computed=True)

    def __init__(
        self,
        model=None,
        sentence: str = "the music was dull but in the end the film was not bad .",
        **traits,
    ):
        self._wished: dict[str, int] = {}
        self._giving_way = False
        self._kept: tuple = (None, None)  # the last sentence explained, and of what
        task = traits.get("task", type(self).task.default_value)
        super().__init__(model=_untrained(task) if model is None else model, sentence=sentence, **traits)
        self.add_class("attention-explanation")

    def views(self) -> dict[str, widgets.Widget]:
        return {
            "verdict": Strip(), "heatmap": AttentionHeatmap(None, learned=True),
            "found": Strip(), "deletion": Curves(), "left": Strip(),
        }  # fmt: skip

    def arranged(self) -> list[widgets.Widget]:
        below = widgets.HBox([self.deletion, widgets.VBox([self.left, self.found])])
        below.add_class("attention-beside")
        return [self.verdict, self.heatmap, below]

    def make_controls(self) -> dict[str, widgets.Widget]:
        self.settle(None)  # they show where it begins
        made = {name: make(self, name) for name, make in declared(type(self)).items()}
        for name in ("place", "word"):  # another sentence; the bank knows that
            del self.dials[name]
        return made

    # ---- words of the sentence

    @property
    def places(self) -> dict[str, int]:
        """The words of the sentence, with their numbers."""
        return {f"{i} {word}": i for i, word in enumerate(parts(self.sentence))}

    @traitlets.observe("place", "sentence")
    def _name_word(self, change) -> None:
        if change.name == "place":
            self._wish(change)
        there = parts(self.sentence)
        if there:
            self._give_way("place", len(there) - 1)
            self.word = there[self.place]

    @traitlets.observe("k")
    def _wish(self, change) -> None:
        if not self._giving_way:
            self._wished[change.name] = change.new

    def _give_way(self, name: str, most: int) -> None:
        """What was wished for, as far as the sentence has it: one that is typed is short at first."""
        self._giving_way = True
        try:
            setattr(self, name, min(self._wished.setdefault(name, getattr(self, name)), most))
        finally:
            self._giving_way = False

    @traitlets.observe("word")
    def _replace(self, change) -> None:
        there = parts(self.sentence)
        if there and there[self.place] != change.new:
            self.sentence = " ".join([*there[: self.place], change.new, *there[self.place + 1 :]])

    # ---- what is shown

    def settle(self, name: str | None) -> None:
        done = self._done_or_none()
        if done:
            # what there is to choose from, before a control is moved there
            self.set_trait("names", _names(done))
            self.set_trait("most", int(done.removable.sum()))
            if self.names and self.by not in self.names:
                self.by = self.names[0]
            self._give_way("k", self.most)

    def compute(self, model, sentence, task, explanations, own, by, k):
        done = self._done(model, sentence, task, explanations, own)
        rows = {TRUTH: done.truth.float()} if TRUTH in _names(done) else {}
        rows |= done.scores
        said = {
            "verdict": _verdict(done, task),
            "answer": done.target,
            "probability": float(done.probabilities[done.target]),
            "truth": done.truth,
            "scores": done.scores,
            "names": _names(done),
            "most": int(done.removable.sum()),
            "message": "\n".join(f"{name}: {why}" for name, why in done.failed.items()),
        }
        if rows:
            shown = torch.stack([_shares(row) for row in rows.values()])
            said |= {"heatmap": AttentionMap(shown, list(rows), done.words, reading=STRIPS), "weights": shown}
        if (scores := done.truth.float() if by == TRUTH and TRUTH in rows else done.scores.get(by)) is None:
            return said
        try:
            curve, order = left(model, done, scores), first(done, scores)
        except Unusable as problem:
            return said | {"left": Words(str(problem))}
        k = min(k, len(order))
        taken, of = [done.words[i] for i in sorted(order[:k])], task.words[done.target]
        recalls = {
            name: recall for name, one in done.scores.items() if (recall := found(done, one)) is not None
        }
        return said | {
            "curve": curve,
            "deletion": [Curve(f"“{of}”", range(len(curve)), curve.tolist(), at=k, xlabel=_AXIS)],
            "left": Words(
                f"Without {_listed(taken)}: “{of}” has **{still.two(float(curve[k]))}**, in place of "
                f"{still.two(float(curve[0]))}."
            ),
            "found": Words(_FOUND, list(recalls), list(recalls.values())) if recalls else None,
        }  # fmt: skip

    def facts(self) -> str:
        if self.answer is None:
            return super().facts()
        by = f"{self.k} words taken away, as {self.by} says" if self.curve is not None else ""
        return "; ".join(filter(None, (f"“{self.sentence}”", by, self.heatmap.facts())))

    def figure(self) -> "Figure":
        """The strips, the deletion curve, and what is said."""
        if self.weights is None or self.curve is None:
            return super().figure()
        figure = still.blank(9.6, 5.6)
        top, below = figure.subfigures(2, 1, height_ratios=(0.62, 0.38))
        still.draw_alone(top.subplots(), self.heatmap.map, (7.0, 2.4))
        top.suptitle(self.verdict.content.plain, fontsize=10, parse_math=False)
        self.deletion.content[0].draw(below.subplots())
        lines = [self.heatmap.message, self.left.content.plain]
        pairs = zip(self.found.content.words, self.found.content.shares, strict=True)
        lines += [f"{self.found.content.plain} " + " · ".join(f"{name} {still.two(x)}" for name, x in pairs)]
        figure.supxlabel("\n".join(filter(None, lines)), fontsize=8, color=still.QUIET, parse_math=False)
        return figure

    @button("take away the truth")
    def take_the_truth(self) -> None:
        """The words that decide, and no others."""
        if TRUTH in self.names:
            with self.together():
                self.by, self.k = TRUTH, int(self.truth.sum())

    # ---- explained once for a sentence and a model

    def update(self) -> None:
        self._kept = (None, None)  # also what a function has learned that is no module
        super().update()

    def _done_or_none(self) -> Explained | None:
        try:
            return self._done(self.model, self.sentence, self.task, self.explanations, self.own)
        except Exception:  # `compute` says what
            return None

    def _done(self, model, sentence, task, explanations: Mapping, own) -> Explained:
        """What is said of the sentence, unless it was the last one. Raises: Unusable."""
        own_numbers = model.parameters() if isinstance(model, nn.Module) else ()
        of = (model, sentence, task, dict(explanations), own, [(id(p), p._version) for p in own_numbers])
        if self._kept[0] != of:
            try:
                self._kept = of, explained(model, sentence, task, explanations, own)
            except Exception as problem:
                self._kept = of, problem
        if isinstance(self._kept[1], Exception):
            raise self._kept[1]
        return self._kept[1]


def _names(done: Explained) -> tuple[str, ...]:
    """Who can say which words are taken away: the explanations, and the truth where it is known."""
    known = done.truth is not None and bool(done.truth.any())
    return (*done.scores, *([TRUTH] if known else []))


def _shares(scores: Tensor) -> Tensor:
    """As shares of the largest; what is below 0 is none."""
    scores = scores.clamp(min=0)
    return scores / scores.max().clamp(min=torch.finfo(scores.dtype).tiny)


def _verdict(done: Explained, task) -> Words:
    said, p = task.words[done.target], float(done.probabilities[done.target])
    answer = f"It says **{said}**, with probability {still.two(p)}."
    if not hasattr(task, "solve"):
        return Words(answer)
    if done.right is None:
        return Words(f"{answer} The rule has no answer here.")
    right = task.words[done.right]
    return Words(f"{answer} The rule says **{right}**.")


def _listed(words: list[str]) -> str:
    return ", ".join(f"“{word}”" for word in words) if words else "nothing"


def _untrained(task) -> nn.Module:
    """As large as the lesson's; what it draws lots for changes nobody else's."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        positions = LearnedEncoding(40, 32)
        return TinyTransformer(len(task.words), dim=32, num_heads=2, num_layers=2, positions=positions).eval()
