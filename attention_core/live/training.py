"""Watching a transformer learn: its curves and the map of one fixed input, while the loop is running."""

import signal
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING
from uuid import uuid4

import anywidget
import comm
import numpy as np
import torch
import traitlets
from torch import Tensor, nn

from attention_core._calling import a
from attention_core.live import still
from attention_core.live.explorers import Explorer
from attention_core.live.heatmap import AttentionHeatmap
from attention_core.live.known import Known
from attention_core.live.linked import linked, styles
from attention_core.tasks import IGNORE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EVERY = 10  # steps from one kept map to the next: a look at one input in ten steps is a percent or two
MOST_FRAMES = 60  # maps kept for the replay; at the next one every second goes, and EVERY doubles
BUDGET = 0.03  # of the time since the loop began goes into keeping and showing, and not more
PAUSE = 0.05  # seconds between two pictures, at least: more often, nobody sees it
LIFE = 1.0  # seconds after which there is a picture all the same, if it costs no more than a hundredth
MOST_POINTS = 300  # of a curve on the page
THRESHOLDS = (0.99, 0.95, *(tenth / 10 for tenth in range(9, 0, -1)), 0)  # of the accuracy, in words
LINE = "attention_core.training"  # the name under which the page calls while a loop is running


@dataclass(frozen=True)
class Frame:
    """What the model does with the probe after `step` steps: its weights, and the tokens it says."""

    step: int
    weights: list[Tensor]  # one a layer, (heads, n_q, n_k); float16, which is as fine as a map shows
    says: list[int]


