"""What a model writes for a text, where it looked for each letter, and what an edit of the text changes."""

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from attention_core._calling import Failed, Part, call, formed
from attention_core._saying import in_words
from attention_core.live.remarks import Unusable, instead

MOST_LETTERS = 40
EDITS = 5  # of one letter, at most
_MODEL = {
    "raised": "the model stopped with {kind}: {message}",
    "too long": "the model was ended after {seconds:g} seconds: is there a loop that never ends?",
    "nothing": "not finished yet: the model returns nothing",
    "not parts": "the model should return ({parts}); it returned {returned}",
    "look_up": "{part}: {said}",
    "no look_up": "the model has no attribute look_up, in whose place the function could be called",
}


@dataclass(frozen=True)
class Translated:
    """What a model wrote, `letters` without the end; cross-attention of each layer; effect of the edits."""

    letters: tuple[str, ...]
    ended: bool
    cross: tuple[Tensor, ...]  # (heads, n_written, n_source) each
    effect: Tensor  # (n_written, n_source)


def translated(model, text: str, task, look_up=None) -> Translated:
    """What the model makes of it. Raises: Unusable, with what is wrong with the text or the model."""
    if not text:
        raise Unusable("Type a date, such as “3 march 1998”.")
    if len(text) > MOST_LETTERS:
        raise Unusable("{n} letters are too many: the most is {most}.", n=len(text), most=MOST_LETTERS)
    try:
        source = task.encode(text)
    except ValueError as unknown:
        raise Unusable(str(unknown)) from None
    try:
        return call(_read, model, source, task, look_up, quiet=False).answer  # all of it in one time limit
    except Failed as problem:
        raise Unusable(instead(problem, _MODEL)) from problem


def _read(model, source: Tensor, task, look_up) -> Translated:
    with torch.no_grad(), at_rest(model), _calling(model, look_up):
        tokens = _written(model, source, task)
        ended = task.end in tokens
        tokens = tokens[: tokens.index(task.end)] if ended else tokens
        letters = tuple(task.TARGET[token] for token in tokens)
        n, (sources, of) = len(tokens), _edited(source[0], task)
        if not n:
            none = torch.zeros(1, 0, source.shape[1])
            return Translated(letters, ended, (none,), none[0])
        target = torch.tensor([[task.start, *tokens[:-1]]]).repeat(len(sources), 1)
        logits, layers = _asked(model, sources, target, task)
        likeliest = logits.argmax(-1)  # (1 + edits, n_written), first without an edit
        changed = (likeliest[1:] != likeliest[:1]).float()
        total = torch.zeros(source.shape[1], n).index_add_(0, of, changed)
        effect = total / of.bincount(minlength=source.shape[1]).clamp(min=1)[:, None]
    return Translated(letters, ended, layers, effect.T.contiguous())


def _asked(model, source: Tensor, target: Tensor, task) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Logits, and of the first sentence the weights of each layer. Raises: Failed, for another form."""
    answer = model(source, target)
    batch, n = target.shape
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        what = "nothing" if answer is None else "not parts"
        raise Failed(what, part="logits", parts=("logits", "weights"), returned=answer)
    logits, weights = answer
    (logits,) = formed(logits, Part("logits", (batch, n, len(task.TARGET))))
    layers = weights.get("cross") if isinstance(weights, Mapping) else [weights]
    if layers is None or not len(layers) or layers[0] is None:
        raise Failed("empty part", part="weights")
    first = []
    for one in layers:
        by_head = isinstance(one, Tensor) and one.ndim == 4
        sizes = (batch, *(("heads",) if by_head else ()), n, source.shape[1])
        (one,) = formed(one, Part("weights", sizes))
        first.append((one[0] if by_head else one[:1]).float())
    return logits, tuple(first)


def _written(model, source: Tensor, task) -> list[int]:
    """The likeliest letters, up to the end: by the model's own `generate`, or one by one."""
    if callable(getattr(model, "generate", None)):
        made = model.generate(source, task.start, task.end, task.most)
        (made,) = formed(made, Part("what generate writes", (1, "letters")))
        return made[0].tolist()
    target = torch.tensor([[task.start]])
    while target.shape[1] <= task.most and int(target[0, -1]) != task.end:
        logits, _ = _asked(model, source, target, task)
        target = torch.cat((target, logits[:, -1:].argmax(-1)), 1)
    return target[0, 1:].tolist()


def _edited(source: Tensor, task) -> tuple[Tensor, Tensor]:
    """The source and below it each edit of it, `(1 + edits, n)`; and which letter is another in each."""
    others = _others(task.SOURCE, task.pad)
    edits = [(j, other) for j, token in enumerate(source.tolist()) for other in others[token]]
    of, new = torch.tensor(edits).T if edits else torch.zeros(2, 0, dtype=torch.long)
    sources = source.repeat(1 + len(of), 1)
    sources[1 + torch.arange(len(of)), of] = new
    return sources, of


@functools.cache
def _others(letters: str, pad: int) -> dict[int, list[int]]:
    """For each token those that take its place: of its kind, EDITS of them at most, and always the same."""
    kinds: dict[tuple[bool, bool], list[int]] = {}
    for token, letter in enumerate(letters):
        if token != pad:
            kinds.setdefault((letter.isdigit(), letter.isalpha()), []).append(token)
    found = {pad: []}
    for kind in kinds.values():
        n, count = len(kind), min(EDITS, len(kind) - 1)
        steps = [i * n // (count + 1) for i in range(1, count + 1)]  # far from each other
        found |= {token: [kind[(at + step) % n] for step in steps] for at, token in enumerate(kind)}
    return found


@contextmanager
def at_rest(model) -> Iterator[None]:
    """The model does not train meanwhile, and is afterwards as it was."""
    training = [m for m in model.modules() if m.training] if isinstance(model, nn.Module) else []
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


@contextmanager
def _calling(model, look_up: Callable | None) -> Iterator[None]:
    """Meanwhile the model's `look_up` is this function, unless that is None. Raises: Failed."""
    if look_up is None:
        yield
        return
    if not hasattr(model, "look_up"):
        raise Failed("no look_up")
    own = vars(model)  # before a module's parts, and before what its class has
    missing = object()
    before = own.get("look_up", missing)
    own["look_up"] = functools.partial(_looked_up, look_up)
    try:
        yield
    finally:
        if before is missing:
            del own["look_up"]
        else:
            own["look_up"] = before


def _looked_up(look_up, states: Tensor, memory: Tensor, *more, **named):
    """What the learner's function answers. Raises: Failed, which says that it was that function's doing."""
    batch, n, dim = states.shape
    parts = Part("beside", (batch, n, 2 * dim)), Part("weights", (batch, n, memory.shape[1]))
    try:
        answer = call(look_up, states, memory, *more, named=named, quiet=False).answer
        beside, weights = formed(answer, *parts)
        return beside.to(states.dtype), weights  # which may be computed in float64
    except Failed as problem:
        what = {"part": "look_up", "said": in_words(problem)}
        raise Failed("look_up", where=problem.where, error=problem.error, **what) from problem
