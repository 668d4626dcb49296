"""A picture under the hand: what a model reads in it, and where it looked, over the picture and as a map."""

import random
from collections.abc import Mapping
from typing import TYPE_CHECKING

import ipywidgets as widgets
import torch
import traitlets
from torch import Tensor, nn

from attention_core import explain
from attention_core._calling import Failed, Part, call, formed
from attention_core._checks import is_whole
from attention_core.live import still
from attention_core.live.controls import button, choice, declared, pick
from attention_core.live.drawn import Drawn, cell_of, drawn, frames, patches_of, pointed, turned
from attention_core.live.explorer import Explorer
from attention_core.live.heatmap import AttentionHeatmap
from attention_core.live.looked import Looked, asked, looked
from attention_core.live.map import AttentionMap
from attention_core.live.picture import Handle, Picture, Pixels, image_of
from attention_core.live.reading import Reading
from attention_core.live.remarks import Unusable, instead, row_remark
from attention_core.live.strip import Strip, Words
from attention_core.tasks import Arrows, MarkedDigits
from attention_core.vision import GridEncoding, PatchTransformer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KEPT = 64  # answers of the model that are remembered
DIGITS = (7, 2, 0, 4, 9, 1, 3, 8, 5)
ROLLOUT = "rollout"
TOOLS = {"asks": "ask", "hides": "hide", "paints": "paint", "erases": "erase"}
ARROWS = dict(zip("↑↗→↘↓↙←↖", range(8), strict=True))
REACHED = Reading(
    cell="Of {key}, {number} has reached {query}, if weights were all that mixes.",
    row="What has reached {query}",
    caption="Rollout: through all layers, heads averaged, each word keeping half of itself. Rows sum to 1.",
    number="share",
    rows="reached",
    columns="comes from",
    hidden="hidden",
)
_BY_COLUMNS = (
    "The row of “{word}” sums to {total:.2f}, not to 1. The columns do: were they divided by their sums, "
    "in place of the rows?"
)
_ROLLOUT = {"nothing": "the rollout is not finished yet: it returns nothing"}


