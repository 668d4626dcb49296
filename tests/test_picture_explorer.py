"""The explorer of pictures: models of known weights, its answers, its hand, and what it says of bad ones."""

import time

import numpy as np
import pytest
import torch
import traitlets
from torch import nn

from attention_core import explain
from attention_core.live import PictureExplorer
from attention_core.tasks import Arrows, MarkedDigits
from attention_core.vision import GridEncoding, PatchTransformer

DIGITS = (7, 2, 0, 4, 9, 1, 3, 8, 5)


class Looks(nn.Module):
    """Every word looks at the patch that is brightest, if it may, and answers its number."""

    grid = (3, 3)

    def __init__(self, first=1, heads=1, layers=1, each=False):
        super().__init__()
        self.first, self.heads, self.layers, self.each = first, heads, layers, each
        self.calls = []

    def forward(self, images, allowed=None):
        self.calls.append(allowed)
        bright = images[0, 0].unflatten(0, (3, -1)).unflatten(2, (3, -1)).mean((1, 3)).flatten()
        if allowed is not None:
            bright = bright.masked_fill(~allowed, -1)
        at = int(bright.argmax())
        n = 9 + self.first
        weights = torch.zeros(1, self.heads, n, n)
        weights[0, 0, :, at + self.first] = 1
        weights[0, 1:, :, self.first] = 1  # all other heads look at patch 0
        logits = 20 * torch.nn.functional.one_hot(torch.tensor([at]), 10).float()
        return (logits[:, None].expand(1, 9, 10) if self.each else logits), [weights] * self.layers


def small(**options):
    torch.manual_seed(0)
    options = {"positions": GridEncoding(3, 3, 8), **options}
    return PatchTransformer(24, 8, 10, dim=8, **options)


