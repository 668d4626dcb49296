"""A learner's function of a few controls."""

from collections.abc import Callable, Mapping

import ipywidgets as widgets
from ipywidgets.widgets.interaction import interactive

from attention_core._calling import call
from attention_core.live.bank import Dial
from attention_core.live.explorer import Explorer
from attention_core.live.heatmap import CONTENT, AttentionHeatmap
from attention_core.live.map import AttentionMap
from attention_core.live.remarks import Unusable

BESIDE = ("message", "title")


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
        self.function, self._show_sums = function, show_sums
        self._made = {name: _control(name, given) for name, given in controls.items()}
        super().__init__()
        for control in self.controls.values():
            control.observe(lambda _: self._update(anew=False), "value")

    def views(self) -> dict[str, widgets.Widget]:
        return {"heatmap": AttentionHeatmap(None, show_sums=self._show_sums)}

    def make_controls(self) -> dict[str, widgets.Widget]:
        self.dials = {name: _dial(name, control) for name, control in self._made.items()}
        return self._made

    def inputs(self) -> dict[str, object]:
        return {name: control.value for name, control in self._made.items()}

    def compute(self, **values):
        answer = call(self.function, named=values, quiet=False).answer
        content = dict(answer) if isinstance(answer, Mapping) else {"weights": answer}
        beside = {name: content.pop(name) for name in BESIDE if name in content}
        if content.get("weights") is None:
            raise Unusable("Not finished yet: the function returns no weights.")
        if unknown := set(content) - {"weights", *CONTENT}:
            takes = ", ".join(("weights", *CONTENT, *BESIDE))
            raise TypeError(f"a map has no {', '.join(sorted(map(str, unknown)))}; it has {takes}")
        return {"heatmap": AttentionMap(**content), **beside}


def _dial(name: str, control: widgets.Widget) -> Dial:
    """Its steps, where they are known."""
    if control.has_trait("index") and control.has_trait("options"):
        return Dial(
            (name,), control, "index", lambda: [(i, {name: x}) for i, x in enumerate(_options(control))]
        )
    if isinstance(control, widgets.Checkbox | widgets.ToggleButton):
        return Dial((name,), control, "value", lambda: [(x, {name: x}) for x in (False, True)])
    if isinstance(control, widgets.IntSlider):
        whole = lambda: range(control.min, control.max + 1, control.step)  # noqa: E731
        return Dial((name,), control, "value", lambda: [(x, {name: x}) for x in whole()])
    return Dial((name,), control, "value")


def _options(control: widgets.Widget) -> list:
    options = control.options
    pairs = options.items() if isinstance(options, Mapping) else options
    return [x[1] if isinstance(x, tuple) and len(x) == 2 else x for x in pairs]


def _control(name: str, given) -> widgets.Widget:
    control = given if isinstance(given, widgets.Widget) else interactive.widget_from_abbrev(given)
    if control is None:
        raise ValueError(f"{name}={given!r} makes no control: give a list, (low, high, step), True or a text")
    control.description = control.description or name.replace("_", " ")
    control.style.description_width = "auto"
    return control
