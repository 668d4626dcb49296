"""A small English with a grammar, for a model that says what comes next."""

import random
from typing import ClassVar

import torch
from torch import Tensor

from attention_core.tasks.task import IGNORE
from attention_core.tasks.worded import Worded

NAMES = ("anna", "ben", "carla", "david", "emma", "felix")
_WORDS = {  # of the small grammar; a name stands for itself wherever it comes again
    "name": NAMES,
    "animal": ("cat", "dog", "bird", "fox"),
    "kind": ("old", "small", "grey", "brave"),
    "by": ("near", "behind", "under"),
    "place": ("house", "tree", "river", "gate"),
    "does": ("sleeps", "runs", "sings", "waits"),
}
_PHRASES = (
    "the {kind} {animal} {does} .",
    "the {kind} {animal} {by} the {place} {does} .",
    "{name} meets the {animal} and the {animal} follows {name} .",
    "{name} calls {other} but {other} does not hear {name} .",
)


def _all_words() -> tuple[str, ...]:
    plain = {word for phrase in _PHRASES for word in phrase.split() if word[0] != "{"}
    return tuple(sorted(plain.union(*_WORDS.values())))


class Sentences(Worded):
    """A small English, word by word: “ben calls anna but anna does not hear ben .” What comes next?

    Four kinds of sentences, one after another. Much can only be guessed; but a name that was said comes
    again, some words later. The answer is the next word of each, and IGNORE at the end of a row.
    """

    words: ClassVar[tuple[str, ...]] = _all_words()

    def __init__(self, length: int = 32):
        super().__init__(length)

    def sample(self, batch_size: int, generator: torch.Generator) -> Tensor:
        """Rows of words, `(batch_size, length)`, each cut where it is full."""
        dice = random.Random(int(torch.randint(2**62, (), generator=generator)))
        rows = []
        for _ in range(batch_size):
            row: list[int] = []
            while len(row) < self.length:
                row += self._said(dice)
            rows.append(row[: self.length])
        return torch.tensor(rows)

    def solve(self, x: Tensor) -> Tensor:
        """What follows each word, `(batch, n)` → `(batch, n)`; IGNORE after the last."""
        return torch.nn.functional.pad(self._checked(x)[:, 1:], (0, 1), value=IGNORE)

    def _said(self, dice: random.Random) -> list[int]:
        name, other = dice.sample(NAMES, 2)
        phrase = dice.choice(_PHRASES)
        drawn = [{"{name}": name, "{other}": other}.get(slot, slot) for slot in phrase.split()]
        return [
            self.words.index(dice.choice(_WORDS[word[1:-1]]) if word[0] == "{" else word) for word in drawn
        ]
