"""The page's modules: linked to one script a view, tested in Node, in step with Python where both say it."""

import itertools
import json
import os
import random
import re
import shutil
import subprocess
from pathlib import Path

import make_handouts
import numpy as np
import pytest
import torch
from test_known import VIEWS

from attention_core.agreement import SAME
from attention_core.live import AttentionHeatmap, still
from attention_core.live.bank import Bank
from attention_core.live.linked import PAGE, linked
from attention_core.live.plane import name_sides

NODE = shutil.which("node")
TESTS = sorted((Path(__file__).parent / "page").glob("*.test.js"))
MODULES = {path.name: path.read_text("utf-8") for path in PAGE.glob("*.js")}
ENTRIES = sorted(name for name, text in MODULES.items() if "\nexport default " in text)
CSS = {path.name for path in PAGE.glob("*.css")}


def node(*arguments, **options) -> str:
    """What Node says to this. Without Node the test is skipped, or fails where a browser was promised."""
    if NODE is None:
        why = "no Node on this machine: apt-get install nodejs"
        (pytest.fail if os.environ.get("REQUIRE_BROWSER") == "1" else pytest.skip)(why)
    done = subprocess.run([NODE, *arguments], capture_output=True, text=True, encoding="utf-8", **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


IN_PAGE = """
const [, module, expression] = process.argv;
const names = Object.entries(await import(module)).filter(([name]) => name !== "default");
const say = new Function(...names.map(([name]) => name), "x", `return ${expression}`);
const given = JSON.parse((await import("node:fs")).readFileSync(0, "utf8"));
console.log(JSON.stringify(given.map((x) => say(...names.map(([, value]) => value), x))));
"""


def in_page(module: str, expression: str, given: list) -> list:
    """What an expression gives for each of these values, which it calls x, by what a module exports."""
    where = (PAGE / module).as_uri()
    return json.loads(node("--input-type=module", "-e", IN_PAGE, where, expression, input=json.dumps(given)))


# ---------------------------------------------------------------- its own tests


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.name)
def test_the_modules_own_tests(file):
    node("--test", file)


def test_no_module_is_long():
    lines = {name: text.count("\n") for name, text in MODULES.items()}
    assert max(lines.values()) <= 330, lines


# ---------------------------------------------------------------- linked


def folder_of(tmp_path, **modules: str) -> Path:
    for name, text in modules.items():
        (tmp_path / f"{name}.js").write_text(text, "utf-8")
    return tmp_path


def run(script: str, tmp_path) -> object:
    """The default export of a script, as JSON has it."""
    (tmp_path / "linked.mjs").write_text(script, "utf-8")
    show = "console.log(JSON.stringify((await import(process.argv[1])).default))"
    return json.loads(node("--input-type=module", "--eval", show, (tmp_path / "linked.mjs").as_uri()))


def test_modules_are_linked_in_the_order_in_which_they_need_each_other(tmp_path):
    folder = folder_of(
        tmp_path,
        view='import {\n  twice,\n  own as theirs,\n} from "./a.js";\n'
        'import { one, One, later } from "./b.js";\n'
        "const own = 5;\nexport const named = 1;\n"
        "export default [twice(own), theirs, one, new One().n, typeof later, named];\n",
        a='import { one } from "./b.js";\nconst half = one;\nexport const own = 7;\n'
        "export function twice(x) { return half * 2 * x; }\n",
        b="const half = 100;\nexport const one = 1;\nexport class One { n = one + half; }\n"
        "export async function later() {}\n",
        other="export const unused = 1;\n",
    )
    script = linked("view.js", folder)
    assert run(script, tmp_path) == [10, 7, 1, 101, "function", 1]
    assert script.count("const $b = ") == script.count("const $a = ") == 1 and "unused" not in script


