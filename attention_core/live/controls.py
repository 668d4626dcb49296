"""What moves an explorer's traits: `trait.tag(control=slider(…))` puts that control into its bar.

Each function here gives a maker, `(explorer, name) -> widget`: what the widget shows is the trait, and a
reader who moves it sets the trait.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import ipywidgets as widgets
import traitlets

from attention_core.live.bank import Dial, Step

if TYPE_CHECKING:
    from attention_core.live.explorer import Explorer

Maker = Callable[["Explorer", str], widgets.Widget]
EACH_STEP = 600  # ms, of what is played
_NARROW = {"description_width": "auto"}  # a label as wide as its words


def text(label: str, *, width: str = "32em") -> Maker:
    """A line of text, followed while it is typed."""
    return _linked(
        lambda: widgets.Text(description=label, layout={"width": width}, continuous_update=True), ()
    )


def tick(label: str) -> Maker:
    """A box to tick: True or False."""
    return _linked(
        lambda: widgets.Checkbox(description=label, indent=False, layout={"width": "auto"}), (False, True)
    )


def whole(
    label: str, low: int, high: int | Callable[["Explorer"], int], *, step: int = 1, width: str = "270px",
    follows: str | None = None,
) -> Maker:  # fmt: skip
    """A slider over whole numbers; its end may be a function of the explorer.

    That is asked again when the explorer's trait `follows` has changed.
    """

    def make(explorer: "Explorer", name: str) -> widgets.Widget:
        most = high(explorer) if callable(high) else high
        made = widgets.IntSlider(
            getattr(explorer, name), description=label, min=low, max=max(most, getattr(explorer, name)),
            step=step, layout={"width": width}, style=_NARROW,
        )  # fmt: skip
        made.observe(lambda change: setattr(explorer, name, change.new), "value")

        def to_widget(change) -> None:
            if change.new is None:
                return  # `settle` says in a moment what it is
            made.max = max(made.max, change.new)  # or the slider would pull back what was set from Python
            made.value = change.new

        def to_end(_change) -> None:
            made.max = max(high(explorer), made.value)  # or the slider would move, as if by a hand

        explorer.observe(to_widget, name)
        if follows:
            explorer.observe(to_end, follows)
        every = lambda: [_step(explorer, name, x, x) for x in range(low, made.max + 1, step)]  # noqa: E731
        explorer.dials[name] = Dial((name,), made, "value", every)
        return made

    return make


def choice(
    label: str,
    options: Iterable | Mapping[str, object] | Callable[["Explorer"], Iterable],
    *,
    at: Callable[[object], int] | None = None,
) -> Maker:
    """Buttons, one of them pressed: a list of values, `{label: value}`, or a function of the explorer.

    at: which button is pressed for a value that may be none of the options; unless given, the equal one's.
    """

    def make(explorer: "Explorer", name: str) -> widgets.Widget:
        given = options(explorer) if callable(options) else options
        values = list(given.values() if isinstance(given, Mapping) else given)
        named = list(given.items() if isinstance(given, Mapping) else given)
        shown = list(given) if None in values else named  # to ipywidgets, None is no choice at all
        made = widgets.ToggleButtons(options=shown, description=label, style={"button_width": "auto"})
        return _indexed(made, explorer, name, values, at or values.index)

    return make


def pick(
    label: str, options: Callable[["Explorer"], Sequence[str] | Mapping[str, object]], *, follows: str
) -> Maker:
    """A list that folds out, of words, or `{word: value}`, that follow the trait of that name; nothing of
    it is chosen where the explorer's is none of them."""

    def make(explorer: "Explorer", name: str) -> widgets.Widget:
        made = widgets.Dropdown(description=label, layout={"width": "auto"}, style=_NARROW)
        filling = False  # ipywidgets chooses the first of new options: nobody has

        def values() -> list:
            given = options(explorer)
            return list(given.values() if isinstance(given, Mapping) else given)

        def to_widget(_change=None) -> None:
            nonlocal filling
            words, every, value = list(options(explorer)), values(), getattr(explorer, name)
            filling = True
            with made.hold_sync():
                if list(made.options) != words:
                    made.options = words
                made.index = every.index(value) if value in every else None
            filling = False

        def to_explorer(change) -> None:
            if not filling and change.new is not None:
                setattr(explorer, name, values()[change.new])

        to_widget()
        explorer.observe(to_widget, [name, follows])
        made.observe(to_explorer, "index")
        every = lambda: [_step(explorer, name, i, x) for i, x in enumerate(values())]  # noqa: E731
        explorer.dials[name] = Dial((name,), made, "index", every)
        return made

    return make


