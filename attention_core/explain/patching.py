"""Where in a model the answer is decided: activations of one run are put into another."""

import torch
from torch import Tensor, nn

from attention_core._checks import check_whole, shape
from attention_core.explain.reading import (
    answers,
    blocks,
    entering,
    hooked,
    one_input,
    undisturbed,
)


@torch.no_grad()
def patch(
    model: nn.Module, clean: Tensor, corrupted: Tensor, classes: tuple[int, int] | None = None
) -> Tensor:
    """How much of the clean answer comes back when one vector of the clean run is put into the corrupted one.

    For each stage and each position one run on `corrupted`, in which the vector there is that of the run on
    `clean`. Stage 0 is what enters the first layer, stage i what leaves the i-th. The answer is the
    difference of two logits; an effect of 0 leaves it as in the corrupted run, 1 makes it that of the clean.

    Args:
        clean, corrupted: one input each, of the same shape, with a batch dimension of 1, or tokens `(n,)`.
        classes: whose logits are compared, (for, against); unless given, what the model answers to `clean`,
            and what it answers to `corrupted`.

    Returns: `(layers + 1, n)`; with a class token one position more, in front.

    Raises: ValueError for inputs of two shapes, inputs that the model does not tell apart by these logits,
    and for a model without `blocks`.

    Source: Meng et al. 2022, "Locating and Editing Factual Associations in GPT"; the difference of logits:
    Wang et al. 2023, "Interpretability in the Wild".
    """
    clean, corrupted = _two(clean, corrupted)
    with undisturbed(model):
        stages, on_clean = _stages(model, clean)
        on_corrupted = answers(model, corrupted)
        classes = (int(on_clean.argmax()), int(on_corrupted.argmax())) if classes is None else classes
        if not isinstance(classes, tuple | list) or len(classes) != 2:
            raise ValueError(f"classes must be two, (for, against), got {classes!r}")
        of, against = (check_whole("a class", one, 0, on_clean.shape[-1] - 1) for one in classes)
        if of == against:
            raise ValueError(
                f"the two classes must differ, but both are {of}: give inputs with two answers, or classes"
            )
        count, n = len(stages), stages[0].shape[-2]
        one_each = torch.eye(count * n, dtype=torch.bool, device=stages[0].device).unflatten(-1, (count, n))
        patched = _answers_with(model, corrupted, stages, one_each)  # (stages · n, classes)
    start, end, each = (x[:, of] - x[:, against] for x in (on_corrupted, on_clean, patched))
    if start == end:
        raise ValueError(f"both have logits that differ by {float(end):.3g}: nothing to bring back")
    return ((each - start) / (end - start)).unflatten(0, (count, n))


@torch.no_grad()
def patched_logits(model: nn.Module, clean: Tensor, corrupted: Tensor, where: Tensor) -> Tensor:
    """The logits of the run on `corrupted`, with vectors of the run on `clean` wherever `where` says so.

    Args: where: boolean `(layers + 1, n)`, as what `patch` returns; the others as in `patch`.

    Returns: `(classes,)`. Where all of a stage is patched, these are the clean run's.

    Raises: ValueError for inputs of two shapes, another `where`, or a model without `blocks`.
    """
    clean, corrupted = _two(clean, corrupted)
    with undisturbed(model):
        stages, _ = _stages(model, clean)
        wanted = (len(stages), stages[0].shape[-2])
        if not isinstance(where, Tensor) or where.dtype != torch.bool or shape(where) != wanted:
            got = f"{shape(where)} of {where.dtype}" if isinstance(where, Tensor) else type(where).__name__
            raise ValueError(f"where must be boolean, of shape {wanted}, stages × positions, got {got}")
        return _answers_with(model, corrupted, stages, where[None])[0]


def _stages(model: nn.Module, x: Tensor) -> tuple[list[Tensor], Tensor]:
    """What enters the first layer and what leaves each, `(1, n, dim)`; and the answer, `(1, classes)`."""
    stages: list[Tensor] = []

    def note(vectors: Tensor, *_, **__) -> None:
        stages.append(vectors.clone())  # what the model writes into later must not change it

    layers = blocks(model)
    with entering((layers[0], note)), hooked(*((block, note) for block in layers)):
        logits = answers(model, x)
    if len(stages) != len(layers) + 1:
        raise ValueError(f"the model has {len(layers)} blocks but makes {len(stages) - 1} calls of them")
    return stages, logits


def _answers_with(model: nn.Module, x: Tensor, stages: list[Tensor], where: Tensor) -> Tensor:
    """The answers to x, `(batch, classes)`, with a stage's vectors where `(batch, stages, n)` says so."""
    at = [
        lambda vectors, *_, i=i, **__: torch.where(where[:, i, :, None], stages[i], vectors)
        for i in range(len(stages))
    ]
    layers = blocks(model)
    with entering((layers[0], at[0])), hooked(*zip(layers, at[1:], strict=True)):
        return answers(model, x.expand(len(where), *x.shape[1:]))


def _two(clean: Tensor, corrupted: Tensor) -> tuple[Tensor, Tensor]:
    clean, corrupted = one_input("clean", clean), one_input("corrupted", corrupted)
    if clean.shape != corrupted.shape:
        raise ValueError(
            f"clean and corrupted must have one shape, got {shape(clean)} and {shape(corrupted)}"
        )
    return clean, corrupted