def test_types_do_not_travel(tmp_path):
    view = '/**\n * @typedef {import("./x.js").X} X\n */\n/** @param {X} a */\nexport default 1; // one\n'
    script = linked("view.js", folder_of(tmp_path, view=view))
    assert script == "export default 1; // one\n"
    assert not re.search(r"^\s*(/\*\*|\*)", linked("heatmap.js"), re.MULTILINE)


@pytest.mark.parametrize(
    ("view", "why"),
    [
        ('import a from "./a.js";', "view.js has an import or export that is not linked: import a from"),
        ('import * as a from "./a.js";', "view.js has an import or export that is not linked"),
        ('import "./a.js";', "view.js has an import or export that is not linked"),
        ('import { a } from "./deep/a.js";', "view.js has an import or export that is not linked"),
        ('import { a } from "https://a.test/a.js";', "view.js has an import or export that is not linked"),
        ('import { a } from "./a.js"', "view.js has an import or export that is not linked"),
        ('const a = import("./a.js");', "view.js has an import or export that is not linked"),
        ("const a = import.meta.url;", "view.js has an import or export that is not linked"),
        ("export let a = 1;", "view.js has an import or export that is not linked: export let"),
        ("const a = 1;\nexport { a };", "view.js has an import or export that is not linked: export { a }"),
        ('export * from "./a.js";', "view.js has an import or export that is not linked"),
        ("export default 1;\nexport default 2;", "not linked: export default 2"),
        (
            'import { a } from "./bad.js";',
            "bad.js has an import or export that is not linked: export default",
        ),
        ('import { a } from "./none.js";', "there is no module none.js in .*: view.js → none.js"),
        ('import { b, a, c } from "./a.js";', "view.js imports b, c, not exported by a.js"),
        ('import { a } from "./round.js";', "modules import in a circle: view.js → round.js → view.js"),
        ('import { a } from "./view.js";', "modules import in a circle: view.js → view.js"),
    ],
)
def test_what_is_not_linked_is_refused_in_words(view, why, tmp_path):
    folder = folder_of(
        tmp_path, view=view, a="export const a = 1;\n", bad="export const a = 1;\nexport default a;\n",
        round='import { x } from "./view.js";\nexport const a = x;\n',
    )  # fmt: skip
    with pytest.raises(ValueError, match=why):
        linked("view.js", folder)


def needed(name: str) -> set[str]:
    found = {
        f"{other}.js" for other in re.findall(r'^(?:import|\}).* from "\./(\w+)\.js";$', MODULES[name], re.M)
    }
    return found.union({name}, *map(needed, found))


@pytest.mark.parametrize("name", ENTRIES)
def test_each_views_script_parses_and_holds_what_it_imports_and_no_more(name, tmp_path):
    script = linked(name)
    (tmp_path / "linked.mjs").write_text(script, "utf-8")
    node("--check", tmp_path / "linked.mjs")
    scopes = re.findall(r"^const \$(\w+) = \(\(\) => \{$", script, re.M)
    assert {f"{scope}.js" for scope in scopes} | {name} == needed(name) and len(scopes) == len({*scopes})
    assert (
        not re.search(r"^import\b|^export (?!default)", script, re.M)
        and script.count("\nexport default ") == 1
    )


@pytest.mark.parametrize("name", ENTRIES)
def test_no_scope_leaks_and_none_needs_a_page_before_it_draws(name, tmp_path):
    """What stands at the top of a module is seen there alone: nothing lands in the page's global object."""
    (tmp_path / "linked.mjs").write_text(linked(name), "utf-8")
    show = """
        const before = new Set(Object.getOwnPropertyNames(globalThis));
        const { default: view } = await import(process.argv[1]);
        const after = Object.getOwnPropertyNames(globalThis).filter((name) => !before.has(name));
        console.log(JSON.stringify([after, Object.keys(view)]));
    """
    told = node("--input-type=module", "--eval", show, (tmp_path / "linked.mjs").as_uri())
    assert json.loads(told) == [[], ["initialize", "render"]]


