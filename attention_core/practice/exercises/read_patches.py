"""Positions and readout: a class token in front of the patches, and the answer where it stood."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from attention_core.practice.exercise import Case, Exercise, Trial, random, same
from attention_core.practice.recipes import Raised, bugs, slip, telling
from attention_core.probes import Verdict

_POSITIONS = (r"positions",)
_FIRST = (r"class_token", r"cat\(|stack\(")
_JOIN = (r"cat\(|stack\(", r"class_token")
_ANSWER = (r"answer\s*=", r"blocks\(", r"return")
_RETURN = (r"return",)


def _blocks(x: Tensor) -> Tensor:
    """Each word becomes itself and the sum of all: so each knows of all, and no two are alike."""
    return x + x.sum(dim=-2, keepdim=True)


def _tokens(
    features: Tensor,
    class_token: Tensor,
    positions: Tensor,
    place: Callable = lambda features, positions: features + positions,
    first: Callable = lambda class_token, positions, batch: class_token.expand(batch, 1, -1),
    join: Callable = lambda first, patches: torch.cat((first, patches), 1),
    after: Callable = lambda tokens, positions: tokens,
) -> Tensor:
    patches = place(features, positions)
    token = first(class_token, positions, len(features))
    return after(join(token, patches), positions)


def _read_patches(
    features: Tensor,
    class_token: Tensor,
    positions: Tensor,
    blocks: Callable,
    *,
    read: Callable = lambda out, tokens: out[:, 0],
    through: Callable = lambda blocks, tokens: blocks(tokens),
    give: Callable = lambda tokens, answer, out: (tokens, answer),
    **steps,
):
    """Tokens and answer, each step of which can be exchanged for a wrong one."""
    tokens = _tokens(features, class_token, positions, **steps)
    out = through(blocks, tokens)
    return give(tokens, read(out, tokens), out)


def _right(features: Tensor, class_token: Tensor, positions: Tensor, blocks: Callable):
    """The reference; it also makes what right answers pass through, so that no line is wrong for it."""
    batch = len(features)
    tokens = _tokens(features, class_token, positions)
    _made = features + positions, class_token.expand(batch, 1, -1), class_token.repeat(batch, 1, 1), tokens
    _begun = torch.zeros_like(tokens), _tokens(features, class_token, 0 * positions)
    out = blocks(tokens)
    return tokens, out[:, 0]


def _cases() -> list[Case]:
    hint = "features are (batch, n, dim), class_token (dim,), positions (n, dim); blocks(x) keeps x's shape."

    def drawn(batch: int, n: int, dim: int, seed: int, **kind) -> tuple:
        shapes = ((batch, n, dim), (dim,), (n, dim))
        made = (random(*x, seed=seed + i, **kind) for i, x in enumerate(shapes))
        return (*made, _blocks)

    features = torch.tensor([[[1.0, 1.5], [2, 2.5], [3, 3.5]]])
    read = (features, torch.tensor([70.0, 77]), torch.tensor([[10.0, 15], [20, 25], [30, 35]]), _blocks)
    made = [
        ("1 picture of 3 patches with 2 features", read),
        ("2 pictures of 5 patches with 3 features", drawn(2, 5, 3, 100)),
        (
            "4 pictures of 4 patches with 4 features",
            drawn(4, 4, 4, 103),
        ),  # most mistakes can be computed here
        ("5 pictures of 2 patches with 3 features", drawn(5, 2, 3, 106)),
        ("3 pictures of 2 patches with 5 features", drawn(3, 2, 5, 109)),
        ("2 pictures of 3 patches with 4 features, in float64", drawn(2, 3, 4, 112, dtype=torch.float64)),
    ]
    names = ("features", "class_token", "positions")
    return [
        Case(words, x, hint=hint, beside=tuple(zip(names, x[:3], strict=True))[: 3 if len(x[0]) == 1 else 1])
        for words, x in made
    ]


def _onto(tokens: Tensor, positions: Tensor, where: slice) -> Tensor:
    """Positions added to some of the tokens."""
    tokens = tokens.clone()
    tokens[:, where] = tokens[:, where] + positions
    return tokens


def _as_they_are(features: Tensor, _positions: Tensor) -> Tensor:
    return features


def _in_the_first_only(class_token: Tensor, _positions: Tensor, batch: int) -> Tensor:
    token = class_token.new_zeros(batch, 1, len(class_token))
    token[0, 0] = class_token
    return token


def _last(first: Tensor, patches: Tensor) -> Tensor:
    return torch.cat((patches, first), 1)


# fmt: off
_SLIPS = (
    slip("class-token-last", "the class token stands behind the patches; it should stand in front of them",
          _JOIN, {"join": _last}, {"join": _last, "read": lambda out, tokens: out[:, -1]}),
    slip("class-token-added", "the class token is added to the patches; it is a word of its own, in front",
          _FIRST, {"join": lambda first, patches: first + patches}),
    slip("no-class-token", "there is no class token; it should stand in front of the patches",
          _ANSWER, {"join": lambda first, patches: patches},
          {"join": lambda first, patches: patches, "read": lambda out, tokens: out.mean(1)},
          {"join": lambda first, patches: patches, "read": lambda out, tokens: out[:, -1]},
          {"join": lambda first, patches: patches, "read": lambda out, tokens: out}),
    slip("first-patch-replaced", "the class token stands in place of a patch; it should be one word more",
          _JOIN, {"join": lambda first, patches: torch.cat((first, patches[:, 1:]), 1)},
          {"join": lambda first, patches: torch.cat((first, patches[:, :-1]), 1)}, rare=True),
    slip("many-class-tokens", "there are several class tokens; there should be one, in front of all patches",
          _FIRST, {"join": lambda first, patches: torch.cat((first.expand_as(patches), patches), 1)},
          {"join": lambda first, patches: torch.cat((first, patches, first), 1)},
          {"join": lambda first, patches: torch.stack((first.expand_as(patches), patches), 2).flatten(1, 2)},
          {"join": lambda first, patches: torch.cat((first.expand(-1, len(first), -1), patches), 1)},
          rare=True),
    slip("class-token-in-one-picture", "only one picture has the class token; each needs it: expand it",
          _FIRST, {"first": _in_the_first_only}, rare=True),
    slip("empty-class-token", "the word in front is not the class token; it should be, in every picture",
          _FIRST, {"first": lambda token, positions, batch: token.new_zeros(batch, 1, len(token))},
          {"first": lambda token, positions, batch: token.new_ones(batch, 1, len(token))}, rare=True),
    slip("no-positions", "the positions are added to nothing; each patch should get its own",
          (), {"place": _as_they_are},
          why="Without them the patches are a bag: shuffled, they give the same answer."),
    slip("positions-off-by-one", "each word gets the position of the next patch; the class token none",
          _POSITIONS, {"place": _as_they_are, "after": lambda t, p: _onto(t, p, slice(0, -1))},
          {"place": _as_they_are,
           "after": lambda t, p: _onto(_onto(t, p, slice(0, -1)), p[-1:], slice(-1, None))},
          why="The class token has taken the first one: add them to the patches, before it is put in front."),
    slip("positions-along-the-batch", "pictures get the positions, one each; patches should, one each",
          _POSITIONS, {"place": lambda x, p: x + p[: len(x), None]},
          why="features are (batch, n, dim), positions (n, dim): they fit as they are."),
    slip("one-position-for-all", "all patches get the same position; each should get its own",
          _POSITIONS, {"place": lambda x, p: x + p[0]}, {"place": lambda x, p: x + p[-1]},
          {"place": lambda x, p: x + p.mean(0)}, {"place": lambda x, p: x + p.sum(0)}),
    slip("positions-backwards", "the positions are added in reverse order; the first is that of patch 0",
          _POSITIONS, {"place": lambda x, p: x + p.flip(0)}, rare=True),
    slip("positions-multiplied", "the positions are multiplied with the patches; they should be added",
          _POSITIONS, {"place": lambda x, p: x * p}, rare=True),
    slip("positions-for-patches", "the patches are gone: these are positions; each is added to its patch",
          _POSITIONS, {"place": lambda x, p: p.expand_as(x)}, rare=True),
    slip("positions-twice", "the positions are added twice",
          _POSITIONS, {"place": lambda x, p: x + 2 * p}, rare=True),
    slip("positions-averaged", "patch and position are averaged; they should be added",
          _POSITIONS, {"place": lambda x, p: (x + p) / 2}, rare=True),
    slip("positions-numbered", "the number of the place is added, not its vector; take it from positions",
          _POSITIONS, {"place": lambda x, p: x + torch.arange(len(p))[:, None]},
          {"place": lambda x, p: x + torch.arange(1, 1 + len(p))[:, None]}, rare=True),
    slip("class-token-placed", "the class token gets a position, too; only the patches have one",
          _POSITIONS, {"first": lambda token, p, batch: (token + p[0]).expand(batch, 1, -1)},
          {"first": lambda token, p, batch: (token + p[-1]).expand(batch, 1, -1)},
          {"first": lambda token, p, batch: (token + p.mean(0)).expand(batch, 1, -1)},
          why="It is learned itself: a place of its own would be one more vector added to it."),
    slip("last-word-read", "the answer is read at the last word; it should be at the class token, word 0",
          _ANSWER, {"read": lambda out, tokens: out[:, -1]}),
    slip("first-patch-read", "the answer is read at the first patch; it should be at word 0",
          _ANSWER, {"read": lambda out, tokens: out[:, 1]}),
    slip("mean-read", "the answer is an average of the words; it should be what became of the class token",
          (r"mean", *_ANSWER), {"read": lambda out, tokens: out.mean(1)},
          {"read": lambda out, tokens: out[:, 1:].mean(1)}),
    slip("sum-or-largest-read", "the words are added up, or their largest taken; read the class token alone",
          (r"sum|max", *_ANSWER), {"read": lambda out, tokens: out.sum(1)},
          {"read": lambda out, tokens: out.amax(1)}, {"read": lambda out, tokens: out[:, 1:].sum(1)},
          {"read": lambda out, tokens: out[:, 1:].amax(1)}, rare=True),
    slip("read-before-the-blocks", "the answer is read before the blocks; there it knows of no patch yet",
          _ANSWER, {"read": lambda out, tokens: tokens[:, 0]},
          why="Read blocks(tokens), not tokens."),
    slip("blocks-twice", "the tokens go through the blocks twice; once is what they are made for",
          (r"blocks\(",), {"through": lambda blocks, tokens: blocks(blocks(tokens))}, rare=True),
    slip("blocks-without-class-token", "the blocks get the patches alone; the class token belongs to them",
          (r"blocks\(",), {"through": lambda blocks, tokens: blocks(tokens[:, 1:])},
          rare=True),
    slip("blocks-with-class-token-alone", "the blocks get the class token alone; it should see the patches",
          (r"blocks\(",), {"through": lambda blocks, tokens: blocks(tokens[:, :1])},
          {"through": lambda blocks, tokens: blocks(tokens[:, 0]), "read": lambda out, tokens: out},
          why="Let all tokens through, and take word 0 from what comes out: blocks(tokens)[:, 0]."),
    slip("all-words-returned", "the answer is all words; it should be one, the class token: (batch, dim)",
          _ANSWER, {"read": lambda out, tokens: out}, {"read": lambda out, tokens: out[:, 1:]}),
    slip("axis-left", "the answer has an axis too many: [:, 0] takes one word, and its axis away",
          _ANSWER, {"read": lambda out, tokens: out[:, :1]}, rare=True),
    slip("picture-for-word", "the answer is one picture's words; it should be one word of each: [:, 0]",
          _ANSWER, {"read": lambda out, tokens: out[0]}, {"read": lambda out, tokens: out[0, 0]},
          {"read": lambda out, tokens: out[-1]}, rare=True),
    slip("feature-for-word", "the answer is one feature of all words; it should be one word: [:, 0]",
          _ANSWER, {"read": lambda out, tokens: out[:, :, 0]}, {"read": lambda out, tokens: out[..., -1]},
          rare=True),
    slip("answer-squeezed", "axes of size 1 are gone; the answer is (batch, dim), also for one picture",
          (r"squeeze", *_ANSWER), {"read": lambda out, tokens: out[:, 0].squeeze()},
          {"read": lambda out, tokens: out[:, 0].squeeze(0)}, rare=True),
    slip("tokens-after-the-blocks", "tokens are what goes into the blocks; these come out of them",
          _RETURN, {"give": lambda tokens, answer, out: (out, answer)}),
    slip("other-order", "answer and tokens have changed places: return tokens first",
          _RETURN, {"give": lambda tokens, answer, out: (answer, tokens)},
          {"give": lambda tokens, answer, out: (answer, out)}),
    slip("one-part-alone", "one thing is returned; return both: tokens, answer",
          _RETURN, {"give": lambda tokens, answer, out: answer}, {"give": lambda tokens, answer, out: tokens},
          {"give": lambda tokens, answer, out: out}, rare=True),
)
# fmt: on
_RAISED = (
    Raised(
        "class-token-not-expanded",
        "the class token must be there once for each picture: class_token.expand(batch, 1, -1)",
        "",
        r"Sizes of tensors must match .* dimension 1\. Expected size (1 but got|\d+ but got size 1 )",
        r"cat\(",
    ),
    Raised(
        "class-token-without-axes",
        "the class token has one axis, its features; beside the patches it needs all three: (batch, 1, dim)",
        "That is: class_token.expand(batch, 1, -1).",
        r"Dimension out of range|same number of dimensions|zero-dimensional|stack expects|The expanded size",
        r"cat\(|stack\(|expand\(",
    ),
    Raised(
        "joined-along-another-axis",
        "words are axis 1: torch.cat(…, dim=1) puts the class token in front of the patches",
        "",
        r"Sizes of tensors must match except in dimension [02]",
        r"cat\(",
    ),
    Raised(
        "positions-after-the-class-token",
        "with the class token there is a word more than there are positions: add them to the patches first",
        "Positions are (n, dim), one for each patch; the class token is learned itself and has none.",
        r"size of tensor a \(\d+\) must match the size of tensor b",
        r"positions",
    ),
)


def _about(trials: list[Trial], _answer) -> Iterator[Verdict]:
    """Is the class token in front, are patches and positions there, and where is the answer read?"""
    wrong = next(t for t in trials if not t.right)
    features, class_token, positions, blocks = wrong.case.inputs
    (tokens, answer), near = wrong.got, wrong.case.near
    if not same(tokens, wrong.expected[0], near):
        front = same(tokens[:, 0], class_token.expand(len(tokens), -1), near)
        yield Verdict(
            "the class token", front, f"word 0 of each picture is {'' if front else 'not '}that vector"
        )
        added = tokens[:, 1:].detach() - features
        off = [
            i
            for i in range(len(positions))
            if not same(added[:, i], positions[i].expand_as(added[:, i]), near)
        ]
        said = f"word {off[0] + 1} should be patch {off[0]} and position {off[0]}" if off else "all are right"
        yield Verdict("patches with their positions", not off, said)
    else:
        out = blocks(tokens.detach())
        where = [i for i in range(out.shape[1]) if same(answer, out[:, i], near)]
        said = f"it is what became of word {where[0]}" if where else "it is what became of no single word"
        yield Verdict("the answer", False, said)


read_patches = Exercise(
    "read patches",
    ("tokens", "answer"),
    _right,
    _cases,
    bugs(_SLIPS, _read_patches),
    "Checked: the class token in front, each patch with its position, 1 to 5 pictures, the answer at word 0.",
    prepare=lambda answer: [(telling(answer, _RAISED), ())],
    explain=_about,
    show="tokens",
    learns=0,
)
