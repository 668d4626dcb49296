"""Which sentences lie nearest to one that is typed, as an encoder has it, and as its rivals have it."""

import re
import zlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import ipywidgets as widgets
import torch
import traitlets
from torch import Tensor
from torch.nn import functional as F

from attention_core._calling import Part, call, formed
from attention_core.live import still
from attention_core.live.controls import pick, text
from attention_core.live.explorer import Explorer
from attention_core.live.heatmap import AttentionHeatmap
from attention_core.live.map import AttentionMap
from attention_core.live.reading import Reading
from attention_core.live.remarks import Unusable
from attention_core.live.strip import Strip, Words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MEANING, LETTERS, WORDS = "meaning", "shared letters", "shared words"
SHOWN = 3  # sentences that are named, those nearest
BUCKETS = 4096
LONGEST = 60  # letters of a sentence beside the map
COSINES = Reading(
    cell="{query} and {key}: cosine {number}.",
    row="{query}, its cosine with:",
    caption="Cosines of all pairs. 1 is the same direction, 0 is nothing in common.",
    number="cosine",
    rows="sentences",
    columns="sentences",
)
_SAID = "Nearest to it by **{by}**:"
_WIDTHS = "The vector of what is typed has {one} numbers, those of the list have {other}: as many are needed."
_NONE = "By **{by}** it has nothing in common with any of them."
SENTENCES = (
    "A cat sleeps on the sofa.",
    "A kitten naps on the couch.",
    "The dog runs through the park.",
    "She plays the violin in an orchestra.",
    "He plays football in the park.",
    "The bank raised its interest rates.",
    "We sat on the bank of the river.",
    "The train to Paris is late.",
)


def shared_words(sentences: Sequence[str]) -> Tensor:
    """Sentences as counts of their words, `(batch, 4096)`: two are near if they share words, and only then.

    Each word has a place by its letters; two words in one place are rare.
    """
    return _counted([_words(sentence) for sentence in sentences])


def shared_letters(sentences: Sequence[str]) -> Tensor:
    """Sentences as counts of three letters in a row, `(batch, 4096)`: “sleep” is near “sleeps”, too."""
    padded = [[f" {word} " for word in _words(sentence)] for sentence in sentences]
    return _counted([[word[i : i + 3] for word in row for i in range(len(word) - 2)] for row in padded])


def _words(sentence: str) -> list[str]:
    return re.findall(r"\w+", sentence.lower())


def _counted(rows: Sequence[Sequence[str]]) -> Tensor:
    counts = torch.zeros(len(rows), BUCKETS)
    for counted, pieces in zip(counts, rows, strict=True):
        for piece in pieces:
            counted[zlib.crc32(piece.encode()) % BUCKETS] += 1
    return counts


