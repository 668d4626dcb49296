"""What a model says of one picture, and with which weights it looked at its patches."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from attention_core._calling import Failed, Part, call, formed, takes
from attention_core.live.remarks import Unusable, instead
from attention_core.live.translated import at_rest

_MODEL = {
    "raised": "the model stopped with {kind}: {message}",
    "too long": "the model was ended after {seconds:g} seconds: is there a loop that never ends?",
    "nothing": "not finished yet: the model returns nothing",
    "not parts": "the model should return ({parts}), or logits alone; it returned {returned}",
    "no patches": "the weights are of {n} words, which are not the patches of {grid}, "
    "nor these and a class token",
    "no mask": "this model takes no mask, so that no patch can be hidden from it: call it "
    "as model(images, allowed)",
}


@dataclass(frozen=True, eq=False)
class Looked:
    """logits `(classes,)`, or `(patches, classes)` where it answers at each patch; layers `(heads, n, n)`
    each, none for a model that gives no weights; grid: rows and columns of patches; first: 1 where a class
    token stands before the patches."""

    logits: Tensor
    layers: tuple[Tensor, ...]
    grid: tuple[int, int]
    first: int

    @property
    def patches(self) -> int:
        return math.prod(self.grid)

    @property
    def heads(self) -> int:
        return len(self.layers[0]) if self.layers else 0

    @property
    def labels(self) -> list[str]:
        """Of the words: the class token, if there is one, and the patches by their numbers."""
        return ["class"] * self.first + [str(i) for i in range(self.patches)]

    @property
    def reads_at(self) -> str:
        """Where the answer is read: "class", "each" or "mean"."""
        return "each" if self.logits.ndim == 2 else "class" if self.first else "mean"


def looked(model, image: Tensor, hidden: Sequence[int], grid: tuple[int, int] | None) -> Looked:
    """What the model says of the picture when it may not look at `hidden`. Raises: Unusable, with why."""
    if model is None:
        raise Unusable("There is no model yet.")
    try:
        return call(_read, model, image, hidden, grid, quiet=False).answer  # all of it in one time limit
    except Failed as problem:
        raise Unusable(instead(problem, _MODEL)) from problem


def _read(model, image: Tensor, hidden: Sequence[int], grid: tuple[int, int] | None) -> Looked:
    own = getattr(model, "grid", None)
    if isinstance(own, tuple) and len(own) == 2 and all(isinstance(n, int) and n > 0 for n in own):
        grid = own
    images = _as_its_own(model, image[None])
    with torch.no_grad(), at_rest(model):
        if not hidden or grid is None:
            logits, layers = _parts(model(images))
            grid = grid or _square(layers) or (1, 1)
            if not hidden:
                return _looked(logits, layers, grid)
        n = math.prod(grid)
        allowed = torch.ones(n, dtype=torch.bool, device=images.device)
        allowed[[cell for cell in hidden if cell < n]] = False
        by_place, by_name = takes(model)
        if not by_name and by_place < 2:
            raise Failed("no mask")
        answer = model(images, allowed=allowed) if by_name else model(images, allowed)
        return _looked(*_parts(answer), grid)


def _as_its_own(model, images: Tensor) -> Tensor:
    """In the precision and on the device of the model's parameters."""
    own = model.parameters() if isinstance(model, nn.Module) else ()
    like = next((p for p in own if p.is_floating_point()), images)
    return images.to(like.device, like.dtype)


def _parts(answer) -> tuple[Tensor, list]:
    """Logits without the batch, and the weights of each layer. Raises: Failed, for another form."""
    if isinstance(answer, tuple | list) and len(answer) == 2:
        logits, weights = answer
    elif isinstance(answer, Tensor):
        logits, weights = answer, None
    else:
        what = "nothing" if answer is None or answer is ... else "not parts"
        raise Failed(what, part="logits", parts=("logits", "weights"), returned=answer)
    each = isinstance(logits, Tensor) and logits.ndim == 3
    (logits,) = formed(logits, Part("logits", (1, "patches", "classes") if each else (1, "classes")))
    if isinstance(weights, Mapping):
        weights = list(weights.values())
    layers = [weights] if isinstance(weights, Tensor) else weights or []
    if any(layer is None for layer in layers):
        layers = []
    return logits[0].detach().float().cpu(), list(layers)


def _square(layers: list) -> tuple[int, int] | None:
    """The grid of as many patches as the weights have words; for a model that does not say it."""
    n = layers[0].shape[-1] if layers and isinstance(layers[0], Tensor) and layers[0].ndim else 0
    return next(
        ((s, s) for s in (math.isqrt(n), math.isqrt(max(0, n - 1))) if s and s * s in (n, n - 1)), None
    )


def _looked(logits: Tensor, layers: list, grid: tuple[int, int]) -> Looked:
    patches = math.prod(grid)
    found, first = [], 0
    for i, layer in enumerate(layers):
        n = layer.shape[-1] if isinstance(layer, Tensor) and layer.ndim else patches
        if i == 0:
            first = n - patches
            if first not in (0, 1):
                raise Failed("no patches", n=n, grid=f"{grid[0]} × {grid[1]}")
        words = patches + first
        batch = (1,) if isinstance(layer, Tensor) and layer.ndim == 4 else ()
        (layer,) = formed(layer, Part(f"weights of layer {i}", (*batch, "heads", words, words)))
        found.append((layer[0] if batch else layer).detach().float().cpu())
    if logits.ndim == 2 and len(logits) != patches:
        raise Failed(
            "shape", part="logits", wanted=(1, patches, "classes"), got=torch.Size((1, *logits.shape))
        )
    return Looked(logits, tuple(found), grid, first)


def asked(done: Looked, query: int | None, at: list[int]) -> int | None:
    """The row of the query, a patch; None asks where the answer is read, at no row where that is the mean."""
    if query is not None and query < done.patches:
        return query + done.first
    if done.reads_at == "class":
        return 0
    return (at[0] if at else 0) if done.reads_at == "each" else None
