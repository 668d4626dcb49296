"""Watching a transformer learn: its curves and the map of one fixed input, while the loop is running."""

import importlib
import signal
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

import comm
import ipywidgets as widgets
import numpy as np
import traitlets
from torch import Tensor, nn

from attention_core.live import still
from attention_core.live.bank import Dial
from attention_core.live.curves import Curve
from attention_core.live.explorer import Explorer
from attention_core.live.heatmap import AttentionHeatmap
from attention_core.live.map import AttentionMap
from attention_core.live.panel import TrainingPanel
from attention_core.live.recorder import Frame, Recorder, moments

if TYPE_CHECKING:
    from matplotlib.figure import Figure

THRESHOLDS = (0.99, 0.95, *(tenth / 10 for tenth in range(9, 0, -1)), 0)  # of the accuracy, in words
LINE = "attention_core.training"  # the name under which the page calls while a loop is running
PATIENCE = 1.5  # seconds that a loop waits for a page to draw the view which its cell has just displayed


class TrainingView(Explorer):
    """Progress, curves, and where the model looks on one fixed input, while a plain loop trains it.

        view = TrainingView(model, probe)
        view

        for step, (x, y) in view.watch(task.batches(600)):
            ...
            view.report(loss=loss, accuracy=accuracy)

    Stop on the page and the kernel's own interrupt end the loop after the step that is running, so
    that the model is whole; a second interrupt is an ordinary KeyboardInterrupt. Afterwards a slider
    replays how the map formed. Watching does not touch the model: it comes out as it would without.
    Where a page shows it, a loop of known length is slowed to some eight seconds, so that the map can
    be seen to form; where none does, nothing waits.

    Args:
        model: called as `model(probe)`; returns `(logits, weights)`, weights being
            `(1, heads, n_q, n_k)` a layer, in a list, or one such tensor.
        probe: one input: tokens `(n,)` or `(1, n)`, or anything else with a batch dimension of 1. For a
            translator a pair `(source, target)`, with which it is called; its weights may be a dict, of
            which "cross" is shown, or leave out the dimension of a single head.
        words: a name for each token of the vocabulary; its number unless given. Of a pair, a pair; of a
            picture, which has no tokens, a name for each row of a map.
        answer: the tokens `(n,)` that the model should say to the probe, `IGNORE` where any will do.
        allowed: boolean `(n_q, n_k)`: only hatches the map, as the model has a mask of its own.

    Traits, each of which can be set and observed: `layer`; `head`, None for all of the layer's;
    `frame`, which of the kept maps is shown, −1 for the newest. To be read: `weights`, those shown;
    `step`, how many are done; `total`, None if unknown; `ending`, "" until there is one, then
    "finished", "stopped", "interrupted" or "left"; `history`, `{name: (steps, values)}`; `frames`.

    Raises: ValueError if the model, the probe and the rest do not fit together; traitlets.TraitError
    for a layer, a head or a frame that there is not.
    """

    layer = traitlets.Int(0)
    head = traitlets.Int(None, allow_none=True)
    frame = traitlets.Int(-1)

    def __init__(
        self,
        model: nn.Module,
        probe: Tensor | tuple[Tensor, Tensor],
        *,
        words: Sequence[str] | tuple[Sequence[str], Sequence[str]] | None = None,
        answer: Tensor | None = None,
        allowed: Tensor | None = None,
    ):
        _loaded_whole("torch._dynamo")
        self.record = Recorder(model, probe, words=words, answer=answer)
        AttentionMap(self.record.latest.weights[0], allowed=allowed)  # raises ValueError if it does not fit
        self._allowed = allowed
        self._stop = ""
        self._wishes: deque[list] = deque()  # from the page, whose messages arrive in another thread
        self._displayed = False
        self._watchers: set[str] = set()  # lines of pages that have drawn it
        super().__init__()
        self.add_class("attention-training")
        _views[self.panel._fixed["view"]] = self
        comm.get_comm_manager().register_target(LINE, _answer_line)

    def views(self) -> dict[str, widgets.Widget]:
        fixed = {"view": uuid4().hex, "reads": self.record.reads, "choices": self.record.choices}
        panel = TrainingPanel(_fixed=fixed)
        panel.observe(self._replay, "frame")
        panel.observe(lambda change: self._choose(*change.new), "chosen")
        return {"panel": panel, "heatmap": AttentionHeatmap(None)}

    def more_dials(self) -> list[Dial]:
        of = lambda frame: [self.record.run, frame]  # noqa: E731
        frames = lambda: [(of(i), {"frame": i}) for i in range(-1, len(self.frames))]  # noqa: E731
        chosen = lambda: [([n, h], {"layer": n, "head": h}) for n, h in self.record.choices]  # noqa: E731
        return [
            Dial(("frame",), self.panel, "frame", frames, lambda: of(self.frame)),
            Dial(("layer", "head"), self.panel, "chosen", chosen, lambda: [self.layer, self.head]),
        ]

    model = property(lambda self: self.record.model, doc="What is trained.")
    step = property(lambda self: self.record.step, doc="How many steps are done.")
    total = property(lambda self: self.record.total, doc="How many steps there are, or None.")
    ending = property(lambda self: self.record.ending, doc="How the last loop ended, in a word.")
    history = property(lambda self: self.record.history, doc="`{name: (steps, values)}`.")
    frames = property(lambda self: self.record.frames, doc="The maps that were kept.")

    # ---- the loop

    def watch(self, batches: Iterable) -> Iterator[tuple[int, object]]:
        """`(step, batch)` for each batch, as `enumerate` gives them; each watch begins a new record."""
        record = self.record
        self.frame, self._stop = -1, ""
        self._await_the_page()
        record.begin(len(batches) if hasattr(batches, "__len__") else None)
        record.running = True
        record.keep()
        self.update()
        try:
            with self._interrupt_ends_the_loop():
                for step, batch in enumerate(batches):
                    yield step, batch
                    record.step = step + 1
                    self._after_step()
                    if self._stop:
                        break
                else:
                    record.ending = "finished"
        finally:
            record.took = record.elapsed
            record.running = False
            record.ending = record.ending or self._stop or "left"
            record.keep()
            self.update()

    def report(self, **numbers: float | Tensor) -> None:
        """One more point for each named curve: `report(loss=loss, accuracy=0.9)`.

        Raises: ValueError for what is not one number.
        """
        self.record.report(**numbers)
        if not self.record.running:
            self.update()

    def _after_step(self) -> None:
        """Keep a map at fixed steps, so that a record is repeatable; show one when there is time for it."""
        record, pace, started = self.record, self.record.pace, time.perf_counter()
        keep = record.step % record.every == 0
        if keep:
            record.keep()
        wished = bool(self._wishes)
        while self._wishes:
            self._choose(*self._wishes.popleft())
        now, watched = time.perf_counter(), bool(self._watchers)
        idle = watched and bool(record.total)  # it would wait anyway
        if wished or pace.due(now, started, fresh=keep, idle=idle):
            if not keep:
                record.latest = record.look()
            self.update()
            pace.shown(now)
        pace.spent += time.perf_counter() - started
        pace.wait(record.total, watched=watched)

    def _await_the_page(self) -> None:
        """A page that is there needs a moment to draw what this very cell has displayed."""
        until = time.perf_counter() + PATIENCE
        while _lines and self._displayed and not self._watchers and time.perf_counter() < until:
            time.sleep(0.02)

    @contextmanager
    def _interrupt_ends_the_loop(self):
        if threading.current_thread() is not threading.main_thread():
            yield  # signals reach the main thread only
            return

        def interrupted(_number, _stack):
            if self._stop:
                raise KeyboardInterrupt
            self._stop = "interrupted"

        before = signal.signal(signal.SIGINT, interrupted)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    # ---- the page

    @traitlets.validate("layer", "head", "frame")
    def _check_there_is(self, proposal) -> int | None:
        name, value = proposal.trait.name, proposal.value
        layers = self.record.latest.weights
        first, n = {
            "layer": (0, len(layers)),
            "head": (0, max(len(w) for w in layers)),
            "frame": (-1, len(self.frames)),
        }[name]
        if value is not None and not (value == first or first <= value < n):
            raise traitlets.TraitError(f"there is no {name} {value}: there are {n}")
        return value

    def _choose(self, layer: int, head: int | None) -> None:
        with self.together():
            self.layer, self.head = layer, head

    def _replay(self, change) -> None:
        """The page asks for a map; what it asked before this training began is about maps that are gone."""
        run, frame = change.new
        if run == self.record.run:
            self.frame = frame
        else:
            self.panel.frame = [self.record.run, self.frame]

    def compute(self, layer, head, frame):
        """The chosen map of the chosen moment, and all of the panel."""
        record = self.record
        shown = record.latest if frame < 0 else record.frames[frame]
        weights = shown.weights[layer]  # (heads, n_q, n_k)
        of = "" if len(weights) == 1 else ", all heads" if head is None else f", head {head}"
        if head is not None:
            weights = weights[head]  # (n_q, n_k)
        reads, writes = record.reads, record.writes
        return {
            "heatmap": AttentionMap(
                weights,
                writes if len(writes) == weights.shape[-2] else None,
                reads if len(reads) == weights.shape[-1] else None,
                allowed=self._allowed,
            ),
            "title": f"Layer {layer}{of}, after {_steps(shown.step)}",
            "panel": self._panel_state(shown),
        }

    def _put(self, answer: dict) -> None:
        with self.panel.hold_sync():
            self.panel.chosen = [self.layer, self.head]
            self.panel.frame = [self.record.run, self.frame]
            super()._put(answer)

    def _panel_state(self, shown: Frame) -> dict:
        record = self.record
        rate = record.step / record.elapsed if record.elapsed else 0.0
        return {
            "run": record.run,
            "running": record.running,
            "step": record.step,
            "total": record.total,
            "rate": rate,
            "left": (record.total - record.step) / rate if rate and record.total else None,
            "note": self._note(),
            "curves": [_curve(name, *points).frame() for name, points in record.history.items()],
            "steps": [frame.step for frame in record.frames],
            "shown": shown.step,
            "says": record.names(shown.says),
            "right": record.right(shown),
        }

    def _note(self) -> str:
        of = "" if self.total is None else f" of {self.total}"
        return {
            "": "" if self.record.running else "Not trained yet.",
            "finished": f"Finished: {_steps(self.step)}.",
            "stopped": f"Stopped after step {self.step}{of}; the model is as it was then.",
            "interrupted": f"Interrupted after step {self.step}{of}; the model is as it was then.",
            "left": f"The loop was left in step {self.step + 1}{of}.",
        }[self.ending]

    # ---- without a page

    def facts(self) -> str:
        layers = self.record.latest.weights
        size = f"{_count(len(layers), 'layer')} × {_count(len(layers[0]), 'head')}"
        if not self.ending:
            return f"{self._note().rstrip('.') or 'running'}, {size}"
        facts = [self._note().rstrip(".").partition(";")[0], size, f"{len(self.frames)} maps kept"]
        if "accuracy" in self.history:
            facts.append(f"accuracy {_coarse(self.history['accuracy'][1])}")
        return ", ".join(facts)

    def _repr_mimebundle_(self, **options) -> tuple[dict, dict]:
        self._displayed = True
        return super()._repr_mimebundle_(**options)

    def figure(self) -> "Figure":
        """The curves, and beneath them the chosen map at up to five moments; untrained, only the map."""
        if not self.frames:
            return super().figure()
        seen = moments(self.frames, self.layer, 5)
        heads = [self.head] if self.head is not None else range(len(seen[0].weights[self.layer]))
        height = (1.7 if self.history else 0) + 1.75 * len(heads) + 0.4
        figure = still.blank(8.2, height)
        parts = figure.subfigures(2, 1, height_ratios=(1.7, height - 1.7)) if self.history else (None, figure)
        if self.history:
            axes = parts[0].subplots(1, len(self.history), squeeze=False)[0]
            for ax, (name, curve) in zip(axes, self.history.items(), strict=True):
                _curve(name, *curve).draw(ax)
                for frame in seen:
                    ax.axvline(frame.step, color=still.QUIET, linewidth=0.6, linestyle=":")
                ax.set_xlabel("steps; dotted: the maps below", fontsize=8, color=still.QUIET)
        maps = parts[1].subplots(len(heads), 5, squeeze=False)
        for row, head in zip(maps, heads, strict=True):
            for ax in row[len(seen) :]:
                ax.remove()
            for ax, frame in zip(row, seen, strict=False):
                image = _draw_map(ax, frame.weights[self.layer][head], self._allowed)
                if head == heads[0]:
                    ax.set_title(f"after {_steps(frame.step)}", fontsize=9)
            row[0].set_ylabel(f"head {head}", fontsize=9)
        parts[1].colorbar(image, ax=maps[:, : len(seen)].ravel().tolist(), shrink=0.8, aspect=20)
        parts[1].suptitle(
            f"Layer {self.layer}: rows are queries, columns are keys", fontsize=9, x=0.01, ha="left"
        )
        return figure


