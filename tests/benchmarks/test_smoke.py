"""The benchmarks still measure everything; how fast it was is read by people, not asserted."""

import asyncio
import re
import runpy
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from math import inf, isfinite
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import behind_hub
import beside
import classroom
import hub
import lab as labs
import model_maps
import pytest
import round_trip
import slider_latency
from lab import need_chromium, running_chromium, running_lab
from traitlets.config import Config

ROWS = [
    "ours, 12 × 12",
    "interact + inline matplotlib",
    "widgets.Image + Agg PNG",
    "an echo",
    "ours, 8 heads × 64 × 64",
    "ours, 8 × 512 × 512",
    "hover → readout",
    "hover → readout, kernel busy",
]


HERE = Path(__file__).parent
SHARING = {  # the modules that open JupyterLab and Chromium, of benchmarks that do not time how these start
    "slider_latency": [slider_latency],
    "typed_letter": [beside],
    "moved_frame": [beside],
    "replaced_word": [beside],
    "model_maps": [model_maps, beside],
    "round_trip": [round_trip],
}


def smoke(script: str) -> str:
    """What a benchmark prints when it does everything, but little of it."""
    command = [sys.executable, str(HERE / script), "--smoke"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """One JupyterLab and one Chromium for the benchmarks that only need to have them."""
    need_chromium()
    with running_lab(tmp_path_factory.mktemp("lab")) as lab, running_chromium() as chromium:
        yield lab, chromium


@pytest.fixture
def shared(opened, monkeypatch, capsys):
    """As `smoke`, in this process and with `opened`; each benchmark has a profile and a kernel of its own."""
    lab, chromium = opened

    def smoke(script: str) -> str:
        monkeypatch.setattr(sys, "argv", [f"{script}.py", "--smoke"])
        for module in (labs, *SHARING[script]):
            monkeypatch.setattr(module, "running_lab", lambda scratch: nullcontext(lab), raising=False)
            monkeypatch.setattr(module, "running_chromium", lambda: nullcontext(chromium), raising=False)
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(HERE / f"{script}.py"), run_name="__main__")
        printed = capsys.readouterr().out
        assert ended.value.code == 0, printed
        return printed

    yield smoke
    for context in chromium.contexts:
        context.close()


def numbers(line: str) -> list[float]:
    """The columns after the name of a row."""
    return [float(column) for column in re.split(r"\s{2,}", line.strip())[1:]]


@pytest.mark.parametrize("script", SHARING)
def test_a_benchmark_that_is_not_started_by_itself_finds_what_it_imports(script, monkeypatch):
    """As its command does: from its own folder, with nothing of ours on the path or imported before."""
    tests = HERE.parent
    there = [entry for entry in sys.path if tests not in (path := Path(entry).resolve(), *path.parents)]
    monkeypatch.setattr(sys, "path", [str(HERE), *there])
    with patch.dict(sys.modules):
        for name, module in list(sys.modules.items()):
            if tests in Path(getattr(module, "__file__", None) or "/").parents:
                del sys.modules[name]
        assert callable(runpy.run_path(str(HERE / f"{script}.py"))["main"])


@pytest.mark.browser
def test_the_latency_benchmark_fills_its_table(shared):
    printed = shared("slider_latency")
    _heading, *table = printed.split("\n\n")[0].splitlines()
    assert len(table) == len(ROWS)
    for line, name in zip(table, ROWS, strict=True):
        assert line.startswith(name)
        median, p95, n = numbers(line)
        assert isfinite(median) and isfinite(p95) and 0 < median <= p95
        assert n == 3
    assert printed.count("× faster than") == 4
    assert len(re.findall(r"^(?:met|MISSED) ", printed, re.MULTILINE)) == 5
    assert re.search(r"^median: [\d.]+ × an echo", printed, re.MULTILINE)


@pytest.mark.browser
@pytest.mark.parametrize(
    ("script", "rows"), [("typed_letter", 3), ("moved_frame", 2), ("replaced_word", 3)], ids=str
)
def test_the_benchmarks_beside_an_echo_fill_their_tables(script, rows, shared):
    printed = shared(script)
    _heading, *table = printed.split("\n\n")[0].splitlines()
    assert [re.split(r"[:,]", line)[0] for line in table] == ["ours", "an echo", "of it"][:rows]
    for line in table:
        median, p95, n = numbers(line)
        assert isfinite(p95) and 0 < median <= p95 and n == 4
    assert re.search(r"^median: [\d.]+ × an echo", printed, re.MULTILINE)
    assert len(re.findall(r"^(?:met   |MISSED) ", printed, re.MULTILINE)) == rows - 1


