"""To patches: (batch, channels, height, width) to (batch, patches, channels · size²)."""

import itertools
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from attention_core import vision
from attention_core.practice.exercise import Bug, Case, Exercise, Trial, random
from attention_core.practice.reshapes import BACKWARDS, LOOPS, Error, bug, numbered, telling
from attention_core.probes import Verdict

_RIGHT = "brkcyx"  # batch, row and column of the patch, channel, row and column of the pixel within
_AS_CUT = "bcrykx"  # the same axes as height and width are cut into them
_ORDER = (r"permute|transpose|movedim|einsum|rearrange|swapaxes", r"reshape|view|flatten")
_CUTS = (r"reshape|view|unflatten|unfold|rearrange|chunk|split", *_ORDER)


def _to_patches(images: Tensor, size: int) -> Tensor:
    """In steps, so that no line is blamed for leaving what is right as far as it goes."""
    _ways = [
        _cut(images, size),
        _cut(images, size).permute(0, 1, 2, 4, 3, 5),
        F.unfold(images, size, stride=size),
        _as_it_lies(images, size),  # filled up line by line, a patch begins as this does
    ]
    return _laid(_RIGHT)(images, size)


def _cases() -> list[Case]:
    one, two, three = numbered(1, 1, 2, 6), numbered(1, 1, 6, 4), numbered(1, 2, 2, 4)
    hint = "images are (batch, channels, height, width), and size is a whole number, the side of a patch."
    made = [
        ("a picture of 2 × 6 pixels, numbered, in patches of 2 × 2", one, 2),
        ("a picture of 6 × 4 pixels, numbered, in patches of 2 × 2", two, 2),
        ("a picture of 2 channels, 2 × 4, numbered, in patches of 2 × 2", three, 2),
        ("a picture of 6 × 9 pixels, numbered, in patches of 3 × 3", numbered(1, 1, 6, 9), 3),
        ("5 pictures of 3 channels, 8 × 12, in patches of 2 × 2", random(5, 3, 8, 12, seed=90), 2),
        ("2 pictures of 3 channels, 12 × 3, in patches of 3 × 3", random(2, 3, 12, 3, seed=91), 3),
        ("2 pictures of 1 channel, 8 × 8, in patches of 4 × 4", random(2, 1, 8, 8, seed=92), 4),
        ("3 pictures of 2 channels, 2 × 5, in patches of 1 × 1", random(3, 2, 2, 5, seed=93), 1),
        ("2 pictures of 2 channels, 3 × 3, in one patch of 3 × 3", random(2, 2, 3, 3, seed=94), 3),
        (
            "2 pictures of 2 channels, 4 × 6, in patches of 2 × 2, in float64",
            random(2, 2, 4, 6, seed=95, dtype=torch.float64),
            2,
        ),
    ]
    return [Case(words, (x, n), hint=hint, beside=(("images", x),)) for words, x, n in made]


def _cut(images: Tensor, size: int) -> Tensor:
    """`_AS_CUT`, six axes."""
    rows, columns = images.shape[2] // size, images.shape[3] // size
    return images.reshape(*images.shape[:2], rows, size, columns, size)


def _apart(images: Tensor, size: int) -> Tensor:
    """Six axes, pixels before patches: each patch takes pixels that stand far apart."""
    rows, columns = images.shape[2] // size, images.shape[3] // size
    cut = images.reshape(*images.shape[:2], size, rows, size, columns)
    return cut.permute(0, 1, 3, 2, 5, 4)


def _rows_apart(images: Tensor, size: int) -> Tensor:
    rows, columns = images.shape[2] // size, images.shape[3] // size
    cut = images.reshape(*images.shape[:2], size, rows, columns, size)
    return cut.permute(0, 1, 3, 2, 4, 5)


def _columns_apart(images: Tensor, size: int) -> Tensor:
    rows, columns = images.shape[2] // size, images.shape[3] // size
    cut = images.reshape(*images.shape[:2], rows, size, size, columns)
    return cut.permute(0, 1, 2, 3, 5, 4)


def _exchanged(images: Tensor, size: int) -> Tensor:
    """Six axes, height taken for width."""
    rows, columns = images.shape[2] // size, images.shape[3] // size
    return images.reshape(*images.shape[:2], columns, size, rows, size)


def _laid(order: str, cut: Callable = _cut, natural: bool = False) -> Callable:
    """The axes in this order, and then the shape that it should have; or, natural, as the order gives it."""
    axes = [_AS_CUT.index(axis) for axis in order]

    def lay(images: Tensor, size: int) -> Tensor:
        n, features = images.shape[2] * images.shape[3] // size**2, images.shape[1] * size**2
        moved = cut(images, size).permute(axes)
        return moved.flatten(3).flatten(1, 2) if natural else moved.reshape(len(images), n, features)

    return lay


