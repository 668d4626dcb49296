"""Words in a row, each tinted by a share: what happened to a sentence, word by word."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import traitlets

from attention_core.live import still
from attention_core.live.linked import linked, styles
from attention_core.live.widget import View

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TINT = (0x17 / 255, 0x69 / 255, 0xC4 / 255)  # the page's accent


@dataclass(frozen=True)
class Words:
    """What a strip shows: a sentence about them, the words, and a number for each.

    said: read out when it changes; `**bold**` is bold. shares: from 0 to 1 is from pale to full; beyond
    as 1, and NaN too, which no number is.
    """

    said: str = ""
    words: Sequence[str] = ()
    shares: Sequence[float] = ()

    def __post_init__(self):
        if len(self.words) != len(self.shares):
            raise ValueError(f"there are {len(self.words)} words but {len(self.shares)} shares")

    @property
    def plain(self) -> str:
        """The sentence without its marks."""
        return self.said.replace("**", "")


class Strip(View):
    """A sentence, and below it words tinted by their shares, each with its number.

    Show other ones with `show(Words("…", ["the", "cat"], [0.1, 0.9]))`.
    """

    _esm = linked("strip_view.js")
    _css = styles("strip.css")
    _frame = traitlets.Dict().tag(sync=True)

    def __init__(self, content: Words | None = None):
        super().__init__()
        self.show(content)

    def show(self, content: Words | None) -> None:
        self.content = content or Words()
        words = self.content
        self._frame = {
            "said": words.said,
            "words": [str(word) for word in words.words],
            "shares": [None if share != share else float(share) for share in words.shares],
        }

    def figure(self) -> "Figure":
        return words_figure(self.content.plain, self.content.words, self.content.shares)

    def __repr__(self) -> str:
        pairs = zip(self.content.words, self.content.shares, strict=True)
        shares = ", ".join(f"{word} {still.two(share)}" for word, share in pairs)
        return f"Strip({'; '.join(filter(None, (self.content.plain, shares)))})"


def words_figure(said: str, words: Sequence[str], shares: Sequence[float]) -> "Figure":
    """The still twin: a sentence, and words on tints, in lines as long as the page has room for."""
    lines, row = textwrap.wrap(said, 100) or [""], []
    rows = [row]
    for word, share in zip(words, shares, strict=True):
        label = f"{word} {still.two(share)}"
        if row and sum(len(text) + 3 for text, _ in row) + len(label) > 100:
            rows.append(row := [])
        row.append((label, 1.0 if share != share else min(1.0, max(0.0, share))))
    height = 0.2 * len(lines) + 0.3 * len(rows)
    figure = still.blank(7.4, height, layout=None)
    figure.text(0.01, 1, "\n".join(lines), va="top", fontsize=9, parse_math=False)
    for i, row in enumerate(rows):
        x, y = 0.015, 1 - (0.2 * len(lines) + 0.3 * (i + 0.5)) / height
        for label, share in row:
            box = {"boxstyle": "round,pad=0.25", "facecolor": (*TINT, 0.6 * share), "edgecolor": "none"}
            figure.text(x, y, label, va="center", fontsize=8, family="monospace", parse_math=False, bbox=box)
            x += (len(label) + 2.2) * 0.0665 / 7.4
    return figure