class NearestExplorer(Explorer):
    """Type a sentence: which of these is nearest, by meaning, or by a rival's idea of it?

    Args:
        encode: `encode(sentences) -> (batch, dim)`, of a list of sentences, rows of any length. By the
            letters that are shared, unless given.
        sentences: those that it is compared with.
        sentence: the one to begin with.

    Traits, each of which can be set and observed: all of the above; `rivals`, `{name: encode}`, other ideas
    of what is near, by the words that are shared unless given; `by`, the name of one of them, or "meaning",
    which is what `encode` is called. To be read: `names`, what `by` can be, which stay while nothing can be
    shown; None then: `cosines (n,)`, with each sentence; `order`, the sentences' numbers, nearest first;
    `weights (n + 1, n + 1)`, the cosines of all pairs, of which the typed one is the first.

    Raises: traitlets.TraitError for what cannot be, as a rival called "meaning"; the old value stays.
    """

    sentence = traitlets.Unicode().tag(control=text("Sentence", width="36em"))
    by = traitlets.Unicode(LETTERS).tag(
        control=pick("Nearest by", lambda explorer: explorer.names, follows="names")
    )
    encode = traitlets.Callable(shared_letters)
    sentences = traitlets.List(traitlets.Unicode(), SENTENCES, minlen=1)
    rivals = traitlets.Dict(
        key_trait=traitlets.Unicode(), value_trait=traitlets.Callable(), default_value={WORDS: shared_words}
    )
    names = traitlets.Any((LETTERS, WORDS))
    cosines = traitlets.Any(None, allow_none=True).tag(computed=True)
    order = traitlets.Any(None, allow_none=True).tag(computed=True)

    def __init__(
        self, encode: Callable = shared_letters, sentences=SENTENCES, sentence="A kitten sleeps.", **traits
    ):
        self._kept: dict[str, tuple] = {}
        traits.setdefault("by", _own_name(encode))
        super().__init__(encode=encode, sentences=list(sentences), sentence=sentence, **traits)
        self.add_class("attention-nearest")

    def views(self) -> dict[str, widgets.Widget]:
        return {"nearest": Strip(), "heatmap": AttentionHeatmap(None, learned=True)}

    @traitlets.validate("by")
    def _check_by(self, proposal):
        if proposal.value not in (names := self._names()):
            raise traitlets.TraitError(f"by must be one of {', '.join(names)}, got {proposal.value!r}")
        return proposal.value

    @traitlets.validate("encode", "rivals")
    def _check_names(self, proposal):
        given = {"encode": self.encode, "rivals": self.rivals, proposal.trait.name: proposal.value}
        if (own := _own_name(given["encode"])) in given["rivals"]:
            raise traitlets.TraitError(f"a rival cannot be called {own!r}: that is what encode is called")
        return proposal.value

    def settle(self, name: str | None) -> None:
        self.set_trait("names", self._names())
        if self.by not in self.names:
            self.by = self.names[0]

    def _names(self) -> tuple[str, ...]:
        return (_own_name(self.encode), *self.rivals)

    def compute(self, sentence, sentences, encode, rivals, by):
        if not sentence.strip():
            raise Unusable("Type a sentence.")
        encoders = {_own_name(encode): encode, **rivals}
        asked = encoders[by]
        typed, listed = _rows(asked, [sentence]), self._listed(asked, by, sentences)
        if (one := typed.shape[-1]) != (other := listed.shape[-1]):
            raise Unusable(_WIDTHS, one=one, other=other)
        rows = torch.cat([typed, listed])
        rows = F.normalize(rows, dim=-1)  # a row of zeros stays one
        pairs = (rows @ rows.T).clamp(-1, 1)
        cosines = pairs[0, 1:]
        order = cosines.argsort(descending=True, stable=True).tolist()
        near = {sentences[i]: float(cosines[i]) for i in order[:SHOWN] if cosines[i] > 0}
        said = (_SAID if near else _NONE).format(by=by)
        labels = [still.short(one, LONGEST) for one in (sentence, *sentences)]
        return {
            "nearest": Words(said, [*near], [*near.values()]),
            "heatmap": AttentionMap(pairs, labels, labels, reading=COSINES),
            "cosines": cosines,
            "order": tuple(order),
        }

    def facts(self) -> str:
        if self.weights is None:
            return super().facts()
        return f"“{self.sentence}” among {len(self.sentences)} sentences, by {self.by}"

    def figure(self) -> "Figure":
        """The map of all pairs, and the nearest ones."""
        if self.weights is None:
            return super().figure()
        figure = self.heatmap.figure()
        words = self.nearest.content
        near = [f"{still.two(x)}  {word}" for word, x in zip(words.words, words.shares, strict=True)]
        lines = [f"“{self.sentence}”", words.plain, *near]
        figure.supxlabel("\n".join(lines), fontsize=8, color=still.QUIET, parse_math=False)
        return figure

    def update(self) -> None:
        self._kept = {}  # what encodes may have learned
        with self.together():
            self.settle(None)
        super().update()

    def _listed(self, asked: Callable, by: str, sentences: list[str]) -> Tensor:
        """Rows of the listed sentences, made once for a function and a list."""
        function, of, rows = self._kept.get(by, (None, None, None))
        if function is not asked or of != sentences:
            rows = _rows(asked, sentences)
            self._kept[by] = asked, [*sentences], rows
        return rows


def _own_name(encode: Callable) -> str:
    return LETTERS if encode is shared_letters else MEANING


def _rows(asked: Callable, sentences: list[str]) -> Tensor:
    """What a function makes of sentences, `(batch, dim)`, float32. Raises: Failed, Unusable."""
    answer = call(asked, [*sentences], quiet=False).answer  # it may write into its list
    (rows,) = formed(answer, Part("the vectors", (len(sentences), "dim")))
    rows = rows.detach().float().cpu()
    if not bool(rows.isfinite().all()):
        raise Unusable("Its vectors hold NaN or ∞.")
    return rows