def _as_it_lies(images: Tensor, size: int) -> Tensor:
    return images.reshape(
        len(images), images.shape[2] * images.shape[3] // size**2, images.shape[1] * size**2
    )


def _right(images: Tensor, size: int) -> Tensor:
    return vision.to_patches(images, size)


def _emptied(*which: int) -> Callable:
    """Some rows or columns of patches are left at 0."""

    def wrong(images: Tensor, size: int) -> Tensor:
        made = _right(images, size).clone()
        made[:, list(which)] = 0
        return made

    return wrong


def _fewer(rows: slice = slice(None), columns: slice = slice(None)) -> Callable:
    """Only these rows and columns of patches."""

    def wrong(images: Tensor, size: int) -> Tensor:
        kept = _cut(images, size).permute(0, 2, 4, 1, 3, 5)[:, rows, columns]
        return kept.flatten(3).flatten(1, 2)

    return wrong


def _sliding(turned: bool) -> Callable:
    def wrong(images: Tensor, size: int) -> Tensor:
        return F.unfold(images, size).mT if turned else F.unfold(images, size)

    return wrong


def _one_apart(images: Tensor, size: int) -> Tensor:
    """As many patches as there should be, each one pixel after the last."""
    rows, columns = images.shape[2] // size, images.shape[3] // size
    windows = images.unfold(2, size, 1)[:, :, :rows].unfold(3, size, 1)[:, :, :, :columns]
    return windows.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)


def _of_channels(made: Callable) -> Callable:
    return lambda images, size: _right(made(images), size)


def _built_in(size: int) -> Callable:
    return lambda images, _size: F.unfold(images, size, stride=size).mT  # also where it does not divide


def _by_patch(change: Callable) -> Callable:
    """What a change makes of `(batch, rows, columns, channels, size, size)`."""

    def wrong(images: Tensor, size: int) -> Tensor:
        made = change(_cut(images, size).permute(0, 2, 4, 1, 3, 5))
        return made.flatten(3).flatten(1, 2)

    return wrong


_NAMED = {  # orders of the axes that have a name
    "bcrykx", "bkrcyx", "brkcxy", "bkrcxy", "brkyxc", "brkycx", "bcrkyx", "byxcrk", "bcyxrk", _RIGHT,
}  # fmt: skip
_OTHER_ORDERS = ["b" + "".join(p) for p in itertools.permutations("crykx") if "b" + "".join(p) not in _NAMED]

