"""Hand-made, readable word features: a lesson can say in words why one word looks at another.

A word is a row of 8 features. What it asks for (its query) and what it offers (its key) are rows
of 5 wishes; its value is its features. Nothing here was trained, and every number can be read.
"""

import hashlib

import torch
from torch import Tensor

from attention_core.agreement import rounding

FEATURES = ("noun", "animate", "action", "place", "pronoun", "feeling", "quality", "link")
WISHES = ("thing", "living", "doing", "where", "being")

_KINDS = {  # what the words of a group are, in the order of FEATURES
    "cat dog bird horse girl boy woman man child teacher student robot": (1, 1, 0, 0, 0, 0, 0, 0),
    "mat ball book apple cup letter box key table chair": (1, 0, 0, 0, 0, 0, 0, 0),
    "house garden park river street school bank bridge": (1, 0, 0, 1, 0, 0, 0, 0),
    "sat ran saw chased gave read slept ate kicked drank crossed wrote": (0, 0, 1, 0, 0, 0, 0, 0),
    "it": (0, 0.2, 0, 0, 1, 0, 0, 0),
    "he she they who": (0, 0.4, 0, 0, 1, 0, 0, 0),
    "here there where": (0, 0, 0, 1, 1, 0, 0, 0),
    "tired hungry happy sad afraid brave": (0, 0.2, 0, 0, 0, 1, 0, 0),
    "red wet old big small heavy wide new": (0, 0, 0, 0, 0, 0, 1, 0),
    "was is were are": (0, 0, 0.3, 0, 0, 0.2, 0.2, 0.5),
    "the a an": (0, 0, 0, 0, 0, 0, 0, 1),
    "on in to at under across": (0, 0, 0, 0.6, 0, 0, 0, 1),
    "because and but so of with that": (0, 0, 0, 0, 0, 0, 0, 0.6),
}
_VOCABULARY = {word: kind for group, kind in _KINDS.items() for word in group.split()}
VOCABULARY = tuple(_VOCABULARY)
GROUPS = tuple(_KINDS)  # the same words, one line for all that have the same features

W_QUERY = torch.tensor(  # (8 features, 5 wishes): what each feature asks for
    [
        [0.0, 0.0, 3.0, 0.0, 2.0],  # noun: what does it do, what is it like?
        [0.0, 0.0, 1.0, 0.0, 1.0],  # animate: the same, more strongly
        [2.0, 4.0, 0.0, 1.0, 0.0],  # action: who does it, and where?
        [1.0, 0.0, 0.0, 2.0, 0.0],  # place: what place is meant?
        [3.0, 5.0, 0.0, 0.0, 0.0],  # pronoun: which living thing does it stand for?
        [2.0, 5.0, 0.0, 0.0, 0.0],  # feeling: which living thing feels it?
        [6.0, -3.0, 0.0, 0.0, 0.0],  # quality: which lifeless thing has it?
        [3.0, 0.0, 0.0, 0.0, 0.0],  # link: which thing comes with me?
    ],
    dtype=torch.float32,
)
W_KEY = torch.tensor(  # (8 features, 5 wishes): what each feature offers
    [
        [1.0, 0.0, 0.0, 0.0, 0.0],  # noun: a thing
        [0.0, 1.0, 0.0, 0.0, 0.0],  # animate: something living
        [0.0, 0.0, 1.0, 0.0, 0.0],  # action: a doing
        [0.0, 0.0, 0.0, 1.0, 0.0],  # place: a where
        [0.2, 0.0, 0.0, 0.0, 0.0],  # pronoun: a thing, but hardly
        [0.0, 0.0, 0.0, 0.0, 1.0],  # feeling: a way of being
        [0.0, 0.0, 0.0, 0.0, 1.0],  # quality: a way of being
        [0.0, 0.0, 0.0, 0.0, 0.0],  # link: nothing
    ],
    dtype=torch.float32,
)
W_VALUE = torch.eye(len(FEATURES), dtype=torch.float32)  # a word hands over what it is


def split(sentence: str) -> list[str]:
    """The words of a sentence, cut at white space and otherwise kept as they were typed."""
    return sentence.split()


def embed(words: list[str]) -> Tensor:
    """One row of FEATURES for each word, float32 `(n, 8)`.

    Case and punctuation around a word do not matter. A word outside VOCABULARY gets a vector of
    its own between 0 and 0.6, made from its letters: the same today, tomorrow and elsewhere.
    """
    features = torch.tensor([_features(word) for word in words], dtype=torch.float32)
    return features.reshape(len(words), len(FEATURES))


def query_key_value(words: list[str]) -> tuple[Tensor, Tensor, Tensor]:
    """What each word asks for, offers and hands over: `(n, 5)`, `(n, 5)` and `(n, 8)`."""
    x = embed(words)  # (n, 8)
    return x @ W_QUERY, x @ W_KEY, x @ W_VALUE


def explain(query_word: str, key_word: str) -> str:
    """The dot product of one query and one key, spelled out wish by wish."""
    query = query_key_value([query_word])[0][0]  # (5,)
    key = query_key_value([key_word])[1][0]  # (5,)
    terms = [
        f"{wish} {_short(asks)} × {_short(offers)}"
        for wish, asks, offers in zip(WISHES, query.tolist(), key.tolist(), strict=True)
        if asks * offers != 0
    ]
    total = f"{float(query @ key):.1f}"
    return f"“{query_word}” asks “{key_word}”: " + (" + ".join(terms) or "nothing in common") + f" = {total}"


def unlisted(words: list[str]) -> list[str]:
    """Those that are not in VOCABULARY, each once: their features are drawn from their letters."""
    return list(dict.fromkeys(word for word in words if _bare(word) not in _VOCABULARY))


def _short(x: float) -> str:
    """One digit where it is all there is, as in VOCABULARY's words; two, so that the sum adds up."""
    near = rounding(torch.float32, len(FEATURES), size=max(1.0, abs(x)))
    return f"{x:.1f}" if abs(x - round(x, 1)) <= near else f"{x:.2f}"


def _bare(word: str) -> str:
    return word.strip(".,;:!?…\"'“”‘’()[]").lower()


def _features(word: str) -> list[float]:
    bare = _bare(word)
    if bare in _VOCABULARY:
        return [float(f) for f in _VOCABULARY[bare]]
    digest = hashlib.sha256((bare or word).encode("utf-8", "surrogatepass")).digest()
    return [0.6 * byte / 255 for byte in digest[: len(FEATURES)]]
