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
        probe: Tensor | tuple[Tensor, Tensor],
        *,
        words: Sequence[str] | tuple[Sequence[str], Sequence[str]] | None = None,
        answer: Tensor | None = None,
    ):
        self.model = model
        self._pair = isinstance(probe, tuple) and len(probe) == 2
        self._probe = tuple(map(_one_input, probe)) if self._pair else (_one_input(probe),)  # (1, n) each
        self._words = words if self._pair and words is not None else (words, words)  # read, and written
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
                answer = self.model(*self._probe)
        finally:
            for module in learning:
                module.training = True
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            raise ValueError(f"the model must return (logits, weights), but it returned {a(answer)}")
        logits, weights = answer
        if isinstance(weights, dict):
            weights = weights.get("cross")  # of a translator: where what is written looks in what is read
        layers = [weights] if isinstance(weights, Tensor) else list(weights or [])
        if self._pair:  # a model of one head may leave the dimension of its heads out
            layers = [w[:, None] if isinstance(w, Tensor) and w.ndim == 3 else w for w in layers]
        if not layers or not all(isinstance(w, Tensor) and w.ndim == 4 and len(w) == 1 for w in layers):
            got = [tuple(w.shape) if isinstance(w, Tensor) else a(w) for w in layers]
            raise ValueError(f"weights must be (1, heads, n_q, n_k) for each layer, but are {got or weights}")
        of_tokens = logits.ndim == 3 and not self._probe[-1].is_floating_point()
        says = logits[0].argmax(-1).tolist() if of_tokens else []  # (n,)
        written = self._words[-1]
        if says and written is not None and logits.shape[-1] > len(written):
            raise ValueError(f"words names {len(written)} tokens but the model has {logits.shape[-1]}")
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
        """The tokens of the probe, in words; of a pair, those of the source; of a picture, `words` itself."""
        tokens = self._probe[0][0]
        if tokens.is_floating_point() or tokens.ndim != 1:  # its places have no tokens
            return [str(word) for word in self._words[0] or ()]
        return _named(tokens.tolist(), self._words[0])

    @property
    def writes(self) -> list[str]:
        """What the rows of a map stand for: of a pair, the tokens that should be written there."""
        if not self._pair:
            return self.reads
        return self.names(self._probe[1][0].tolist() if self._answer is None else self._answer)

    def names(self, tokens: list[int]) -> list[str]:
        """Tokens that the model says, in words."""
        return _named(tokens, self._words[-1])

    def right(self, frame: Frame) -> list[bool | None]:
        """Whether each token it says is the answer's; None where any will do."""
        pairs = zip(frame.says, self._answer or [], strict=False)
        return [None if wanted == IGNORE else said == wanted for said, wanted in pairs]


def _one_input(probe: Tensor) -> Tensor:
    """With its batch dimension of 1. Raises: ValueError for what is not one input."""
    if not isinstance(probe, Tensor) or (probe.ndim > 1 and len(probe) != 1) or probe.ndim == 0:
        got = tuple(probe.shape) if isinstance(probe, Tensor) else a(probe)
        raise ValueError(f"probe must be one input, with a batch dimension of 1; got {got}")
    return probe if probe.ndim > 1 else probe[None]


def _named(tokens: list[int], words: Sequence[str] | None) -> list[str]:
    return [str(t) if words is None else str(words[t]) for t in tokens]


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
