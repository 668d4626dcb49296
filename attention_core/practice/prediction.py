"""Predictions: asked before the run they are about, and locked by it, compared with what was computed."""

import html
import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import traitlets

from attention_core.live import still
from attention_core.live.linked import linked, styles
from attention_core.live.widget import View
from attention_core.practice import kept

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NOTHING = object()  # None and False may be answers
LINE = 96  # letters of an outcome in one line: what a page of 1000 px and a slide have room for
RECORD = "prediction: "  # so begins the line that says what became of a choice; no stored lesson has one


class Prediction(View):
    """One question with its options, as buttons; a choice may be changed until the answer is out.

    Made by `predict`. In a browser the learner presses a button; without one, call `choose`. `chosen` is
    the option taken, or None; `right` is True or False once that and the answer are known, else None.
    """

    _esm = linked("prediction.js")
    _css = styles("prediction.css")
    _frame = traitlets.Dict().tag(sync=True)

    def __init__(self, question: str, options: Sequence, answer=_NOTHING, *, why: str = ""):
        self.question, self.options, self.why = question, tuple(options), why
        texts = [str(option) for option in self.options]
        if len(texts) < 2:
            raise ValueError(f"a prediction needs 2 options or more, got {len(texts)}")
        if twice := next((text for text in texts if texts.count(text) > 1), None):
            raise ValueError(f"the option {twice!r} is there twice")
        self._answer = answer
        self._choice: int | None = None
        self._outcome: int | None = None
        self._out = False  # the answer, perhaps before this kernel was started
        super().__init__()
        self._paint()
        self.on_msg(self._pressed)

    @property
    def chosen(self):
        return None if self._choice is None else self.options[self._choice]

    @property
    def revealed(self) -> bool:
        return self._outcome is not None

    @property
    def right(self) -> bool | None:
        return None if self._choice is None or not self.revealed else self._choice == self._outcome

    def choose(self, option) -> None:
        """Choose, or choose again, as a press of the button does; only before the reveal.

        Raises: ValueError if there is no such option.
        """
        place = self._place(option, "there is no option")
        if self._out:
            self._paint("The answer is out already: a prediction comes before its run.")
        else:
            self._choice = place
            self._paint()
            if self._answer is not _NOTHING:
                self.reveal()

    def recall(self, choice: Mapping) -> None:
        """Take up what was chosen in an earlier kernel, if it was among the same options."""
        texts = [str(option) for option in self.options]
        if choice["options"] == texts and choice["chosen"] in texts:
            self._choice, self._out = texts.index(choice["chosen"]), choice["revealed"]
            self._paint("This is what you chose before.")

    def to_keep(self) -> dict:
        """What an earlier kernel's successor has to know; see `recall`."""
        texts = [str(option) for option in self.options]
        return {"options": texts, "chosen": str(self.chosen), "revealed": self._out}

    def reveal(self, computed=_NOTHING, *, why: str = "") -> "Outcome":
        """Compare with what the run computed: an option, or a function that returns one.

        Args: why: the reason, in a sentence; given here, it does not stand above the question.
        Raises: ValueError if it is none of the options, or if it was given neither here nor to `predict`.
        """
        given = self._answer if computed is _NOTHING else computed
        if given is _NOTHING:
            raise ValueError(
                f"give reveal() what was computed: nothing to compare with for {self.question!r}"
            )
        self.why = why or self.why
        self._outcome = self._place(given() if callable(given) else given, "what was computed is no option")
        self._out = True
        self._paint()
        return Outcome(self)

    def figure(self) -> "Figure":
        """Question and options as a still picture."""
        rows = [textwrap.wrap(self.question, 78) or [""]]
        rows += [textwrap.wrap(self._marked(place), 80) or [""] for place in range(len(self.options))]
        heights = [0.165 * len(row) + (0.14 if i == 0 else 0.2) for i, row in enumerate(rows)]
        figure = still.blank(6.6, sum(heights) + 0.06, layout=None)
        top = sum(heights)
        box = {"boxstyle": "round,pad=0.35", "facecolor": "#f4f5f7", "edgecolor": "#b9bec4"}
        for i, row in enumerate(rows):
            style = {"bbox": box} if i else {"fontweight": "bold"}
            figure.text(
                0.03 if i else 0.015,
                top / (sum(heights) + 0.06),
                "\n".join(row),
                va="top",
                fontsize=9.5,
                parse_math=False,
                **style,
            )
            top -= heights[i]
        return figure

    def __repr__(self) -> str:
        if self._choice is None:
            state = "not answered"
        else:
            state = f"“{self.chosen}”" + {None: "", True: ", right", False: ", wrong"}[self.right]
        return f'Prediction("{self.question}": {state})'

    def _marked(self, place: int) -> str:
        """An option with what it turned out to be, in a sign: colour alone would not do."""
        sign = ""
        if place == self._outcome:
            sign = "✓ "
        elif place == self._choice:
            sign = "✗ " if self.revealed else "● "
        return sign + str(self.options[place])

    def _place(self, value, complaint: str) -> int:
        """Which option a value is: equal to it, or the same when written."""
        if callable(getattr(value, "item", None)):  # a number out of a tensor
            value = value.item()
        for alike in (lambda o: type(o) is type(value) and o == value, lambda o: str(o) == str(value)):
            for place, option in enumerate(self.options):
                if alike(option):
                    return place
        raise ValueError(f"{complaint}: {value!r}. The options are {', '.join(map(repr, self.options))}.")

    def _pressed(self, _widget, content: dict, _buffers) -> None:
        place = content.get("choose") if isinstance(content, dict) else None
        if not isinstance(place, int) or not 0 <= place < len(self.options):
            return
        try:
            self.choose(self.options[place])
        except Exception as error:  # a press has no cell that could show it
            self._paint(f"The answer could not be computed: {type(error).__name__}: {error}")

    def _paint(self, message: str = "") -> None:
        """Tell the page, with a message, and with the outcome once there is one."""
        self._frame = {
            "question": self.question,
            "options": [str(option) for option in self.options],
            "chosen": self._choice,
            "answer": self._outcome,
            "open": not self._out,
            "said": f"{message} {Outcome(self).text if self.revealed else ''}".strip(),
        }