@pytest.mark.browser
def test_the_benchmark_of_a_whole_models_maps_fills_its_tables(shared):
    sizes, heads, verdicts = re.split(r"\n{2,}", shared("model_maps"))
    tokens, sent, took = map(float, sizes.splitlines()[1].split())
    assert tokens == 64 and 0.1 < sent < 10 and took > 0
    for line in heads.splitlines()[1:]:
        median, p95, n = numbers(line)
        assert isfinite(p95) and 0 < median <= p95 and n == 4
    assert len(re.findall(r"^(?:met   |MISSED) .*× the echo", verdicts, re.MULTILINE)) == 1


def test_the_memory_of_a_lesson_is_measured_with_the_servers():
    table, verdict = smoke("lesson_memory.py").split("\n\n")
    _heading, line = table.splitlines()
    name, kernel, both, seconds = line.split()
    assert name == "00_start_here" and 100 < float(kernel) < float(both) - 20 and float(seconds) > 0
    assert verdict.startswith("met   ")


def test_what_a_learner_waits_for_is_named():
    name, whole, cells = smoke("waits.py").strip().split(maxsplit=2)
    assert name == "00_start_here" and 0 < float(whole) < 60
    assert re.fullmatch(r"`first-heatmap` \d+(, `[a-z-]+` \d+)+", cells)


def test_the_benchmark_of_a_collected_class_fills_its_table():
    figures, verdicts = smoke("collected_class.py").split("\n\n")
    handed_in, wrong, *seconds = (numbers(line)[0] for line in figures.splitlines())
    assert (handed_in, wrong) == (3, 0) and len(seconds) == 2 and min(seconds) > 0
    assert len(re.findall(r"^(?:met   |MISSED) ", verdicts, re.MULTILINE)) == 2


# ---------------------------------------------------------------- from far away


@pytest.mark.browser
def test_each_condition_has_its_table(shared):
    *tables, verdicts = shared("round_trip").split("\n\n")
    for table, condition in zip(tables, round_trip.SMOKE, strict=True):
        heading, *rows = table.splitlines()
        assert heading.startswith(condition)
        assert [re.split(r"\s{2,}", row)[0] for row in rows] == list(round_trip.THINGS)
        for median, p95, n, frames, lag, went_back in map(numbers, rows):
            assert isfinite(p95) and isfinite(lag) and 0 < median <= p95 and lag > 0
            assert n == 2 and 1 <= frames <= round_trip.STEPS and went_back >= 0
    assert len(verdicts.splitlines()) == 5
    assert all(re.match(r"(?:met   |MISSED) .*\d", verdict) for verdict in verdicts.splitlines())


@pytest.mark.parametrize(
    ("painted", "lag", "frames", "went_back"),
    [
        pytest.param([(1, 5), (41, 6), (81, 7)], 1, 3, 0, id="at once"),
        pytest.param([(30, 4), (90, 5), (150, 7)], 70, 2, 0, id="what was there before comes once more"),
        pytest.param([(1, 5), (41, 6), (81, 7), (130, 7)], 1, 3, 0, id="the kernel's own answer"),
        pytest.param([(1, 5), (41, 6), (50, 5), (81, 7)], 1, 3, 1, id="back in between"),
        pytest.param([(1, 5), (81, 7), (120, 5), (140, 6), (160, 7)], 1, 2, 2, id="back when it was over"),
        pytest.param([(1, 5), (41, 6), (60, 4)], inf, 2, 1, id="the last one never"),
        pytest.param([(1, 5), (41, -1), (81, 7)], 1, 2, 0, id="one like no other"),
        pytest.param([], inf, 0, 0, id="nothing"),
    ],
)
def test_a_drag_is_read_off_what_was_painted(painted, lag, frames, went_back):
    drag = round_trip.Drag([5, 6, 7], [0, 40, 80], painted)
    assert (drag.lag, drag.frames, drag.went_back) == (lag, frames, went_back)


