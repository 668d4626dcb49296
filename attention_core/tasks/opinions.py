"""Sentences with two opinions, in which it is known which words decide."""

from typing import ClassVar

import torch
from torch import Tensor

from attention_core.tasks.task import IGNORE
from attention_core.tasks.worded import Worded

_OPINIONS = ("bad", "good", "dull", "lovely", "awful", "great")  # even ones are bad, odd ones good
_OTHERS = "the a this film story music scene actor end was and with of in we saw"
_WORDS = (*_OPINIONS, "but", "not", ".", *_OTHERS.split())
_BUT, _NOT, _STOP = (_WORDS.index(word) for word in ("but", "not", "."))
_OTHER = _STOP + 1  # from here on they say nothing


class Opinions(Worded):
    """Two opinions and a “but”: “… dull … but … not good … .” What is meant in the end?

    The rule: what is said after “but” counts, and a “not” just before it turns it round. The opinion
    before “but”, with its own “not” or without, says nothing about it. A sentence has one opinion on each
    side, each as often good as bad, and turned round as often as not; the other words are drawn at random.
    The answer is the token of “bad”, 0, or “good”, 1, at the full stop, which is the last word, and IGNORE at
    all others.

    The planted truth, `decides`: the opinion after “but”, and its “not” where there is one.

    Args: length: words of a sentence with the full stop, 8 or more.

    Raises: ValueError for a shorter length.
    """

    words: ClassVar[tuple[str, ...]] = _WORDS

    def __init__(self, length: int = 14):
        super().__init__(length)
        self._keep_whole("length", 8)

    def sample(self, batch_size: int, generator: torch.Generator) -> Tensor:
        """Sentences `(batch_size, length)`, each with its full stop."""
        size = (batch_size,)
        x = torch.randint(_OTHER, len(_WORDS), (batch_size, self.length), generator=generator)
        x[:, -1] = _STOP
        but = torch.randint(self.length // 3, self.length // 2 + 1, size, generator=generator)
        x[torch.arange(batch_size), but] = _BUT
        for first, end in (torch.ones_like(but), but), (but + 2, torch.full_like(but, self.length - 1)):
            at = self._between(first, end, generator)
            x[torch.arange(batch_size), at] = torch.randint(len(_OPINIONS), size, generator=generator)
            turned = torch.randint(2, size, generator=generator).bool().nonzero()[:, 0]
            x[turned, at[turned] - 1] = _NOT
        return x

    def solve(self, x: Tensor) -> Tensor:
        """What is meant, `(batch, n)` → `(batch, n)`: 0 or 1 at the last word, IGNORE at all others.

        IGNORE there, too, where there is no “but”, or no opinion after it.
        """
        at, turned = self._counts(x)
        answers = torch.full_like(x, IGNORE, dtype=torch.long)
        meant = x.long().gather(-1, at.clamp(min=0)[:, None])[:, 0] % 2 ^ turned.long()
        answers[:, -1:] = torch.where(at < 0, IGNORE, meant)[:, None]
        return answers

    def decides(self, x: Tensor) -> Tensor:
        """Which words decide the answer, `(batch, n)` → boolean `(batch, n)`; none where there is no answer.

        Raises: ValueError for what are no whole numbers `(batch, n)`, or for sentences of no words.
        """
        at, turned = self._counts(x)
        places = torch.arange(x.shape[-1], device=x.device)
        opinion = places == at[:, None]
        its_not = (places == at[:, None] - 1) & turned[:, None]
        return opinion | its_not

    def _counts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Where the opinion stands that counts, `(batch,)`, or −1; and whether a “not” turns it round.

        In a sentence of one's own, with several, it is the last of those after the last “but”.
        """
        if not (n := self._checked(x).shape[-1]):
            raise ValueError("x has sentences of 0 words: there is nothing that could be meant")
        places = torch.arange(n, device=x.device)

        def last(found: Tensor) -> Tensor:
            return places.masked_fill(~found, -1).amax(-1)

        at, but = last((x >= 0) & (x < len(_OPINIONS))), last(x == _BUT)
        at = at.masked_fill((but < 0) | (at < but), -1)
        before = (x == _NOT) & (places == at[:, None] - 1)  # (batch, n)
        return at, before.any(-1)

    @staticmethod
    def _between(first: Tensor, end: Tensor, generator: torch.Generator) -> Tensor:
        """A place for each row, from `first` up to and without `end`."""
        drawn = torch.rand(first.shape, generator=generator, dtype=torch.float32)
        return first + (drawn * (end - first)).long()
