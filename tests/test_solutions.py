"""The folded solutions, pasted into the stubs: every check passes, so that no solution can rot."""

import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path

import nbformat
import pytest
from jupyter_client import AsyncKernelManager
from jupyter_core.utils import run_sync
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from attention_core._calling import LONGEST
from attention_core.practice.collect.cells import bound, globals_of, needed, symbols

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
_CODE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def exercises(book: NotebookNode) -> list[str]:
    """The names of a lesson's exercises: each has the cells exercise-NAME, check-NAME and solution-NAME."""
    return [cell.id.removeprefix("exercise-") for cell in book.cells if is_exercise(cell)]


def is_exercise(cell: NotebookNode) -> bool:
    return cell.cell_type == "code" and cell.id.startswith("exercise-")


def read(name: str) -> NotebookNode:
    return nbformat.read(NOTEBOOKS / name, as_version=4)


def cell_named(book: NotebookNode, name: str) -> NotebookNode:
    return next(cell for cell in book.cells if cell.id == name)


def solution(book: NotebookNode, exercise: str) -> str:
    """The one piece of code in an exercise's folded solution."""
    (code,) = _CODE.findall(cell_named(book, f"solution-{exercise}").source)
    return code


# What a notebook before may have left in the kernel: its names, and whatever our own modules remember.
FORGET = """
import sys
for name in [name for name in sys.modules if name.split(".")[0] == "attention_core"]:
    del sys.modules[name]
if "torch" in sys.modules:
    sys.modules["torch"].manual_seed(67280421310721)  # as it begins
%reset -f
"""


@pytest.fixture(scope="module")
def run() -> Iterator[Callable[[NotebookNode], None]]:
    """Runs a notebook in a kernel that has loaded torch already, but knows nothing of the notebook before."""
    kernel = AsyncKernelManager(kernel_name="python3")

    def run(book: NotebookNode, *, anew: bool = True) -> None:
        book.cells.insert(0, new_code_cell(FORGET if anew else ""))
        path = {"metadata": {"path": str(NOTEBOOKS)}}
        client = NotebookClient(book, kernel, timeout=300, resources=path)
        client.execute()
        client.kc.stop_channels()
        del book.cells[0]

    yield run
    run_sync(kernel.shutdown_kernel)(now=True)


LESSONS = sorted(path.name for path in NOTEBOOKS.glob("[0-9]*.ipynb") if exercises(read(path.name)))


def test_lesson_01_has_at_least_four_exercises():
    assert len(exercises(read("01_self_attention.ipynb"))) >= 4


@pytest.mark.parametrize("name", LESSONS)
def test_exercises_have_three_hints_stars_minutes_a_check_and_a_solution(name):
    book = read(name)
    ids = [cell.id for cell in book.cells]
    for exercise in exercises(book):
        at = ids.index(f"exercise-{exercise}")
        earlier = max(
            (i for i in range(at) if is_exercise(book.cells[i])), default=-1
        )  # what is told between the last exercise and this one
        told = "\n".join(cell.source for cell in book.cells[earlier + 1 : at] if cell.cell_type == "markdown")
        told = told[told.rindex("### Exercise") :]
        assert re.findall(r"<summary>(Hint \d)</summary>", told) == ["Hint 1", "Hint 2", "Hint 3"], exercise
        assert re.search(r"[★☆]{3} · \d+ minutes", told), exercise
        assert ids[at + 1] == f"check-{exercise}"
        solution = cell_named(book, f"solution-{exercise}").source
        assert solution.startswith("<details>") and len(_CODE.findall(solution)) == 1
        assert len(_CODE.sub("", solution).split()) > 15, f"{exercise}: the solution does not say why"


@pytest.mark.parametrize("name", LESSONS)
@pytest.mark.timeout(300)
def test_the_folded_solutions_pass_every_check(name, run):
    book = read(name)
    for exercise in exercises(book):
        stub = cell_named(book, f"exercise-{exercise}")
        assert "..." in stub.source, f"{exercise} is not a stub"
        stub.source = solution(book, exercise)
    book.cells = needed(book.cells, [f"check-{exercise}" for exercise in exercises(book)])
    run(book)
    said = {}
    for exercise in exercises(book):
        (result,) = cell_named(book, f"check-{exercise}").outputs
        said[exercise] = result.data["text/plain"]
    assert said and all(text.startswith("✓") for text in said.values()), said


def shorten(book: NotebookNode) -> None:
    """Trainings of two steps: enough to go through them."""
    for cell in book.cells:
        if cell.cell_type == "code":
            cell.source = re.sub(r"(batches\(|five\(many=)\d\d\d", r"\g<1>2", cell.source)