def player(label: str, most: Callable[["Explorer"], int], *, follows: str, width: str = "290px") -> Maker:
    """A slider over 0 to `most`, with buttons that play it on the page, a step at a time, and lead back to 0.

    What else sets the trait ends the playing. The slider's end is asked for again when the explorer's trait
    `follows` has changed.
    """

    def make(explorer: "Explorer", name: str) -> widgets.Widget:
        made = widgets.IntSlider(
            min=0, max=0, step=1, description=label, layout={"width": width}, style=_NARROW
        )
        play = widgets.Play(min=0, max=0, step=1, interval=EACH_STEP, show_repeat=False)

        def to_widget(_change=None) -> None:
            value, end = getattr(explorer, name), most(explorer)
            if value is None:  # the explorer is about to settle on a number
                return
            if made.value != value:
                play.playing = False  # somebody else has moved it: another step would lead away from there
            # first the ends: the page's link would cut a value off at the other's; but no end below what
            # stands there, as the slider would move to it, which would be taken for the hand's
            for one in (made, play):
                one.max = max(end, value, one.value)
            for one in (made, play):
                one.value = value
            for one in (made, play):
                one.max = max(end, value)

        to_widget()
        explorer.observe(to_widget, [name, follows])
        made.observe(lambda change: setattr(explorer, name, change.new), "value")
        every = lambda: [_step(explorer, name, x, x) for x in range(made.max + 1)]  # noqa: E731
        explorer.dials[name] = Dial((name,), made, "value", every)
        both = widgets.HBox([made, play], layout={"overflow": "visible"})
        both.link = widgets.jslink((made, "value"), (play, "value"))  # the page plays without the kernel
        return both

    return make


def slider(label: str, steps: Sequence[float], *, digits: str = ".2f", width: str = "300px") -> Maker:
    """A slider over `steps`, written with `digits`, that shows a number and sets it.

    For a number between two steps the handle stands at the nearest, and the number stays. A float
    slider would lose it: the page rounds what it is given to the slider's steps and sends that back,
    over whatever Python has set since. This one talks in whole numbers.
    """

    def make(explorer: "Explorer", name: str) -> widgets.Widget:
        made = widgets.SelectionSlider(
            options=[(f"{step:{digits}}", step) for step in steps],
            description=label, layout={"width": width}, style=_NARROW,
        )  # fmt: skip
        return _indexed(
            made, explorer, name, steps, lambda x: min(range(len(steps)), key=lambda i: abs(steps[i] - x))
        )

    return make


def button(label: str) -> Callable[[Callable], Callable]:
    """Marks a method of an explorer that a button of this label calls."""

    def mark(method: Callable) -> Callable:
        method.button = label
        return method

    return mark


def declared(kind: type) -> dict[str, Maker]:
    """The controls of a class, in the order in which they stand in it; those of its base come first."""
    found: dict[str, Maker] = {}
    for one in reversed(kind.__mro__):
        for name, thing in vars(one).items():
            if isinstance(thing, traitlets.TraitType) and "control" in thing.metadata:
                found[name] = thing.metadata["control"]
            elif label := getattr(thing, "button", None):
                found[name] = _button(label)
    return {name: maker for name, maker in found.items() if maker is not None}


def _button(label: str) -> Maker:
    def make(explorer: "Explorer", name: str) -> widgets.Widget:
        def pressed(_button) -> None:
            with explorer._one_at_a_time:  # it may go on from what there is
                getattr(explorer, name)()

        made = widgets.Button(description=label, layout={"width": "auto"})
        made.on_click(pressed)
        return made

    return make


def _linked(widget: Callable[[], widgets.Widget], values: Sequence) -> Maker:
    def make(explorer: "Explorer", name: str) -> widgets.Widget:
        made = widget()
        traitlets.link((explorer, name), (made, "value"))
        explorer.dials[name] = Dial(
            (name,),
            made,
            "value",
            (lambda: [_step(explorer, name, x, x) for x in values]) if values else tuple,
        )
        return made

    return make


def _indexed(
    made: widgets.Widget, explorer: "Explorer", name: str, values: Sequence, nearest: Callable
) -> widgets.Widget:
    """Links a widget that talks in the numbers of its options, so that a value between them is not lost."""

    def to_widget(_change=None) -> None:
        if getattr(explorer, name) is None and None not in values:
            return  # `settle` says in a moment what it is
        made.index = int(nearest(getattr(explorer, name)))  # False is 0 here, but not on the page

    def to_explorer(_change) -> None:
        if made.index is not None and made.index != nearest(getattr(explorer, name)):
            setattr(explorer, name, values[made.index])

    to_widget()
    explorer.observe(to_widget, name)
    made.observe(to_explorer, "index")
    every = lambda: [_step(explorer, name, i, x) for i, x in enumerate(values)]  # noqa: E731
    explorer.dials[name] = Dial((name,), made, "index", every)
    return made


def _step(explorer: "Explorer", name: str, on_the_page, value) -> Step:
    """What a control's next position means: its own trait, and what follows from it."""
    return on_the_page, {name: value, **explorer.following(name, {**explorer.inputs(), name: value})}
