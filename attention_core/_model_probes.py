"""What two probes ask of a model that reads one sentence and writes another: what was seen, in words.

A model is called `model(source, target, allowed) -> (logits, weights)`, as an `EncoderDecoder` is.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from attention_core._asking import CannotAsk, Fails, first_largest
from attention_core._calling import Failed, Part, call, formed, takes
from attention_core._saying import in_words, number
from attention_core.agreement import rounding


def alone_as_in_a_batch(model: Callable, source: Tensor, target: Tensor, pad: int) -> str:
    """Each sentence that is filled up, alone and in the batch. Raises: Fails, CannotAsk."""
    if max(takes(model)[0], 3 * takes(model)[1]) < 3:
        raise CannotAsk("it takes no mask, allowed, so nothing tells it what is padding")
    letters = source != pad
    places = torch.arange(1, source.shape[-1] + 1, device=source.device)
    lengths = (letters * places).amax(-1).tolist()  # up to the last letter
    filled = [i for i, n in enumerate(lengths) if 0 < n < source.shape[-1]]
    if not filled:
        raise CannotAsk(f"no sentence of this batch is filled up with {pad}, so there is nothing to compare")
    allowed = letters[:, None]  # (batch, 1, n_source)
    together, _ = _twice(model, source, target, allowed)
    same, worst = near(model, together, source.shape[-1], target.shape[-1]), None
    for i in filled:
        n = lengths[i]
        alone, _ = _ask(model, source[i : i + 1, :n], target[i : i + 1], allowed[i : i + 1, :, :n])
        off = (alone[0] - together[i]).abs().nan_to_num(torch.inf).amax(-1)  # (n_target,)
        if not off.max() <= same and (worst is None or off.max() > worst[1]):
            worst = i, off.max(), first_largest(off)
    if worst:
        i, off, place = worst
        rest = source.shape[-1] - lengths[i]
        raise Fails(
            f"a logit of sentence {i}, at place {place} of its target, is {number(off)} off "
            f"when {rest} place{'s' * (rest > 1)} of padding and the rest of the batch are taken away"
        )
    several = f"each of {len(filled)} sentences that are" if len(filled) > 1 else "the sentence that is"
    return f"{several} filled up gets the logits that it gets alone"


def look_up_looks(look_up: Callable, states: Tensor, memory: Tensor, allowed: Tensor | None) -> str:
    """The same states, and the memory the other way round. Raises: Fails, CannotAsk."""
    other = memory.flip(-2)
    if torch.equal(other, memory):
        raise CannotAsk("this memory is the same the other way round: give one whose places differ")
    masks = () if allowed is None else (allowed,)
    sizes = (..., states.shape[-2], memory.shape[-2])
    try:
        with torch.no_grad():
            answers = [call(look_up, states, x, *masks).answer for x in (memory, other)]
        for answer in answers:
            if not isinstance(answer, tuple | list) or len(answer) != 2:
                raise Failed("not parts", parts=("beside", "weights"), returned=answer)
        before, after = (formed(answer[1], Part("weights", sizes))[0].float() for answer in answers)
    except Failed as failure:
        raise Fails(in_words(failure)) from failure
    off = (before - after).abs().max()
    if not off.isfinite():
        raise Fails("its weights hold NaN or ∞")
    if off <= rounding(torch.float32, states.shape[-1], memory.shape[-2]):
        raise Fails("another memory for the same states, and the same weights to the last place")
    return f"another memory changes the weights of the same states, by up to {number(off)}"


def looks_at_the_source(model: Callable, source: Tensor, target: Tensor, allowed: Tensor | None) -> str:
    """Another source of the same letters, under the same mask. Raises: Fails, CannotAsk."""
    may = torch.ones_like(source).bool() if allowed is None else allowed.expand(len(source), 1, -1)[:, 0]
    if int(may.sum(-1).max()) < 2:
        raise CannotAsk("a source of one letter gets a weight of 1, whatever it is: give a longer one")
    other = source.clone()
    seen = source[may]
    other[may] = seen.flip(0) if not torch.equal(seen.flip(0), seen) else seen.roll(1)
    changed = (other != source).any(-1) & (may.sum(-1) > 1)
    if not changed.any():
        raise CannotAsk("all letters of the source are the same: give one with different letters")
    logits, before = _twice(model, source, target, allowed)
    if not before:
        raise CannotAsk("it returns no weights on its source")
    others, after = _ask(model, other, target, allowed)
    off = torch.stack([_by_sentence(x - y) for x, y in zip(before, after, strict=True)]).amax(0)  # (batch,)
    if not off.isfinite().all():
        raise Fails("its weights hold NaN or ∞")
    same = rounding(torch.float32, source.shape[-1])
    if (blind := changed & ~(off > same)).any():
        i = int(blind.int().argmax())
        same = near(model, logits, source.shape[-1], target.shape[-1])
        moved = bool(_by_sentence(logits - others)[i] > same)
        also = "its logits change all the same" if moved else "the same logits, too"
        raise Fails(f"another source for sentence {i}, and the same weights to the last place; {also}")
    n = int(changed.sum())
    several = f"each of {n} sentences" if n > 1 else "the sentence"
    return f"another source changes the weights of {several}, by up to {number(off[changed].max())}"


def _ask(
    model: Callable, source: Tensor, target: Tensor, allowed: Tensor | None
) -> tuple[Tensor, list[Tensor]]:
    """Logits, and the weights on the source, layer by layer. Raises: Fails."""
    masks = () if allowed is None else (allowed,)
    by_place, named = ((), {"allowed": allowed}) if masks and takes(model)[1] else (masks, {})
    try:
        with torch.no_grad():
            answer = call(model, source, target, *by_place, named=named).answer
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            raise Failed("not parts", parts=("logits", "weights"), returned=answer)
        wanted = Part("logits", (len(source), target.shape[-1], "vocabulary"))
        (logits,) = formed(answer[0], wanted)
    except Failed as failure:
        raise Fails(in_words(failure)) from failure
    weights = answer[1].get("cross") if isinstance(answer[1], dict) else answer[1]
    layers = [weights] if isinstance(weights, Tensor) else weights or ()
    sizes = len(source), (target.shape[-1], source.shape[-1])
    for x in layers:
        if not isinstance(x, Tensor) or x.ndim < 3 or (len(x), tuple(x.shape[-2:])) != sizes:
            raise Fails("weights on the source should be tensors of shape (batch, …, n_target, n_source)")
    logits = logits.detach() if logits.is_floating_point() else logits.detach().float()
    return logits, [x.detach().float() for x in layers]


def _twice(model: Callable, *arguments) -> tuple[Tensor, list[Tensor]]:
    """The answer, once it is known to repeat: else no change could be blamed on what was changed."""
    (first, _), (second, weights) = _ask(model, *arguments), _ask(model, *arguments)
    off = (first - second).abs().nan_to_num(0).max()
    if off > near(model, first, *(x.shape[-1] for x in arguments[:2])):
        raise Fails(f"the same inputs give logits {number(off)} apart: is dropout, or another dice, on?")
    return second, weights


def near(model: Callable, logits: Tensor, *lengths: int) -> float:
    """How far apart two right logits may be: by the sums of a model's matrices, and over so many places."""
    own = list(model.modules()) if isinstance(model, torch.nn.Module) else []
    matrices = {
        id(p): p
        for part in own
        if not isinstance(part, torch.nn.Embedding)
        for p in part.parameters(recurse=False)
        if p.ndim == 2
    }
    dtypes = {logits.dtype, *(p.dtype for p in matrices.values() if p.is_floating_point())}
    coarsest = max(dtypes, key=lambda dtype: torch.finfo(dtype).eps)
    sums = [p.shape[-1] for p in matrices.values()] or [64]
    size = max(1.0, float(logits[logits.isfinite()].abs().max())) if logits.isfinite().any() else 1.0
    return rounding(coarsest, *sums, *lengths, size=size)


def _by_sentence(x: Tensor) -> Tensor:
    return x.abs().nan_to_num(torch.inf).flatten(1).amax(-1)