class TrainingPanel(Known, anywidget.AnyWidget):
    """The part of a `TrainingView` above its map: progress, Stop, curves, replay. Not made alone."""

    _esm = linked("training.js")
    _css = styles("training.css")
    _state = traitlets.Dict().tag(sync=True)  # only Python writes it, so that no click is in its way
    _fixed = traitlets.Dict().tag(sync=True)
    frame = traitlets.List([0, -1]).tag(sync=True)  # of which training, and which of its maps
    chosen = traitlets.List([0, None]).tag(sync=True)


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

    Args:
        model: called as `model(probe)`; returns `(logits, weights)`, weights being
            `(1, heads, n_q, n_k)` a layer, in a list, or one such tensor.
        probe: one input: tokens `(n,)` or `(1, n)`, or anything else with a batch dimension of 1.
        words: a name for each token of the vocabulary; its number unless given.
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
        probe: Tensor,
        *,
        words: Sequence[str] | None = None,
        answer: Tensor | None = None,
        allowed: Tensor | None = None,
    ):
        if not isinstance(probe, Tensor) or (probe.ndim > 1 and len(probe) != 1) or probe.ndim == 0:
            got = tuple(probe.shape) if isinstance(probe, Tensor) else a(probe)
            raise ValueError(f"probe must be one input, with a batch dimension of 1; got {got}")
        self.model = model
        self._probe = probe if probe.ndim > 1 else probe[None]  # (1, n)
        self._words = words
        self._answer = None if answer is None else answer.flatten().tolist()
        self._allowed = allowed
        self._wishes: deque[list] = deque()  # from the page, whose messages arrive in another thread
        self._running = False
        self._run = 0
        self._begin(None)
        self._latest = self._look()
        self._check(self._latest)
        self.panel = TrainingPanel(
            _fixed={"view": uuid4().hex, "reads": self._reads(), "choices": self._choices()}
        )
        super().__init__([], AttentionHeatmap(None))
        self.children = [self.panel, self.heatmap]
        self.panel.observe(self._replay, "frame")
        self.panel.observe(lambda change: self._choose(*change.new), "chosen")
        self.observe(self._show, ["layer", "head", "frame"])
        self._show()
        _views[self.panel._fixed["view"]] = self
        comm.get_comm_manager().register_target(LINE, _answer_line)

    # ---- the loop

    def watch(self, batches: Iterable) -> Iterator[tuple[int, object]]:
        """`(step, batch)` for each batch, as `enumerate` gives them; each watch begins a new record."""
        self.frame = -1
        self._begin(len(batches) if hasattr(batches, "__len__") else None)
        self._running = True
        self._keep()
        self._show()
        try:
            with self._interrupt_ends_the_loop():
                for step, batch in enumerate(batches):
                    yield step, batch
                    self.step = step + 1
                    self._after_step()
                    if self._stop:
                        break
                else:
                    self.ending = "finished"
        finally:
            self._running = False
            self.ending = self.ending or self._stop or "left"
            self._took = time.perf_counter() - self._began
            self._keep()
            self._show()

    def report(self, **numbers: float | Tensor) -> None:
        """One more point for each named curve: `report(loss=loss, accuracy=0.9)`.

        Raises: ValueError for what is not one number.
        """
        for name, number in numbers.items():
            if isinstance(number, Tensor):
                if number.numel() != 1:
                    got = tuple(number.shape)
                    raise ValueError(f"{name} must be one number, got a tensor of shape {got}")
                number = number.item()
            try:
                value = float(number)
            except (TypeError, ValueError):
                raise ValueError(f"{name} must be a number, got {a(number)}") from None
            steps, values = self.history.setdefault(name, ([], []))
            steps.append(self.step)  # of the model that was measured: the update comes afterwards
            values.append(value)
        if not self._running:
            self._show()

    def _begin(self, total: int | None) -> None:
        self._run += 1
        self.step, self.total, self.ending, self._stop = 0, total, "", ""
        self.history: dict[str, tuple[list[int], list[float]]] = {}
        self.frames: list[Frame] = []
        self._every = EVERY
        self._began = self._shown_at = time.perf_counter()
        self._spent = self._cost = self._took = 0.0

    def _after_step(self) -> None:
        """Keep a map at fixed steps, so that a record is repeatable; show one when there is time for it."""
        started = time.perf_counter()
        keep = self.step % self._every == 0
        if keep:
            self._keep()
        wished = bool(self._wishes)
        while self._wishes:
            self._choose(*self._wishes.popleft())
        now = time.perf_counter()
        since = now - self._shown_at
        affordable = self._spent + (now - started) + self._cost <= BUDGET * (now - self._began)
        due = affordable and since >= (PAUSE if keep else 4 * PAUSE)  # rather when there is a new map anyway
        overdue = since >= max(LIFE, 100 * self._cost)
        if due or overdue or wished:
            if not keep:
                self._latest = self._look()
            self._show()
            self._shown_at = time.perf_counter()
            self._cost = self._shown_at - now
        self._spent += time.perf_counter() - started

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

    # ---- the probe

    def _look(self) -> Frame:
        """The model on the probe, left as it was: no gradient, no dropout, no random number drawn."""
        learning = [module for module in self.model.modules() if module.training]
        try:
            for module in learning:
                module.training = False
            with torch.no_grad(), torch.random.fork_rng(devices=[]):
                answer = self.model(self._probe)
        finally:
            for module in learning:
                module.training = True
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            raise ValueError(f"the model must return (logits, weights), but it returned {a(answer)}")
        logits, weights = answer
        layers = [weights] if isinstance(weights, Tensor) else list(weights or [])
        if not layers or not all(isinstance(w, Tensor) and w.ndim == 4 and len(w) == 1 for w in layers):
            got = [tuple(w.shape) if isinstance(w, Tensor) else a(w) for w in layers]
            raise ValueError(f"weights must be (1, heads, n_q, n_k) for each layer, but are {got or weights}")
        of_tokens = logits.ndim == 3 and not self._probe.is_floating_point()
        says = logits[0].argmax(-1).tolist() if of_tokens else []  # (n,)
        if says and self._words is not None and logits.shape[-1] > len(self._words):
            raise ValueError(f"words names {len(self._words)} tokens but the model has {logits.shape[-1]}")
        return Frame(self.step, [w[0].half() for w in layers], says)

    def _keep(self) -> None:
        self._latest = self._look()
        if self.frames and self.frames[-1].step == self.step:
            return
        self.frames.append(self._latest)
        if len(self.frames) > MOST_FRAMES and self._running:
            self.frames = self.frames[::2]
            self._every *= 2

    def _check(self, frame: Frame) -> None:
        if self._answer is not None and len(self._answer) != len(frame.says):
            raise ValueError(f"answer has {len(self._answer)} tokens but the model says {len(frame.says)}")

    def _choices(self) -> list[list]:
        """What the page offers: each layer's heads together, and, where there are several, each alone."""
        return [
            [layer, head]
            for layer, weights in enumerate(self._latest.weights)
            for head in (None, *(range(len(weights)) if len(weights) > 1 else ()))
        ]

    def _reads(self) -> list[str]:
        tokens = self._probe[0]
        return [] if tokens.is_floating_point() or tokens.ndim != 1 else self._names(tokens.tolist())

    def _names(self, tokens: list[int]) -> list[str]:
        return [str(t) if self._words is None else str(self._words[t]) for t in tokens]

    # ---- the page

    @traitlets.validate("layer", "head", "frame")
    def _check_there_is(self, proposal) -> int | None:
        name, value = proposal.trait.name, proposal.value
        layers = self._latest.weights
        first, n = {
            "layer": (0, len(layers)),
            "head": (0, max(len(w) for w in layers)),
            "frame": (-1, len(self.frames)),
        }[name]
        if value is not None and not (value == first or first <= value < n):
            raise traitlets.TraitError(f"there is no {name} {value}: there are {n}")
        return value

    def _choose(self, layer: int, head: int | None) -> None:
        with self.hold_trait_notifications():
            self.layer, self.head = layer, head

    def _replay(self, change) -> None:
        """The page asks for a map; what it asked before this training began is about maps that are gone."""
        run, frame = change.new
        if run == self._run:
            self.frame = frame
        else:
            self.panel.frame = [self._run, self.frame]

    def _show(self, _change=None) -> None:
        """The chosen map of the chosen moment, and all of the panel; two messages to the page."""
        shown = self._latest if self.frame < 0 else self.frames[self.frame]
        weights = shown.weights[self.layer]  # (heads, n_q, n_k)
        reads = self._reads()
        if self.head is not None:
            weights = weights[self.head]  # (n_q, n_k)
        with self.heatmap.hold_sync():
            self.heatmap.title = f"{self._place(len(shown.weights[self.layer]))}, after {_steps(shown.step)}"
            self._put(
                weights,
                queries=reads if len(reads) == weights.shape[-2] else None,
                keys=reads if len(reads) == weights.shape[-1] else None,
                allowed=self._allowed,
            )
        with self.panel.hold_sync():
            self.panel.chosen = [self.layer, self.head]
            self.panel.frame = [self._run, self.frame]
            self.panel._state = self._panel_state(shown)

    def _place(self, heads: int) -> str:
        of = "" if heads == 1 else ", all heads" if self.head is None else f", head {self.head}"
        return f"Layer {self.layer}{of}"

    def _panel_state(self, shown: Frame) -> dict:
        elapsed = time.perf_counter() - self._began if self._running else self._took
        rate = self.step / elapsed if elapsed else 0.0
        left = (self.total - self.step) / rate if rate and self.total else None
        return {
            "run": self._run,
            "running": self._running,
            "step": self.step,
            "total": self.total,
            "rate": rate,
            "left": left,
            "note": self._note(),
            "curves": [[name, *_thinned(steps, values)] for name, (steps, values) in self.history.items()],
            "steps": [frame.step for frame in self.frames],
            "shown": shown.step,
            "says": self._names(shown.says),
            "right": self._right(shown),
        }

    def _right(self, shown: Frame) -> list[bool | None]:
        pairs = zip(shown.says, self._answer or [], strict=False)
        return [None if wanted == IGNORE else said == wanted for said, wanted in pairs]

    def _note(self) -> str:
        of = "" if self.total is None else f" of {self.total}"
        return {
            "": "" if self._running else "Not trained yet.",
            "finished": f"Finished: {_steps(self.step)}.",
            "stopped": f"Stopped after step {self.step}{of}; the model is as it was then.",
            "interrupted": f"Interrupted after step {self.step}{of}; the model is as it was then.",
            "left": f"The loop was left in step {self.step + 1}{of}.",
        }[self.ending]

    # ---- without a page

    def __repr__(self) -> str:
        layers = self._latest.weights
        size = f"{_count(len(layers), 'layer')} × {_count(len(layers[0]), 'head')}"
        if not self.ending:
            return f"TrainingView({self._note().rstrip('.') or 'running'}, {size})"
        facts = [self._note().rstrip(".").partition(";")[0], size, f"{len(self.frames)} maps kept"]
        if "accuracy" in self.history:
            facts.append(f"accuracy {_coarse(self.history['accuracy'][1])}")
        return f"TrainingView({', '.join(facts)})"

    def figure(self) -> "Figure":
        """The curves, and beneath them the chosen map at up to five moments; untrained, only the map."""
        if not self.frames:
            return super().figure()
        kept = self.frames
        moments = _moments(kept, self.layer, 5)
        heads = [self.head] if self.head is not None else range(len(moments[0].weights[self.layer]))
        height = (1.7 if self.history else 0) + 1.75 * len(heads) + 0.4
        figure = still.blank(8.2, height)
        parts = figure.subfigures(2, 1, height_ratios=(1.7, height - 1.7)) if self.history else (None, figure)
        if self.history:
            axes = parts[0].subplots(1, len(self.history), squeeze=False)[0]
            for ax, (name, curve) in zip(axes, self.history.items(), strict=True):
                _draw_curve(ax, name, *curve, [frame.step for frame in moments])
        maps = parts[1].subplots(len(heads), 5, squeeze=False)
        for row, head in zip(maps, heads, strict=True):
            for ax in row[len(moments) :]:
                ax.remove()
            for ax, frame in zip(row, moments, strict=False):
                image = _draw_map(ax, frame.weights[self.layer][head], self._allowed)
                if head == heads[0]:
                    ax.set_title(f"after {_steps(frame.step)}", fontsize=9)
            row[0].set_ylabel(f"head {head}", fontsize=9)
        parts[1].colorbar(image, ax=maps[:, : len(moments)].ravel().tolist(), shrink=0.8, aspect=20)
        parts[1].suptitle(
            f"Layer {self.layer}: rows are queries, columns are keys", fontsize=9, x=0.01, ha="left"
        )
        return figure


