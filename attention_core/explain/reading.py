"""Where a model reads its answer, how it is run for that, and what is seen of it on the way."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from attention_core._calling import takes
from attention_core._checks import check_whole, is_whole, shape
from attention_core.explain.rolled import checked_layer


@dataclass(frozen=True)
class Reading:
    """One input, run once, and where in it the answer was read.

    x: the input, with a batch dimension of 1. logits: `(classes,)`. weights: the layers, `(heads, n_all,
    n_all)` each. target: the class that is explained. before: how many words the model itself put in front
    of the n words of the input, 1 with a class token. row: of n_all, where the answer was read; None: it is
    the mean of all.
    """

    x: Tensor
    logits: Tensor
    weights: list[Tensor]
    target: int
    before: int
    row: int | None

    @property
    def n(self) -> int:
        """The words of the input."""
        return self.weights[-1].shape[-1] - self.before

    @property
    def removable(self) -> Tensor:
        """The words that can be taken away, boolean `(n,)`: all but the one at which the answer is read."""
        every = torch.ones(self.n, dtype=torch.bool, device=self.logits.device)
        if self.row is not None and self.row >= self.before:
            every[self.row - self.before] = False
        return every

    def of_query(self, maps: Tensor) -> Tensor:
        """The row of the query that the model reads: `(..., n_all, m)` → `(..., m)`."""
        return maps.mean(dim=-2) if self.row is None else maps[..., self.row, :]

    def of_input(self, all_words: Tensor) -> Tensor:
        """What is said of the words of the input alone: `(..., n_all)` → `(..., n)`."""
        return all_words[..., self.before :]


def read(model: nn.Module, x: Tensor, target: int | None = None) -> Reading:
    """Run a model on one input, and find out where it reads.

    Where that is, `model.reads` says: a place among the words of the input, "mean", the mean of all, or
    "class", a word that the model puts in front. A `PatchTransformer` says it by its `readout`. A model that
    says nothing is read at its last word, if it has logits for each.

    Args: x: one input with a batch dimension of 1, or tokens `(n,)`. target: the class to explain; the
    predicted one unless given.

    Raises: ValueError for more than one input, a model that does not return `(logits, weights)` or does not
    say where it reads, and for no such class.
    """
    x = one_input("x", x)
    logits, weights = run(model, x)
    layers = [checked_layer(i, layer) for i, layer in enumerate(_layers(weights))]
    if not layers:
        raise ValueError("the model returned no weights: its list of layers is empty")
    if len({layer.shape[-1] for layer in layers}) > 1:
        raise ValueError(
            f"all layers must have equally many words, got {[layer.shape[-1] for layer in layers]}"
        )
    n_all, where = layers[-1].shape[-1], where_read(model, logits)
    before = int(where == "class")
    row = {"class": 0, "mean": None}.get(where, where)
    row = row if row is None else check_whole("model.reads", row, -n_all, n_all - 1) % n_all
    if x.ndim < 4 and x.shape[1] != n_all - before:
        raise ValueError(
            f"x has {x.shape[1]} words but the weights are of {n_all - before}: where a model puts a word in "
            'front of them and is read there, model.reads is "class"'
        )
    answer = at_answer(logits.detach(), where)[0]
    target = int(answer.argmax()) if target is None else check_whole("target", target, 0, len(answer) - 1)
    return Reading(x, answer, [layer.detach() for layer in layers], target, before, row)


def run(model: nn.Module, x: Tensor, hidden: Tensor | None = None) -> tuple[Tensor, object]:
    """`(logits, weights)` as the model returns them.

    Args: hidden: boolean `(batch, n)`: words at which nobody may look, in no layer, not even themselves.
    This is how a word is taken away, by `allowed`: `(batch, 1, n)` for sentences, `(batch, patches)` for
    pictures, as `TinyTransformer` and `PatchTransformer` take it.

    Raises: ValueError for a model that returns something else, or takes no `allowed`.
    """
    options = {}
    if hidden is not None:
        if not takes(model, "allowed")[1]:
            raise ValueError(
                "a word is taken away by hiding it from all, by `allowed`, but this model takes none: its "
                f"class is {type(model).__name__}"
            )
        options["allowed"] = ~hidden if x.ndim == 4 else ~hidden[:, None]
    answer = model(x, **options)
    if not isinstance(answer, tuple | list) or len(answer) != 2 or not isinstance(answer[0], Tensor):
        raise ValueError(f"the model must return (logits, weights), got {_kind(answer)}")
    return answer[0], answer[1]


def answers(model: nn.Module, x: Tensor, hidden: Tensor | None = None) -> Tensor:
    """The logits at the place where the model reads: `(batch, ...)` → `(batch, classes)`."""
    logits, _ = run(model, x, hidden)
    return at_answer(logits, where_read(model, logits), hidden)


def probability(model: nn.Module, reading: Reading, hidden: Tensor) -> Tensor:
    """Of the target, with words hidden from all: boolean `(batch, n)` → `(batch,)`."""
    many = reading.x.expand(len(hidden), *reading.x.shape[1:])
    return answers(model, many, hidden).softmax(dim=-1)[:, reading.target]


def at_answer(logits: Tensor, where: int | str, hidden: Tensor | None = None) -> Tensor:
    """`(batch, n, classes)`, or as it is where there is one answer for all, → `(batch, classes)`.

    A mean leaves out what is hidden, as `PatchTransformer`'s does.
    """
    if logits.ndim == 2:
        return logits
    if where == "mean":
        seen = torch.ones_like(logits[..., :1]) if hidden is None else (~hidden)[..., None].to(logits)
        return (logits * seen).sum(dim=1) / seen.sum(dim=1).clamp(min=1)
    n = logits.shape[1]
    return logits[:, 0 if where == "class" else check_whole("model.reads", where, -n, n - 1)]


def where_read(model: nn.Module, logits: Tensor) -> int | str:
    """A place among the words, "mean" or "class": see `read`."""
    where = getattr(model, "reads", None)
    if where is None:
        where = {"class": "class", "mean": "mean"}.get(getattr(model, "readout", ""))
    if logits.ndim not in (2, 3):
        raise ValueError(f"logits must be (1, classes) or (1, n, classes), got {shape(logits)}")
    if where is None and getattr(model, "readout", "") == "each":
        raise ValueError(
            "this model answers at every patch: say at which the answer is read, as in model.reads = 4"
        )
    if where is None and logits.ndim == 3:
        where = -1
    if where is None:
        raise ValueError(
            "this model has one answer for all words, and does not say where it reads it: set model.reads "
            'to a place, to "mean", or to "class", a word that it puts in front'
        )
    if where not in ("class", "mean") and not is_whole(where):
        raise ValueError(f'model.reads must be a place, "mean" or "class", got {where!r}')
    return where


def one_input(name: str, x: Tensor) -> Tensor:
    """One input with its batch dimension. Raises: ValueError for several, or none."""
    if not isinstance(x, Tensor) or x.ndim == 0:
        raise ValueError(f"{name} must be one input, a tensor, got {_kind(x)}")
    x = x[None] if x.ndim == 1 else x
    if len(x) != 1 or 0 in x.shape:
        raise ValueError(f"{name} must be one input, with a batch dimension of 1, got {shape(x)}")
    return x


def blocks(model: nn.Module) -> list[nn.Module]:
    """The model's layers. Raises: ValueError if it has no `blocks`."""
    part(model, "blocks", 0)
    return list(model.blocks)


