"""Answers to `remember`: a class `Cache` with `append(key, value) -> (keys, values)`."""

import torch

from answers import known, right, unlisted


class Begun:
    """As a learner begins: nothing is remembered yet."""

    def __init__(self):
        self.keys = self.values = None

    def __len__(self):
        return 0 if self.keys is None else self.keys.shape[2]


def joined(old, new):
    return new if old is None else torch.cat((old, new), dim=2)


@right
class JoinedEachTime(Begun):
    def append(self, key, value):
        if self.keys is not None:
            key = torch.cat((self.keys, key), dim=2)
            value = torch.cat((self.values, value), dim=2)
        self.keys, self.values = key, value
        return self.keys, self.values


@right
class ListsOfPieces:
    def __init__(self):
        self.pieces = []

    def __len__(self):
        return sum(key.shape[-2] for key, _ in self.pieces)

    def append(self, key, value):
        self.pieces.append((key, value))
        return [torch.cat(part, -2) for part in zip(*self.pieces, strict=True)]


@right
class RoomThatGrows:
    def __init__(self):
        self.n, self.room = 0, None

    def __len__(self):
        return self.n

    def append(self, *new):
        n = self.n + new[0].shape[2]
        if self.room is None or n > self.room[0].shape[2]:
            larger = [x.new_zeros(*x.shape[:2], 2 * n, x.shape[3]) for x in new]
            for one, other in zip(larger, self.room or larger, strict=True):
                one[:, :, : self.n] = other[:, :, : self.n]
            self.room = larger
        for room, x in zip(self.room, new, strict=True):
            room[:, :, self.n : n] = x
        self.n = n
        return tuple(room[:, :, :n] for room in self.room)


@right
class WordByWord:
    def __init__(self):
        self.words = {}

    def __len__(self):
        return len(self.words)

    def append(self, key, value):
        for i in range(key.shape[2]):
            self.words[len(self.words)] = key[:, :, i], value[:, :, i]
        return tuple(torch.stack(part, 2) for part in zip(*self.words.values(), strict=True))


@right
class EmptyAtFirst:
    keys = torch.zeros(0)  # in the class, but never written into: each cache then has its own

    def __len__(self):
        return self.keys.shape[2] if self.keys.ndim > 1 else 0

    def append(self, key, value):
        if len(self.keys) == 0:
            self.keys, self.values = key[:, :, :0], value[:, :, :0]
        self.keys = torch.cat([self.keys, key], 2)
        self.values = torch.cat([self.values, value], 2)
        return self.keys, self.values


