"""Remember: a cache of keys and values, judged by "any cutting gives the same"."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from attention_core._calling import copies
from attention_core._saying import a
from attention_core.practice.exercise import Bug, Case, Exercise, Stop, Subject, Trial, random, same
from attention_core.practice.reshapes import Error, bug, numbered, telling
from attention_core.practice.source import line_to_look_at, untouched
from attention_core.probes import Verdict

Pieces = list[Tensor]

_JOINED = (r"cat\(|stack\(|append\(", r"self\.\w+\s*\+?=", r"return")
# but not the line that makes an empty one: it is never the one to blame
_KEPT = (r"^(?!.*(None|\[\]|\(\)|\{\}|\b0)$).*(self\.\w+(\[.*\])?\s*\+?=|append\()", *_JOINED)
_ROOM = (r"zeros|empty|full", r"\[.*:.*\]", *_JOINED)
_RETURN = (r"return",)
_NOT_A_CLASS = "give the class itself, without brackets: check.remember(Cache); this is {thing}"
_NO_APPEND = "{name} has no method append(self, key, value)"
_SHARED = "two caches remember the same: what one is given is found in the other"
_SHARED_WHY = "What stands in the class is one for all: make it in __init__, in self."
_OTHER_CUTTING = (
    "any cutting gives the same",
    "cut into {cuts}, word {word} has other {part} than if all came at once",
)
_OTHER_WORDS = "what came comes back", "word {word} has other {part} than it came with"
_NO_LENGTH = "{name} has no __len__ that says a number: layers ask how many words are remembered"
_NO_LENGTH_WHY = "They need it for positions and masks: def __len__(self): return 0 if …, else keys.shape[2]."
_LENGTH = "all comes back, but len(cache) is {said} where {n} words are remembered"
_LENGTH_WHY = "A layer places the next word behind so many: with another length it stands elsewhere."
_STUB = "not started yet: append is still to be written"
_ROOMS = (6, 7, 8, 9, 10, 12, 16, 20, 24, 32, 50, 64, 100, 128, 200, 256, 500, 512, 1000, 1024, 2048, 4096)


def _pieces(x: Tensor, cuts: tuple[int, ...]) -> Pieces:
    return list(x.split(list(cuts), dim=2))


def _right(key: Tensor, value: Tensor, cuts: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """All that came, in its order; it also makes what is right on the way, so no line is wrong for it."""
    _made = (
        key,
        value,
        [torch.cat(_pieces(x, cuts)[:i], 2) for x in (key, value) for i in range(1, len(cuts) + 1)],
    )
    return key, value


def _cases() -> list[Case]:
    words = "append takes key (b, h, n, d_k) and value (b, h, n, d_v), and returns all keys and all values."
    small = numbered(1, 2, 5, 2), 100 + numbered(1, 2, 5, 1)
    made = [
        ((5,), small, ""),
        ((4, 1), small, ""),
        ((2, 2), tuple(x[:, :, :4] for x in small), ""),
        ((1, 1, 1, 1, 1), _random(2, 3, 5), ", 2 sentences and 3 heads"),
        ((3, 1, 2), _random(3, 2, 6, torch.float64), ", in float64"),
        ((2, 2, 2), _random(2, 2, 6), ", 2 sentences and 2 heads"),
        ((9, *(1,) * 20), _random(1, 2, 29), ", as one writes"),
    ]
    return [
        Case(
            f"{' + '.join(map(str, cuts[:6]))}{' + …' if len(cuts) > 6 else ''} words{more}",
            (key, value, cuts),
            0,
            words,
            (("key", key), ("value", value)) if len(cuts) < 9 else (),
        )
        for cuts, (key, value), more in made
    ]


def _random(batch: int, heads: int, n: int, dtype=torch.float32) -> tuple[Tensor, Tensor]:
    sizes = ((batch, heads, n, d) for d in (4, 3))
    return tuple(random(*size, seed=140 + n + i, dtype=dtype) for i, size in enumerate(sizes))


def _remembering(kind: Callable) -> Callable:
    """What the last `append` returns when the words come in pieces; another cache is filled meanwhile.

    The call raises Stop if a new cache is not empty, as what the class holds was filled by another, and for
    a wrong length where what came back is right.
    """

    def call(key: Tensor, value: Tensor, cuts: tuple[int, ...]):
        first = [_length(kind().append(key[:, :, :1], value[:, :, :1])) for _ in range(2)]
        if first[0] is not None and first[1] is not None and first[0] < first[1]:
            raise Stop("wrong", _SHARED, bug="shared-by-all", details=(_SHARED_WHY,), where=_of_class(kind))
        cache, other = kind(), kind()
        empty = _says(cache)
        *pieces, last = zip(_pieces(key, cuts), _pieces(value, cuts), strict=True)
        for k, v in pieces:
            cache.append(k, v)
            other.append(-k, -v)  # what both share has changed for the first one, too
        returned = cache.append(*last)
        if _is(returned, (key, value)):
            for said, n in ((empty, 0), (_says(cache), key.shape[2])):
                _check_length(kind, said, n)
        # a copy: other caches will still be filled, and what they share with this one changes
        return tuple(copies(returned)) if isinstance(returned, tuple) else returned

    return call


def _length(returned) -> int | None:
    """How many words came back; None if it cannot be told."""
    keys = returned[0] if isinstance(returned, tuple | list) and returned else returned
    if isinstance(keys, list):
        return len(keys)
    return keys.shape[2] if isinstance(keys, Tensor) and keys.ndim > 2 else None


def _says(cache) -> int | None:
    """Its own length; None if it has none that is a number."""
    try:
        return len(cache)
    except TypeError:
        return None


def _is(returned, right: tuple[Tensor, Tensor]) -> bool:
    pair = returned if isinstance(returned, tuple | list) else ()
    return len(pair) == 2 and all(
        isinstance(x, Tensor) and same(x, y) for x, y in zip(pair, right, strict=True)
    )


def _check_length(kind, said: int | None, n: int) -> None:
    if said is None:
        raise Stop("wrong", _NO_LENGTH, bug="no-length", details=(_NO_LENGTH_WHY,), name=kind.__name__)
    if said != n:
        where = line_to_look_at(kind.__len__, r"return", r"len|shape|size")
        raise Stop("wrong", _LENGTH, bug="wrong-length", details=(_LENGTH_WHY,), where=where, said=said, n=n)


def _of_class(kind) -> tuple[int, str] | None:
    return line_to_look_at(kind, r"append\(|\+=", *_KEPT)


def _kept(of_key: Callable, of_value: Callable | None = None, swap: bool = False) -> Callable:
    """A wrong cache: what is left of the pieces of the keys, and of the values."""

    def wrong(key: Tensor, value: Tensor, cuts: tuple[int, ...]):
        keys = of_key(_pieces(key, cuts))
        values = (of_value or of_key)(_pieces(value, cuts))
        return (values, keys) if swap else (keys, values)

    return wrong


def _all(pieces: Pieces) -> Tensor:
    return torch.cat(pieces, 2)


def _new(pieces: Pieces) -> Tensor:
    return pieces[-1]


def _old(pieces: Pieces) -> Tensor:
    return _all(pieces[:-1]) if len(pieces) > 1 else pieces[0]


def _room(n: int, fill: float = 0.0, begins: Callable = lambda done, m: done) -> Callable:
    """A room of n places, all of which are returned."""

    def kept(pieces: Pieces) -> Tensor:
        first, done = pieces[0], 0
        room = first.new_full((*first.shape[:2], n, first.shape[-1]), fill)
        for piece in pieces:
            at = begins(done, piece.shape[2])
            room[:, :, at : at + piece.shape[2]] = piece
            done += piece.shape[2]
        return room

    return kept


def _written_at(begins: Callable) -> Callable:
    """Each piece written at another place than behind the others; as many places as came are returned."""

    def kept(pieces: Pieces) -> Tensor:
        n = sum(piece.shape[2] for piece in pieces)
        return _room(2 * n, begins=begins)(pieces)[:, :, :n]

    return kept


def _last(n: int) -> Callable:
    return lambda pieces: _all(pieces)[:, :, -n:]


def _shared(pieces: Pieces) -> Tensor:
    """Another cache has written into the same room: the same words, times −1, where it was its turn last."""
    return _all([*(-x for x in pieces[:-1]), pieces[-1]])


def _twice(pieces: Pieces) -> Tensor:
    return torch.cat((_all(pieces), pieces[-1]), 2)


def _each_twice(pieces: Pieces) -> Tensor:
    return _all([x for piece in pieces for x in (piece, piece)])


def _one_of_each(which: int) -> Callable:
    return lambda pieces: _all([x[:, :, [which]] for x in pieces])


def _summed(pieces: Pieces) -> Tensor:
    return sum(pieces)


def _along(dim: int) -> Callable:
    return lambda pieces: torch.cat(pieces, dim)


_BUGS: tuple[Bug, ...] = (
    bug(
        "only-the-new",
        "only the new words come back; all that came before should, too, in front of them",
        _kept(_new),
        why="A query looks at every word so far; the cache is there so that none is computed again.",
        look_at=_KEPT,
    ),
    bug(
        "new-missing",
        "the new words are remembered, but do not come back yet: return all, the new ones too",
        _kept(_old),
        why="A word looks at itself as well.",
        look_at=_RETURN,
    ),
    bug(
        "values-forgotten",
        "all keys come back, but only the new values; both are needed of every word",
        _kept(_all, _new),
        _kept(_all, lambda pieces: pieces[0]),
        _kept(_all, _old),
        look_at=_KEPT,
    ),
    bug(
        "keys-forgotten",
        "all values come back, but only the new keys; both are needed of every word",
        _kept(_new, _all),
        _kept(lambda pieces: pieces[0], _all),
        _kept(_old, _all),
        look_at=_KEPT,
    ),
    bug(
        "never-grows",
        "only the first words are remembered, and the new ones joined to them: keep what was joined",
        _kept(lambda pieces: torch.cat((pieces[0], pieces[-1]), 2) if len(pieces) > 1 else pieces[0]),
        _kept(lambda pieces: pieces[0]),
        why="That is: self.keys = torch.cat((self.keys, key), dim=2).",
        look_at=_JOINED,
    ),
    bug(
        "only-the-last-two",
        "only the words of the last append are remembered: keep all that was joined, not the new ones",
        _kept(lambda pieces: _all(pieces[-2:])),
        look_at=_KEPT,
    ),
    bug(
        "new-before-old",
        "the new words stand in front; they come behind those that were there",
        _kept(lambda pieces: _all(pieces[::-1])),
        why="Word i is to be found at place i: masks and positions go by that.",
        look_at=_JOINED,
    ),
    bug(
        "values-before-keys",
        "values and keys have changed places: return keys, values",
        _kept(_all, swap=True),
        look_at=_RETURN,
    ),
    bug(
        "key-for-value",
        "the keys come back twice; the second should be the values",
        lambda key, value, cuts: (key, key),
        look_at=_KEPT,
    ),
    bug(
        "value-for-key",
        "the values come back twice; the first should be the keys",
        lambda key, value, cuts: (value, value),
        look_at=_KEPT,
    ),
    bug(
        "wrong-axis",
        "they are joined along another axis; words are axis 2, or −2: (batch, heads, words, features)",
        *(_kept(_along(dim)) for dim in (0, 1, 3)),
        why="Joined along the batch or the heads, words would look at other sentences, or heads.",
        look_at=_JOINED,
    ),
    bug(
        "stacked",
        "each append makes an axis of its own; torch.cat joins along the axis of the words",
        *(_kept(lambda pieces, dim=dim: torch.stack(pieces, dim)) for dim in range(5)),
        look_at=(r"stack", *_JOINED),
    ),
    bug(
        "pieces-listed",
        "a list of pieces comes back; join them: torch.cat(pieces, dim=2)",
        _kept(list),
        _kept(tuple),
        look_at=_RETURN,
    ),
    bug(
        "shared-by-all",
        _SHARED,
        _kept(_shared),
        why=_SHARED_WHY,
        look_at=(r"\[.*\]\s*=|copy_", *_KEPT),
    ),
    bug(
        "new-twice",
        "the new words come back twice; they are among those that are remembered already",
        _kept(_twice),
        _kept(_each_twice),
        look_at=_JOINED,
    ),
    bug(
        "one-word-of-each",
        "of each append one word is remembered; n may be more than 1",
        _kept(_one_of_each(-1)),
        _kept(_one_of_each(0)),
        why="A prompt comes at once, and only what follows comes word by word.",
        look_at=(r"\[.*-?[01].*\]", *_KEPT),
    ),
    bug(
        "room-returned",
        "the whole room comes back, also what is still empty; return as many words as came",
        *(_kept(_room(n)) for n in _ROOMS),
        why="An empty key has a score of 0, which is not −∞: its share is taken from the others.",
        look_at=_ROOM,
    ),
    bug(
        "written-over",
        "the new words are written over others; they belong behind what is filled already",
        *(
            _kept(_written_at(begins))
            for begins in (
                lambda done, m: 0,
                lambda done, m: max(0, done - 1),
                lambda done, m: done and done - m,
                lambda done, m: m,
            )
        ),
        why="Keep count of how many words there are.",
        look_at=(r"\[.*:.*\]\s*=", *_ROOM),
    ),
    bug(
        "gap",
        "a place stays empty between the words; the new ones begin at the number of words so far",
        _kept(_written_at(lambda done, m: done + (done > 0))),
        _kept(_written_at(lambda done, m: done + 1)),
        _kept(_written_at(lambda done, m: done + m)),
        look_at=(r"\[.*:.*\]\s*=", *_ROOM),
    ),
    bug(
        "window",
        "only so many of the last words come back; all should",
        *(_kept(_last(n)) for n in range(1, 29)),
        why="A window is a choice of its own, and belongs into the mask.",
        look_at=(r"\[.*-.*:.*\]", *_JOINED),
    ),
    bug(
        "one-left-out",
        "one word is left out at an end; all should come back",
        _kept(lambda pieces: _all(pieces)[:, :, :-1]),
        _kept(lambda pieces: _all(pieces)[:, :, 1:]),
        look_at=(r"\[.*:.*\]", *_JOINED),
    ),
    bug(
        "added",
        "the new words are added to the old ones; they should stand behind them",
        _kept(_summed),
        look_at=(r"\+", *_KEPT),
    ),
    bug(
        "reversed",
        "all words come back in reverse order; each should stay where it came",
        _kept(lambda pieces: _all(pieces).flip(2)),
        _kept(lambda pieces: _all([x.flip(2) for x in pieces])),
        look_at=(r"flip", *_JOINED),
    ),
    bug(
        "one-thing",
        "one thing comes back; return two, keys and values",
        lambda key, value, cuts: key,
        lambda key, value, cuts: value,
        lambda key, value, cuts: torch.cat((key, value), -1),
        look_at=_RETURN,
    ),
)
_FIRST = "the first time there is nothing to join to: a cache begins empty"
_ERRORS = (
    Error(
        "nothing-to-join",
        TypeError,
        r"got NoneType|expected Tensor as element \d|NoneType",
        _FIRST,
        "If nothing is remembered yet, key and value are all there is.",
    ),
    Error(
        "nothing-to-join",
        RuntimeError,
        r"same number of dimensions|zero-dimensional",
        _FIRST,
        "torch.empty(0) has one axis only; keep None, or a list of pieces.",
        line=r"cat\(",
    ),
    Error(
        "wrong-axis",
        RuntimeError,
        r"Sizes of tensors must match except in dimension (0|1|3)",
        "they are joined along another axis; words are axis 2, or −2: (batch, heads, words, features)",
        "",
        line=r"cat\(",
    ),
    Error(
        "stacked",
        RuntimeError,
        r"stack expects each tensor to be equal size",
        "each append makes an axis of its own; torch.cat joins along the axis of the words",
        "",
    ),
    Error(
        "truth-of-a-tensor",
        RuntimeError,
        r"Boolean value of Tensor",
        "a tensor of many numbers is neither true nor false: ask whether it is not None",
        "if self.keys is not None: …",
        line=r"\b(if|not|and|or|while)\b",
    ),
    Error(
        "empty-of-one-axis",
        (IndexError, RuntimeError),
        r"tuple index out of range|Tensors must have same number of dimensions: got 1",
        "an empty tensor has one axis, and what comes has four: begin with None",
        "Where it is None there is nothing to join to yet.",
        line=r"tensor\(\[\]\)|zeros\(0\)|empty\(0\)|Tensor\(\)",
    ),
    Error(
        "room-too-small",
        RuntimeError,
        r"must match the existing size|expanded size of the tensor",
        "the room is full, and the words that still come do not fit into it",
        "Make a larger one, twice as large, and copy; or join with torch.cat.",
        line=r"\[.*\]\s*=",
    ),
    Error(
        "no-init",
        AttributeError,
        r"object has no attribute",
        "what is remembered is not there when it is first asked for: begin with it in __init__",
        "def __init__(self): self.keys = self.values = None",
        line=r"self\.",
    ),
)


def _caches(answer) -> list[Subject]:
    """The learner's class, whose caches are filled piece by piece."""
    if not isinstance(answer, type):
        raise Stop("wrong", _NOT_A_CLASS, bug="not-a-class", thing=a(answer))
    append = getattr(answer, "append", None)
    if not callable(append):
        raise Stop("wrong", _NO_APPEND, bug="no-append", name=answer.__name__)
    if untouched(append):
        raise Stop("not started", _STUB)
    return [(telling(_remembering(answer), *_ERRORS, of=answer), ())]


def _about(trials: list[Trial], _answer) -> Iterator[Verdict]:
    """Any cutting gives the same: with which it does not, and which word is the first that is wrong."""
    wrong = next(t for t in trials if not t.right)
    cuts = wrong.case.inputs[2]
    name, said = _OTHER_CUTTING if len(cuts) > 1 else _OTHER_WORDS
    for part, got, right in zip(("keys", "values"), wrong.got, wrong.expected, strict=True):
        words = [i for i in range(right.shape[2]) if not same(got[:, :, i], right[:, :, i])]
        if words:
            yield Verdict(name, False, said.format(cuts=list(cuts), word=words[0], part=part))


remember = Exercise(
    "remember",
    ("keys", "values"),
    _right,
    _cases,
    _BUGS,
    "Checked: any cutting gives the same, for prompts and single words, heads, float64; two caches; len.",
    prepare=_caches,
    explain=_about,
    of_module=True,
)
