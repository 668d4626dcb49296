"""The base of all explorers: controls declared, one `compute`, and all that joins them once."""

import inspect
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Self

import ipywidgets as widgets
import traitlets

from attention_core import words
from attention_core.live import still
from attention_core.live.bank import Bank, Dial
from attention_core.live.controls import declared, text
from attention_core.live.heatmap import AttentionHeatmap
from attention_core.live.remarks import Unusable, instead
from attention_core.live.widget import ForProjector, Pictured

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORGOTTEN = {
    "message": "",
    "title": "",
    "faded": [],
    "outlined": (),
}  # what a map says besides, when an answer does not
_INTERRUPTED = "You interrupted it. Move a control, and it is computed anew."
MOST_WORDS = 256  # an explorer recomputes at each key press; a map of more is for AttentionHeatmap


class Explorer(Pictured, ForProjector, widgets.VBox):
    """Controls above what a function makes of them.

    A subclass declares traits, tags those that the reader moves with a control, and says in `compute` what
    they make. It changes nothing but its answer:

        class Sharpness(Explorer):
            temperature = traitlets.Float(1.0).tag(control=slider("Temperature", (0.5, 1.0, 2.0)))

            def compute(self, temperature):
                return AttentionMap((torch.eye(3) / temperature).softmax(-1))

    `compute` is given the traits that its arguments name, anew whenever one of them changes. It returns a
    map, or a dict: by their names what the `views()` show, the heatmap's `message`, `title`, `faded` and
    `outlined`, and values of traits that are tagged `computed=True`. What it does not name is forgotten.
    Where there is nothing to show it raises `Unusable` with a sentence for the learner; whatever else it
    raises is said on the page, too, which lives on.

    Raises: TypeError for an argument, AttributeError for an attribute that it does not know.
    """

    # of each view, traits that are the explorer's own, too
    linked: Mapping[str, tuple[str, ...]] = {}

    # what is shown, float32; None when nothing can be
    weights = traitlets.Any(None, allow_none=True).tag(computed=True)

    def __init__(self, **traits):
        super().__init__()
        # JupyterLab hears a control in a thread of its own while a cell runs: one answer at a time
        self._one_at_a_time = threading.RLock()
        self._holding, self._late = True, False  # nothing is computed before all is there
        self._views = self.views()
        for name, view in self._views.items():
            setattr(self, name, view)
            view._one_at_a_time = self._one_at_a_time
        for name, traits_of_view in self.linked.items():
            for trait in traits_of_view:
                traitlets.link((self, trait), (self._views[name], trait))
        with self.hold_trait_notifications():  # they are judged together
            for name, value in traits.items():
                setattr(self, name, value)
        self.dials: dict[str, Dial] = {}
        self.controls = self.make_controls()
        self.settle(None)
        self._bank = Bank(self, [*self.dials.values(), *self.more_dials()], self._views)
        bar = widgets.HBox(list(self.controls.values()))
        bar.add_class("attention-controls")
        self.children = [*([bar] if self.controls else []), *self.arranged(), self._bank]
        self.add_class("attention-explorer")
        self.observe(self._enlarge, "projector")
        self._enlarge()
        for view in self._views.values():
            if view.has_trait("projector"):  # the box under a map enlarges what is around it too
                traitlets.link((self, "projector"), (view, "projector"))
        self._holding = False
        if moving := [name for name in self.inputs() if self.has_trait(name)]:
            self.observe(self._moved, moving)
        self.update()

    # ---- what a subclass says

    def compute(self, **inputs) -> Mapping:
        """What the views show for these values of the traits; see the class."""
        raise NotImplementedError

    def views(self) -> dict[str, widgets.Widget]:
        """What it shows, by the names that `compute` answers with; each becomes an attribute."""
        return {"heatmap": AttentionHeatmap(None)}

    def arranged(self) -> list[widgets.Widget]:
        """How the views stand under the controls, from top to bottom."""
        return list(self._views.values())

    def settle(self, name: str | None) -> None:
        """Called when the trait of that name has changed, before anything is computed: what no longer fits
        gives way. None: all of them are new."""

    def facts(self) -> str:
        """What it shows, in one line that is the same on every machine."""
        return self.heatmap.facts()

    def beneath(self) -> str:
        """What the still picture says below the map, where the page says it with other views."""
        return ""

    def more_dials(self) -> list[Dial]:
        """What moves it besides the bar: traits of its views that the page sets."""
        return []

    def following(self, name: str, inputs: Mapping) -> dict[str, object]:
        """What gives way when the input of that name has come to be what it is in `inputs`."""
        return {}

    # ---- what all of them have

    def make_controls(self) -> dict[str, widgets.Widget]:
        """The widgets of the bar, by the names of what they move."""
        return {name: make(self, name) for name, make in declared(type(self)).items()}

    def inputs(self) -> dict[str, object]:
        """What `compute` is given: the traits that its arguments name, as they are now."""
        return {name: getattr(self, name) for name in inspect.signature(self.compute).parameters}

    def update(self) -> None:
        """Compute and show, also what no trait tells of. Whatever goes wrong is said in the map's place."""
        self._update(anew=True)

    def _update(self, *, anew: bool) -> None:
        with self._one_at_a_time:
            if self._holding:
                return
            self._late = False
            inputs = self.inputs()
            try:
                answer = self.answer_to(inputs)
            except Exception as problem:  # the learner's function's, or anything else: the page lives on
                answer = {"message": instead(problem)}
            except KeyboardInterrupt:  # controls stand elsewhere already: what was shown is not of that place
                self._bank.answer(inputs, anew=anew)
                self._put({"message": _INTERRUPTED})
                raise
            self._bank.answer(inputs, anew=anew)
            self._put(answer)

    def answer_to(self, inputs: Mapping[str, object]) -> dict:
        """What `compute` says to these inputs, by names."""
        answer = self.compute(**inputs)
        return dict(answer) if isinstance(answer, Mapping) else {"heatmap": answer}

    def put_into(self, views: Mapping[str, widgets.Widget], answer: dict) -> None:
        """Show in these views what belongs to them, and take it out of the answer."""
        for name, view in views.items():
            view.show(answer.pop(name, None))
        for name, nothing in FORGOTTEN.items():
            said = answer.pop(name, nothing)
            if views["heatmap"].has_trait(name):
                setattr(views["heatmap"], name, said)

    @contextmanager
    def at_rest(self) -> Iterator[bool]:
        """Whether nothing is being computed; while it is entered, nothing else is."""
        free = self._one_at_a_time.acquire(blocking=False)
        try:
            yield free and not self._holding and not self._late
        finally:
            if free:
                self._one_at_a_time.release()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Several traits are set, and computed is once, at the end, if any has changed."""
        with self._one_at_a_time:
            before, self._holding = self._holding, True
            try:
                yield
            finally:
                self._holding = before
            if self._late:
                self._update(anew=False)

    def only(self, *names: str) -> Self:
        """Shows these of its controls and hides the others, for a first look; without a name, all of them.

        Hidden ones keep their values, and work from Python. Raises: ValueError for a control it has not.
        """
        if unknown := set(names) - set(self.controls):
            raise ValueError(f"no control {', '.join(sorted(unknown))}; it has {', '.join(self.controls)}")
        for name, control in self.controls.items():
            control.layout.display = "none" if names and name not in names else None
        return self

    def figure(self) -> "Figure":
        """What the page shows, as matplotlib draws it: the still picture of a saved notebook."""
        figure = self.heatmap.figure()
        if beneath := self.beneath():
            caption = "\n".join(filter(None, (figure.get_supxlabel(), beneath)))
            figure.supxlabel(caption, fontsize=8, color=still.QUIET, parse_math=False)
        return figure

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.facts()})"

    def _moved(self, change) -> None:
        with self.together():
            self._late = True
            self.settle(change.name)

    def _put(self, answer: dict) -> None:
        """Show an answer; each view hears of it in one message, and whoever observes finds all of it done."""
        with ExitStack() as messages:
            for view in self._views.values():
                messages.enter_context(view.hold_sync())
            self.put_into(self._views, answer)
        answer.setdefault("weights", getattr(self.heatmap, "weights", None))
        with self.hold_trait_notifications():
            for name, trait in self.traits(computed=True).items():
                self.set_trait(name, answer.pop(name, trait.default_value))
        if answer:
            raise TypeError(f"{type(self).__name__} has nothing that shows {', '.join(answer)}")

    def _enlarge(self, _change=None) -> None:
        (self.add_class if self.projector else self.remove_class)("attention-projector")


class SentenceExplorer(Explorer):
    """An explorer of one sentence: the box to type it in, and what it says of one that it cannot show."""

    sentence = traitlets.Unicode().tag(control=text("Sentence"))
    most_words = MOST_WORDS

    def __init__(self, sentence: str = "the cat sat on the mat because it was tired", **traits):
        super().__init__(sentence=sentence, **traits)

    def tokens(self, sentence: str) -> list[str]:
        """Its words; raises Unusable for none, or too many."""
        tokens = words.split(sentence)
        if not tokens:
            raise Unusable("Type a word or two.")
        if len(tokens) > self.most_words:
            raise Unusable("{n} words are too many: the most is {most}.", n=len(tokens), most=self.most_words)
        return tokens