@pytest.mark.parametrize("name", LESSONS)
def test_untouched_stubs_are_not_started(name):
    book = read(name)
    for exercise in exercises(book):
        (result,) = cell_named(book, f"check-{exercise}").outputs
        assert "not started" in result.data["text/plain"]


# --- right, but in a style of its own: what the page does with such an answer

ODD = {
    "a softmax that writes into its scores": (
        "01_self_attention.ipynb",
        {
            "softmax": """def softmax(scores):
    scores -= scores.amax(dim=-1, keepdim=True)
    scores.exp_()
    scores /= scores.sum(dim=-1, keepdim=True)
    return scores"""
        },
        "axis-sums",
        "over queries  rows sum to 0.87 … 1.21",
    ),
    "attention in float64": (
        "01_self_attention.ipynb",
        {
            "attention": """def scaled_dot_product_attention(query, key, value, allowed=None):
    doubled = (x.double() for x in (query, key, value))
    return attention_core.scaled_dot_product_attention(*doubled, allowed)"""
        },
        "hull-run",
        "outside the hull: 0 of 2000",
    ),
    "positions in float64, and a rotation that writes into x": (
        "03_positional_encoding.ipynb",
        {
            "sinusoidal-table": """def my_sinusoidal_table(n, dim, base=10000.0):
    return sinusoidal_table(n, dim, base, dtype=torch.float64)""",
            "rotate": """def rotate(x, base=10000.0):
    angles = torch.arange(x.shape[-2])[:, None] * base ** (-torch.arange(0, x.shape[-1], 2) / x.shape[-1])
    a, b = x[..., 0::2].clone(), x[..., 1::2].clone()
    x[..., 0::2] = a * angles.cos() - b * angles.sin()
    x[..., 1::2] = a * angles.sin() + b * angles.cos()
    return x""",
            "alibi-bias": """def alibi_bias(num_heads, n):
    apart = (torch.arange(n)[:, None] - torch.arange(n)).abs().double()
    return torch.stack([-apart * 2.0 ** (-8 * k / num_heads) for k in range(1, num_heads + 1)])""",
        },
        "run-beyond",
        "ALiBi",
    ),
    "a look-up in float64": (
        "05_language.ipynb",
        {
            "look-up": """def look_up(states, memory, allowed=None):
    context, weights = scaled_dot_product_attention(*(x.double() for x in (states, memory, memory)), allowed)
    return torch.cat((states, context), dim=-1), weights"""
        },
        "run-look-back",
        "look back: right of 4 digits",
    ),
    "a look-up that writes over what a gradient needs": (
        "05_language.ipynb",
        {
            "look-up": """def look_up(states, memory, allowed=None):
    weights = (states @ memory.mT).exp()
    shares = weights / weights.sum(-1, keepdim=True)
    weights *= 2
    return torch.cat((states, shares @ memory), dim=-1), shares"""
        },
        "dare-look-up",
        "no training: it stopped with RuntimeError",
    ),
    "a step that returns a plain number": (
        "04_learning_to_attend.ipynb",
        {
            "training-step": """def learn(model, optimiser, x, y):
    optimiser.zero_grad()
    loss = cross_entropy(model(x)[0].flatten(0, 1), y.flatten())
    loss.backward()
    optimiser.step()
    return loss.item()"""
        },
        "dare-training-step",
        "after 150 steps",
    ),
    "a step that stops": (
        "04_learning_to_attend.ipynb",
        {"training-step": "def learn(model, optimiser, x, y):\n    return 1 / 0"},
        "dare-training-step",
        "no training: it stopped with ZeroDivisionError",
    ),
    "a block that writes over what a gradient needs": (
        "04_learning_to_attend.ipynb",
        {
            "pre-norm": """class PreNorm(SaysPreNorm):
    def forward(self, x, allowed=None, *, need_weights=True):
        attended, weights = self.attention(self.norm_1(x), allowed=allowed)
        x += attended
        return x + self.feed_forward(self.norm_2(x)), weights"""
        },
        "mended",
        "your block cannot be trained",
    ),
}


TRIED = {
    "stops": "raise ValueError('no {braces}')",
    "leaves": "exit()",
    "answers with nothing": "return None, None",
}


@pytest.mark.parametrize("how", TRIED)
@pytest.mark.timeout(300)
def test_a_dared_look_up_that_cannot_be_trained_is_said_in_words(how, run):
    book = read("05_language.ipynb")
    cell_named(
        book, "exercise-look-up"
    ).source = f"def look_up(states, memory, allowed=None):\n    {TRIED[how]}"
    shorten(book)
    book.cells = needed(book.cells, ["dare-look-up"])
    run(book)
    result = cell_named(book, "dare-look-up").outputs[-1]
    assert result.data["text/plain"].startswith("✗ look-up")