def bright(cell: int) -> torch.Tensor:
    image = torch.zeros(24, 24)
    image[8 * (cell // 3) : 8 * (cell // 3) + 8, 8 * (cell % 3) : 8 * (cell % 3) + 8] = 1
    return image


def said(explorer) -> str:
    assert explorer.weights is None and explorer.seen.content.weights is None
    return explorer.heatmap.message


# ---------------------------------------------------------------- what is read, and where it looked


def test_the_weights_of_the_class_token_lie_over_the_picture():
    explorer = PictureExplorer(Looks(), bright(5))
    assert explorer.seen.content.weights == (0, 0, 0, 0, 0, 1, 0, 0, 0)
    assert explorer.weights.shape == (10, 10) and explorer.heatmap.query_labels[:2] == ["class", "0"]
    assert (explorer.answer, explorer.right, explorer.on_decisive) == (5, None, None)
    assert explorer.verdict.content.plain == "It reads 5, with probability 1.00."
    assert explorer.seen.content.chosen is None and explorer.heatmap.pinned == [0]


def test_the_task_says_what_is_right_and_which_patch_decides():
    explorer = PictureExplorer(Looks(), digits=(5,) * 9, frame=5)
    assert explorer.seen.content.marked == (5,) and explorer.right == 5
    assert (explorer.answer, explorer.on_decisive) == (5, 1.0)
    assert explorer.verdict.content.plain == (
        "It reads 5, with probability 1.00: right. Of what the class token looked at, 1.00 is patch 5, which "
        "decides."
    )
    explorer.digits = DIGITS
    assert explorer.right == 1 and ": wrong, it is 1." in explorer.verdict.content.plain


def test_what_is_shown_is_what_the_task_draws_and_what_the_model_says():
    model = small(num_layers=2, num_heads=2)
    explorer = PictureExplorer(model, digits=DIGITS, frame=2, seed=3, layer=0, head=1)
    image = MarkedDigits().draw(DIGITS, 2, seed=3)
    assert torch.equal(explorer.image, image[0])
    with torch.no_grad():
        logits, weights = model(image)
    torch.testing.assert_close(explorer.probabilities, logits[0].softmax(-1))
    torch.testing.assert_close(explorer.weights, weights[0][0, 1])
    assert explorer.heatmap.title == "Layer 0, head 1"
    explorer.head = None
    torch.testing.assert_close(explorer.weights, weights[0][0].mean(0))
    assert explorer.heatmap.title == "Layer 0, mean of 2 heads"
    explorer.layer = "rollout"
    torch.testing.assert_close(explorer.weights, explain.rollout(weights))
    assert explorer.heatmap.title == "Rollout, through 2 layers" and explorer.heatmap.map.reading
    assert explorer.seen.content.said == "What has reached the class token"
    assert "Of what has reached the class token, " in explorer.verdict.content.plain
    explorer.layer = 1
    torch.testing.assert_close(explorer.weights, weights[1][0].mean(0))


def test_it_begins_with_the_last_layer_and_the_mean_of_heads():
    explorer = PictureExplorer(small(num_layers=3, num_heads=2))
    assert (explorer.layer, explorer.head, explorer.query) == (2, None, None)
    assert list(explorer.controls) == ["tool", "frame", "query", "layer", "head", "another", "start_over"]


def test_nothing_or_two_framed_have_no_right_answer():
    explorer = PictureExplorer(Looks(), frame=None)
    assert explorer.right is None and explorer.seen.content.marked == ()
    assert "No digit is framed: there is no right answer." in explorer.verdict.content.plain
    explorer.frame = (0, 3)
    assert "2 digits are framed: there is no right answer." in explorer.verdict.content.plain
    assert explorer.on_decisive is None
    assert torch.equal(explorer.image, MarkedDigits().draw(DIGITS, (0, 3))[0])


# ---------------------------------------------------------------- readouts


def test_a_query_may_be_any_patch():
    explorer = PictureExplorer(small())
    weights = explorer.weights
    for patch in (0, 8):
        explorer.query = patch
        assert explorer.seen.content.chosen == patch and explorer.heatmap.pinned == [patch + 1]
        assert explorer.seen.content.weights == tuple(weights[patch + 1, 1:].tolist())
        assert f"Of what patch {patch} looked at" in explorer.verdict.content.plain
    explorer.query = 9  # there is none
    assert explorer.query is None


def test_where_the_answer_is_the_mean_the_mean_of_the_rows_is_shown():
    explorer = PictureExplorer(small(readout="mean"))
    assert explorer.weights.shape == (9, 9) and explorer.heatmap.pinned == []
    assert explorer.seen.content.weights == pytest.approx(explorer.weights.mean(0).tolist())
    assert explorer.seen.content.said == "Where the patches, on average, looked"
    explorer.query = 3
    assert explorer.seen.content.weights == pytest.approx(explorer.weights[3].tolist())
    assert explorer.heatmap.pinned == [3]


def test_an_arrow_asks_at_its_own_patch():
    explorer = PictureExplorer(small(readout="each"), task=Arrows(), digits=DIGITS, direction=2)
    assert explorer.right == 1 and explorer.seen.content.marked == (5,)
    assert explorer.seen.content.chosen == 4 and explorer.heatmap.pinned == [4]
    with torch.no_grad():
        logits, _ = explorer.model(Arrows().draw(DIGITS, 5))
    torch.testing.assert_close(explorer.probabilities, logits[0, 4].softmax(-1))
    assert explorer.verdict.content.plain.startswith("At patch 4 it reads ")
    assert "direction" in explorer.controls and "frame" not in explorer.controls
    explorer.arrow = 0
    assert explorer.seen.content.chosen == 0 and explorer.seen.content.marked == (1,)


@pytest.mark.parametrize("arrow", range(9))
def test_an_arrow_that_cannot_point_there_turns_on(arrow):
    explorer = PictureExplorer(small(readout="each"), task=Arrows(), arrow=arrow)
    cells = set()
    for direction in range(8):
        explorer.direction = direction
        cells |= set(explorer.seen.content.marked)
    assert cells == set(Arrows.around(arrow))


def test_patches_smaller_than_the_cells_of_the_task():
    torch.manual_seed(0)
    model = PatchTransformer(24, 4, 10, dim=8, positions=GridEncoding(6, 6, 8))
    explorer = PictureExplorer(model, frame=1)
    assert explorer.seen.content.grid == (6, 6) and explorer.seen.content.marked == (2, 3, 8, 9)
    row = explorer.weights[0, 1:]
    assert explorer.on_decisive == pytest.approx(float(row[[2, 3, 8, 9]].sum()))
    assert "is the 4 patches that decide" in explorer.verdict.content.plain
    explorer._dragged(9, 30)  # of the cell 1, to cell 6
    assert explorer.frame == 6
    explorer._dragged(24, 25)  # within the cell
    assert explorer.frame == 6


# ---------------------------------------------------------------- hiding


def test_a_hidden_patch_is_masked_hatched_and_changes_the_answer():
    explorer = PictureExplorer(Looks(), bright(5) + 0.5 * bright(2))
    assert explorer.answer == 5 and explorer.model.calls == [None]
    explorer.hidden = {5}
    assert explorer.answer == 2 and explorer.seen.content.hidden == (5,)
    assert explorer.model.calls[-1].tolist() == [True] * 5 + [False] + [True] * 3
    allowed = explorer.heatmap.map.allowed
    assert not allowed[:, 6].any() and allowed[:, :6].all() and allowed[:, 7:].all()
    explorer.hidden = ()
    assert explorer.answer == 5 and explorer.heatmap.map.allowed is None


def test_a_model_that_looks_at_what_is_hidden_is_found():
    class Ignores(Looks):
        def forward(self, images, allowed=None):
            return super().forward(images)

    explorer = PictureExplorer(Ignores(), bright(5), hidden=[5])
    assert "“class” gives 1.00 to “5”, which the mask forbids" in explorer.heatmap.message


def test_in_a_rollout_a_hidden_patch_still_reaches_itself():
    explorer = PictureExplorer(small(), hidden=[5], layer="rollout")
    assert explorer.heatmap.map.allowed is None and explorer.heatmap.message == ""
    assert explorer.weights[6, 6] == 0.5 and not explorer.weights[:6, 6].any()
    assert explorer.seen.content.hidden == (5,)


def test_of_all_hidden_the_class_token_is_left():
    explorer = PictureExplorer(small(), hidden=range(9))
    assert torch.equal(explorer.weights[0], torch.eye(10)[0]) and explorer.answer is not None


# ---------------------------------------------------------------- the hand


def test_a_click_asks_a_patch_and_once_more_the_class_token():
    explorer = PictureExplorer(Looks())
    explorer.seen._heard(None, {"chosen": 3}, [])
    assert explorer.query == 3
    explorer.seen._heard(None, {"chosen": 7}, [])
    assert explorer.query == 7
    explorer.seen._heard(None, {"chosen": 7}, [])
    assert explorer.query is None


def test_a_click_hides_and_shows():
    explorer = PictureExplorer(Looks(), tool="hide")
    explorer.seen._heard(None, {"chosen": 3}, [])
    explorer.seen._heard(None, {"chosen": 1}, [])
    assert explorer.hidden == (1, 3) and explorer.query is None
    explorer.seen._heard(None, {"chosen": 3}, [])
    assert explorer.hidden == (1,)


def test_the_frame_is_dragged_and_nothing_else_is():
    explorer = PictureExplorer(Looks(), frame=4)
    explorer.seen._heard(None, {"dragged": [4, 8]}, [])
    assert explorer.frame == 8 and explorer.seen.content.marked == (8,)
    explorer.seen._heard(None, {"dragged": [4, 0]}, [])
    assert explorer.frame == 8
    explorer.frame = (1, 2)
    explorer.seen._heard(None, {"dragged": [2, 7]}, [])
    assert explorer.frame == (1, 7)
    explorer.seen._heard(None, {"dragged": [7, 1]}, [])  # onto the other one
    assert explorer.frame == (1, 7)


def test_the_arrow_is_turned_from_its_cell_or_by_its_tip():
    explorer = PictureExplorer(Looks(0, each=True), task=Arrows())
    explorer.seen._heard(None, {"dragged": [4, 2]}, [])
    assert explorer.direction == 1
    explorer.seen._heard(None, {"dragged": [2, 5]}, [])
    assert explorer.direction == 2
    explorer.seen._heard(None, {"dragged": [0, 8]}, [])
    assert explorer.direction == 2
    explorer.arrow, explorer.direction = 0, 2
    explorer.seen._heard(None, {"dragged": [0, 8]}, [])  # not beside it
    assert explorer.direction == 2


@pytest.mark.parametrize(("task", "control"), [(MarkedDigits(), "frame"), (Arrows(), "direction")])
def test_a_drag_is_a_move_of_the_control(task, control):
    def moved(explorer, to: int):
        handle = explorer.seen.content.handle
        setattr(handle.control, handle.trait, handle.values[to])
        return getattr(explorer, control)

    explorer = PictureExplorer(Looks(0, each=control == "direction"), task=task, frame=4, direction=1)
    handle = explorer.seen.content.handle
    assert handle.control is explorer.controls[control]
    assert explorer.seen._frame["handle"]["control"] == handle.control.model_id
    assert list(handle.cells) == ([4] if control == "frame" else [2, 4])
    if control == "frame":
        assert moved(explorer, 8) == 8 and list(explorer.seen.content.handle.cells) == [8]
        assert moved(explorer, 8) == 8, "the hand may come back before the answer has come"
    else:
        assert moved(explorer, 5) == 2 and list(explorer.seen.content.handle.cells) == [4, 5]
        assert handle.values[4] is None
    explorer.picture = torch.zeros(1, 24, 24)
    assert explorer.seen.content.handle is None and explorer.seen._frame["handle"] is None


@pytest.mark.parametrize("frame", [(1, 2), None])
def test_of_several_frames_or_none_no_control_is_moved(frame):
    assert PictureExplorer(Looks(), frame=frame).seen.content.handle is None


def test_paint_stays_where_it_is_when_the_frame_moves_and_the_rubber_takes_it_away():
    explorer = PictureExplorer(Looks(), tool="paint")
    assert explorer.seen.content.by == "pixel"
    explorer.seen._heard(None, {"painted": [[0, 0], [0, 1]]}, [])
    assert explorer.paint == {(0, 0): 1.0, (0, 1): 1.0} and explorer.image[0, 0, 1] == 1
    explorer.frame = 8
    assert explorer.image[0, 0, 0] == 1
    explorer.tool = "erase"
    explorer.seen._heard(None, {"painted": [[0, 0]]}, [])
    assert explorer.image[0, 0, 0] == 0 and explorer.image[0, 0, 1] == 1
    assert "painted: 2" in repr(explorer)


def test_a_pinned_row_is_the_query():
    explorer = PictureExplorer(small())
    explorer.heatmap.pinned = [0, 5]
    assert explorer.query == 4
    explorer.heatmap.pinned = [5, 0]
    assert explorer.query is None
    explorer.heatmap.pinned = []
    assert explorer.query is None and explorer.heatmap.pinned == [0]
    explorer.heatmap.pinned = [3]
    explorer.heatmap.pinned = []
    assert explorer.query is None and explorer.heatmap.pinned == [0]


def test_another_picture_and_the_first_one():
    explorer = PictureExplorer(Looks(), hidden=[2], paint={(1, 1): 1})
    first, image = repr(explorer), explorer.image
    explorer.another()
    assert explorer.seed == 1 and explorer.digits != DIGITS and explorer.paint == {}
    other = explorer.image
    explorer.query, explorer.hidden = 3, ()
    explorer.controls["start_over"].click()
    assert repr(explorer) == first and torch.equal(explorer.image, image)
    explorer.another()
    assert torch.equal(explorer.image, other)
    own = PictureExplorer(Looks(), bright(3), task=None)
    assert "another" not in own.controls and "frame" not in own.controls


def test_what_the_task_draws_takes_a_picture_of_ones_own_away():
    explorer = PictureExplorer(Looks(), bright(3), frame=0)
    assert explorer.answer == 3 and "framed" not in repr(explorer)
    explorer.seen._heard(None, {"dragged": [0, 1]}, [])
    assert explorer.frame == 0  # there is no frame
    explorer.frame = 1
    assert explorer.picture is None and explorer.right == 2
    explorer.start_over()
    assert explorer.answer == 3 and explorer.frame == 0


# ---------------------------------------------------------------- what may be set


@pytest.mark.parametrize(
    "name, value",
    [
        ("frame", 9), ("frame", "a"), ("frame", (1, 9)), ("frame", True), ("digits", (1, 2)), ("seed", -1),
        ("digits", [10] * 9), ("arrow", 9), ("direction", 8), ("hidden", [-1]), ("hidden", 3), ("layer", 1),
        ("layer", "last"), ("head", 1), ("tool", "cut"), ("query", -1), ("paint", {3: 1}),
        ("picture", torch.zeros(2, 3, 3)), ("picture", torch.full((24, 24), float("nan"))),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_and_the_old_stays(name, value):
    explorer = PictureExplorer(Looks())
    before, line = getattr(explorer, name), repr(explorer)
    with pytest.raises(traitlets.TraitError):
        setattr(explorer, name, value)
    assert getattr(explorer, name) == before and repr(explorer) == line


@pytest.mark.parametrize(
    "picture",
    [bright(3).numpy(), bright(3)[None], bright(3)[None, None], bright(3).double(), bright(3).tolist()],
)
def test_pictures_of_every_form(picture):
    assert PictureExplorer(Looks(), picture).answer == 3


def test_a_model_in_double_and_in_training_is_left_as_it_was():
    model = small(num_layers=2).double().train()
    model.norm = nn.Sequential(model.norm, nn.Dropout(0.9))
    model.blocks[1].eval()
    before = {name: p.clone() for name, p in model.state_dict().items()}
    training = [m.training for m in model.modules()]
    explorer = PictureExplorer(model)
    one = explorer.probabilities
    explorer.frame = 2
    assert explorer.weights.dtype == torch.float32
    torch.testing.assert_close(PictureExplorer(model).probabilities, one)  # nothing is dropped
    assert [m.training for m in model.modules()] == training
    assert all(torch.equal(p, before[name]) for name, p in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


def test_a_model_that_has_learned_more_is_asked_again():
    explorer = PictureExplorer(small())
    before = explorer.probabilities
    with torch.no_grad():
        explorer.model.to_logits.bias += torch.arange(10.0)
    explorer.update()
    assert not torch.equal(explorer.probabilities, before)


def test_another_model_with_fewer_layers_and_other_patches():
    explorer = PictureExplorer(small(num_layers=3, num_heads=2), head=1, query=8, hidden=[8])
    torch.manual_seed(0)
    explorer.model = PatchTransformer(24, 12, 10, dim=8, positions=GridEncoding(2, 2, 8))
    assert (explorer.layer, explorer.head, explorer.query, explorer.hidden) == (0, None, None, ())
    assert explorer.weights.shape == (5, 5) and explorer.seen.content.grid == (2, 2)
    assert list(explorer.controls["query"].options) == ["class token", *(f"patch {i}" for i in range(4))]
    explorer.controls["query"].index = 2
    assert explorer.query == 1


def test_cells_may_be_numbers_of_numpy_and_torch():
    sample = MarkedDigits().sample(3, torch.Generator().manual_seed(0))
    explorer = PictureExplorer(Looks(), frame=sample.decides[0], digits=sample.digits[0])
    assert explorer.right == int(sample.answers[0]) and f"framed: {int(sample.decides[0])};" in repr(explorer)
    explorer.frame, explorer.hidden = np.int64(3), torch.tensor([1, 2])
    assert explorer.frame == 3 and explorer.hidden == (1, 2) and type(explorer.frame) is int


# ---------------------------------------------------------------- models that are not right


def test_a_model_that_gives_no_weights_is_read_all_the_same():
    model = nn.Sequential(nn.Flatten(), nn.Linear(576, 10))
    explorer = PictureExplorer(model)
    assert said(explorer) == "This model gives no weights: nothing says where it looked."
    assert explorer.answer is not None and explorer.right == 9 and explorer.on_decisive is None
    assert explorer.seen.content.grid == (3, 3) and explorer.seen.content.marked == (4,)
    assert repr(explorer) == (
        "PictureExplorer(24 × 24 pixels; 3 × 3 patches; framed: 4; This model gives no weights: nothing says "
        "where it looked.)"
    )
    explorer.hidden = [1]
    assert said(explorer).startswith("This model takes no mask")
    assert explorer.figure()


@pytest.mark.parametrize(
    "model, message",
    [
        (lambda images: None, "Not finished yet: the model returns nothing."),
        (lambda images: ..., "Not finished yet: the model returns nothing."),
        (lambda images: [1, 2, 3], "The model should return (logits, weights), or logits alone; it returned"),
        (lambda images: torch.zeros(10), "logits should have shape (1, classes); it has (10,)"),
        (lambda images: (torch.zeros(1, 10), [torch.eye(5)[None, None]]), "The weights are of 5 words, "),
        (lambda images: (torch.zeros(1, 10), [torch.zeros(1, 1, 3, 9)]), "weights of layer 0 should have"),
        (lambda images: (torch.zeros(1, 4, 10), [torch.eye(9)[None, None]]), "logits should have shape (1"),
        (lambda images: (torch.zeros(1, 10), [7]), "weights of layer 0 should be a tensor; it is an int"),
        (lambda images: 1 / 0, "The model stopped with ZeroDivisionError: division by zero"),
        (7, "The model stopped with TypeError: 'int' object is not callable"),
        (small().double().half(), ""),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_model_is_said(model, message):
    explorer = PictureExplorer(model)
    assert explorer.heatmap.message.startswith(message)
    assert explorer.image is not None and explorer.seen.content is not None and repr(explorer)
    assert explorer.figure()
    explorer.model = Looks()
    assert explorer.heatmap.message == "" and explorer.weights is not None


def test_numbers_that_are_none_are_said():
    def nan(images):
        return torch.full((1, 10), float("nan")), [torch.full((1, 1, 10, 10), float("nan"))]

    explorer = PictureExplorer(nan)
    assert "The row of “class” holds NaN" in explorer.heatmap.message and explorer.answer is None
    assert explorer.verdict.content.plain.startswith("It reads nothing: its probabilities are NaN.")
    assert explorer.figure() and "learned" in repr(explorer)


def test_a_slow_model_is_ended(monkeypatch):
    monkeypatch.setattr("attention_core._calling.LONGEST", 0.05)
    explorer = PictureExplorer(lambda images: time.sleep(5))
    assert "The model was ended after" in said(explorer)


def test_a_model_of_another_size_of_picture_says_so():
    explorer = PictureExplorer(small(), torch.zeros(16, 16))
    assert "images must have shape (batch, 1, 24, 24)" in said(explorer)


def test_without_a_picture_nothing_is_shown():
    explorer = PictureExplorer(Looks(), task=None)
    assert explorer.image is None and explorer.seen.content is None
    assert repr(explorer) == (
        "PictureExplorer(nothing to show: There is no picture yet: give one, or a task that draws it.)"
    )
    explorer.picture = bright(2)
    assert explorer.answer == 2


def test_colours_and_a_function_whose_grid_nobody_says():
    def model(images, allowed=None):
        seen = torch.ones(17) if allowed is None else torch.cat((torch.ones(1), allowed.float()))
        return torch.zeros(1, 2), (seen / seen.sum()).expand(1, 2, 17, 17)

    explorer = PictureExplorer(model, torch.rand(3, 8, 12), task=None, hidden=[15])
    assert explorer.seen.content.grid == (4, 4) and explorer.heatmap.message == ""
    assert explorer.seen.content.weights[0] == pytest.approx(1 / 16)


# ---------------------------------------------------------------- the learner's rollout


def test_a_rollout_by_columns_is_told_of_columns_and_not_of_a_softmax():
    def by_columns(weights):
        a = weights[0].mean(0) + torch.eye(weights[0].shape[-1])
        return a / a.sum(0)

    explorer = PictureExplorer(Looks(), bright(5), layer="rollout", rollout=by_columns)
    assert "The columns do: were they divided by their sums" in explorer.heatmap.message


@pytest.mark.parametrize(
    "rollout, message",
    [
        (lambda weights: None, "The rollout is not finished yet: it returns nothing."),
        (lambda weights: torch.eye(3), "rollout should have shape (10, 10); it has (3, 3)"),
        (lambda weights: 1 / 0, "The function stopped with ZeroDivisionError: division by zero"),
        (lambda weights: 2 * torch.eye(10), "The row of “class” sums to 2.00, not to 1."),
    ],
)
def test_a_wrong_rollout_is_said_and_the_answer_stands(rollout, message):
    explorer = PictureExplorer(Looks(layers=2), bright(5), layer="rollout", rollout=rollout)
    assert explorer.heatmap.message.startswith(message) and explorer.answer == 5
    explorer.layer = 0
    assert explorer.heatmap.message == ""


def test_a_rollout_that_writes_into_its_layers_changes_nothing():
    def writes(weights):
        for layer in weights:
            layer.zero_()
        return torch.eye(10)

    explorer = PictureExplorer(Looks(), bright(5), layer="rollout", rollout=writes)
    explorer.layer = 0
    assert explorer.seen.content.weights[5] == 1


# ---------------------------------------------------------------- facts, picture, bank


def test_its_line_has_no_number_that_was_learned():
    lines = set()
    for seed in range(3):
        torch.manual_seed(seed)
        explorer = PictureExplorer(PatchTransformer(24, 8, 10, num_layers=2, num_heads=2))
        lines.add(repr(explorer))
    assert lines == {
        "PictureExplorer(24 × 24 pixels; 3 × 3 patches; framed: 4; Where the class token looked; Layer 1, "
        "mean of 2 heads; 10 queries × 10 keys, learned)"
    }


def test_an_example_is_made_without_a_model_and_draws_no_lots():
    before = torch.get_rng_state()
    explorer = PictureExplorer()
    assert torch.equal(torch.get_rng_state(), before) and explorer.weights.shape == (10, 10)
    assert PictureExplorer(task=Arrows()).weights.shape == (9, 9)


def test_its_still_twin_has_picture_map_and_words():
    explorer = PictureExplorer(Looks(), frame=2, hidden=[1])
    figure = explorer.figure()
    assert len(figure.axes) == 2
    texts = " | ".join(text.get_text() for text in figure.findobj(lambda a: hasattr(a, "get_text")))
    for part in ("Where the class token looked", "Layer 0", "class", "which decides", "sum to 1"):
        assert part in texts


def test_the_frame_has_its_frames_beforehand():
    explorer = PictureExplorer(small())
    dial = [*explorer.dials].index("frame")
    steps, _more = explorer._bank._steps(dial, 0, _Watch())
    assert len(steps) >= 3
    shown = {value: state["seen"].get("_frame", {}).get("marked") for value, state in steps}
    assert shown[0] == [] and shown[1] == [0] and shown[9] == [8]  # behind "none"
    explorer.controls["frame"].index = 2
    assert explorer.frame == 1
    explorer.controls["frame"].index = 0
    assert explorer.frame is None


def test_a_step_of_the_frame_takes_a_picture_of_ones_own_away_beforehand_too():
    explorer = PictureExplorer(Looks(), bright(3))
    steps = dict(explorer.dials["frame"].steps())
    assert steps[2] == {"frame": 1, "picture": None}
    shown = explorer.answer_to({**explorer.inputs(), **steps[2]})["seen"]
    assert shown.marked == (1,) and explorer.picture is not None


class _Watch:
    def wall(self):
        return 0.0

    def spent(self):
        return 0.0


def test_moving_the_frame_costs_little():
    explorer = PictureExplorer(small())
    took = []
    for i in range(30):
        began = time.perf_counter()
        explorer.seed, explorer.frame = i + 1, i % 9
        took.append(time.perf_counter() - began)
    assert np.median(took) < 0.2
