"""The record of a training: its curves, the maps kept for a replay, and when there is time to show one."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from attention_core._saying import a
from attention_core.tasks import IGNORE

EVERY = 10  # steps from one kept map to the next: a look at one input in ten steps is a percent or two
MOST_FRAMES = 60  # maps kept for the replay; at the next one every second goes, and EVERY doubles
BUDGET = 0.03  # of the time since the loop began goes into keeping and showing, and not more
PAUSE = 0.05  # seconds between two pictures, at least: more often, nobody sees it
SIGHT = 8.0  # seconds that a loop takes at least where a page watches: in one, nobody sees a map form
SLOWEST = 0.05  # seconds a step, of those: a loop of ten steps is over in half a second
LIFE = 1.0  # seconds after which there is a picture all the same, if it costs no more than a hundredth


@dataclass(frozen=True)
class Frame:
    """What the model does with the probe after `step` steps: its weights, and the tokens it says."""

    step: int
    weights: list[Tensor]  # one a layer, (heads, n_q, n_k); float16, which is as fine as a map shows
    says: list[int]


class Recorder:
    """Looks at a model while it learns, on one fixed input, and keeps what it sees.

    `step` are done of `total`, None if unknown; `ending` is "" until there is one; `history` holds
    `{name: (steps, values)}`; `frames` the maps kept, `latest` the newest look. See `TrainingView` for
    the arguments. Raises: ValueError if the model, the probe and the rest do not fit together.
    """

    def __init__(
        self,
        model: nn.Module,
        probe: Tensor,
        *,
        words: Sequence[str] | None = None,
        answer: Tensor | None = None,
    ):
        if not isinstance(probe, Tensor) or (probe.ndim > 1 and len(probe) != 1) or probe.ndim == 0:
            got = tuple(probe.shape) if isinstance(probe, Tensor) else a(probe)
            raise ValueError(f"probe must be one input, with a batch dimension of 1; got {got}")
        self.model = model
        self._probe = probe if probe.ndim > 1 else probe[None]  # (1, n)
        self._words = words
        self._answer = None if answer is None else answer.flatten().tolist()
        self.run = 0
        self.running = False
        self.begin(None)
        self.latest = self.look()
        if self._answer is not None and len(self._answer) != len(self.latest.says):
            raise ValueError(
                f"answer has {len(self._answer)} tokens but the model says {len(self.latest.says)}"
            )

    def begin(self, total: int | None) -> None:
        """A new record, of a loop of so many steps."""
        self.run += 1
        self.step, self.total, self.ending = 0, total, ""
        self.history: dict[str, tuple[list[int], list[float]]] = {}
        self.frames: list[Frame] = []
        self.every = EVERY
        self.took = 0.0
        self.pace = Pace()

    def report(self, **numbers: float | Tensor) -> None:
        """One more point for each named curve. Raises: ValueError for what is not one number."""
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

    def look(self) -> Frame:
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

    def keep(self) -> None:
        """Look, and keep what is seen for the replay."""
        self.latest = self.look()
        if self.frames and self.frames[-1].step == self.step:
            return
        self.frames.append(self.latest)
        if len(self.frames) > MOST_FRAMES and self.running:
            self.frames = self.frames[::2]
            self.every *= 2

    @property
    def elapsed(self) -> float:
        """Seconds since the loop began, or that it took."""
        return time.perf_counter() - self.pace.began if self.running else self.took

    @property
    def choices(self) -> list[list]:
        """What can be shown: each layer's heads together, and, where there are several, each alone."""
        return [
            [layer, head]
            for layer, weights in enumerate(self.latest.weights)
            for head in (None, *(range(len(weights)) if len(weights) > 1 else ()))
        ]

    @property
    def reads(self) -> list[str]:
        """The tokens of the probe, in words; none where it has no tokens."""
        tokens = self._probe[0]
        return [] if tokens.is_floating_point() or tokens.ndim != 1 else self.names(tokens.tolist())

    def names(self, tokens: list[int]) -> list[str]:
        """Tokens in words."""
        return [str(t) if self._words is None else str(self._words[t]) for t in tokens]

    def right(self, frame: Frame) -> list[bool | None]:
        """Whether each token it says is the answer's; None where any will do."""
        pairs = zip(frame.says, self._answer or [], strict=False)
        return [None if wanted == IGNORE else said == wanted for said, wanted in pairs]


class Pace:
    """How much of a training's time its watching takes, and so when a picture is due."""

    def __init__(self):
        self.began = self.shown_at = self.stepped = time.perf_counter()
        self.spent = self.cost = 0.0

    def due(self, now: float, started: float, *, fresh: bool, idle: bool = False) -> bool:
        """Whether a picture should be shown now; rather when there is a new map, or time to spare."""
        since = now - self.shown_at
        affordable = idle or self.spent + (now - started) + self.cost <= BUDGET * (now - self.began)
        overdue = since >= max(LIFE, 100 * self.cost)
        return overdue or (affordable and since >= (PAUSE if fresh else 4 * PAUSE))

    def shown(self, now: float) -> None:
        """A picture was shown, begun at `now`."""
        self.shown_at = time.perf_counter()
        self.cost = self.shown_at - now

    def wait(self, total: int | None, *, watched: bool) -> None:
        """Let a step that is watched take as long as an eye needs; the time to show it counts."""
        if watched and total:
            rest = self.stepped + min(SIGHT / total, SLOWEST) - time.perf_counter()
            if rest > 0:
                time.sleep(rest)
        self.stepped = time.perf_counter()


def moments(frames: list[Frame], layer: int, n: int) -> list[Frame]:
    """The first frame, the last, and others between which the layer's maps changed equally much."""
    maps = [frame.weights[layer].float() for frame in frames]
    moved = [0.0, *((b - a).abs().sum().item() for a, b in pairwise(maps))]
    path = np.cumsum(moved)
    between = {int(np.abs(path - share * path[-1]).argmin()) for share in np.linspace(0, 1, n)[1:-1]}
    return [frames[i] for i in sorted({0, *between, len(frames) - 1})]