def test_a_drag_may_lead_down():
    drag = round_trip.Drag([7, 6, 5], [0, 40, 80], [(1, 7), (41, 6), (50, 7), (81, 5)])
    assert (drag.lag, drag.frames, drag.went_back) == (1, 3, 1)


PAINTED_MAP = """
<div id="output"><div class="ah"><canvas class="ah-canvas" width="60" height="60"></canvas></div></div>
<script>
const [map, canvas] = [".ah", "canvas"].map((at) => document.querySelector(at));
const context = canvas.getContext("2d");
const paint = (grey, noise = 0) => {
    context.fillStyle = `rgb(${grey}, ${grey}, ${grey})`;
    context.fillRect(0, 0, 60, 60);
    context.fillStyle = "red";
    context.fillRect(0, 0, noise, noise);
    map.dataset.frames = String(Number(map.dataset.frames ?? 0) + 1);
};
const painted = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 50)));
</script>"""


@pytest.mark.browser
def test_a_map_is_known_by_what_it_looks_like():
    need_chromium()
    with running_chromium() as chromium:
        page = chromium.new_page()
        page.set_content(PAINTED_MAP)
        page.add_script_tag(content=round_trip.RECORD)
        seen = page.evaluate(
            """async () => {
                for (const grey of [0, 20, 40]) { paint(grey); learn(output); }
                record(output);
                paint(20); // before the next frame comes another: it is not painted
                for (const [grey, noise] of [[0], [20], [20, 5], [40], [20], [90], [30]]) {
                    paint(grey, noise);
                    await painted();
                }
                return recorded();
            }"""
        )
    times, steps = zip(*seen["painted"], strict=True)
    assert steps == (0, 1, 1, 2, 1, -1, -1)
    assert sorted(times) == list(times) and seen["pressed"] == []


@pytest.mark.parametrize("delay", [0, 0.05])
def test_the_wire_takes_its_time_each_way_and_keeps_the_order(delay):
    sent = bytes(range(256)) * 4096  # a megabyte: many chunks

    async def echo(reader, writer):
        writer.write(await reader.readexactly(len(sent)))
        writer.close()

    async def there_and_back():
        async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
            with round_trip.wire_to(server.sockets[0].getsockname()[1]) as wire:
                wire.delay = delay
                reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
                begun = time.monotonic()
                writer.write(sent)
                came = await reader.read(-1)  # to the end: that is passed on, too
                writer.close()
                return came, time.monotonic() - begun

    # in a thread of its own: Playwright's loop may run in this one
    with ThreadPoolExecutor(1) as thread:
        came, took = thread.submit(asyncio.run, there_and_back()).result()
    assert came == sent
    assert 2 * delay <= took < 2 * delay + 5  # not for each chunk


# ---------------------------------------------------------------- first minutes


@pytest.mark.browser
def test_the_first_minutes_say_where_they_go():
    need_chromium()
    stages, parts, verdict = smoke("first_minutes.py").split("\n\n")
    for table, n_rows, n_runs in ((stages, 6, 1), (parts, 6, 2)):
        rows = [numbers(line) for line in table.splitlines()[1:]]
        assert len(rows) == n_rows
        for median, slowest, n in rows:
            assert isfinite(slowest) and 0 <= median <= slowest
            assert n == n_runs
        assert all(numbers(line)[0] > 0 for line in table.splitlines()[1:] if "first paint" not in line)
    (*single, in_all) = [numbers(line)[0] for line in stages.splitlines()[1:]]
    assert sum(single) == pytest.approx(in_all, abs=0.05)  # one run: no second is left out or counted twice
    # of two runs the other one is known, too; the share lies between what any two of them would give
    torch, core, live, *_ = [
        (2 * middle - most, most) for middle, most, _ in map(numbers, parts.splitlines()[1:])
    ]
    share = float(re.fullmatch(r"(?:met   |MISSED) importing .* ([\d.]+)%\n", verdict)[1]) / 100
    least, most = (core[0] + live[0]) / torch[1], (core[1] + live[1]) / torch[0]
    assert least - 0.001 <= share <= most + 0.001


# ---------------------------------------------------------------- a class at once