def test_every_module_and_stylesheet_is_some_views_or_the_handouts():
    scripts = [Bank, *(kind for kind in VIEWS if hasattr(kind, "_esm"))]
    assert {linked(name) for name in ENTRIES} == {kind._esm for kind in scripts}
    assert set().union(*map(needed, [*ENTRIES, "handout.js"])) == set(MODULES)
    handout = make_handouts.alive("<body></body>", b"")
    assert linked("handout.js") in handout
    styles = "".join([*(kind._css for kind in scripts), handout])
    assert CSS and all((PAGE / name).read_text("utf-8") in styles for name in CSS)


# ---------------------------------------------------------------- page and still picture agree

AWKWARD = [
    0.0, -0.0, -0.001, -0.03, -0.05, 0.005, 0.0049, 0.00501, 0.045, 0.125, 0.375, 0.625, 0.875, 0.994, 0.995,
    0.9951, 1.0, 1.004, 1.005, 1.0051, 1.01, 1.05, 1.25, 1.75, 2.5, 9.95, 12.3, 12.25, 99.94, 99.95, 100.5,
    101.5, 999.4, 999.5, 1e5, 1e20, 1e21, 1.5e30, 3.4e38, 1e300, -0.5, -0.25, -0.995, -12.3, -1000.0, 5e-324,
    -5e-324, 1e-40, float("nan"), float("inf"), float("-inf"),
]  # fmt: skip
seeded = random.Random(0)
AWKWARD += [seeded.choice((1, -1)) * seeded.choice((1, 10, 200)) * seeded.random() for _ in range(300)]
AWKWARD += [i / 8 for i in range(-40, 4000, 7)]  # every half there is, in two digits
AWKWARD += [seeded.choice((1, -1)) * 0.012 * seeded.random() ** 4 for _ in range(200)]  # small weights
AWKWARD += [0.00995, 0.0099499, 0.000995, 0.0009949, 1e-4, 0.99999e-4, 2**-7, 2**-10, 2**-13]
AWKWARD += [float(np.float32(x)) for x in (0.005, 0.995, 1.005, 0.05, 99.95)]


def as_texts(numbers) -> list[str]:
    """For `Number(x)`: JSON knows no NaN and no infinity."""
    return [repr(float(x)).replace("inf", "Infinity").replace("nan", "NaN") for x in numbers]


@pytest.mark.parametrize(
    ("here", "there"), [(still.number, "inCell"), (still.two, "two"), (still.weight, "weight")]
)
def test_a_number_is_the_same_words(here, there):
    assert in_page("numbers.js", f"{there}(Number(x))", as_texts(AWKWARD)) == [here(x) for x in AWKWARD]


def test_a_float32_is_written_as_the_page_writes_it():
    for x in (0.005, 0.995, 1.005, 0.05, 99.95, 0.125):
        assert still.number(np.float32(x)) == still.number(float(np.float32(x)))


def test_a_share_has_the_same_colour():
    shares = [*np.linspace(-0.1, 1.1, 500), 1 / 255.999, 254 / 255.999, 1 - 1e-16, 0.5, *AWKWARD]
    assert in_page("colour.js", "shade(Number(x))", as_texts(shares)) == [
        still.shade(float(x)) for x in shares
    ]


@pytest.mark.parametrize("name", [still.COLOURS, "PRGn", "gray"])
def test_the_ink_is_the_one_with_more_contrast(name):
    sent = np.frombuffer(still.palette(name), np.uint8).reshape(256, 4)
    assert set(sent[:, 3]) == {0, 1} and (sent[:, 3] == still.ink(name)).all()
    for *rgb, black in sent.tolist():
        linear = [c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in rgb]
        bright = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        on_black, on_white = (bright + 0.05) / 0.05, 1.05 / (bright + 0.05)
        assert black == (on_black > on_white) and max(on_black, on_white) >= 4.5


