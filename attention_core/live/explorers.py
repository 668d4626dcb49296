"""Explorers: controls joined to an attention function and a heatmap. Only here do the two meet."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import ipywidgets as widgets
import torch
import traitlets
from ipywidgets.widgets.interaction import interactive

from attention_core import causal_mask, scaled_dot_product_attention, window_mask, words
from attention_core.live.back_row import ForProjector
from attention_core.live.call import Unusable, call_attention, row_remark
from attention_core.live.heatmap import AttentionHeatmap, facts, mimebundle

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MASKS: Mapping[str, Callable[[int], torch.Tensor] | None] = {
    "none": None,
    "causal": causal_mask,
    "window": window_mask,
}
TEMPERATURES = [step / 20 for step in range(1, 61)]  # 0.05 to 3.00
COLDEST = 1e-6
MOST_WORDS = 256  # an explorer recomputes at each key press; a map of more is for AttentionHeatmap


class Explorer(ForProjector, widgets.VBox):
    """Controls above one heatmap. A subclass makes the controls and says what `_show` shows."""

    # what is shown, float32; None when nothing can be
    weights = traitlets.Any(None, allow_none=True).tag(computed=True)

    def __init__(self, controls: list[widgets.Widget], heatmap: AttentionHeatmap):
        self.heatmap = heatmap
        bar = widgets.HBox(controls)
        bar.add_class("attention-controls")
        super().__init__([bar, heatmap] if controls else [heatmap])
        self.add_class("attention-explorer")
        self.observe(self._enlarge, "projector")
        self._enlarge()
        if heatmap.has_trait("projector"):  # the box under a map enlarges what is around it too
            traitlets.link((self, "projector"), (heatmap, "projector"))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({facts(self.heatmap)})"

    def _repr_mimebundle_(self, **_) -> tuple[dict, dict]:
        return mimebundle(self, self.figure())

    def _enlarge(self, _change=None) -> None:
        (self.add_class if self.projector else self.remove_class)("attention-projector")

    def figure(self) -> "Figure":
        """What the page shows, as matplotlib draws it: the still picture of a saved notebook."""
        return self.heatmap.figure()

    def _put(self, weights: torch.Tensor | None, message: str = "", **content) -> None:
        """Show weights, or a message in their place; all of it reaches the page as one change."""
        with self.heatmap.hold_sync():
            self.heatmap.update(weights, **content)
            self.heatmap.message = message
        self.weights = self.heatmap.weights


class SelfAttentionExplorer(Explorer):
    """One sentence attends to itself: type, slide, and the map follows.

    Args:
        sentence: the words, with white space between them.
        attention: the function that is called, `(query, key, value[, allowed]) -> (output, weights)`;
            the learner's own after the exercise. It is given 5 wishes a word as query and key, and 8
            features as value (see `attention_core.words`), and a mask only when one is chosen. The
            temperature and √d_k reach it through the query, so that it needs no further argument.

    Traits, each of which can be set and observed: `sentence`; `temperature`, COLDEST or more; `scaled`, False
    takes √d_k out; `mask`, one of "none", "causal", "window"; `attention`; and, to be read, `weights`
    `(n, n)` and `output` `(n, 8)`, both None when the function is unfinished, fails, or returns
    something else, which the page then says in words.

    Raises:
        traitlets.TraitError: for a temperature or a mask that cannot be; the old one stays.
    """

    sentence = traitlets.Unicode()
    temperature = traitlets.Float(1.0)
    scaled = traitlets.Bool(True)
    mask = traitlets.Enum(list(MASKS), default_value="none")
    attention = traitlets.Callable(scaled_dot_product_attention)
    output = traitlets.Any(None, allow_none=True).tag(computed=True)

    def __init__(
        self,
        sentence: str = "the cat sat on the mat because it was tired",
        *,
        attention: Callable = scaled_dot_product_attention,
        **traits,
    ):
        text = widgets.Text(description="Sentence", layout={"width": "32em"}, continuous_update=True)
        root = widgets.ToggleButtons(
            options=[("on", True), ("off", False)], description="÷ √d_k", style={"button_width": "auto"}
        )
        mask = widgets.ToggleButtons(options=list(MASKS), description="Mask", style={"button_width": "auto"})
        slider = linked_slider(
            self, "temperature", TEMPERATURES, description="Temperature", layout={"width": "300px"}
        )
        super().__init__([text, slider, root, mask], AttentionHeatmap(None))
        self.set_trait("attention", attention)
        self.sentence = sentence
        for name, value in traits.items():
            setattr(self, name, value)
        for name, control in (("sentence", text), ("scaled", root), ("mask", mask)):
            traitlets.link((self, name), (control, "value"))
        self.observe(self._show, ["sentence", "temperature", "scaled", "mask", "attention"])
        self._show()

    @traitlets.validate("temperature")
    def _check_temperature(self, proposal) -> float:
        return checked_temperature(proposal.value)

    def _show(self, _change=None) -> None:
        tokens = words.split(self.sentence)
        n = len(tokens)
        if not 1 <= n <= MOST_WORDS:
            message = (
                "Type a word or two." if n == 0 else f"{n} words are too many: the most is {MOST_WORDS}."
            )
            self.output = None
            self._put(None, message)
            return
        query, key, value = words.query_key_value(tokens)  # (n, 5), (n, 5), (n, 8)
        d_k = query.shape[-1]
        allowed = MASKS[self.mask](n) if MASKS[self.mask] else None
        sharpness = (1 if self.scaled else math.sqrt(d_k)) / self.temperature
        try:
            output, weights = call_attention(self.attention, query * sharpness, key, value, allowed)
        except Unusable as problem:
            self.output = None
            self._put(None, str(problem))
            return
        factors = [(f"÷ √{d_k}", 1 / math.sqrt(d_k))] if self.scaled else []
        factors.append((f"÷ temperature {self.temperature:.2f}", 1 / self.temperature))
        self.output = output
        self._put(
            weights,
            row_remark(weights, tokens, allowed),
            queries=tokens,
            keys=tokens,
            allowed=allowed,
            scores=query @ key.T * math.prod(factor for _, factor in factors),  # for the arithmetic
            steps=factors,
            terms=(words.WISHES, query, key),
        )


def checked_temperature(temperature: float) -> float:
    """The temperature; raises traitlets.TraitError for one that turns float32 scores into infinities."""
    if not COLDEST <= temperature < math.inf:
        raise traitlets.TraitError(f"temperature must be a number from {COLDEST} up, got {temperature}")
    return temperature


def linked_slider(
    explorer: Explorer, name: str, steps: Sequence[float], *, digits: str = ".2f", **options
) -> widgets.SelectionSlider:
    """A slider over `steps`, written with `digits`, that shows a number of the explorer's and sets it.

    For a number between two steps the handle stands at the nearest, and the number stays. A float
    slider would lose it: the page rounds what it is given to the slider's steps and sends that back,
    over whatever Python has set since. This one talks in whole numbers.
    """
    slider = widgets.SelectionSlider(options=[(f"{step:{digits}}", step) for step in steps], **options)
    slider.style.description_width = "auto"

    def nearest() -> int:
        number = getattr(explorer, name)
        return min(range(len(steps)), key=lambda i: abs(steps[i] - number))

    def to_slider(_change=None) -> None:
        slider.index = nearest()

    def to_explorer(_change) -> None:
        if slider.index != nearest():
            setattr(explorer, name, steps[slider.index])

    to_slider()
    explorer.observe(to_slider, name)
    slider.observe(to_explorer, "index")
    return slider


class Experiment(Explorer):
    """A learner's function of a few controls, shown as a heatmap that follows them.

    Args:
        function: takes the controls' values by name; returns weights, or a dict of what
            `AttentionHeatmap.update` takes, with at least `weights`, and perhaps `message`, `title`.
        controls: as in `ipywidgets.interact`: a list to choose from, `(low, high, step)`, True or
            False, a text, or a widget with a `value`.

    Each control is a trait of `.controls[name].value`. When the function raises, the page says so.
    """

    _takes_anything = True

    def __init__(self, function: Callable, *, show_sums: bool = False, **controls):
        self.function = function
        self.controls = {name: self._control(name, given) for name, given in controls.items()}
        super().__init__(list(self.controls.values()), AttentionHeatmap(None, show_sums=show_sums))
        for control in self.controls.values():
            control.observe(self._show, "value")
        self._show()

    @staticmethod
    def _control(name: str, given) -> widgets.Widget:
        control = given if isinstance(given, widgets.Widget) else interactive.widget_from_abbrev(given)
        if control is None:
            raise ValueError(
                f"{name}={given!r} makes no control: give a list, (low, high, step), True or a text"
            )
        control.description = control.description or name.replace("_", " ")
        control.style.description_width = "auto"
        return control

    def _show(self, _change=None) -> None:
        try:
            answer = self.function(**{name: control.value for name, control in self.controls.items()})
            # what is not named is None: labels and mask of the last answer are not this one's
            content = dict.fromkeys(("queries", "keys", "heads", "allowed"))
            content |= answer if isinstance(answer, Mapping) else {"weights": answer}
            if content.get("weights") is None:
                raise Unusable("Not finished yet: the function returns no weights.")
            self.heatmap.title = content.pop("title", "")
            self._put(content.pop("weights"), content.pop("message", ""), **content)
        except Exception as problem:
            self._put(
                None,
                str(problem) if isinstance(problem, Unusable) else f"{type(problem).__name__}: {problem}",
            )
