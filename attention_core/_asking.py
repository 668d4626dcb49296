"""The function that a probe asks about: its inputs, and how far apart two right answers may be."""

import contextlib
import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from attention_core._calling import Failed, Part, call, formed, takes
from attention_core._checks import is_whole
from attention_core._saying import a, in_words, number
from attention_core.agreement import LONGEST, attention_rounding, rounding

_SENTENCES = {  # a probe's evidence is one line, and the reader has not seen the inputs
    "nothing": "the function returns nothing yet",
    "raised": "the function stopped with {kind}: {message}, in line {line}: {code}",
    "too long": "the function was ended after {seconds:g} seconds, in line {line}: {code}",
    "shape": "for {n_q} queries × {n_k} keys {part} should have shape {wanted}, not {got}",
}
_NO_LINE = {"raised", "too long"}


class Fails(Exception):
    """The function does not have the property; the message is the evidence."""


class CannotAsk(Exception):
    """The question makes no sense for this function; the message says why."""


class Subject:
    """A function `(query, key, value[, allowed])`, or one of a single sequence, `(x[, allowed])`.

    Args: attention: the function or module. inputs: `(query, key, value)` or `(x,)`; random unless given.
    Raises: Fails if it is not such a function, CannotAsk if its inputs cannot be guessed.
    """

    def __init__(self, attention: Callable, inputs: tuple[Tensor, ...] | None):
        if not callable(attention) or isinstance(attention, type):
            given = f"the class {attention.__name__}" if isinstance(attention, type) else a(attention)
            raise Fails(f"a probe takes a function or a module; this is {given}")
        self.attention = attention
        self.is_module = isinstance(attention, nn.Module)
        by_place, self.by_name = takes(attention)
        if inputs is None:
            self.inputs = self._random_inputs(alone=by_place <= 2)
        else:
            self.inputs = tuple(inputs)
        if len(self.inputs) not in (1, 3):
            raise ValueError(f"inputs must be (query, key, value) or (x,), got {len(self.inputs)} of them")
        self.alone = len(self.inputs) == 1
        self.takes_mask = self.by_name or by_place > len(self.inputs)
        self.n_q, self.n_k = self.inputs[0].shape[-2], self.inputs[-1].shape[-2]
        self.dtypes = [torch.float32, torch.float32]  # the coarsest in which output and weights have come
        self.sizes = [1.0, 1.0]  # the largest output, and the largest score that made the weights

    def _random_inputs(self, alone: bool) -> tuple[Tensor, ...]:
        n = 5
        if self.is_module:
            linear = next((m for m in self.attention.modules() if isinstance(m, nn.Linear)), None)
            dim = getattr(self.attention, "dim", getattr(linear, "in_features", None))
            if not is_whole(dim):
                raise CannotAsk("how many features does the module take? Give inputs=(query, key, value)")
            learned = next(
                (p.dtype for p in self.attention.parameters() if p.is_floating_point()), torch.float32
            )
            x = random((2, n, dim)).to(learned)
            return (x,) if alone else (x, x, x)
        if alone:
            return (random((n, 4)),)
        return tuple(random((n, features), seed=seed) for seed, features in enumerate((4, 4, 3)))

    def needs_mask(self) -> None:
        """Raise CannotAsk unless it takes a mask."""
        if not self.takes_mask:
            raise CannotAsk("it takes no mask, allowed, so nothing can be hidden from it")

    def __call__(self, *arguments, graph: bool = False, past: int = 0) -> tuple[Tensor, Tensor]:
        """`(output, weights)`, float32 unless the `graph` is kept. One argument more is the mask, or None.

        past: so many keys it remembers, beside those that it is given.
        """
        *given, allowed = arguments if len(arguments) > len(self.inputs) else (*arguments, None)
        masks = () if allowed is None else (allowed,)
        by_place, named = ((), {"allowed": allowed}) if masks and self.by_name else (masks, {})
        n_q, n_k = given[0].shape[-2], past + given[-1].shape[-2]
        with _as_evidence(n_q=n_q, n_k=n_k):
            with torch.set_grad_enabled(graph):
                answer = call(self.attention, *given, *by_place, named=named).answer
            output, weights = formed(
                answer, Part("output", (..., n_q, "features")), Part("weights", (..., n_q, n_k))
            )
        self._note(output.detach(), weights.detach())
        return (output, weights) if graph else (output.detach().float(), weights.detach().float())

    def twice(self, *arguments) -> tuple[Tensor, Tensor]:
        """The answer, once it is known to repeat: else no change could be blamed on an input."""
        first, second = self(*arguments), self(*arguments)
        offs = [float((x - y).abs().nan_to_num(0).max()) for x, y in zip(first, second, strict=True)]
        if not all(off <= same for off, same in zip(offs, self.same, strict=True)):
            raise Fails(
                f"the same inputs give answers {number(max(offs))} apart: is dropout, or another dice, on?"
            )
        return second

    @property
    def same(self) -> tuple[float, float]:
        """How far apart two right answers `(output, weights)` to these inputs may be; 0 where none is finite.

        Of a function the inputs tell; of a module, which makes its own queries, what it has answered so far.
        """
        of_weights = self.dtypes[1]
        of_output = max(self.dtypes, key=_eps)  # its way leads through the weights
        query, key, value = self.inputs * 3 if self.alone else self.inputs
        if self.is_module:
            (largest, score), dim = self.sizes, query.shape[-1]
            scores = rounding(of_weights, dim, dim, dim, size=score)  # two projections, and a product
            mixed = rounding(of_output, dim, self.n_k, self.n_k, dim, size=largest)
            same = scores * largest + mixed, scores / 2 + rounding(of_weights, self.n_k)
        else:
            same = (
                attention_rounding(query, key, value, dtype=of_output)[0],
                attention_rounding(query, key, value, dtype=of_weights)[1],
            )
        return tuple(x if math.isfinite(x) else 0.0 for x in same)

    def _note(self, *answer: Tensor) -> None:
        """Keep in mind how coarse and how large an answer is."""
        floating = [x.dtype if x.is_floating_point() else torch.float32 for x in answer]
        self.dtypes = [max(pair, key=_eps) for pair in zip(self.dtypes, floating, strict=True)]
        output, weights = (x.double()[x.isfinite() & (x != 0)].abs() for x in answer)
        if output.numel():
            self.sizes[0] = max(self.sizes[0], float(output.max()))
        if weights.numel():  # shares tell how far apart their scores were
            self.sizes[1] = max(self.sizes[1], float(weights.max().log() - weights.min().log()))