class PictureExplorer(Explorer):
    """A picture to drag, turn, paint in and cover: a model reads it at once, and shows where it looked.

    The weights of one query, the class token or a patch, lie over the picture; beside it stands the map of
    all queries; below, what was read, and how much of the weight lies on the patch that decides.

    Args:
        model: `model(images) -> (logits, weights)`, as `PatchTransformer`: logits `(1, classes)` or
            `(1, patches, classes)`, weights a list of layers `(1, heads, n, n)`, n patches, or one more with
            a class token in front. Or logits alone. Where patches are hidden it is called with
            `allowed`, `(patches,)`, True for those that may be looked at. An untrained one unless given.
        picture: `(height, width)` or `(channels, height, width)`, from 0 to 1: of one's own, of which no
            right answer is known. Unless given, `task` draws one.

    Traits, each of which can be set and observed: `model`; `picture`; `task`, `MarkedDigits` or `Arrows`, or
    None; of what the task draws `digits`, nine, `seed`, `frame`, the framed cell, several or None, `arrow`,
    its cell, and `direction`, 0 to 7 clockwise from above (setting one of them takes a picture of one's own
    away); `paint`, `{(row, column): value}`; `hidden`, numbers of patches; `query`, a patch, or None for
    where the answer is read; `layer`, a number or "rollout"; `head`, a number, or None for the mean;
    `rollout`, the function; `tool`: what a click does, "ask", "hide", "paint" or "erase". To be read, None
    while nothing can be shown: `weights` `(n, n)`; `image`; `answer`; `probabilities` `(classes,)`; `right`,
    the task's answer; `on_decisive`, the share of the query's weight on the patches that decide.

    Raises: traitlets.TraitError for what cannot be; the old value stays.
    """

    tool = traitlets.Enum([*TOOLS.values()], "ask").tag(control=choice("A click", TOOLS))
    frame = traitlets.Any(4, allow_none=True).tag(
        control=pick("Frame", lambda _: {"none": None} | {f"patch {i}": i for i in range(9)}, follows="task")
    )
    direction = traitlets.Int(0, min=0, max=7).tag(control=choice("Arrow", ARROWS))
    query = traitlets.Int(None, allow_none=True, min=0).tag(
        control=pick("Query", lambda explorer: explorer.queries, follows="model")
    )
    layer = traitlets.Any(None, allow_none=True).tag(
        control=lambda explorer, name: _buttons("Layer", [*range(explorer.layers), ROLLOUT])(explorer, name)
    )
    head = traitlets.Int(None, allow_none=True, min=0).tag(
        control=lambda explorer, name: _buttons("Head", [None, *range(explorer.heads)])(explorer, name)
    )
    model = traitlets.Any()
    picture = traitlets.Any(None, allow_none=True)
    task = traitlets.Any(MarkedDigits(), allow_none=True)
    digits = traitlets.Any(DIGITS)
    seed = traitlets.Int(0, min=0)
    arrow = traitlets.Int(4, min=0, max=8)
    paint = traitlets.Dict()
    hidden = traitlets.Any(())
    rollout = traitlets.Callable(explain.rollout)
    image = traitlets.Any(None, allow_none=True).tag(computed=True)
    answer = traitlets.Int(None, allow_none=True).tag(computed=True)
    probabilities = traitlets.Any(None, allow_none=True).tag(computed=True)
    right = traitlets.Int(None, allow_none=True).tag(computed=True)
    on_decisive = traitlets.Float(None, allow_none=True).tag(computed=True)

    def __init__(self, model=None, picture=None, **traits):
        self._done: dict[tuple, Looked | Exception] = {}
        task = traits.get("task", type(self).task.default_value)
        super().__init__(model=_untrained(task) if model is None else model, picture=picture, **traits)
        self._first = {name: getattr(self, name) for name in (*_DRAWS, "picture", "paint", "hidden", "query")}

    def views(self) -> dict[str, widgets.Widget]:
        seen, heatmap = Picture(), AttentionHeatmap(None, learned=True)
        seen.on_choose(self._chosen)
        seen.on_drag(self._dragged)
        seen.on_paint(self._painted)
        heatmap.observe(self._pinned, "pinned")
        return {"seen": seen, "heatmap": heatmap, "verdict": Strip()}

    def arranged(self) -> list[widgets.Widget]:
        both = widgets.HBox([widgets.VBox([self.seen, self.verdict]), self.heatmap])
        both.add_class("attention-picture")
        return [both]

    def make_controls(self) -> dict[str, widgets.Widget]:
        self.settle(None)  # they show where it begins
        makers = declared(type(self))
        none = {
            "frame": not isinstance(self.task, MarkedDigits),
            "direction": not isinstance(self.task, Arrows),
            "another": not isinstance(self.task, MarkedDigits | Arrows),
            "layer": not self.layers,
            "query": not self.layers,
            "head": self.heads < 2,
        }
        return {name: make(self, name) for name, make in makers.items() if not none.get(name)}

    # ---- what may be set

    @traitlets.validate("picture")
    def _check_picture(self, proposal) -> Tensor | None:
        try:
            return None if proposal.value is None else torch.from_numpy(image_of(proposal.value).copy())
        except ValueError as wrong:
            raise traitlets.TraitError(str(wrong)) from None

    @traitlets.validate("digits")
    def _check_digits(self, proposal) -> tuple[int, ...]:
        return _whole_numbers("digits must be nine, 0 to 9", proposal.value, 9, 9)

    @traitlets.validate("frame")
    def _check_frame(self, proposal) -> int | tuple[int, ...] | None:
        one = proposal.value.item() if _is_one(proposal.value) else proposal.value
        if one is None or (is_whole(one) and 0 <= one <= 8):
            return one if one is None else int(one)
        return _whole_numbers("frame must be a cell, 0 to 8, several of them, or None", one, 8)

    @traitlets.validate("hidden")
    def _check_hidden(self, proposal) -> tuple[int, ...]:
        given = _whole_numbers("hidden must be numbers of patches", proposal.value, 10**6)
        return tuple(sorted(set(given)))

    @traitlets.validate("layer")
    def _check_layer(self, proposal) -> int | str | None:
        layer = proposal.value
        done = self._looked()
        most = max(1, len(done.layers)) if done else layer + 1 if is_whole(layer) else 0
        if layer not in (None, ROLLOUT) and not (is_whole(layer) and 0 <= layer < most):
            raise traitlets.TraitError(f"layer must be one of {most}, or {ROLLOUT!r}; got {layer!r}")
        return layer

    @traitlets.validate("head")
    def _check_head(self, proposal) -> int | None:
        head, done = proposal.value, self._looked()
        if head is not None and done and head >= max(1, done.heads):
            raise traitlets.TraitError(f"there is no head {head} among {done.heads}")
        return head

    @traitlets.validate("paint")
    def _check_paint(self, proposal) -> dict[tuple[int, int], float]:
        try:
            return {(int(r), int(c)): min(1.0, max(0.0, float(x))) for (r, c), x in proposal.value.items()}
        except (TypeError, ValueError):
            raise traitlets.TraitError("paint must be {(row, column): a number from 0 to 1}") from None

    # ---- what there is to choose from

    @property
    def layers(self) -> int:
        """How many layers' weights the model gives."""
        return len(done.layers) if (done := self._looked()) else 0

    @property
    def heads(self) -> int:
        """How many heads a layer has."""
        return done.heads if (done := self._looked()) else 0

    @property
    def queries(self) -> dict[str, int | None]:
        """Who can be asked, by their names."""
        done = self._looked()
        read = {"class": "class token", "each": "where it reads"}.get(
            done.reads_at if done else "", "mean of all"
        )
        return {read: None} | {f"patch {i}": i for i in range(done.patches if done else 0)}

    def settle(self, name: str | None) -> None:
        if name in _DRAWS:
            self.picture = None  # the task draws again
        self.direction = pointed(self.arrow, self.direction)[0]
        if not (done := self._looked()):
            return
        if self.hidden and self.hidden[-1] >= done.patches:
            self.hidden = [cell for cell in self.hidden if cell < done.patches]
        if self.query is not None and self.query >= done.patches:
            self.query = None
        if is_whole(self.layer) or self.layer is None:
            last = max(0, len(done.layers) - 1)
            self.layer = last if self.layer is None else min(self.layer, last)
        if self.head is not None and self.head >= done.heads:
            self.head = None
        row = self._row(done)
        if (row is None and self.heatmap.pinned) or (row is not None and row not in self.heatmap.pinned[-1:]):
            self.heatmap.pinned = [] if row is None else [row]

    def following(self, name: str, inputs: Mapping) -> dict[str, object]:
        return {"picture": None} if name in _DRAWS else {}

    # ---- what is shown

    def compute(
        self, model, task, picture, digits, seed, frame, arrow, direction, paint, hidden, query, layer, head,
        rollout, tool,
    ):  # fmt: skip
        made = drawn(task, picture, digits, frame, arrow, direction, seed, paint)
        said = {"image": made.image, "right": made.right}
        by = "pixel" if tool in ("paint", "erase") else "cell"
        try:
            done = self._read(model, made, hidden)
        except Unusable as problem:
            grid = _fitting(made.image, getattr(model, "grid", None), made.grid)
            cells = [cell for cell in hidden if cell < grid[0] * grid[1]]
            hint, handle = _hint(tool, task, picture, "mean"), self._handle(made, grid, task)
            shown = Pixels(made.image, grid, hidden=cells, by=by, hint=hint, handle=handle)
            return said | {"seen": shown, "message": str(problem)}
        at = patches_of(made, done.grid, made.asks)
        row = asked(done, query, at)
        chosen = None if row is None or row < done.first else row - done.first
        who = "the class token" if row is not None and chosen is None else f"patch {chosen}"
        who = "the patches, on average," if row is None else who
        decides = patches_of(made, done.grid, made.decides)
        shares, message, heading = None, "", f"Where {who} looked"
        try:
            weights = _weights(done, layer, head, rollout)
        except Unusable as problem:
            weights, message = None, str(problem)
        if weights is None:
            message = message or "This model gives no weights: nothing says where it looked."
            heading = ""
        else:
            one = weights.mean(0) if row is None else weights[row]
            shares = one[done.first :].tolist()
            allowed = _allowed(done, hidden) if layer != ROLLOUT else None
            reading = REACHED if layer == ROLLOUT else None
            message = row_remark(
                weights, done.labels, allowed, **({"by_columns": _BY_COLUMNS} if layer == ROLLOUT else {})
            )
            said |= {
                "heatmap": AttentionMap(weights, done.labels, allowed=allowed, reading=reading),
                "title": _title(done, layer, head),
                "weights": weights,
            }
            if layer == ROLLOUT:
                heading = f"What has reached {who.rstrip(',')}"
            if decides:
                said["on_decisive"] = sum(shares[cell] for cell in decides)
        probabilities = (
            done.logits[at[0] if at else query or 0] if done.reads_at == "each" else done.logits
        ).softmax(-1)
        told = _verdict(done, probabilities, made, at, query, frame if picture is None else None, task)
        if (share := said.get("on_decisive")) is not None:
            told += " " + _on_decisive(share, who, decides, layer)
        sure = not probabilities.isnan().any()
        return said | {
            "seen": Pixels(
                made.image, done.grid, shares, [cell for cell in hidden if cell < done.patches], chosen,
                decides,
                by=by, said=heading, hint=_hint(tool, task, picture, done.reads_at), marked_means="decides",
                handle=self._handle(made, done.grid, task),
            ),
            "message": message,
            "verdict": Words(told, [str(i) for i in range(len(probabilities))], probabilities.tolist()),
            "answer": int(probabilities.argmax()) if sure else None,
            "probabilities": probabilities,
        }  # fmt: skip

    def facts(self) -> str:
        if self.image is None:
            return super().facts()
        shown = self.seen.content
        parts = ["{1} × {2} pixels".format(*self.image.shape), "{} × {} patches".format(*shown.grid)]
        if self.picture is None and isinstance(self.task, MarkedDigits):
            parts += [f"framed: {', '.join(map(str, frames(self.frame))) or 'none'}"]
        if self.picture is None and isinstance(self.task, Arrows):
            parts += [f"arrow at {self.arrow}: {list(ARROWS)[self.direction]}"]
        parts += [f"painted: {len(self.paint)}"] if self.paint else []
        parts += [f"hidden: {', '.join(map(str, shown.hidden))}"] if shown.hidden else []
        if self.weights is None:
            return "; ".join([*parts, " ".join(self.heatmap.message.split())])
        return "; ".join([*parts, shown.said, self.heatmap.title, self.heatmap.facts()])

    def figure(self) -> "Figure":
        """The picture under the weights, the map, and what is said."""
        if self.image is None:
            return super().figure()
        figure = still.blank(9.4, 4.2)
        left, right = figure.subfigures(1, 2, width_ratios=(0.36, 0.64))
        self.seen.draw(left.subplots())
        left.suptitle(self.seen.content.said, fontsize=10, parse_math=False)
        if self.weights is not None:
            still.draw_alone(right.subplots(), self.heatmap.map, (4.6, 3.0))
            right.suptitle(self.heatmap.title, fontsize=10, parse_math=False)
        lines = [self.heatmap.message, self.verdict.content.plain]
        lines += [still.caption(self.heatmap.map)] if self.weights is not None else []
        figure.supxlabel("\n".join(filter(None, lines)), fontsize=8, color=still.QUIET, parse_math=False)
        return figure

    # ---- the hand

    def _chosen(self, cell: int) -> None:
        if self.tool == "hide":
            self.hidden = set(self.hidden) ^ {cell}
        else:
            self.query = None if cell == self.seen.content.chosen else cell

    def _dragged(self, start: int, end: int) -> None:
        made = self._drawn()
        if made is None or made.grid is None:
            return
        grid = self.seen.content.grid
        start, end = (cell_of(made, grid, cell) for cell in (start, end))
        for name, value in turned(self.task, made, start, end).items():
            setattr(self, name, value)

    def _handle(self, made: Drawn, grid: tuple[int, int], task) -> Handle | None:
        """A drag that moves one of the controls is that control's move."""
        if made.grid is None or not made.holds:
            return None
        cells = [cell_of(made, grid, patch) for patch in range(grid[0] * grid[1])]
        moves = [turned(task, made, made.holds[0], cell) for cell in cells]
        name = next(iter(next(filter(None, moves), ())), None)
        if name not in self.dials:
            return None
        dial = self.dials[name]
        at = {changes[name]: on_the_page for on_the_page, changes in dial.steps()}
        values = [at.get(move[name]) if name in move else None for move in moves]
        held = [patch for patch, cell in enumerate(cells) if cell in made.holds]
        return None if set(values) == {None} else Handle(held, dial.widget, dial.trait, values)

    def _painted(self, pixels: list[tuple[int, int]]) -> None:
        if self.tool in ("paint", "erase"):
            self.paint = {**self.paint, **dict.fromkeys(pixels, float(self.tool == "paint"))}

    def _pinned(self, change) -> None:
        done = self._looked()
        if not done or not done.layers or (change.new and change.new[-1] >= done.patches + done.first):
            return
        if change.new[-1:] == ([] if (row := self._row(done)) is None else [row]):
            return
        self.query = change.new[-1] - done.first if change.new and change.new[-1] >= done.first else None
        self.settle("query")  # where the answer is read is pinned again

    @button("new picture")
    def another(self) -> None:
        """Other digits, framed or pointed to elsewhere, with nothing painted."""
        dice = random.Random(self.seed + 1)
        with self.together():
            self.seed, self.paint = self.seed + 1, {}
            self.digits = dice.choices(range(10), k=9)
            self.frame, self.direction = dice.randrange(9), dice.randrange(8)

    @button("as at first")
    def start_over(self) -> None:
        """The picture that was there first, with nothing painted or hidden since."""
        with self.together():
            for name, value in self._first.items():
                setattr(self, name, value)
            self.picture = self._first["picture"]  # which the task's own has taken away

    # ---- what was drawn and read

    def _drawn(self) -> Drawn | None:
        try:
            given = (getattr(self, name) for name in _GIVEN)
            return drawn(*given)
        except Exception:  # `compute` says what
            return None

    def _looked(self) -> Looked | None:
        made = self._drawn()
        try:
            return made and self._read(self.model, made, self.hidden)
        except Exception:
            return None

    def _row(self, done: Looked) -> int | None:
        made = self._drawn()
        return asked(done, self.query, patches_of(made, done.grid, made.asks)) if done.layers else None

    def _read(self, model, made: Drawn, hidden: tuple[int, ...]) -> Looked:
        """What the model says, unless it has said so already. Raises: Unusable."""
        hidden = tuple(hidden)
        own = [*model.parameters(), *model.buffers()] if isinstance(model, nn.Module) else []
        pixels = made.image.shape, made.image.numpy().tobytes()
        of = (id(model), *pixels, hidden, made.grid, *((id(p), p._version) for p in own))
        if of not in self._done:
            try:
                answer = looked(model, made.image, hidden, made.grid)
            except Unusable as problem:
                answer = problem
            while len(self._done) >= KEPT:
                self._done.pop(next(iter(self._done)), None)
            self._done[of] = answer
        if isinstance(answer := self._done[of], Exception):
            raise answer
        return answer