@pytest.mark.browser
def test_a_small_class_loses_nothing():
    printed = smoke("classroom.py").splitlines()
    assert printed[1] == classroom.HEADING
    (row,) = printed[2 : printed.index("")]
    learners, ready, median, p95, each, server, per_core, steps, overtaken, lost, errors = map(
        float, row.split()
    )
    assert all(map(isfinite, (ready, p95, each, per_core))) and 0 < median <= p95 and ready > 0
    assert 0 < server < 2 * each and per_core > 0
    assert (learners, steps, lost, errors) == (2, 2 * 2 * classroom.RATE, 0, 0)
    assert 0 <= overtaken < steps
    assert printed[-1].startswith("met ")


def at(index: int) -> bytes:
    """Weights that belong to a place of the handle."""
    return bytes([index])


@pytest.fixture
def moves():
    """Three steps, 0.2 seconds apart."""
    made = classroom.Moves()
    for n in range(3):
        assert made.step(10 + n, due=n / classroom.RATE) == n
    return made


def test_latency_runs_from_when_a_step_was_due(moves):
    for n, now in enumerate((0.1, 0.7, 0.75)):
        moves.arrived(n, at(10 + n), now)
    assert moves.latencies == pytest.approx([0.1, 0.5, 0.35])
    assert (moves.waiting, moves.overtaken, moves.lost(at)) == (0, 0, 0)


def test_an_overtaken_step_waited_until_the_newer_weights_came(moves):
    moves.arrived(0, at(10), 0.1)
    moves.arrived(2, at(12), 1.0)
    assert moves.latencies == pytest.approx([0.1, 0.8, 0.6])  # a stall is felt by every step within it
    assert (moves.waiting, moves.overtaken, moves.lost(at)) == (0, 1, 0)


@pytest.mark.parametrize(
    ("answers", "lost"),
    [
        pytest.param([], 3, id="none"),
        pytest.param([(0, at(10)), (1, at(11))], 1, id="the last is missing"),
        pytest.param([(0, at(10)), (2, at(11))], 1, id="the last shows the one before"),
        pytest.param([(0, at(99)), (2, at(12))], 1, id="another learner's"),
        pytest.param([(2, at(12)), (0, at(10))], 1, id="an older one came last"),
    ],
)
def test_what_was_lost_is_counted(moves, answers, lost):
    for n, weights in answers:
        moves.arrived(n, weights, now=1.0)
    assert moves.lost(at) == lost


class Socket:
    """Keeps what is sent."""

    def __init__(self):
        self.sent = []

    def write_message(self, frame: bytes, binary: bool) -> None:
        channel, (header, _parent, _metadata, content) = classroom.deserialize_msg_from_ws_v1(frame)
        self.sent.append((channel, classroom.json.loads(header), classroom.json.loads(content)))


@pytest.fixture
def learner():
    """One with a slider of 60 steps at 19, a subshell, and a socket that goes nowhere."""
    made = classroom.Learner(lab=None, number=0)
    made.socket, made.subshell = Socket(), "a subshell"
    made.slider, made.heatmap, made.start = "slider", "heatmap", 19
    made.temperatures = [step / 20 for step in range(1, 61)]
    return made


def test_a_step_is_the_message_that_the_page_sends(learner):
    learner.move(0, due=0)
    ((channel, header, content),) = learner.socket.sent
    assert (channel, header["msg_type"], header["subshell_id"]) == ("shell", "comm_msg", "a subshell")
    data = {"method": "update", "state": {"index": 20}, "buffer_paths": []}
    assert content == {"comm_id": "slider", "data": data}


def test_while_one_step_is_answered_only_the_newest_waits(learner):
    def idle():
        parent = learner.socket.sent[-1][1]["msg_id"]
        learner.receive("status", parent, {"execution_state": "idle"}, [], now=1)

    for n in range(4):
        learner.move(n, due=n / classroom.RATE)
    assert len(learner.socket.sent) == 1
    learner.receive("status", "another's", {"execution_state": "idle"}, [], now=1)
    assert len(learner.socket.sent) == 1
    idle()
    assert [content["data"]["state"]["index"] for *_, content in learner.socket.sent] == [20, 23]
    idle()
    assert len(learner.socket.sent) == 2