@right
class ATorchModule(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.keys = self.values = None

    def __len__(self):
        return 0 if self.keys is None else self.keys.shape[2]

    def append(self, key, value):
        self.keys, self.values = joined(self.keys, key), joined(self.values, value)
        return self.keys, self.values


@right
class OneTensorForBoth:
    both = None

    def __len__(self):
        return 0 if self.both is None else self.both.shape[-2]

    def append(self, key, value):
        self.both = joined(self.both, torch.cat((key, value), -1))
        return self.both.split((key.shape[-1], value.shape[-1]), dim=-1)


# --- known mistakes --------------------------------------------------------------------------------------


class Wrong(Begun):
    """Joins as it should; what is kept or given back of it is another's."""

    def join(self, key, value):
        self.keys, self.values = joined(self.keys, key), joined(self.values, value)


@known("only-the-new")
class NothingKept(Begun):
    def append(self, key, value):
        self.keys, self.values = key, value
        return self.keys, self.values


@known("new-missing")
class OldOnes(Wrong):
    def append(self, key, value):
        before = (key, value) if self.keys is None else (self.keys, self.values)
        self.join(key, value)
        return before


@known("values-forgotten")
class KeysOnly(Begun):
    def append(self, key, value):
        self.keys = joined(self.keys, key)
        return self.keys, value


@known("keys-forgotten")
class ValuesOnly(Begun):
    def append(self, key, value):
        self.values = joined(self.values, value)
        return key, self.values


@known("never-grows")
class FirstOnly(Begun):
    def append(self, key, value):
        if self.keys is None:
            self.keys, self.values = key, value
            return key, value
        return torch.cat((self.keys, key), 2), torch.cat((self.values, value), 2)


@known("only-the-last-two")
class NewKept(Begun):
    def append(self, key, value):
        keys, values = joined(self.keys, key), joined(self.values, value)
        self.keys, self.values = key, value
        return keys, values


@known("new-before-old")
class NewInFront(Begun):
    def append(self, key, value):
        self.keys = key if self.keys is None else torch.cat((key, self.keys), 2)
        self.values = value if self.values is None else torch.cat((value, self.values), 2)
        return self.keys, self.values


@known("values-before-keys")
class Exchanged(Wrong):
    def append(self, key, value):
        self.join(key, value)
        return self.values, self.keys


@known("key-for-value")
class KeysTwice(Wrong):
    def append(self, key, value):
        self.join(key, key)
        return self.keys, self.values


@known("value-for-key")
class ValuesTwice(Wrong):
    def append(self, key, value):
        self.join(value, value)
        return self.keys, self.values


@known("wrong-axis")
class AlongTheBatch(Begun):
    def append(self, key, value):
        self.keys = key if self.keys is None else torch.cat((self.keys, key))
        self.values = value if self.values is None else torch.cat((self.values, value))
        return self.keys, self.values


@known("wrong-axis")
class AlongTheFeatures(Begun):
    def append(self, key, value):
        self.keys = key if self.keys is None else torch.cat((self.keys, key), -1)
        self.values = value if self.values is None else torch.cat((self.values, value), -1)
        return self.keys, self.values


@known("stacked")
class Stacked(ListsOfPieces):
    def append(self, key, value):
        self.pieces.append((key, value))
        return tuple(torch.stack(part) for part in zip(*self.pieces, strict=True))


@known("pieces-listed")
class AsAList:
    def __init__(self):
        self.keys, self.values = [], []

    def append(self, key, value):
        self.keys.append(key)
        self.values.append(value)
        return self.keys, self.values


@known("shared-by-all")
class ListsInTheClass:
    keys, values = [], []

    def append(self, key, value):
        self.keys.append(key)
        self.values.append(value)
        return torch.cat(self.keys, 2), torch.cat(self.values, 2)


@known("shared-by-all")
class ARoomInTheClass:
    keys, values, n = torch.zeros(4, 3, 64, 4), torch.zeros(4, 3, 64, 4), 0

    def append(self, key, value):
        n = self.n + key.shape[2]
        made = []
        for room, x in ((self.keys, key), (self.values, value)):
            b, h, _, d = x.shape
            room[:b, :h, self.n : n, :d] = x
            made.append(room[:b, :h, :n, :d].to(x.dtype))
        self.n = n
        return tuple(made)


@known("new-twice")
class NewOnceMore(Wrong):
    def append(self, key, value):
        self.join(key, value)
        return torch.cat((self.keys, key), 2), torch.cat((self.values, value), 2)


@known("one-word-of-each")
class LastWord(Wrong):
    def append(self, key, value):
        self.join(key[:, :, -1:], value[:, :, -1:])
        return self.keys, self.values


class Room:
    def __init__(self):
        self.n = 0

    def __len__(self):
        return self.n

    def begin(self, key, value, n=64):
        if self.n == 0:
            self.keys, self.values = (x.new_zeros(*x.shape[:2], n, x.shape[3]) for x in (key, value))

    def write(self, at, key, value):
        m = key.shape[2]
        self.keys[:, :, at : at + m], self.values[:, :, at : at + m] = key, value
        self.n += m


@known("room-returned")
class WholeRoom(Room):
    def append(self, key, value):
        self.begin(key, value)
        self.write(self.n, key, value)
        return self.keys, self.values


@known("written-over")
class AlwaysInFront(Room):
    def append(self, key, value):
        self.begin(key, value)
        self.write(0, key, value)
        return self.keys[:, :, : self.n], self.values[:, :, : self.n]


@known("gap")
class OnePlaceOn(Room):
    def append(self, key, value):
        self.begin(key, value)
        self.write(self.n + (self.n > 0), key, value)
        return self.keys[:, :, : self.n], self.values[:, :, : self.n]


@known("room-too-small")
class RoomOf8(Room):
    def append(self, key, value):
        self.begin(key, value, 8)
        m = self.n + key.shape[2]
        self.keys[:, :, self.n : m] = key
        self.values[:, :, self.n : m] = value
        self.n = m
        return self.keys[:, :, :m], self.values[:, :, :m]


@known("window")
class LastFour(Wrong):
    def append(self, key, value):
        self.join(key, value)
        return self.keys[:, :, -4:], self.values[:, :, -4:]


@known("one-left-out")
class WithoutTheLast(Wrong):
    def append(self, key, value):
        self.join(key, value)
        return self.keys[:, :, :-1], self.values[:, :, :-1]


@known("added")
class Added(Begun):
    def append(self, key, value):
        self.keys = key if self.keys is None else self.keys + key
        self.values = value if self.values is None else self.values + value
        return self.keys, self.values


@known("reversed")
class Backwards(Wrong):
    def append(self, key, value):
        self.join(key, value)
        return self.keys.flip(2), self.values.flip(2)


@known("one-thing")
class KeysAlone(Wrong):
    def append(self, key, value):
        self.join(key, value)
        return self.keys


@known("nothing-to-join")
class JoinedToNone(Begun):
    def append(self, key, value):
        self.keys = torch.cat((self.keys, key), dim=2)
        self.values = torch.cat((self.values, value), dim=2)
        return self.keys, self.values


@known("nothing-to-join")
class JoinedToNoAxes:
    def __init__(self):
        self.keys, self.values = torch.zeros(()), torch.zeros(())

    def append(self, key, value):
        self.keys = torch.cat((self.keys, key), dim=2)
        self.values = torch.cat((self.values, value), dim=2)
        return self.keys, self.values


@known("no-init")
class NoInit:
    def append(self, key, value):
        self.keys = torch.cat((self.keys, key), dim=2)
        self.values = torch.cat((self.values, value), dim=2)
        return self.keys, self.values


@known("not-a-class")
def a_function(key, value):
    return key, value


@known("no-append")
class WithAnotherName(Wrong):
    def add(self, key, value):
        self.join(key, value)
        return self.keys, self.values


@known("no-return")
class NothingComesBack(Wrong):
    def append(self, key, value):
        self.join(key, value)


class Joined(Wrong):
    def append(self, key, value):
        self.join(key, value)
        return self.keys, self.values


@known("no-length")
class NoLength:
    __init__, join, append = Begun.__init__, Wrong.join, Joined.append


@known("no-length")
class LengthStillToBeWritten(Joined):
    def __len__(self): ...


@known("wrong-length")
class NeverLonger(Joined):
    def __len__(self):
        return 0


@known("wrong-length")
class CountsTheHeads(Joined):
    def __len__(self):
        return 0 if self.keys is None else self.keys.shape[1]


@known("wrong-length")
class CountsTheCalls(Joined):
    calls = 0

    def __len__(self):
        return self.calls

    def append(self, key, value):
        self.calls += 1
        return super().append(key, value)


@known("wrong-length")
class OneTooMany(Joined):
    def __len__(self):
        return 1 + super().__len__()


@known("loses-digits")
class RoomInFloat32(Wrong):
    def append(self, key, value):
        self.join(key.float(), value.float())
        return self.keys, self.values


# --- and some that are in no table -------------------------------------------------------------------------


def _given(kind):
    """All keys of four words that come in pairs, and what comes back of them."""
    key = torch.arange(8.0).reshape(1, 1, 4, 2) + 1
    cache = kind()
    cache.append(key[:, :, :2], key[:, :, :2])
    return key, cache.append(key[:, :, 2:], key[:, :, 2:])[0]


def _differs(kind):
    key, got = _given(kind)
    return got.shape == key.shape and not torch.equal(got, key)


@unlisted("any cutting gives the same", _differs)
class FadesAway(Wrong):
    def append(self, key, value):
        if self.keys is not None:
            self.keys, self.values = self.keys * 0.9, self.values * 0.9
        self.join(key, value)
        return self.keys, self.values


@unlisted("what came comes back", _differs)
class TakingTurns(Wrong):
    def append(self, key, value):
        self.join(key, value)
        n = self.keys.shape[2]
        order = sorted(range(n), key=lambda i: (i % 2, i))
        return self.keys[:, :, order], self.values[:, :, order]


@unlisted(
    "keys should have shape (1, 2, 5, 2); it has (1, 2, 6, 2)", lambda kind: _given(kind)[1].shape[2] == 5
)
class AZeroAtTheEnd(Wrong):
    def append(self, key, value):
        self.join(key, value)
        return torch.nn.functional.pad(self.keys, (0, 0, 0, 1)), torch.nn.functional.pad(
            self.values, (0, 0, 0, 1)
        )


@unlisted("what came comes back", _differs)
class SortedBySize(Wrong):
    def append(self, key, value):
        self.join(key, value)
        order = self.keys.sum((0, 1, 3)).argsort(descending=True)
        return self.keys[:, :, order], self.values[:, :, order]


@unlisted("NameError", None, status="error")
class AMisspeltName(Wrong):
    def append(self, key, value):
        self.join(key, values)  # noqa: F821
        return self.keys, self.values