_views: weakref.WeakValueDictionary[str, TrainingView] = weakref.WeakValueDictionary()
_lines: set[str] = set()  # those open now, to pages that show a training


def _answer_line(line: comm.base_comm.BaseComm, _opening: dict) -> None:
    """Hear what the page wishes while a cell is running.

    A widget's own messages wait for the cell's end, and so does all that is sent to a comm which a
    cell has opened. A comm that the page opens is served by a subshell (ipykernel 7, JupyterLab 4.4),
    in another thread; so a wish is only noted here, and the loop grants it after its step.
    """

    def heard(message: dict) -> None:
        said = message["content"]["data"]
        view = _views.get(said["view"])
        if view is not None and said.get("watching"):
            _lines.add(line.comm_id)
            view._watchers.add(line.comm_id)
            return
        if view is None or not view.record.running:
            return
        if said.get("stop"):
            view._stop = view._stop or "stopped"
        else:
            view._wishes.append(said["chosen"])

    def closed(_message: dict) -> None:
        _lines.discard(line.comm_id)
        for view in list(_views.values()):
            view._watchers.discard(line.comm_id)

    line.on_msg(heard)
    line.on_close(closed)


def _draw_map(ax, weights: Tensor, allowed: Tensor | None):
    shown = weights.float().numpy()  # (n_q, n_k)
    if allowed is not None:
        shown = np.ma.masked_where(~allowed.expand(weights.shape).numpy(), shown)
        ax.patch.set(hatch="//////", edgecolor="#8a9097", linewidth=0)  # seen where no cell is drawn
    ax.set(xticks=(), yticks=())
    return ax.imshow(shown, cmap=still.COLOURS, vmin=0, vmax=1)


def _curve(name: str, steps: list[int], values: list[float]) -> Curve:
    return Curve(name, steps, values)


def _coarse(values: list[float]) -> str:
    """The last twenty points' mean, as a threshold that another processor passes too."""
    mean = float(np.mean(values[-20:]))
    passed = next((t for t in THRESHOLDS if mean > t), None)
    return f"{mean:.0f}" if passed is None else f"above {passed:g}"


def _steps(n: int) -> str:
    return _count(n, "step")


def _count(n: int, thing: str) -> str:
    return f"{n} {thing}" if n == 1 else f"{n} {thing}s"


def _loaded_whole(module: str) -> None:
    """Load what torch loads, for a second, when the first optimiser is made.

    *Interrupt* comes to the main thread alone: there it would leave half of that, and nothing could be
    trained any more.
    """
    loading = threading.Thread(target=importlib.import_module, args=(module,))
    loading.start()
    loading.join()