def test_weights_are_taken_from_the_heatmap_s_answer_to_a_step(learner):
    learner.models["heatmap"] = {}
    learner.move(0, due=0)
    parent = learner.socket.sent[-1][1]["msg_id"]
    paths = [["_frame", "scores"], ["_frame", "weights"]]
    data = {"method": "update", "state": {"_frame": {}}, "buffer_paths": paths}
    content = {"comm_id": "heatmap", "data": data}
    learner.receive("comm_msg", parent, content, [b"scores", b"weights"], now=0.5)
    assert (learner.moves.shown, learner.moves.latencies) == ([(0, b"weights")], [0.5])
    learner.receive("comm_msg", "nobody's", content, [b"scores", b"weights"], now=0.6)
    data["buffer_paths"] = []
    learner.receive("comm_msg", parent, content, [], now=0.7)
    learner.receive("error", parent, {"ename": "ValueError", "evalue": "no"}, [], now=0.8)
    assert learner.errors == ["a map that no step asked for", "a map without weights", "ValueError: no"]
    assert len(learner.moves.shown) == 1


# ---------------------------------------------------------------- behind a hub: what needs no hub


GUIDE = hub.GUIDE.read_text("utf-8")


def test_the_guide_pins_hub_and_proxy_and_has_one_configuration():
    how = hub.recipe(GUIDE)
    assert re.fullmatch(r"jupyterhub==6\.\d+\.\d+", how.hub)
    assert re.fullmatch(r"configurable-http-proxy@\d+\.\d+\.\d+", how.proxy)
    assert len(how.password) >= 8  # or the hub would not start
    subprocess.run(["bash", "-nc", how.collect], check=True)


@pytest.mark.parametrize(
    ("part", "instead"),
    [
        pytest.param(f"### {hub.CHAPTER}\n", "", id="no chapter"),
        pytest.param("jupyterhub==", "jupyterhub ", id="no pin"),
        pytest.param("c.SharedPasswordAuthenticator.user_password", "c.Password", id="no password"),
        pytest.param("mkdir collected\n", "", id="nothing to collect with"),
        pytest.param(
            "```python\nfrom pathlib", "```python\n```\n\n```python\nfrom pathlib", id="two of them"
        ),
    ],
)
def test_a_recipe_that_is_not_whole_is_refused(part, instead):
    assert part in GUIDE
    with pytest.raises(ValueError, match=r"should have .* once in “One machine, without Docker”, not [02] "):
        hub.recipe(GUIDE.replace(part, instead))


@pytest.fixture
def configured(tmp_path):
    """The guide's configuration as the hub reads it, in a folder with one lesson to hand out."""
    config = Config()
    (tmp_path / "lessons").mkdir()
    (tmp_path / "lessons/01_self_attention.ipynb").write_text("ours", "utf-8")
    exec(hub.recipe(GUIDE).config, {"c": config, "__file__": str(tmp_path / "jupyterhub_config.py")})
    return config


def home(configured: Config, name: str) -> Path:
    """Where the hub lets the server of this learner run, with the lessons handed out."""
    configured.Spawner.pre_spawn_hook(SimpleNamespace(user=SimpleNamespace(name=name)))
    return Path(configured.SimpleLocalProcessSpawner.home_dir_template.format(username=name))


def test_a_home_gets_the_lessons_once(configured):
    lesson = home(configured, "ana") / "lessons/01_self_attention.ipynb"
    assert lesson.read_text("utf-8") == "ours"
    lesson.write_text("ana's", "utf-8")
    assert home(configured, "ben") != home(configured, "ana")
    assert lesson.read_text("utf-8") == "ana's"


@pytest.mark.parametrize("name", ["ana", "learner-01", "..", "a/b", ".", "", "a b", "jörg"])
def test_only_a_name_that_can_be_a_folder_s_may_log_in(configured, name):
    may = re.match(configured.Authenticator.username_pattern, name)
    assert bool(may) == (name in ("ana", "learner-01"))


def test_the_guide_s_commands_collect_each_home_by_its_name(configured, tmp_path):
    for name in ("ana", "ben"):
        (home(configured, name) / "lessons/01_self_attention.ipynb").write_text(name, "utf-8")
    said = 'python() { echo "$@"; }\n'  # what it does with the copies is test_collect.py's
    commands = ["bash", "-euc", said + hub.recipe(GUIDE).collect]
    done = subprocess.run(commands, cwd=tmp_path, capture_output=True, check=True, encoding="utf-8")
    assert done.stdout == "-m attention_core.practice.collect collected --predictions\n"
    copies = {path.name: path.read_text("utf-8") for path in (tmp_path / "collected").iterdir()}
    assert copies == {"ana.ipynb": "ana", "ben.ipynb": "ben"}