@pytest.mark.parametrize("style", ODD)
@pytest.mark.timeout(300)
def test_the_page_goes_on_with_an_answer_in_a_style_of_its_own(style, run):
    name, answers, asked, said = ODD[style]
    book = read(name)
    for exercise, source in answers.items():
        cell_named(book, f"exercise-{exercise}").source = source
    for cell in book.cells:
        if cell.cell_type == "code":
            cell.source = re.sub(r"batches\(\d\d\d", "batches(20", cell.source)  # enough to go through it
            cell.source = cell.source.replace("range(200)", "range(20)").replace("steps=200", "steps=2")
    book.cells = needed(book.cells, [asked])
    run(book)
    outputs = cell_named(book, asked).outputs
    assert said in "".join(output.get("text", "") for output in outputs), outputs


@pytest.mark.timeout(300)
def test_the_page_goes_on_after_trainings_of_two_steps_and_with_no_answer_that_works(run):
    """Nothing is right then, and nothing may be divided by that; what was typed stays."""
    book = read("05_language.ipynb")
    shorten(book)
    for name in exercises(book):
        stub = cell_named(book, f"exercise-{name}")
        stub.source = stub.source.replace("...", "raise ValueError('no {braces}')")
    cell_named(book, "hook-explorer").source += "\nexplorer.text = ''"
    cell_named(book, "hook-count").source += "\nprint('typed:', explorer.text)"
    run(book)
    (said,) = cell_named(book, "hook-count").outputs
    assert "nearly all: False" in said.text and said.text.endswith("typed: \n")


# What a call may take: two seconds for what never ends, which test_calling.py waits for.
MAY_TAKE = "__import__('attention_core._calling', fromlist=['LONGEST']).LONGEST = {}"

BREAKING = {  # lesson, exercise, answer, a cell that lives on with it, and what holds there afterwards
    "writes into its pictures": (
        "07_vision.ipynb",
        "cut",
        """from attention_core import vision


def to_patches(images, size):
    made = vision.to_patches(images.clone(), size)
    images.zero_()
    return made""",
        "run-shuffle",
        "bool(unseen.images.sum() > 0 and same)",
    ),
    "writes into its layers": (
        "07_vision.ipynb",
        "rollout",
        """def rollout(weights):
    for layer in weights:
        layer += torch.eye(layer.shape[-1])
    return weights[-1].mean(0)""",
        "dare-rollout",
        "bool((of_last.sum(-1) < 1.01).all() and share == share)",
    ),
    "leaves": (
        "07_vision.ipynb",
        "rollout",
        "def rollout(weights):\n    exit()",
        "dare-rollout",
        "share != share and not get_ipython().exit_now",
    ),
    "never ends": (
        "07_vision.ipynb",
        "rollout",
        "def rollout(weights):\n    while True:\n        pass",
        "dare-rollout",
        "share != share",
    ),
    "a loss that cannot be learned from": (
        "08_agents.ipynb",
        "policy-loss",
        """def policy_loss(logits, actions, returns, values, alive):
    return logits.detach().mean()""",
        "dare-room",
        "yours[1] and arrives_so == arrives_so",
    ),
    "a loss that is no number": (
        "08_agents.ipynb",
        "policy-loss",
        """def policy_loss(logits, actions, returns, values, alive):
    return logits.mean() * float("nan")""",
        "dare-room",
        "arrives_so != arrives_so",
    ),
    "returns that write into the rewards": (
        "08_agents.ipynb",
        "returns",
        """def returns(rewards, done, discount):
    rewards.zero_()
    return rewards""",
        "dare-room",
        "arrives_so == arrives_so",
    ),
    "a loss that writes into the returns": (
        "08_agents.ipynb",
        "policy-loss",
        """import attention_core.agents

given = []


def returns(rewards, done, discount):
    given.append(attention_core.agents.returns(rewards, done, discount))
    return given[-1]


def policy_loss(logits, actions, returns, values, alive):
    loss = attention_core.agents.policy_loss(logits, actions, returns, values, alive)
    returns.fill_(7.0)
    return loss""",
        "dare-room",
        "all(yours[:2]) and given and not any((one == 7).all() for one in given) and 7 not in won",
    ),
    "a choice that leaves": (
        "08_agents.ipynb",
        "choose",
        "def choose(agent, objects, attention, to_logits):\n    exit()",
        "dare-room",
        "not yours[2] and not get_ipython().exit_now",
    ),
    "writes into its words": (
        "09_explanation.ipynb",
        "leave-one-out",
        """def leave_one_out(probabilities, tokens):
    tokens.zero_()
    return torch.ones(len(tokens))""",
        "dare-measures",
        "taken[0] is leave_one_out and few.any(1).all() and need is check.leave_one_out.reference",
    ),
    "scores that are no numbers": (
        "09_explanation.ipynb",
        "leave-one-out",
        "def leave_one_out(probabilities, tokens):\n    return tokens * float('nan')",
        "dare-measures",
        "dared[0][0] != dared[0][0] and need is check.leave_one_out.reference",
    ),
    "norms that write into W_O": (
        "09_explanation.ipynb",
        "norms",
        """def norms(weights, values, to_output):
    to_output.zero_()
    return values.norm(dim=-1).sum(0)""",
        "dare-measures",
        "taken[1] is norms and bool(model.blocks[-1].attention.to_output.weight.any())",
    ),
    "a fall that never ends": (
        "09_explanation.ipynb",
        "comprehensiveness",
        "def comprehensiveness(probabilities, tokens, explanation, k):\n    while True:\n        pass",
        "dare-measures",
        "dared[2][0] == dared[2][0]",
    ),
    "a patch that leaves": (
        "09_explanation.ipynb",
        "patch",
        "def patch(clean, corrupted, rest):\n    exit()",
        "dare-measures",
        "taken[3] is not patch and not get_ipython().exit_now",
    ),
    "an order that writes into what it is given": (
        "10_a_real_model.ipynb",
        "post-norm",
        """def post_norm(x, attention, feed_forward, norm_1, norm_2):
    x.zero_()
    return x""",
        "dare-measures",
        "taken[0] is post_norm and order is check.post_norm.reference and dared[1][0] > 0.99",
    ),
    "a loading that writes into the file's numbers": (
        "10_a_real_model.ipynb",
        "load-layer",
        """def load_layer(block, weights, i):
    for tensor in weights.values():
        tensor.zero_()""",
        "dare-measures",
        "taken[1] is load_layer and dared[0][0] > 0.99 and bool(minilm_weights().popitem()[1].any())",
    ),
    "a score that leaves": (
        "10_a_real_model.ipynb",
        "previous",
        "def previous(weights, tokens):\n    exit()",
        "dare-measures",
        "taken[2] is not previous and dared[2][0] > 0.99 and not get_ipython().exit_now",
    ),
}


