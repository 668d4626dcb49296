"""A translation letter by letter: where the decoder looked, beside what an edit of each letter changes."""

from typing import TYPE_CHECKING

import ipywidgets as widgets
import traitlets
from torch import Tensor, nn

from attention_core.agreement import SAME
from attention_core.live import still
from attention_core.live.controls import choice, declared, player, text
from attention_core.live.explorer import Explorer
from attention_core.live.heatmap import AttentionHeatmap
from attention_core.live.map import AttentionMap
from attention_core.live.reading import Reading
from attention_core.live.remarks import row_remark
from attention_core.live.strip import Strip, Words
from attention_core.live.translated import Translated, translated
from attention_core.tasks import Dates

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NOTHING = "There is nothing yet that an edit could change."
LOOKS, CHANGES = "Where the decoder looked", "What an edit changes"
EFFECT = Reading(
    cell="Replacing {key} changes {query} in {number} of the cases.",
    row="What changes {query}",
    caption="Each letter typed gives way to others of its kind, one at a time.",
    number="share changed",
    rows="written",
    columns="typed",
)


class TranslationExplorer(Explorer):
    """Type a date: a model writes it anew, letter by letter, and two maps say on what each letter depended.

    One shows where the decoder looked when it wrote a letter, a map a head. The other asks the model: each
    letter typed is replaced by others of its kind, digits by digits, and it is counted how often the
    likeliest letter at a place then is another, what came before it being kept.

    Args:
        model: `model(source, target) -> (logits, weights)`, as `EncoderDecoder`; its weights may also be a
            tensor `(batch, n_t, n_s)` or `(batch, heads, n_t, n_s)`. It writes with its own `generate`, or
            greedily.
        text: what is translated.

    Traits, each of which can be set and observed: `model`; `text`; `task`, which has the letters and the
    right answers; `written`, how many letters are shown; `layer`, whose weights are shown, the last unless
    given; `look_up`, a function that the model calls in place of its attribute of that name, and only here.
    To be read, None while nothing can be shown: `weights` `(heads, written, n_source)`, `effect` `(written,
    n_source)` and `answer`, all that was written.

    Raises: traitlets.TraitError for a layer that there is not; the old one stays.
    """

    model = traitlets.Any()
    text = traitlets.Unicode().tag(control=text("Date", width="24em"))
    written = traitlets.Int(None, allow_none=True, min=0).tag(
        control=player("Letters written", lambda explorer: explorer.most, follows="answer")
    )
    layer = traitlets.Int(None, allow_none=True, min=0).tag(
        control=choice("Layer", lambda explorer: range(explorer.layers), at=lambda layer: layer or 0)
    )
    task = traitlets.Any(Dates())
    look_up = traitlets.Callable(None, allow_none=True)
    effect = traitlets.Any(None, allow_none=True).tag(computed=True)
    answer = traitlets.Unicode(None, allow_none=True).tag(computed=True)

    def __init__(self, model, text: str = "tuesday, 3 march 1998", **traits):
        self._kept: tuple = (None, None)  # the last translation, and of what it is
        super().__init__(model=model, text=text, **traits)

    def views(self) -> dict[str, widgets.Widget]:
        return {
            "verdict": Strip(), "heatmap": AttentionHeatmap(None, learned=True),
            "edits": AttentionHeatmap(None, title=CHANGES), "apart": Strip(),
        }  # fmt: skip

    def arranged(self) -> list[widgets.Widget]:
        maps = widgets.HBox([self.heatmap, self.edits])
        maps.add_class("attention-translation")
        widgets.jslink((self.heatmap, "pinned"), (self.edits, "pinned"))  # one row, seen in both
        return [self.verdict, maps, self.apart]

    def make_controls(self) -> dict[str, widgets.Widget]:
        self.settle(None)  # they show where it begins
        makers = declared(type(self))
        if self.layers == 1:
            del makers["layer"]
        return {name: make(self, name) for name, make in makers.items()}

    @traitlets.validate("layer")
    def _check_layer(self, proposal) -> int | None:
        done, layer = self._translated(), proposal.value
        if done and layer is not None and layer >= len(done.cross):
            raise traitlets.TraitError(f"there is no layer {layer}: they are 0 to {len(done.cross) - 1}")
        return layer

    @property
    def most(self) -> int:
        """How many letters were written."""
        return len(done.letters) if (done := self._translated()) else 0

    @property
    def layers(self) -> int:
        """How many layers there are to choose from."""
        return len(done.cross) if (done := self._translated()) else 1

    def settle(self, name: str | None) -> None:
        if done := self._translated():
            last = len(done.cross) - 1
            self.layer = last if self.layer is None else min(self.layer, last)
        if name not in (None, "written", "layer") or self.written is None:
            self.written = self.most  # all of a new translation
        self.written = min(self.written, self.most)

    def compute(self, model, text, task, look_up, written, layer):
        done = self._done(model, text, task, look_up)
        letters, sources = done.letters[:written], [_seen(letter) for letter in text.lower()]
        every = done.cross[-1 if layer is None else layer]
        weights, effect = every[:, :written], done.effect[:written]
        said = {"answer": "".join(done.letters), "verdict": Words(_verdict(task, text, done))}
        if not letters:
            none = "Nothing is written yet: press play, or move the slider."
            return {**said, "message": none if done.letters else "The model ended before it wrote a letter."}
        remarks = filter(None, (row_remark(head, letters) for head in weights))
        return {
            **said,
            "heatmap": AttentionMap(weights if len(weights) > 1 else weights[0], letters, sources),
            "edits": AttentionMap(effect, letters, sources, reading=EFFECT),
            "apart": Words(_apart(weights, effect, letters, sources)),
            "title": LOOKS,
            "message": next(remarks, ""),
            "weights": weights,
            "effect": effect,
        }

    def put_into(self, views, answer: dict) -> None:
        super().put_into(views, answer)
        views["edits"].message = "" if views["edits"].map else NOTHING

    def facts(self) -> str:
        if self.answer is None:
            return super().facts()
        said = self.verdict.content.plain.rstrip(".")
        return f"{said}; {self.heatmap.facts()}"

    def figure(self) -> "Figure":
        """Both maps side by side, and below them what is said."""
        if self.weights is None:
            return super().figure()
        maps, n = self.heatmap.map, len(self.weights)
        figure = still.blank(10.5, 3.4)
        left, right = figure.subfigures(1, 2, width_ratios=(0.5, 0.5))
        across = 1 if n == 1 else 2
        axes = left.subplots(-(-n // across), across, squeeze=False).ravel()
        for head, ax in enumerate(axes):
            if head < n:
                still.draw_alone(ax, maps, (4.4 / across, 2.4 / len(axes) * across), head)
                ax.set_xlabel(maps.heads[head] if n > 1 else "", fontsize=8)
            else:
                ax.remove()
        still.draw_alone(right.subplots(), self.edits.map, (4.4, 2.4))
        for part, title in ((left, LOOKS), (right, CHANGES)):
            part.suptitle(title, fontsize=10)
        lines = [strip.content.plain for strip in (self.verdict, self.apart)]
        figure.supxlabel("\n".join(filter(None, lines)), fontsize=8, color=still.QUIET, parse_math=False)
        return figure

    # ---- the translation, made once for a text and a model

    def _translated(self) -> Translated | None:
        try:
            return self._done(self.model, self.text, self.task, self.look_up)
        except Exception:  # `compute` says what
            return None

    def _done(self, model, text: str, task, look_up) -> Translated:
        """The translation, made unless it is the last one. Raises: Unusable."""
        own = model.parameters() if isinstance(model, nn.Module) else ()
        of = (model, text, task, look_up, [(id(p), p._version) for p in own])
        if self._kept[0] != of:
            try:
                self._kept = of, translated(model, text, task, look_up)
            except Exception as problem:
                self._kept = of, problem
        if isinstance(self._kept[1], Exception):
            raise self._kept[1]
        return self._kept[1]


# ---- in words


def _seen(letter: str) -> str:
    return "␣" if letter == " " else letter


def _verdict(task, text: str, done: Translated) -> str:
    answer = "".join(done.letters)
    written = f"**{answer}**" if answer else "Nothing"
    if not done.ended:
        written += " (cut off: the model did not end it)"
    try:
        right = task.translate(text)
    except ValueError as none:
        return f"{written} was written. {none}: there is no right answer."
    exactly = answer == right and done.ended
    return f"{written} is exactly right." if exactly else f"{written} is wrong: **{right}** is right."


def _apart(weights: Tensor, effect: Tensor, letters: tuple[str, ...], sources: list[str]) -> str:
    """Where weights and effects are furthest apart; of several such places the first."""
    mean, several = weights.mean(0), " (mean of the heads)" if len(weights) > 1 else ""
    if mean.isnan().all():  # which the map says
        return ""
    gap = (effect - mean).abs().nan_to_num(0).flatten()
    row, column = divmod(int((gap >= gap.max() - SAME).int().argmax()), len(sources))
    w, share = still.two(mean[row, column]), still.two(effect[row, column])
    return (
        f"The maps differ most at “{letters[row]}”, letter {row + 1} written, and “{sources[column]}”, "
        f"letter {column + 1} typed: **{w}** of its attention{several}, changed by **{share}** of the edits."
    )