_BUGS = (
    bug(
        "one-view",
        "lines of pixels are cut into pieces; a patch is a square, of several lines",
        _as_it_lies,
        why="Cut height into (rows, size) and width into (columns, size), then move the axes.",
        look_at=_CUTS,
    ),
    bug(
        "grid-and-pixels-exchanged",
        "the pixels of a patch stand far apart; cut height into (rows, size), in this order",
        *(_laid(_RIGHT, cut) for cut in (_apart, _rows_apart, _columns_apart)),
        _laid("byxcrk", natural=True),
        _laid("byxcrk"),
        *(_laid("byxcrk", cut) for cut in (_apart, _rows_apart, _columns_apart)),
        why="The last of the two axes counts pixels that are neighbours.",
        look_at=_ORDER,
    ),
    bug(
        "column-order",
        "the patches come column by column; they should come row by row, as one reads",
        _laid("bkrcyx"),
        look_at=_ORDER,
    ),
    Bug(
        "pixels-transposed",
        "within a patch pixels come column by column; they should come row by row",
        "",
        _ORDER,
        (_laid("brkcxy"),),
        sure=(r"\.mT|(transpose|swapaxes)\((2, ?3|3, ?2|-1, ?-2|-2, ?-1)\)",),
    ),
    bug(
        "picture-on-its-side",
        "rows and columns are exchanged, of the patches and of the pixels within them",
        _laid("bkrcxy"),
        lambda images, size: _right(images.mT, size),
        look_at=_ORDER,
    ),
    bug(
        "channels-last",
        "within a patch the channels come last; a patch is first all of one channel, then the next",
        _laid("brkyxc"),
        _laid("brkycx"),
        why="The axes are (batch, rows, columns, channels, size, size) before they are joined.",
        look_at=_ORDER,
    ),
    bug(
        "channels-not-moved",
        "the channels stay in front of the patches, so a patch has several of one channel's, and no other",
        _laid("bcrkyx"),
        why="All channels of a place belong into one patch: move them behind rows and columns.",
        look_at=_ORDER,
    ),
    bug(
        "channels-as-patches",
        "each channel has patches of its own; a patch should hold all channels of its place",
        lambda images, size: _laid("bcrkyx")(images, size).reshape(len(images), -1, size**2),
        lambda images, size: _cut(images, size).permute(0, 2, 4, 1, 3, 5).flatten(4).flatten(1, 3),
        lambda images, size: _cut(images, size).permute(0, 1, 2, 4, 3, 5).flatten(4).flatten(2, 3),
        look_at=(r"reshape|view|flatten", *_ORDER),
    ),
    Bug(
        "height-for-width",
        "height and width are taken for each other; rows come from the height, columns from the width",
        "",
        (r"shape|size\(", *_CUTS),
        (_laid(_RIGHT, _exchanged),),
        sure=(
            r"\b(w|width)\s*,\s*(h|height)\b.*=",
            r"\bcol\w*\s*,\s*row\w*.*=.*height.*,",
            r"\brow\w*\s*=.*width",
        ),
    ),
    bug(
        "features-first",
        "features stand before patches; it is (batch, patches, features)",
        lambda images, size: _right(images, size).mT,
        look_at=(r"unfold", *_ORDER),
    ),
    bug(
        "features-reshaped",
        "features and patches are not exchanged by a reshape, which cuts the same line anew: transpose",
        _laid("bcyxrk"),
        look_at=(r"unfold", *_ORDER),
    ),
    bug(
        "overlapping",
        "the patches overlap: each begins one pixel after the last; it should be size pixels after it",
        _sliding(True),
        _sliding(False),
        _one_apart,
        why="unfold takes a stride, too.",
        look_at=(r"unfold", r"range"),
    ),
    bug(
        "rows-and-columns-not-joined",
        "rows and columns of patches are two axes still; they should be one, the patches",
        lambda images, size: _cut(images, size).permute(0, 2, 4, 1, 3, 5).flatten(3),
        lambda images, size: _cut(images, size).permute(0, 2, 4, 1, 3, 5),
    ),
    bug(
        "features-not-joined",
        "channels, rows and columns of a patch are axes still; they should be one, its features",
        lambda images, size: _cut(images, size).permute(0, 2, 4, 1, 3, 5).flatten(1, 2),
        lambda images, size: _right(images, size).unflatten(-1, (-1, size**2)),
    ),
    bug(
        "batch-run-together",
        "batch and patches share one axis; each should have its own: (batch, patches, features)",
        lambda images, size: _right(images, size).flatten(0, 1),
        lambda images, size: _right(images, size).flatten(1),
        lambda images, size: _right(images, size).flatten(),
        look_at=(r"reshape|view|flatten",),
    ),
    bug(
        "patches-before-the-batch",
        "the patches stand before the batch; it is (batch, patches, features)",
        lambda images, size: _right(images, size).transpose(0, 1),
        why="Of a list of patches, stack along axis 1: torch.stack(patches, dim=1).",
        look_at=(r"stack|cat\(", *_ORDER),
    ),
    bug(
        "patches-in-the-batch",
        "the patches lengthen the batch; each should have a row of its own: stack(…, dim=1)",
        lambda images, size: torch.cat(list(_right(images, size).unbind(1)), 0),
    ),
    bug(
        "one-picture",
        "only one picture of the batch comes out; all of them should",
        lambda images, size: _right(images[:1], size),
        lambda images, size: _right(images[0], size),
        lambda images, size: _right(images[-1:], size),
        look_at=(r"\[:?-?[01]\]|\[-1:\]",),
    ),
    bug(
        "one-channel",
        "only one channel comes out; a patch should hold all channels of its place",
        _of_channels(lambda images: images[:, :1]),
        _of_channels(lambda images: images[:, -1:]),
        look_at=(r"\[:, ?:?-?[01]",),
    ),
    bug(
        "channels-averaged",
        "the channels are averaged, or added up; they should stand one after another",
        _of_channels(lambda images: images.mean(1, keepdim=True)),
        _of_channels(lambda images: images.sum(1, keepdim=True)),
        look_at=(r"mean|sum",),
    ),
    bug(
        "pixels-averaged",
        "each patch is averaged to one number a channel; it should keep all its pixels",
        lambda images, size: _cut(images, size).mean((3, 5)).permute(0, 2, 3, 1).flatten(1, 2),
        lambda images, size: _right(images, size).mean(-1, keepdim=True),
        lambda images, size: _right(images, size).mean(-1),
        look_at=(r"mean|pool",),
    ),
    bug(
        "backwards",
        "something comes in reverse order: the patches, their pixels, their channels, or the pictures",
        lambda images, size: _right(images, size).flip(1),
        lambda images, size: _right(images, size).flip(2),
        _by_patch(lambda x: x.flip(1)),
        _by_patch(lambda x: x.flip(2)),
        _by_patch(lambda x: x.flip(3)),
        _by_patch(lambda x: x.flip(4)),
        _by_patch(lambda x: x.flip(5)),
        lambda images, size: _right(images, size).flip(0),
        look_at=BACKWARDS,
    ),
    bug(
        "patches-left-out",
        "patches are missing: there are height/size rows of width/size each",
        _fewer(slice(0, -1)),
        _fewer(columns=slice(0, -1)),
        _fewer(slice(0, -1), slice(0, -1)),
        _fewer(slice(1, None)),
        _fewer(columns=slice(1, None)),
        _fewer(slice(0, 1)),
        _fewer(columns=slice(0, 1)),
        look_at=(*LOOPS, r"range", r"-\s*(size|1)"),
    ),
    bug(
        "patch-left-empty",
        "one patch is left at 0; each should get its pixels",
        _emptied(-1),
        _emptied(0),
        look_at=LOOPS,
    ),
    bug(
        "size-built-in",
        "patches have the same size each time; it should be the size that is asked for",
        *(_built_in(size) for size in (2, 8, 3, 4)),
    ),
    bug(
        "not-joined",
        "several tensors come out; they should be joined into one",
        *(
            lambda images, size, kind=kind, axis=axis: kind(_right(images, size).unbind(axis))
            for kind in (list, tuple)
            for axis in (1, 0)
        ),
    ),
    bug(
        "axis-squeezed",
        "an axis of size 1 is gone; the shape keeps all its axes, whatever their sizes",
        lambda images, size: _right(images, size).squeeze(),
        lambda images, size: _right(images, size).squeeze(0),
        lambda images, size: _right(images, size).squeeze(1),
        look_at=(r"squeeze|\[0\]",),
    ),
    bug(
        "not-cut",
        "the pictures come back as they were; they should be cut into patches",
        lambda images, size: images,
        lambda images, size: images.flatten(1),
        lambda images, size: images.flatten(2),
        lambda images, size: images.flatten(2).mT,
    ),
    bug(
        "axes-in-another-order",
        "the axes are in another order; it is (batch, rows, columns, channels, size, size), then joined",
        *(_laid(order) for order in _OTHER_ORDERS),
        *(_laid(order, natural=True) for order in _OTHER_ORDERS),
        look_at=_ORDER,
    ),
)
_ERRORS = (
    Error(
        "view-after-permute",
        RuntimeError,
        r"^view size is not compatible",
        "view cannot join what lies apart in memory, as after a permute; reshape or flatten can",
        "",
    ),
    Error(
        "sizes-do-not-multiply",
        RuntimeError,
        r"^shape '.*' is invalid for input of size",
        "these sizes are not the picture's: it has height // size rows and width // size columns of patches",
        "A picture need not be square.",
    ),
    Error(
        "sizes-not-whole",
        TypeError,
        r"float|must be tuple of (ints|SymInts)",
        "a number of patches must be whole: divide with //, not with /",
        "",
        r"(?<!/)/(?!/)",
    ),
    Error(
        "not-four-sizes",
        ValueError,
        r"(not enough|too many) values to unpack",
        "images have four sizes: batch, channels, height and width",
        "",
        r"shape|size\(\)",
    ),
)


