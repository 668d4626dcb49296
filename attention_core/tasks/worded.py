"""What tasks of words have in common: words to tokens and back."""

from typing import ClassVar

import torch
from torch import Tensor

from attention_core.tasks.task import Task


class Worded(Task):
    """A task whose tokens are words: token i is `words[i]`."""

    words: ClassVar[tuple[str, ...]] = ()

    def __init__(self, length: int):
        super().__init__(length, len(self.words))

    def encode(self, text: str) -> Tensor:
        """Words, with white space between them, as tokens `(1, n)`.

        Raises: ValueError for a word that there is not.
        """
        if unknown := [word for word in text.split() if word not in self.words]:
            n, name = len(self.words), type(self).__name__
            raise ValueError(f"“{unknown[0]}” is none of the {n} words of `{name}.words`")
        return torch.tensor([[self.words.index(word) for word in text.split()]], dtype=torch.long)

    def decode(self, tokens: Tensor) -> str:
        """Tokens `(n,)` as words."""
        return " ".join(self.words[token] for token in tokens.tolist())