def made(kind: Callable):
    """What `kind()` makes: a learner's class, say. Raises: Fails if it makes nothing."""
    if not callable(kind):
        raise Fails(f"what makes an empty cache is called without arguments; this is {a(kind)}")
    with _as_evidence():
        thing = call(kind).answer
        if thing is None:
            raise Failed("nothing")
        return thing


@contextlib.contextmanager
def _as_evidence(**sizes: int) -> Iterator[None]:
    """What fails in a call is evidence, in one line."""
    try:
        yield
    except Failed as failure:
        line, code = failure.where or (0, "")
        known = {what: said for what, said in _SENTENCES.items() if line or what not in _NO_LINE}
        raise Fails(in_words(failure, known, **sizes, line=line, code=code)) from failure


def _eps(dtype: torch.dtype) -> float:
    return torch.finfo(dtype).eps


def random(shape, seed: int = 0) -> Tensor:
    """Normal numbers that are the same each time, and leave torch's own generator alone."""
    drawn = torch.Generator().manual_seed(1000 + seed)
    return torch.randn(shape, generator=drawn, dtype=torch.float32)


def flat(x: Tensor, keep: int) -> Tensor:
    """All dimensions before the last `keep` as one."""
    return x.reshape(-1, *x.shape[x.ndim - keep :])


def change_by_row(before: Tensor, after: Tensor) -> Tensor:
    """The largest change in each row, `(n_q,)`, over all features and leading dimensions."""
    if before.shape != after.shape:
        raise Fails(f"the shape changed from {tuple(before.shape)} to {tuple(after.shape)}")
    return flat((after - before).abs().nan_to_num(math.inf), 2).amax((0, 2))


def moved(what: str, by: Tensor) -> str:
    """ "row 0 changed by 0.31", also where the change is no number."""
    return f"{what} changed by {number(by)}" if by.isfinite() else f"{what} holds NaN or ∞"


def worst(x: Tensor) -> tuple[int, int, int]:
    """Place of the largest entry of `(…, rows, columns)`: row, column, and which of the leading ones."""
    x = flat(x, 2)
    place = first_largest(x.amax(0).flatten())
    row, column = divmod(place, x.shape[-1])
    return row, column, first_largest(x[:, row, column])


def first_largest(x: Tensor) -> int:
    """Place of the largest; a tie goes to the first, whatever another processor's last bits say."""
    largest = float(x.max())
    near = rounding(torch.float32, *LONGEST, size=max(1.0, abs(largest))) if math.isfinite(largest) else 0.0
    return int((x >= largest - near).int().argmax())