_DRAWS = ("digits", "seed", "frame", "arrow", "direction")
_GIVEN = ("task", "picture", "digits", "frame", "arrow", "direction", "seed", "paint")


def _whole_numbers(wanted: str, given, most: int, count: int | None = None) -> tuple[int, ...]:
    """Whole numbers from 0 to `most`. Raises: TraitError."""
    try:
        numbers = tuple(x.item() if _is_one(x) else x for x in given)
    except (TypeError, ValueError, RuntimeError):
        numbers = (None,)
    if not all(is_whole(x) and 0 <= x <= most for x in numbers) or count not in (None, len(numbers)):
        raise traitlets.TraitError(f"{wanted}; got {given!r}")
    return tuple(map(int, numbers))


def _is_one(x) -> bool:
    return isinstance(x, Tensor) and x.ndim == 0


def _buttons(label: str, values: list):
    """One is pressed, also for a value that a model of before had."""
    named = {"mean" if value is None else str(value): value for value in values}
    return choice(label, named, at=lambda value: values.index(value) if value in values else 0)


def _untrained(task) -> nn.Module:
    """As large as the lesson's; what it draws lots for changes nobody else's."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        readout = "each" if isinstance(task, Arrows) else "class"
        return PatchTransformer(24, 8, 10, readout=readout, positions=GridEncoding(3, 3, 48))


def _fitting(image: Tensor, *grids) -> tuple[int, int]:
    """The first of these grids that the picture can be cut into."""
    for grid in grids:
        try:
            return Pixels(image, grid).grid
        except (TypeError, ValueError):
            continue
    return (1, 1)


def _allowed(done: Looked, hidden: tuple[int, ...]) -> Tensor | None:
    if not hidden:
        return None
    allowed = torch.ones(done.first + done.patches, dtype=torch.bool)
    allowed[[done.first + cell for cell in hidden if cell < done.patches]] = False
    return allowed.expand(len(allowed), -1)


def _weights(done: Looked, layer: int | str | None, head: int | None, rollout) -> Tensor | None:
    """The map that is shown, `(n, n)`; None for a model that gives none. Raises: Unusable."""
    if not done.layers:
        return None
    if layer != ROLLOUT:
        of = done.layers[min(layer, len(done.layers) - 1) if is_whole(layer) else -1]
        return of.mean(0) if head is None or head >= len(of) else of[head]
    n = done.first + done.patches
    try:
        called = call(rollout, [of.clone() for of in done.layers], quiet=False)
        return formed(called.answer, Part("rollout", (n, n)))[0].detach().float()
    except Failed as problem:
        raise Unusable(instead(problem, _ROLLOUT)) from problem


# ---- in words


def _title(done: Looked, layer: int | str | None, head: int | None) -> str:
    if layer == ROLLOUT:
        return f"Rollout, through {len(done.layers)} layer{'s' * (len(done.layers) > 1)}"
    of = f"Layer {layer}"
    if done.heads < 2:
        return of
    return f"{of}, head {head}" if head is not None else f"{of}, mean of {done.heads} heads"


def _hint(tool: str, task, picture: Tensor | None, reads_at: str) -> str:
    if tool == "hide":
        return "A click, or Enter, hides a patch or shows it again."
    if tool != "ask":
        does = "paints" if tool == "paint" else "erases"
        return f"Press and draw, or Enter: {does}. Shift + arrow keys go on."
    own = picture is None
    drag = "Drag the frame, or Shift + arrow keys on it." if own and isinstance(task, MarkedDigits) else ""
    drag = (
        "Drag the arrow to turn it, or Shift + arrow keys on it."
        if own and isinstance(task, Arrows)
        else drag
    )
    return f"{drag} A click, or Enter, asks a patch; again ends it.".strip()


def _verdict(done: Looked, probabilities: Tensor, made: Drawn, at: list[int], query, frame, task) -> str:
    where = f"At patch {at[0] if at else query or 0} it" if done.reads_at == "each" else "It"
    if probabilities.isnan().any():
        return f"{where} reads nothing: its probabilities are NaN."
    answer = int(probabilities.argmax())
    reads = f"{where} reads **{answer}**, with probability **{still.two(probabilities[answer])}**"
    if made.right is not None:
        return f"{reads}: {'right' if answer == made.right else f'wrong, it is **{made.right}**'}."
    if made.grid is None:
        return f"{reads}."
    framed = frames(frame)
    none = f"{len(framed)} digits are framed" if framed else "No digit is framed"
    return f"{reads}. {none}: there is no right answer."


def _on_decisive(share: float, who: str, decides: list[int], layer) -> str:
    patch = (
        f"patch {decides[0]}, which decides"
        if len(decides) == 1
        else f"the {len(decides)} patches that decide"
    )
    if layer == ROLLOUT:
        return f"Of what has reached {who.rstrip(',')}, **{still.two(share)}** is of {patch}."
    return f"Of what {who} looked at, **{still.two(share)}** is {patch}."