def part(model: nn.Module, *path: str | int) -> nn.Module:
    """A part of the model by its name, as in `part(model, "blocks", -1, "attention")`.

    Raises: ValueError that says which part there is not.
    """
    at: nn.Module = model
    for i, step in enumerate(path):
        try:
            at = at[step] if isinstance(step, int) else getattr(at, step)
        except (AttributeError, IndexError, TypeError):
            wanted = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path[: i + 1])
            raise ValueError(f"this needs the part model{wanted}, which {_kind(model)} has not") from None
    if not isinstance(at, nn.Module):
        wanted = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
        raise ValueError(f"model{wanted} must be a module, got {_kind(at)}")
    return at


@contextlib.contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Inside, the model is in evaluation mode. Afterwards it is as it was, and so are random numbers."""
    if not isinstance(model, nn.Module):
        raise ValueError(f"model must be a torch module, got {_kind(model)}")
    modes = [(module, module.training) for module in model.modules()]
    with torch.random.fork_rng(devices=[]):
        model.eval()
        try:
            yield
        finally:
            for module, training in modes:
                module.training = training


@contextlib.contextmanager
def hooked(*hooks: tuple[nn.Module, Callable]) -> Iterator[None]:
    """Inside, `hook(output) -> output or None` sees, and may replace, what each module gives.

    Of an output `(x, weights)` it is given, and replaces, x. The hooks are removed whatever happens. They
    are of this thread alone: a cell may train the same model meanwhile.
    """
    ours = threading.get_ident()

    def on_answer(output, hook: Callable):
        return _replaced(output, hook) if threading.get_ident() == ours else None

    with contextlib.ExitStack() as stack:
        for module, hook in hooks:
            handle = module.register_forward_hook(lambda _, __, output, hook=hook: on_answer(output, hook))
            stack.callback(handle.remove)
        yield


@contextlib.contextmanager
def entering(*hooks: tuple[nn.Module, Callable]) -> Iterator[None]:
    """Inside, `hook(x, *others, **named) -> x or None` sees what enters each module, and may replace x.

    Of this thread alone, as in `hooked`.
    """
    ours = threading.get_ident()

    def on_call(given: tuple, named: dict, hook: Callable):
        if threading.get_ident() != ours:
            return None
        if not given:
            raise ValueError(f"a block must be given its vectors by place, block(x), not as {list(named)}")
        new = hook(*given, **named)
        return None if new is None else ((new, *given[1:]), named)

    with contextlib.ExitStack() as stack:
        for module, hook in hooks:
            handle = module.register_forward_pre_hook(
                lambda _, given, named, hook=hook: on_call(given, named, hook), with_kwargs=True
            )
            stack.callback(handle.remove)
        yield


def _replaced(output, hook: Callable):
    several = isinstance(output, tuple)
    new = hook(output[0] if several else output)
    if new is None:
        return None
    return (new, *output[1:]) if several else new


def _layers(weights) -> list:
    """The layers of what a model returns as its weights: a list, one layer, or all stacked."""
    if isinstance(weights, Tensor) and weights.ndim == 3:
        return [weights]
    if isinstance(weights, Tensor | list | tuple):
        return list(weights)
    raise ValueError(f"the model's weights must be a list of layers, got {_kind(weights)}")


def _kind(thing) -> str:
    return type(thing).__name__