@pytest.fixture(scope="module")
def begun(request, run) -> NotebookNode:
    """A lesson that has run as far as its answers are asked for, with trainings of two steps."""
    book = read(request.param)
    shorten(book)
    book.cells = needed(
        book.cells, {asked for lesson, _, _, asked, _ in BREAKING.values() if lesson == request.param}
    )
    run(book)
    return book


def what_follows(cells: list[NotebookNode], answer: NotebookNode) -> list[NotebookNode]:
    """The cells that read what this one binds, or what one of them binds."""
    kept, changed = [], bound(symbols(answer.source))
    for cell in cells:
        top = symbols(cell.source)
        if globals_of(top) & changed:
            kept.append(cell)
            changed |= bound(top)
    return kept


@pytest.mark.parametrize(
    ("begun", "how"),
    [(lesson, how) for how, (lesson, *_) in BREAKING.items()],
    indirect=["begun"],
    ids=list(BREAKING),
    scope="module",  # of the first of them, too
)
@pytest.mark.timeout(300)
def test_an_answer_that_breaks_things_leaves_the_lesson_as_it_was(begun, how, run):
    _lesson, exercise, answer, asked, holds = BREAKING[how]
    cells = deepcopy(begun).cells
    untouched = [cell for cell in cells if is_exercise(cell)]
    ids = [cell.id for cell in cells]
    cells = cells[ids.index(f"exercise-{exercise}") + 1 : ids.index(asked) + 1]
    answered = new_code_cell(answer)
    rest = what_follows(cells, answered)
    assert rest[-1] is cells[-1]
    rest[-1].source += f"\nprint('it holds:', {holds})"
    may_take = new_code_cell(MAY_TAKE.format(2 if "while True" in answer else LONGEST))
    run(new_notebook(cells=[may_take, *untouched, answered, *rest]), anew=False)
    outputs = rest[-1].outputs
    assert "it holds: True" in "".join(output.get("text", "") for output in outputs), outputs


REVEALED = {
    "07_vision.ipynb": ("where", "hide", "positions", "shuffle", "last"),
    "08_agents.ipynb": ("episodes", "rivals", "values", "two", "more", "wrong-way"),
    "09_explanation.ipynb": ("rank", "but", "above", "uniform", "deceive"),
}


@pytest.mark.parametrize("lesson", REVEALED)
@pytest.mark.timeout(300)
def test_nothing_is_revealed_after_trainings_of_two_steps(lesson, run):
    book = read(lesson)
    shorten(book)
    names = [f"reveal-{what}" for what in REVEALED[lesson]]
    book.cells = needed(book.cells, names)
    run(book)
    for name in names:
        said = cell_named(book, name).outputs[-1].data["text/plain"]
        assert said.startswith("'Nothing to compare yet"), (name, said)