@pytest.mark.parametrize("per_row", [False, True])
def test_the_still_pictures_numbers_have_the_pages_ink(per_row):
    weights = torch.linspace(0.01, 1, 72).reshape(6, 12)
    weights[5, :4] = torch.tensor([float("nan"), float("inf"), 1.5, -0.5])
    texts = AttentionHeatmap(weights, per_row=per_row).figure().axes[0].texts
    black = np.frombuffer(still.palette(), np.uint8).reshape(256, 4)[:, 3]
    scale = [
        row[~row.isnan()].clamp(max=torch.finfo(row.dtype).max).max() if per_row else 1 for row in weights
    ]
    shares = [float(w) / float(scale[i // 12]) for i, w in enumerate(weights.flatten())]
    levels = in_page("colour.js", "shade(Number(x))", as_texts(shares))
    expected = [
        "k" if share != share or black[level] else "w" for share, level in zip(shares, levels, strict=True)
    ]
    assert [text.get_color() for text in texts] == expected and {"k", "w"} == set(expected)


def largest_in_repr(weights: torch.Tensor) -> list[int]:
    n_q, n_k = weights.shape
    view = AttentionHeatmap(weights, [f"r{i}" for i in range(n_q)], [f"c{i}" for i in range(n_k)])
    return [int(found) for found in re.search(r"“r(\d+)” → “c(\d+)”", repr(view)).groups()]


def test_the_largest_cell_is_the_one_that_the_repr_names():
    nan, inf = float("nan"), float("inf")
    torch.manual_seed(0)
    maps = [torch.rand(5, 7).softmax(-1) for _ in range(20)]
    maps += [torch.full((3, 4), 0.25), torch.full((2, 2), nan), torch.full((2, 3), -1.0), torch.zeros(2, 2)]
    maps += [torch.tensor(rows) for rows in (
        [[0.1, nan], [0.6, 0.6]], [[nan, -3.0], [-2.0, nan]], [[1.0, inf], [3.0e38, 0.0]],
        [[-inf, -inf]], [[-inf, 0.0]],
    )]  # fmt: skip
    for off in (0, 0.5, 0.99, 1.0, 1.01, 2):  # as far apart as rounding allows, and a little more
        for x in (0.1, 0.5, 0.7, 1.0):
            maps.append(torch.tensor([[0.0, x], [x + off * SAME, 0.0]]))
    given = [{"shape": [*m.shape], "weights": as_texts(m.flatten())} for m in maps]
    expression = (
        "(({ row, column }) => [row, column])(largestCell({ weights: Float32Array.from(x.weights, Number), "
        "rows: x.shape[0], columns: x.shape[1] }))"
    )
    assert in_page("frame.js", expression, given) == [largest_in_repr(m) for m in maps]
    assert in_page("frame.js", "SAME", [0]) == [SAME]


def test_names_in_a_plane_stand_on_the_same_sides():
    seeded = random.Random(1)
    planes = []
    for reach in (2.0, 1.0, 3.5):
        for n in (1, 4, 9, 30):
            planes.append((reach, [[seeded.uniform(-reach, reach) for _ in "xy"] for _ in range(n)]))
        for x, y in itertools.product((0.399, 0.401), (0.099, 0.101)):
            planes.append((reach, [[0, 0], [-x * reach, y * reach]]))
        edge = [[0.44 * reach, 0], [0, 0], [0.4 * reach, 0.05 * reach], [0, 0.1 * reach], [0.9 * reach, 0]]
        planes.append((reach, edge))
    there = in_page("plane.js", "nameSides(x[1], x[0]).map(({ left, below }) => [left, below])", planes)
    assert there == [[list(sides) for sides in name_sides(points, reach)] for reach, points in planes]
    assert {side for sides in there for side in map(tuple, sides)} == {
        (a, b) for a in (True, False) for b in (True, False)
    }
