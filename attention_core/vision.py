"""Pictures as sentences: cut into patches, each a word, for the transformer that reads words."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from attention_core._checks import check_hooks, check_whole, shape
from attention_core.attention import MultiHeadAttention
from attention_core.positional_encoding import PositionalEncoding
from attention_core.transformer import TransformerBlock

READOUTS = ("class", "mean", "each")


def to_patches(images: Tensor, size: int) -> Tensor:
    """Cut pictures into squares: `(..., channels, height, width)` → `(..., patches, channels · size²)`.

    Patches come row by row, as one reads; within one first its channels, then its rows, then its columns.
    It is `F.unfold(images, size, stride=size)` with patches and features exchanged, for any dtype and any
    dimensions in front. A `view` straight into the last shape has the right shape too, but cuts lines of
    pixels, not squares.

    Raises: ValueError for a size that does not divide height and width, or what is no picture.

    Source: Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words", section 3.1.
    """
    if not isinstance(images, Tensor) or images.ndim < 3:
        raise ValueError(f"images must have shape (..., channels, height, width), got {_what(images)}")
    rows, columns = _grid(*images.shape[-2:], size)
    x = images.unflatten(-1, (columns, size)).unflatten(-3, (rows, size))
    # (..., channels, rows, size, columns, size) → (..., rows, columns, channels, size, size)
    x = x.movedim((-4, -2), (-5, -4))
    return x.flatten(-3).flatten(-3, -2)


def from_patches(patches: Tensor, size: int, height: int, width: int) -> Tensor:
    """Undo `to_patches`: `(..., patches, channels · size²)` → `(..., channels, height, width)`.

    Raises: ValueError for a size that does not divide height and width, for another number of patches, or
    of features, than such pictures have.
    """
    if not isinstance(patches, Tensor) or patches.ndim < 2:
        raise ValueError(f"patches must have shape (..., patches, features), got {_what(patches)}")
    rows, columns = _grid(height, width, size)
    n, features = patches.shape[-2:]
    if n != rows * columns:
        raise ValueError(
            f"a picture of {height} × {width} has {rows} × {columns} = {rows * columns} patches of "
            f"size={size}, but {n} were given"
        )
    if features % size**2:
        raise ValueError(f"a patch has {features} features, which is no number of channels × {size}²")
    x = patches.unflatten(-2, (rows, columns)).unflatten(-1, (features // size**2, size, size))
    # (..., rows, columns, channels, size, size) → (..., channels, rows, size, columns, size)
    x = x.movedim((-5, -4), (-4, -2))
    return x.flatten(-2).flatten(-3, -2)


class GridEncoding(PositionalEncoding):
    """A learned vector for each row of patches and one for each column: a patch is given the sum of its two.

    What is learned of a column in one row is learned for all rows, which it is not with a table of places.

    Raises: ValueError for sizes below 1.
    """

    def __init__(self, rows: int, columns: int, dim: int):
        """Vectors start small, with a standard deviation of 0.02: at 1 they would drown the pixels."""
        super().__init__()
        self.dim = check_whole("dim", dim)
        self.rows = nn.Parameter(0.02 * torch.randn(check_whole("rows", rows), self.dim))
        self.columns = nn.Parameter(0.02 * torch.randn(check_whole("columns", columns), self.dim))

    @property
    def table(self) -> Tensor:
        """The vector of each patch, row by row, `(rows · columns, dim)`."""
        return (self.rows[:, None] + self.columns).flatten(0, 1)

    def embed(self, x: Tensor, *, offset: int = 0) -> Tensor:
        """Add to patches `(..., n, dim)` their vectors, from patch `offset` on.

        Raises: ValueError for patches beyond the grid, or of another width.
        """
        rows, columns = len(self.rows), len(self.columns)
        end = check_whole("offset", offset, 0) + x.shape[-2]
        if x.shape[-1] != self.dim or end > rows * columns:
            raise ValueError(
                f"x has {end} patches of {x.shape[-1]} features but this encoding has "
                f"{rows} × {columns} patches and dim={self.dim}"
            )
        return x + self.table[offset:end].to(x)

    def extra_repr(self) -> str:
        return f"rows={len(self.rows)}, columns={len(self.columns)}, dim={self.dim}"


class PatchTransformer(nn.Module):
    """A vision transformer: a picture in, logits out, and every weight with which its patches were looked at.

    Each patch becomes a word by one linear layer; from there on nothing knows that it was a picture.

    Args:
        picture: `(height, width)` in pixels, or one number for a square.
        patch: pixels of a patch's side; divides both.
        classes: number of answers.
        channels: numbers of a pixel.
        dim, num_heads, num_layers: features of a word, heads of a layer, blocks on top of one another.
        readout: where the answer is read. "class": at a learned word of its own, put in front of the
            patches. "mean": at the average of what became of the patches. "each": at every patch.
        positions: one scheme for all layers: `GridEncoding`, or any of `attention_core.positional_encoding`,
            which count the patches as one reads. `embed` is called once, on the patches; a class token
            is learned and needs none. For `rotate` and `bias`, in each layer, it stands in front, at 0.
            None: a bag of patches.
        hidden, attention: as in `TransformerBlock`.

    Two steps can each be overridden: `cut`, which makes patches of a picture, and `read`, which makes words
    of them, sends these through the blocks, and reads the answer.

    Raises: ValueError for sizes that do not fit, another readout, or `positions` that are no scheme.

    Source: Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words", section 3.1 and figure 1; the mean:
    appendix D.3.
    """

    def __init__(
        self,
        picture: int | tuple[int, int],
        patch: int,
        classes: int,
        *,
        channels: int = 1,
        dim: int = 48,
        num_heads: int = 1,
        num_layers: int = 1,
        readout: str = "class",
        positions: PositionalEncoding | None = None,
        hidden: int | None = None,
        attention: Callable[..., nn.Module] = MultiHeadAttention,
    ):
        super().__init__()
        self.picture = tuple(picture) if isinstance(picture, tuple | list) else (picture, picture)
        if len(self.picture) != 2:
            raise ValueError(f"picture must be (height, width), or one number for a square, got {picture}")
        self.grid = _grid(*self.picture, patch)  # (rows, columns) of patches
        self.patch, self.channels = patch, check_whole("channels", channels)
        classes, dim = check_whole("classes", classes), check_whole("dim", dim)
        num_layers = check_whole("num_layers", num_layers)
        check_hooks(positions, "embed", "rotate", "bias")
        if readout not in READOUTS:
            raise ValueError(f"readout must be one of {', '.join(READOUTS)}, got {readout!r}")
        self.readout, self.positions = readout, positions
        self.to_features = nn.Linear(self.channels * patch**2, dim)
        self.class_token = nn.Parameter(0.02 * torch.randn(dim)) if readout == "class" else None
        self.blocks = nn.ModuleList(
            TransformerBlock(dim, num_heads, hidden=hidden, positions=positions, attention=attention)
            for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(dim)
        self.to_logits = nn.Linear(dim, classes)

    def forward(
        self, images: Tensor, allowed: Tensor | None = None, *, need_weights: bool = True
    ) -> tuple[Tensor, list[Tensor] | None]:
        """The logits, and the weights of each layer.

        Args:
            images: `(batch, channels, height, width)`.
            allowed: boolean, `(patches,)` or `(batch, patches)`: True means "may be looked at". At another
                patch nobody looks in any layer, not even itself, and a mean leaves it out. What is
                read at it, with readout "each", still comes from it.
            need_weights: False is faster, and returns None for the weights.

        Returns:
            `(logits, weights)`: `(batch, classes)`, or with readout "each" `(batch, patches, classes)`; and a
            list of layers, `(batch, num_heads, n, n)` each, where n is the number of patches, or one more
            with a class token, which is row 0 and column 0.

        Raises:
            ValueError: for pictures of another size or dtype, and for an `allowed` that does not fit.
        """
        self._check(images, allowed)
        looked_at = self._as_mask(allowed)
        weights = []

        def blocks(x: Tensor) -> Tensor:
            for block in self.blocks:
                x, of_block = block(x, looked_at, need_weights=need_weights)
                weights.append(of_block)  # (batch, num_heads, n, n)
            return self.norm(x)

        features = self.to_features(self.cut(images))  # (batch, patches, dim)
        logits = self.to_logits(self.read(features, blocks, allowed))
        return logits, weights if need_weights else None

    def cut(self, images: Tensor) -> Tensor:
        """`to_patches`: `(batch, channels, height, width)` → `(batch, patches, channels · patch²)`."""
        return to_patches(images, self.patch)

    def read(
        self, features: Tensor, blocks: Callable[[Tensor], Tensor], allowed: Tensor | None = None
    ) -> Tensor:
        """Patches to what the answer is made of: `(batch, patches, dim)` → `(batch, dim)`, or for each patch.

        Args: blocks: `(batch, n, dim)` → the same shape. allowed: as in `forward`.
        """
        x = features if self.positions is None else self.positions.embed(features)
        if self.class_token is not None:
            first = self.class_token.expand(len(x), 1, -1)  # (batch, 1, dim): the same for every picture
            return blocks(torch.cat((first, x), dim=1))[:, 0]
        x = blocks(x)  # (batch, patches, dim)
        if self.readout == "each":
            return x
        if allowed is None:
            return x.mean(dim=1)
        seen = allowed[..., None].to(x)  # (patches, 1) or (batch, patches, 1)
        return (x * seen).sum(dim=1) / seen.sum(dim=-2).clamp(min=1)

    def _as_mask(self, allowed: Tensor | None) -> Tensor | None:
        """Which word may be looked at, `(1, n)` or `(batch, 1, n)`; a class token always may."""
        if allowed is None:
            return None
        if self.class_token is not None:
            allowed = torch.cat((allowed.new_ones(*allowed.shape[:-1], 1), allowed), dim=-1)
        return allowed.unsqueeze(-2)

    def _check(self, images: Tensor, allowed: Tensor | None) -> None:
        wanted = (self.channels, *self.picture)
        if not isinstance(images, Tensor) or images.ndim != 4 or shape(images)[1:] != wanted:
            sizes = ", ".join(map(str, wanted))
            raise ValueError(f"images must have shape (batch, {sizes}), got {_what(images)}")
        dtype = self.class_token.dtype if self.class_token is not None else self.norm.weight.dtype
        if images.dtype != dtype and not torch.is_autocast_enabled(images.device.type):
            raise ValueError(f"images are {images.dtype} but this model is {dtype}")
        if allowed is None:
            return
        if not isinstance(allowed, Tensor) or allowed.dtype != torch.bool:
            got = allowed.dtype if isinstance(allowed, Tensor) else type(allowed).__name__
            raise ValueError(f"allowed must be a boolean tensor (True means may be looked at), got {got}")
        patches = self.grid[0] * self.grid[1]
        if shape(allowed) not in ((patches,), (1, patches), (len(images), patches)):
            raise ValueError(
                f"allowed has shape {shape(allowed)} but must be {(patches,)} or {(len(images), patches)}"
            )


def _grid(height: int, width: int, size: int) -> tuple[int, int]:
    """Rows and columns of patches; ValueError unless the size divides height and width."""
    height, width = check_whole("height", height), check_whole("width", width)
    if height % check_whole("size", size) or width % size:
        raise ValueError(f"a picture of {height} × {width} cannot be cut into patches of {size} × {size}")
    return height // size, width // size


def _what(x) -> str:
    return str(shape(x)) if isinstance(x, Tensor) else type(x).__name__