_views: weakref.WeakValueDictionary[str, TrainingView] = weakref.WeakValueDictionary()


def _answer_line(line: comm.base_comm.BaseComm, _opening: dict) -> None:
    """Hear what the page wishes while a cell is running.

    A widget's own messages wait for the cell's end, and so does all that is sent to a comm which a
    cell has opened. A comm that the page opens is served by a subshell (ipykernel 7, JupyterLab 4.4),
    in another thread; so a wish is only noted here, and the loop grants it after its step.
    """

    def heard(message: dict) -> None:
        said = message["content"]["data"]
        view = _views.get(said["view"])
        if view is None or not view._running:
            return
        if said.get("stop"):
            view._stop = view._stop or "stopped"
        else:
            view._wishes.append(said["chosen"])

    line.on_msg(heard)


def _thinned(steps: list[int], values: list[float]) -> tuple[bytes, bytes]:
    """A curve of at most MOST_POINTS points, each the mean of its neighbours, as float32 bytes."""
    group = -(-len(values) // MOST_POINTS)
    starts = np.arange(0, len(values), group)
    sizes = np.diff(np.append(starts, len(values)))
    return tuple(
        (np.add.reduceat(np.asarray(x, dtype=np.float64), starts) / sizes).astype(np.float32).tobytes()
        for x in (steps, values)
    )


def _moments(frames: list[Frame], layer: int, n: int) -> list[Frame]:
    """The first frame, the last, and others between which the layer's maps changed equally much."""
    maps = [frame.weights[layer].float() for frame in frames]
    moved = [0.0, *((b - a).abs().sum().item() for a, b in pairwise(maps))]
    path = np.cumsum(moved)
    between = {int(np.abs(path - share * path[-1]).argmin()) for share in np.linspace(0, 1, n)[1:-1]}
    return [frames[i] for i in sorted({0, *between, len(frames) - 1})]


def _draw_map(ax, weights: Tensor, allowed: Tensor | None):
    shown = weights.float().numpy()  # (n_q, n_k)
    if allowed is not None:
        shown = np.ma.masked_where(~allowed.expand(weights.shape).numpy(), shown)
        ax.patch.set(hatch="//////", edgecolor="#8a9097", linewidth=0)  # seen where no cell is drawn
    ax.set(xticks=(), yticks=())
    return ax.imshow(shown, cmap=still.COLOURS, vmin=0, vmax=1)


def _draw_curve(ax, name: str, steps: list[int], values: list[float], moments: list[int]) -> None:
    x, y = (np.frombuffer(part, dtype=np.float32) for part in _thinned(steps, values))
    ax.plot(x, y, color="#1769c4", linewidth=1.2)
    ax.set_title(name, fontsize=9, loc="left", parse_math=False)
    finite = y[np.isfinite(y)]
    ax.set_ylim(min(0, finite.min(initial=0)), max(1, finite.max(initial=1)) * 1.05)
    for moment in moments:
        ax.axvline(moment, color=still.QUIET, linewidth=0.6, linestyle=":")
    ax.set_xlabel("steps; dotted: the maps below", fontsize=8, color=still.QUIET)
    ax.tick_params(labelsize=8)
    ax.spines[["top", "right"]].set_visible(False)


def _coarse(values: list[float]) -> str:
    """The last twenty points' mean, as a threshold that another processor passes too."""
    mean = float(np.mean(values[-20:]))
    passed = next((t for t in THRESHOLDS if mean > t), None)
    return f"{mean:.0f}" if passed is None else f"above {passed:g}"


def _steps(n: int) -> str:
    return _count(n, "step")


def _count(n: int, thing: str) -> str:
    return f"{n} {thing}" if n == 1 else f"{n} {thing}s"
