"""Pictures cut into patches and put together again, and a transformer that reads them."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from memory import threads
from torch.nn import functional as F

from attention_core import (
    ALiBi,
    GridEncoding,
    LearnedEncoding,
    MultiHeadAttention,
    PatchTransformer,
    RelativeEncoding,
    RotaryEncoding,
    SinusoidalEncoding,
    from_patches,
    to_patches,
)
from attention_core.agreement import agree
from attention_core.tasks import MarkedDigits, accuracy

few = st.integers(1, 4)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    with threads(1):
        yield


def draw(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def model_of(readout="class", *, seed=0, positions=True, rows=2, columns=3, **options):
    """A small one, of pictures of 2 × 3 patches of 2 × 2 pixels in 2 channels; no parameter is small."""
    torch.manual_seed(seed)
    scheme = GridEncoding(rows, columns, 8) if positions is True else positions or None
    made = PatchTransformer(
        (2 * rows, 2 * columns),
        2,
        5,
        channels=2,
        dim=8,
        num_heads=2,
        readout=readout,
        positions=scheme,
        **options,
    )
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape))
    return made.eval()


# ---------------------------------------------------------------- patches


def test_patches_by_hand():
    """Two channels, pictures that are not square: in a wrong order one sees where each pixel has gone."""
    image = torch.arange(16).reshape(2, 2, 4)  # 2 channels of 2 rows and 4 columns
    assert to_patches(image, 2).tolist() == [[0, 1, 4, 5, 8, 9, 12, 13], [2, 3, 6, 7, 10, 11, 14, 15]]
    assert to_patches(image.mT, 2).tolist() == [[0, 4, 1, 5, 8, 12, 9, 13], [2, 6, 3, 7, 10, 14, 11, 15]]
    assert to_patches(image, 1)[:, 0].tolist() == list(range(8))


@settings(deadline=None)
@given(batch=few, channels=few, rows=few, columns=few, size=few)
def test_patches_are_what_torchs_unfold_gives(batch, channels, rows, columns, size):
    images = draw(batch, channels, rows * size, columns * size)
    patches = to_patches(images, size)
    assert torch.equal(patches, F.unfold(images, size, stride=size).mT)
    assert torch.equal(from_patches(patches, size, rows * size, columns * size), images)


@pytest.mark.parametrize("lead", [(), (3,), (2, 3), (0,), (2, 0, 3)])
def test_dimensions_in_front_are_left_alone(lead):
    images = draw(*lead, 3, 4, 6)
    patches = to_patches(images, 2)
    assert patches.shape == (*lead, 6, 12)
    for index in itertools.product(*map(range, lead)):
        assert torch.equal(patches[index], F.unfold(images[index], 2, stride=2).mT)
    assert torch.equal(from_patches(patches, 2, 4, 6), images)


@pytest.mark.parametrize(
    "dtype",
    [torch.bool, torch.uint8, torch.int64, torch.float16, torch.bfloat16, torch.float64, torch.complex64],
)
def test_patches_keep_their_dtype(dtype):
    images = (torch.arange(48).reshape(1, 2, 4, 6) % 7).to(dtype)
    patches = to_patches(images, 2)
    assert patches.dtype == dtype
    assert torch.equal(from_patches(patches, 2, 4, 6), images)


@pytest.mark.parametrize("layout", ["transposed", "channels last", "every second", "expanded"])
def test_patches_of_pictures_that_lie_otherwise_in_memory(layout):
    images = {
        "transposed": draw(2, 3, 6, 4).mT,
        "channels last": draw(2, 3, 4, 6).to(memory_format=torch.channels_last),
        "every second": draw(2, 3, 8, 12)[..., ::2, ::2],
        "expanded": draw(2, 1, 4, 6).expand(2, 3, 4, 6),
    }[layout]
    patches = to_patches(images, 2)
    assert torch.equal(patches, F.unfold(images, 2, stride=2).mT)
    assert torch.equal(from_patches(patches, 2, 4, 6), images)


def test_gradients_go_back_to_their_pixels():
    images = draw(2, 3, 4, 6).requires_grad_()
    slope = draw(2, 6, 12, seed=1)
    (to_patches(images, 2) * slope).sum().backward()
    assert torch.equal(images.grad, from_patches(slope, 2, 4, 6))
    patches = slope.clone().requires_grad_()
    (from_patches(patches, 2, 4, 6) * images.detach()).sum().backward()
    assert torch.equal(patches.grad, to_patches(images.detach(), 2))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: to_patches(torch.zeros(1, 24, 20), 8), "a picture of 24 × 20 .* patches of 8 × 8"),
        (lambda: to_patches(torch.zeros(1, 20, 24), 8), "a picture of 20 × 24 .* patches of 8 × 8"),
        (lambda: to_patches(torch.zeros(1, 4, 4), 8), "a picture of 4 × 4 cannot be cut"),
        (lambda: to_patches(torch.zeros(1, 4, 4), 0), "size must be a whole number, 1 or more, got 0"),
        (lambda: to_patches(torch.zeros(1, 4, 4), 2.0), "size must be a whole number, 1 or more, got 2.0"),
        (lambda: to_patches(torch.zeros(1, 0, 4), 2), "height must be a whole number, 1 or more, got 0"),
        (lambda: to_patches(torch.zeros(4, 4), 2), r"\(..., channels, height, width\), got \(4, 4\)"),
        (lambda: to_patches([[1.0]], 2), r"images must have shape .*, got list"),
        (
            lambda: from_patches(torch.zeros(9, 4), 2, 6, 8),
            "6 × 8 has 3 × 4 = 12 .* size=2, but 9 were given",
        ),
        (
            lambda: from_patches(torch.zeros(12, 6), 2, 6, 8),
            "6 features, which is no number of channels × 2²",
        ),
        (lambda: from_patches(torch.zeros(12, 4), 2, 6, 7), "a picture of 6 × 7 cannot be cut"),
        (lambda: from_patches(torch.zeros(12), 2, 6, 8), r"\(..., patches, features\), got \(12,\)"),
    ],
)
def test_errors_of_patches_in_words(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# ---------------------------------------------------------------- positions


def test_a_grid_adds_the_vectors_of_row_and_column():
    scheme = GridEncoding(2, 3, 4)
    x = draw(5, 6, 4)
    out = scheme.embed(x)
    for row, column in itertools.product(range(2), range(3)):
        patch = 3 * row + column
        assert torch.equal(out[:, patch], x[:, patch] + (scheme.rows[row] + scheme.columns[column]))
    assert torch.equal(scheme.embed(x[:, 2:4], offset=2), out[:, 2:4])
    assert scheme.embed(x.double()).dtype == torch.float64
    assert repr(scheme) == "GridEncoding(rows=2, columns=3, dim=4)"
    assert scheme.rows.std() < 0.1 and scheme.columns.std() < 0.1  # a pixel is from 0 to 1


@pytest.mark.parametrize(
    ("shape", "offset", "message"),
    [
        ((1, 7, 4), 0, "x has 7 patches of 4 features but this encoding has 2 × 3 patches and dim=4"),
        ((1, 6, 5), 0, "x has 6 patches of 5 features"),
        ((1, 3, 4), 4, "x has 7 patches"),
        ((1, 3, 4), -1, "offset must be a whole number, 0 or more"),
    ],
)
def test_errors_of_the_grid_in_words(shape, offset, message):
    with pytest.raises(ValueError, match=message):
        GridEncoding(2, 3, 4).embed(torch.zeros(shape), offset=offset)


@pytest.mark.parametrize("sizes", [(0, 3, 4), (2, 1.5, 4), (2, 3, 0)])
def test_a_grid_of_nothing_is_refused(sizes):
    with pytest.raises(ValueError, match="must be a whole number, 1 or more"):
        GridEncoding(*sizes)


# ---------------------------------------------------------------- the model


@pytest.mark.parametrize(
    ("readout", "of_logits", "n"), [("class", (3, 5), 7), ("mean", (3, 5), 6), ("each", (3, 6, 5), 6)]
)
def test_shapes(readout, of_logits, n):
    model, images = model_of(readout, num_layers=2), draw(3, 2, 4, 6)
    logits, weights = model(images)
    assert logits.shape == of_logits
    assert [w.shape for w in weights] == [(3, 2, n, n)] * 2
    fast, none = model(images, need_weights=False)
    assert none is None and agree(fast, logits, 8, 8, n, 8, 32, 8, size=50)


@pytest.mark.parametrize("readout", ["class", "mean", "each"])
@pytest.mark.parametrize("positions", [True, False])
def test_it_is_these_lines(readout, positions):
    """Written out without a class: every step stands where it should."""
    model, images = model_of(readout, positions=positions, num_layers=2), draw(3, 2, 4, 6)
    x = model.to_features(F.unfold(images, 2, stride=2).mT)
    if positions:
        x = x + torch.stack([model.positions.rows[i // 3] + model.positions.columns[i % 3] for i in range(6)])
    if readout == "class":
        x = torch.cat((model.class_token.expand(3, 1, 8), x), dim=1)
    for block in model.blocks:
        x, _ = block(x)
    x = model.norm(x)
    x = {"class": x[:, 0], "mean": x.mean(1), "each": x}[readout]
    assert torch.equal(model(images)[0], model.to_logits(x))


SCHEMES = {
    "grid": lambda: GridEncoding(2, 3, 8),
    "learned": lambda: LearnedEncoding(6, 8),
    "sinusoidal": lambda: SinusoidalEncoding(8),
    "rotary": lambda: RotaryEncoding(4),
    "alibi": lambda: ALiBi(2),
    "relative": lambda: RelativeEncoding(4, 3),
}


@pytest.mark.parametrize("readout", ["class", "mean", "each"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_any_scheme_of_positions_tells_places_apart(scheme, readout):
    """And without one the patches are a bag: shuffled, they give the same."""
    images, order = draw(3, 2, 4, 6), torch.tensor([3, 0, 5, 1, 2, 4])
    shuffled = from_patches(to_patches(images, 2)[:, order], 2, 4, 6)
    for positions, alike in ((SCHEMES[scheme](), False), (None, True)):
        model = model_of(readout, positions=positions)
        one, other = (model(x)[0] for x in (images, shuffled))
        one = one[:, order] if readout == "each" else one
        assert agree(one, other, 8, 8, 7, 8, 32, 8, size=50) == alike


def test_the_parameters_of_positions_learn():
    model = model_of()
    model(draw(3, 2, 4, 6))[0].square().sum().backward()
    learnt = (model.positions.rows, model.positions.columns, model.class_token, model.to_features.weight)
    assert all((p.grad != 0).all() for p in learnt)


@pytest.mark.parametrize("readout", ["class", "mean"])
@pytest.mark.parametrize("of_each", [False, True])
def test_what_is_in_a_hidden_patch_changes_nothing(readout, of_each):
    model, images = model_of(readout, num_layers=2), draw(3, 2, 4, 6)
    allowed = torch.tensor([True, False, True, True, False, True])
    allowed = torch.stack((allowed, ~allowed, allowed.roll(1))) if of_each else allowed
    logits, weights = model(images, allowed)
    patches = to_patches(images, 2)
    other = torch.where(allowed[..., None], patches, patches + 9)
    again, _ = model(from_patches(other, 2, 4, 6), allowed)
    assert torch.equal(logits, again)
    assert not agree(logits, model(images)[0], 8, size=1)
    at = 1 if readout == "class" else 0
    for layer in weights:
        hidden = ~allowed.expand(3, 6)[:, None, None].expand(-1, 2, layer.shape[-2], -1)
        assert (layer[..., at:][hidden] == 0).all() and (layer[..., at:][~hidden] > 0).all()
        assert agree(layer.sum(-1), torch.ones(3, 2, layer.shape[-2]), 7)
    fast, _ = model(images, allowed, need_weights=False)
    assert agree(fast, logits, 8, 8, 7, 8, 32, 8, size=50)


@pytest.mark.parametrize("readout", ["class", "mean", "each"])
def test_a_patch_that_is_hidden_from_all_is_as_one_that_is_not_there(readout):
    """To hide patches is to leave their words out, when there are no positions."""
    model, images = model_of(readout, positions=False, num_layers=2), draw(3, 2, 4, 6)
    allowed = torch.tensor([True, True, False, True, True, False])
    logits, _ = model(images, allowed)
    model.cut = lambda x: to_patches(x, 2)[:, allowed]
    fewer, _ = model(images)
    logits = logits[:, allowed] if readout == "each" else logits
    assert agree(logits, fewer, 8, 8, 7, 8, 32, 8, size=50)


@pytest.mark.parametrize("readout", ["class", "mean", "each"])
def test_all_patches_hidden_is_an_answer_without_nan(readout):
    logits, _ = model_of(readout, num_layers=2)(draw(3, 2, 4, 6), torch.zeros(6, dtype=torch.bool))
    assert logits.isfinite().all()
    if readout != "each":
        assert torch.equal(logits[0], logits[1])
    everything, _ = model_of(readout)(draw(3, 2, 4, 6), torch.ones(6, dtype=torch.bool))
    assert agree(everything, model_of(readout)(draw(3, 2, 4, 6))[0], 8, 8, 7, 8, 32, 8, size=50)


def test_pictures_of_a_batch_are_answered_as_alone():
    model, images = model_of(num_layers=2), draw(3, 2, 4, 6)
    together, _ = model(images)
    for i in range(3):
        assert agree(model(images[i : i + 1])[0], together[i : i + 1], 8, 8, 7, 8, 32, 8, size=50)
    assert model(images[:0])[0].shape == (0, 5)


def test_steps_can_be_ones_own():
    class Own(PatchTransformer):
        def cut(self, images):
            return super().cut(images).flip(1)

        def read(self, features, blocks, allowed=None):
            return blocks(features + self.positions.table).mean(1)

    torch.manual_seed(0)
    own = Own((4, 6), 2, 5, dim=8, readout="mean", positions=GridEncoding(2, 3, 8))
    plain = PatchTransformer((4, 6), 2, 5, dim=8, readout="mean", positions=GridEncoding(2, 3, 8))
    plain.load_state_dict(own.state_dict())
    images = draw(3, 1, 4, 6)
    turned = from_patches(to_patches(images, 2).flip(1), 2, 4, 6)
    assert torch.equal(own(images)[0], plain(turned)[0])
    assert not torch.equal(own(images)[0], plain(images)[0])


def test_an_attention_of_ones_own():
    asked = []

    class Mine(MultiHeadAttention):
        def attend(self, q, k, v, allowed=None, bias=None, need_weights=True):
            asked.append(need_weights)
            return super().attend(q, k, v, allowed, bias, need_weights)

    model = PatchTransformer(4, 2, 3, dim=8, num_heads=2, num_layers=2, attention=Mine)
    for need_weights in (True, False):
        model(draw(1, 1, 4, 4), need_weights=need_weights)
    assert asked == [True, True, False, False]  # without them the fused kernel is taken
    assert model.picture == (4, 4) and model.grid == (2, 2)
    assert PatchTransformer([4, 6], 2, 3).grid == (2, 3)


def test_other_dtypes():
    model, images = model_of(num_layers=2), draw(3, 2, 4, 6)
    right = model.double()(images.double())[0]
    assert right.dtype == torch.float64
    half = model.bfloat16()(images.bfloat16())[0]
    assert half.dtype == torch.bfloat16 and (half - right).abs().max() < 0.2 * right.abs().max()
    with torch.autocast("cpu", torch.bfloat16):
        assert model.float()(images)[0].isfinite().all()


GOOD = {"picture": (4, 6), "patch": 2, "classes": 5}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PatchTransformer(**GOOD | {"patch": 4}), "4 × 6 cannot be cut into patches of 4 × 4"),
        (lambda: PatchTransformer((1, 24, 24), 8, 10), r"picture must be \(height, width\), .* 24\)"),
        (lambda: PatchTransformer("24", 8, 10), "height must be a whole number, 1 or more, got '24'"),
        (lambda: PatchTransformer(24, 7, 10), "24 × 24 cannot be cut into patches of 7 × 7"),
        (lambda: PatchTransformer(**GOOD | {"classes": 0}), "classes must be a whole number, 1 or more"),
        (lambda: PatchTransformer(**GOOD, channels=0), "channels must be a whole number, 1 or more"),
        (lambda: PatchTransformer(**GOOD, num_layers=0), "num_layers must be a whole number, 1 or more"),
        (lambda: PatchTransformer(**GOOD, dim=10, num_heads=4), "dim=10 is not divisible by num_heads=4"),
        (lambda: PatchTransformer(**GOOD, readout="last"), "one of class, mean, each, got 'last'"),
        (lambda: PatchTransformer(**GOOD, positions="grid"), "positions must be a scheme"),
        (lambda: model_of()(draw(3, 2, 6, 4)), r"shape \(batch, 2, 4, 6\), got \(3, 2, 6, 4\)"),
        (lambda: model_of()(draw(2, 4, 6)), r"shape \(batch, 2, 4, 6\), got \(2, 4, 6\)"),
        (lambda: model_of()(draw(3, 1, 4, 6)), r"got \(3, 1, 4, 6\)"),
        (lambda: model_of()(None), "got NoneType"),
        (lambda: model_of()(draw(3, 2, 4, 6).byte()), "images are torch.uint8 but this model is torch"),
        (lambda: model_of()(draw(3, 2, 4, 6).double()), "images are torch.float64 but this model is"),
        (lambda: model_of()(draw(3, 2, 4, 6), torch.ones(6)), "allowed must be a boolean .*torch.float32"),
        (lambda: model_of()(draw(3, 2, 4, 6), [True] * 6), "allowed must be a boolean tensor .*got list"),
        (
            lambda: model_of()(draw(3, 2, 4, 6), torch.ones(7).bool()),
            r"allowed has shape \(7,\) but must be \(6,\) or \(3, 6\)",
        ),
        (lambda: model_of()(draw(3, 2, 4, 6), torch.ones(2, 6).bool()), r"\(2, 6\) but must be"),
        (lambda: model_of(positions=LearnedEncoding(5, 8))(draw(1, 2, 4, 6)), "max_length=5"),
        (lambda: model_of(positions=GridEncoding(2, 3, 4))(draw(1, 2, 4, 6)), "6 patches of 8 features"),
    ],
)  # fmt: skip
def test_errors_of_the_model_in_words(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_it_learns_where_to_look():
    """After a second it has found the frame, and reads most of the digits in it."""
    torch.manual_seed(0)
    task = MarkedDigits()
    model = PatchTransformer(task.picture, task.cell, task.classes, positions=GridEncoding(*task.grid, 48))
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3)
    for images, answers in task.batches(150, 64, seed=0):
        loss = F.cross_entropy(model(images, need_weights=False)[0], answers)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    made = task.sample(500, torch.Generator().manual_seed(1))
    with torch.no_grad():
        logits, (weights,) = model(made.images)
    on_the_frame = weights[:, 0, 0, 1:].gather(-1, made.decides[:, None]).mean()
    assert accuracy(logits, made.answers) > 0.5 and on_the_frame > 0.8