def test_every_row_that_is_not_as_it_should_be_is_told():
    rows = {"ana": {"problem": "", "01 softmax": "passed"}, "ben": {"problem": "empty", "01 softmax": ""}}
    wanted = {"ana": {"01 softmax": "passed"}, "ben": {"problem": "empty"}}
    assert behind_hub.unlike(wanted, rows) == []
    (wrong,) = behind_hub.unlike(wanted | {"ben": {"problem": ""}}, rows)
    assert wrong == "of ben the table says {'problem': 'empty'}, not {'problem': ''}"
    (absent,) = behind_hub.unlike(wanted | {"cy": {"problem": ""}}, rows)
    assert absent == "of cy the table says None, not {'problem': ''}"
    (stranger,) = behind_hub.unlike({"ana": wanted["ana"]}, rows)
    assert stranger.startswith("of ben the table says {}")


def test_what_is_missing_is_said(tmp_path, monkeypatch):
    command = [sys.executable, "-c", "import sys; sys.exit('no such one')"]
    with pytest.raises(SystemExit, match=r"^a hub could not be installed, as python.* says:\nno such one$"):
        hub.run("a hub", command)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match=r"^npm is missing, .*: apt-get install npm$"):
        hub.install(hub.recipe(GUIDE), tmp_path)


def test_a_hub_that_does_not_start_says_why_and_was_given_the_guide_s_files(tmp_path):
    installed, folder = tmp_path / "installed", tmp_path / "class"
    (installed / "python").mkdir(parents=True)
    (installed / "python/jupyterhub.py").write_text("raise SystemExit('a port is taken')", "utf-8")
    how = hub.recipe(GUIDE)
    with (
        pytest.raises(RuntimeError, match=r"^the hub did not start\n.* said last:\na port is taken"),
        hub.running_hub(how, installed, folder),
    ):
        pass
    assert (folder / "jupyterhub_config.py").read_text("utf-8") == how.config
    lessons = {path.name for path in (folder / "lessons").iterdir()}
    assert "01_self_attention.ipynb" in lessons and hub.GUIDE.name not in lessons


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param(["--hub", "--learners", "8", "1"], "2 or more learners", id="one account only"),
        pytest.param(["--learners", "0"], "1 or more learners", id="nobody"),
        pytest.param(["--hub", "--seconds", "0.2"], "2 or more steps", id="no time"),
        pytest.param(["--hub", "--smoke"], "not allowed with", id="no small hub"),
    ],
)
def test_a_class_that_cannot_be_is_refused(options, said, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["classroom.py", *options])
    monkeypatch.setattr(classroom, "running_lab", None)  # nothing is started, whatever is not refused
    monkeypatch.setattr(behind_hub, "beside_a_hub", None)
    with pytest.raises(SystemExit, match="2"):
        classroom.main()
    assert said in capsys.readouterr().err


def row(latencies: list[float], kernels: float, server: float, processor: float) -> classroom.Row:
    """A round of a class of two."""
    return classroom.Row(2, 1.0, latencies, kernels, server, processor, 4, 0, 0, 1.0, 0.1)


def test_a_hub_s_rounds_stand_beside_the_plain_server_s_with_how_many_times_as_much():
    plain = [row([4, 4, 4], 400, 80, 0.1), row([8, 8, 8, 8], 400, 80, 0.1)]
    behind = [row([12, 12], 400, 200, 0.2), row([12, 12], 400, 240, 0.2)]
    heading, *lines = behind_hub.compared(plain, behind)
    assert heading.split() == ["2", "learners", "plain", "hub", "ratio"]
    assert [numbers(line) for line in lines] == [
        [8.0, 12.0, 1.5],  # of all latencies, not of the rounds' medians
        [8.0, 12.0, 1.5],
        [240.0, 310.0, 1.29],
        [40.0, 110.0, 2.75],
        [20.0, 10.0, 0.5],
    ]