def _about(trials: list[Trial], _answer) -> Iterator[Verdict]:
    """Are all pixels there, and do they come back to their places?"""
    wrong = next(t for t in trials if not t.right)
    images, size = wrong.case.inputs
    out = wrong.got.detach().double().flatten()
    lost = sum(not torch.isclose(out, pixel).any() for pixel in images.double().flatten())
    if lost or torch.allclose(out.sort().values, images.double().flatten().sort().values):
        said = f"{lost} of the {images.numel()} pixels do not come out" if lost else "all pixels come out"
        yield Verdict("moves pixels only", not lost, said)
    if wrong.got.shape != wrong.expected[0].shape:
        return
    *_, height, width = images.shape
    back = vision.from_patches(wrong.got.detach().double(), size, height, width)
    elsewhere = (back != images.double()) & ~torch.isclose(back, images.double())
    if elsewhere.any():
        first = ", ".join(map(str, elsewhere.nonzero()[0].tolist()))
        said = (
            f"put together again, {int(elsewhere.sum())} of {images.numel()} pixels differ, first [{first}]"
        )
        yield Verdict("there and back", False, said)


to_patches = Exercise(
    "to patches",
    ("patches",),
    _to_patches,
    _cases,
    _BUGS,
    "Checked: numbered pictures that are not square, patches of 1 to 4, channels, a picture as one patch.",
    explain=_about,
    prepare=lambda answer: [(telling(answer, *_ERRORS), ())],
    learns=0,
)