class Outcome:
    """What a prediction came to, in a sentence: `right` is True, False, or None if there was none."""

    def __init__(self, prediction: Prediction):
        self.right = prediction.right
        self.chosen, self.computed = prediction.chosen, prediction.options[prediction._outcome]
        said = {
            None: f"○ you made no prediction; it was “{self.computed}”.",
            True: f"✓ right: it was “{self.computed}”, as you said.",
            False: f"✗ you said “{self.chosen}”; it was “{self.computed}”.",
        }[self.right]
        self.text = f"{said} {prediction.why}".strip()
        self.question = prediction.question

    def record(self) -> str:
        """Question, choice, what was computed, and whether that is the same, in one line: see `recorded`."""
        what = {"question": self.question, "chosen": str(self.chosen), "computed": str(self.computed)}
        return RECORD + json.dumps({**what, "right": self.right}, ensure_ascii=False)

    def __repr__(self) -> str:
        """In words, and after a choice the record in a line: whoever collects notebooks reads that."""
        said = textwrap.fill(self.text, LINE)  # JupyterLab would break it within a word
        return said if self.right is None else f"{said}\n{self.record()}"

    def _repr_html_(self) -> str:
        return f"<div>{html.escape(self.text)}</div>"


def recorded(text: str) -> list[dict]:
    """The choices that an output's text tells of: `{"question", "chosen", "computed", "right"}`, each."""
    found = []
    for line in text.splitlines():
        try:
            what = json.loads(line.removeprefix(RECORD)) if line.startswith(RECORD) else None
        except (ValueError, RecursionError):  # a sentence that begins with the same word
            continue
        if isinstance(what, dict) and {*what} == {"question", "chosen", "computed", "right"}:
            found.append(what)
    return found


class Summary:
    """The score of a lesson, and its predictions one a line."""

    def __init__(self, asked: Sequence[Prediction]):
        answered = sum(p._choice is not None for p in asked)
        right = sum(p.right is True for p in asked)
        self.score = f"{right} of {len(asked)} right" if answered else f"0 of {len(asked)} answered"
        self.lines = tuple(map(_line, asked))

    def __repr__(self) -> str:
        return "\n".join([self.score, *(f"  {line}" for line in self.lines)])

    def _repr_html_(self) -> str:
        lines = "".join(f"<div>{html.escape(line)}</div>" for line in self.lines)
        return f'<div><div style="font-weight: 600">{html.escape(self.score)}</div>{lines}</div>'


class Predictions:
    """The predictions of a notebook, in the order they were asked."""

    def __init__(self):
        self._asked: dict[str, Prediction] = {}

    def add(self, prediction: Prediction) -> Prediction:
        """Keep it, in the place of the same question asked before, unless that one is answered already."""
        before = self._asked.get(prediction.question)
        again = before is not None and before.options == prediction.options
        if again and before.chosen is not None and prediction._answer is _NOTHING:
            return before  # running a cell again takes no choice back
        self._asked[prediction.question] = prediction
        if known := kept.read(kept.place()).get(prediction.question):
            prediction.recall(known)
        prediction.observe(lambda _: self._keep(prediction), "_frame")
        return prediction

    def _keep(self, prediction: Prediction) -> None:
        if prediction.chosen is not None:
            kept.write(kept.place(), prediction.question, prediction.to_keep())

    def summary(self) -> Summary:
        """How many were right, and each in a line."""
        return Summary(list(self))

    def reset(self) -> None:
        """Forget all of them, those kept for a later kernel as well."""
        self._asked.clear()
        kept.forget(kept.place())

    def __len__(self) -> int:
        return len(self._asked)

    def __iter__(self) -> Iterator[Prediction]:
        return iter(self._asked.values())

    def __repr__(self) -> str:
        return f"{len(self)} predictions: see summary()"


predictions = Predictions()


def predict(question: str, options: Sequence, answer=_NOTHING, *, why: str = "") -> Prediction:
    """Ask for a prediction; as the last line of a cell it shows itself.

    Args:
        question: what will happen? options: two or more, of any kind that can be written.
        answer: the right option, or a function that computes it; then a choice is answered at once.
            Without it a later cell calls `.reveal(computed)`, after its run.
        why: the reason, in a sentence, said with the answer.

    Raises: ValueError for fewer than two options, or one that is there twice.
    """
    return predictions.add(Prediction(question, options, answer, why=why))


def _line(prediction: Prediction) -> str:
    p, was = prediction, ""
    if p.revealed and not p.right:
        was = f"; it was “{p.options[p._outcome]}”"
    if p._choice is None:
        return f"○ {p.question} Not answered{was}."
    sign = {None: "●", True: "✓", False: "✗"}[p.right]
    return f"{sign} {p.question} You said “{p.chosen}”{was if p.revealed else ', not revealed yet'}."
