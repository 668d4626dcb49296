"""A slider moved from far away, or while the kernel is busy: ours, an echo and interact, side by side.

python tests/benchmarks/round_trip.py                # 5 rounds: eight minutes
python tests/benchmarks/round_trip.py --rounds 10

A proxy between page and Jupyter server holds back each chunk, each way, so that the round trip takes longer;
it limits no throughput. In the fourth condition nothing is held back, but a cell computes all the while.
Everything happens in one page, in turns, so that a busy machine slows all alike.

In a turn the handle goes a few steps there and back, one press at a time, each when all is at rest: median
and p95 of key press → the frame of that very step painted. Then it goes over 20 steps, 40 ms apart: how many
of them were painted until the last one was, how long after its press that was (both are medians over the
drags), and how often, in all, a frame of an older step was painted after that of a newer one.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from math import inf
from pathlib import Path
from statistics import median
from threading import Thread
from urllib.parse import urlsplit

import slider_latency
from playwright.sync_api import Locator
from slider_latency import COMMON, ECHO, INTERACT, OURS, Bench

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # tests/lab.py
from lab import CHROMIUM, Lab, Notebook, running_chromium, running_lab

# The picture's background is white but for a little blue: by that the page knows which step it is of.
MARK = "    figure.set_facecolor((1, 1, 1 - round(temperature * 20) / 255))\n    plt.show()"
THINGS = {"ours": OURS, "an echo": ECHO, "interact": INTERACT.replace("    plt.show()", MARK)}
CONDITIONS = {  # name → milliseconds that the round trip is longer, whether the kernel is busy
    "round trip + 0 ms": (0, False),
    "round trip + 50 ms": (50, False),
    "round trip + 150 ms": (150, False),
    "kernel busy": (0, True),
}
SMOKE = list(CONDITIONS)[1::2]  # one that is far, and the busy one
ROUNDS = 5
PRESSES = 8  # one at a time, in a turn: half of them there, half of them back
STEPS = 20  # of a drag; the handle goes from 0.50 to 1.50, where each step looks different, or back
START = 10  # steps from 0.50 to 1.00, where the handle is at first
PACE = 40  # milliseconds from press to press
QUIET = 60, 300  # milliseconds without a message, after a single press and after a drag: all is at rest
HEADING = f"{'median':>10}{'p95':>10}{'n':>8}{f'frames of {STEPS}':>15}{'lag':>10}{'went back':>12}"

# In the page. A paint is what it is in slider_latency.py: the output has changed, the next frame begins, it
# has been painted. Here each is kept, with a look at what was on display as the frame began; when all is
# over, that is taken for a step. The echo's number is one, interact's picture has it in its colour, and a map
# is compared with those at rest on each step: the nearest is meant, if nearer than half the way to the next.
RECORD = """
const copy = (drawn, width, height) => {
    const made = new OffscreenCanvas(width, height);
    made.getContext("2d", { willReadFrequently: true }).drawImage(drawn, 0, 0); // to be read later
    return made;
};
const bytes = (copied) => copied.getContext("2d").getImageData(0, 0, copied.width, copied.height).data;
const look = (output) => { // what is on display now, to be looked into when all is over: that takes time
    const map = output.querySelector(".ah-canvas");
    if (map) return createImageBitmap(map);
    return output.querySelector("img")?.src ?? output.querySelector(".ah").textContent;
};
const known = [];
window.learn = async (output) => { known.push(sample(await look(output))); };
const sample = (bitmap) => { // 29 is prime to 4: some of each colour
    const all = bytes(copy(bitmap, bitmap.width, bitmap.height));
    bitmap.close();
    return Uint8Array.from({ length: all.length / 29 }, (_, i) => all[29 * i]);
};
const apart = (one, other) => one.reduce((sum, byte, i) => sum + Math.abs(byte - other[i]), 0);
const nearest = (seen) => { // -1: like none of them
    const distances = known.map((one) => one.length === seen.length ? apart(one, seen) : Infinity);
    const least = Math.min(...distances), step = distances.indexOf(least);
    return known.every((one, i) => i === step || apart(known[step], one) > 2 * least) ? step : -1;
};
const stepOf = async (looked) => {
    const seen = await looked;
    if (seen instanceof ImageBitmap) return nearest(sample(seen));
    if (!seen.startsWith("data:")) return Math.round(20 * Number(seen)) - 10;
    const image = new Image();
    image.src = seen;
    await image.decode();
    return 255 - bytes(copy(image, 1, 1))[2] - 10; // see MARK
};
window.record = (output) => {
    const { port1, port2 } = new MessageChannel();
    const [pressed, painted, coming] = [[], [], []];
    let asked = false; // for the next frame: of several changes before it, the last one is painted
    const begins = () => { asked = false; coming.push(look(output)); port2.postMessage(0); };
    const changed = () => { if (!asked) requestAnimationFrame(begins); asked = true; };
    port1.onmessage = () => { painted.push([performance.now(), coming.shift()]); };
    const press = ({ timeStamp }) => { pressed.push(timeStamp); };
    const observer = new MutationObserver(changed);
    observer.observe(output, { attributes: true, attributeFilter: ["data-frames"], subtree: true });
    output.addEventListener("load", changed, true);
    window.addEventListener("keydown", press, true);
    window.recorded = () => {
        observer.disconnect();
        output.removeEventListener("load", changed, true);
        window.removeEventListener("keydown", press, true);
        port1.close();
        return Promise.all(painted.map(async ([at, seen]) => [at, await stepOf(seen)]))
            .then((painted) => ({ pressed, painted }));
    };
};
window.follow = () => { // at rest is a page whose widgets' messages have all been answered, a while ago
    const open = new Set();
    let last = performance.now();
    kernel().anyMessage.connect((_, { msg, direction }) => {
        if (direction === "send" && msg.header.msg_type === "comm_msg") open.add(msg.header.msg_id);
        if (msg.content.execution_state === "idle") open.delete(msg.parent_header.msg_id);
        last = performance.now();
    });
    window.addEventListener("keydown", () => { last = performance.now(); }, true); // messages follow frames
    window.atRest = async (quiet) => {
        const end = performance.now() + 60_000;
        while (open.size || performance.now() - last < quiet) {
            if (performance.now() > end) return false;
            await new Promise((resolve) => setTimeout(resolve, 10));
        }
        return true;
    };
};
"""
COMPUTE = """() => {
    window.computing = true;
    const code = ["n = 1", "try:", "  while True: n = n * 69069 % 2**32", "except KeyboardInterrupt: pass"];
    kernel().requestExecute({ code: code.join("\\n") }).done.finally(() => { computing = false; });
}"""


class Wire:
    """A proxy on the loopback: what comes, either way, leaves `delay` seconds later, in order."""

    delay = 0.0

    def __init__(self, port: int):
        self._port = port
        self._opened: Future[int] = Future()

    async def serve(self) -> None:
        """Until `close`."""
        self._loop, self._closing = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self._opened.set_result(server.sockets[0].getsockname()[1])
        await self._closing.wait()
        server.close()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._opened.result(20)

    def close(self) -> None:
        """From another thread."""
        self._loop.call_soon_threadsafe(self._closing.set)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        with suppress(asyncio.CancelledError):  # at the end of all: Python 3.11 would print it
            await asyncio.gather(self._carry(reader, back), self._carry(there, writer))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()  # any number: nothing is throttled
        delivering = asyncio.create_task(self._deliver(under_way, writer))
        chunk = b"-"
        while chunk:
            try:
                chunk = await reader.read(1 << 16)
            except ConnectionError:
                chunk = b""
            under_way.put_nowait((time.monotonic() + self.delay, chunk))
        await delivering

    async def _deliver(self, under_way: asyncio.Queue, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while True:
                due, chunk = await under_way.get()
                await asyncio.sleep(max(0, due - time.monotonic()))
                if not chunk:
                    break
                writer.write(chunk)
                await writer.drain()
        writer.close()


@contextmanager
def wire_to(port: int) -> Iterator[Wire]:
    """The proxy before this port, in a thread of its own."""
    wire = Wire(port)
    thread = Thread(target=lambda: asyncio.run(wire.serve()))
    thread.start()
    try:
        assert wire.port
        yield wire
    finally:
        wire.close()
        thread.join()


@dataclass
class Drag:
    """Key presses, and what was painted until all was at rest; when, in milliseconds."""

    steps: Sequence[int]  # where each press led
    pressed: Sequence[float]  # when
    painted: Sequence[tuple[float, int]]  # when, and the step that was on display; -1 is none that is known

    @property
    def _places(self) -> list[tuple[float, int]]:
        """As `painted`, but by the number of the press; -1 is what was there before the first."""
        place = {step: i for i, step in enumerate(self.steps)}
        return [(at, place.get(step, -1)) for at, step in self.painted if step >= 0]

    @property
    def over(self) -> float:
        """When the frame of the last step was painted first; never is infinity."""
        return min((at for at, place in self._places if place == len(self.steps) - 1), default=inf)

    @property
    def lag(self) -> float:
        """From the last press to the frame of the last step."""
        return self.over - self.pressed[-1]

    @property
    def frames(self) -> int:
        """How many of the steps were painted until it was over."""
        return len({place for at, place in self._places if place >= 0 and at <= self.over})

    @property
    def went_back(self) -> int:
        """How many frames were of an older step than one that had been painted, also when it was over."""
        newest, back = -1, 0
        for _, place in self._places:
            back += place < newest
            newest = max(newest, place)
        return back

    @property
    def unknown(self) -> int:
        """How many frames look like no step at rest."""
        return sum(step < 0 for _, step in self.painted)


class Row(slider_latency.Row):
    """One line of a table: `times` of single presses, and the drags."""

    def __init__(self, name: str):
        super().__init__(name)
        self.drags: list[Drag] = []
        self.went_back = 0

    def add(self, drag: Drag) -> None:
        """A single press or a drag."""
        self.went_back += drag.went_back
        if len(drag.steps) == 1:
            self.times.append(drag.lag)
        else:
            self.drags.append(drag)

    @property
    def frames(self) -> float:
        return median(drag.frames for drag in self.drags)

    def __str__(self) -> str:
        lag = median(drag.lag for drag in self.drags)
        return (
            f"{self.name:<22}{self.median:>10.1f}{self.p95:>10.1f}{len(self.times):>8}"
            f"{self.frames:>15.1f}{lag:>10.1f}{self.went_back:>12}"
        )


class Handles(Bench):
    """The open notebook, and the step on which each of its handles is."""

    def __init__(self, notebook: Notebook):
        super().__init__(notebook)
        self.problems: list[str] = []
        self.at: dict[int, int] = {}
        self.page.evaluate("follow()")

    def begin(self, n: int) -> None:
        """To the first step; a map goes on to the last one, at rest on each: what does it look like?"""
        output = self._take(n)
        for _ in range(START):
            self.page.keyboard.press("ArrowLeft")
        self._rest(QUIET[1])
        self.at[n] = 0
        if output.locator(".ah-canvas").count():
            output.evaluate("output => learn(output)")
            for self.at[n] in range(1, STEPS + 1):
                self.page.keyboard.press("ArrowRight")
                self._rest(QUIET[0])
                output.evaluate("output => learn(output)")
        self._check(n)

    def turn(self, row: Row, n: int, presses: int) -> None:
        """Single presses there and back, from the end on which the handle is, and a drag to the other end."""
        self._take(n)
        end = self.at[n]
        away = range(STEPS - 1, -1, -1) if end else range(1, STEPS + 1)
        there = [end, *away[: presses // 2]]
        for step in [*there[1:], *there[-2::-1]]:
            row.add(self._drive(row, n, [step]))
        row.add(self._drive(row, n, away))
        self._check(n)

    def _take(self, n: int) -> Locator:
        output = self.output(n)
        output.locator(".noUi-handle").focus()
        self._rest(QUIET[0])
        return output

    def _rest(self, quiet: float) -> None:
        if not self.page.evaluate("quiet => atRest(quiet)", quiet):
            self.problems.append("a message of a widget was not answered within a minute")

    def _drive(self, row: Row, n: int, steps: Sequence[int]) -> Drag:
        self.output(n).evaluate("output => record(output)")
        due = 0.0
        for step in steps:
            self.page.wait_for_timeout(1000 * max(0, due - time.monotonic()))
            due = time.monotonic() + PACE / 1000
            self.page.keyboard.press("ArrowRight" if step > self.at[n] else "ArrowLeft")
            self.at[n] = step
        self._rest(QUIET[len(steps) > 1])
        drag = Drag(steps, **self.page.evaluate("recorded()"))
        if drag.over == inf:
            self.problems.append(f"{row.name}: the last step of {len(steps)} was never painted")
        if drag.unknown:
            self.problems.append(f"{row.name}: {drag.unknown} frames look like no step at rest")
        if len(drag.pressed) != len(steps):
            self.problems.append(f"{row.name}: {len(drag.pressed)} key presses of {len(steps)} arrived")
        return drag

    def _check(self, n: int) -> None:
        said = float(self.output(n).locator(".widget-readout").inner_text())
        wanted = round(0.5 + self.at[n] / 20, 2)
        if said != wanted:
            self.problems.append(f"the handle of {list(THINGS)[n]} is at {said}, not at {wanted}")


@contextmanager
def computing(notebook: Notebook, problems: list[str]) -> Iterator[None]:
    """Meanwhile a cell computes, in Python, without an end."""
    page = notebook.page
    page.evaluate(COMPUTE)
    page.wait_for_function("() => kernel().status === 'busy'")
    yield
    if not page.evaluate("computing"):
        problems.append("the cell had ended before all was measured")
    page.evaluate("() => kernel().interrupt()")
    page.wait_for_function("() => !computing")


def measure(lab: Lab, conditions: dict, rounds: int, presses: int) -> tuple[dict[str, list[Row]], list[str]]:
    """The rows of each condition, and remarks on what did not go as it should."""
    tables = {name: [Row(thing) for thing in THINGS] for name in conditions}
    with running_chromium() as chromium, wire_to(urlsplit(lab.url).port) as wire:
        context = chromium.new_context(viewport={"width": 1280, "height": 1000})
        context.add_init_script(RECORD)
        path = lab.write("round_trip.ipynb", [COMMON, *THINGS.values()])
        notebook = Notebook(context, Lab(f"http://127.0.0.1:{wire.port}", lab.root), path)
        notebook.run_all()
        handles = Handles(notebook)
        for n in range(len(THINGS)):
            handles.begin(n)
        for name, (longer, busy) in conditions.items():
            wire.delay = longer / 2 / 1000
            with computing(notebook, handles.problems) if busy else nullcontext():
                for _ in range(rounds):
                    for n, row in enumerate(tables[name]):
                        handles.turn(row, n, presses)
        problems = [*handles.problems, *map(str, notebook.cell_errors()), *notebook.errors]
        notebook.close()
    return tables, problems


def targets(tables: dict[str, list[Row]]) -> Iterator[tuple[bool, str]]:
    """Whether each is met, and what it says."""
    (near, echo, _), *others = tables.values()
    share = near.median / echo.median
    yield share <= 0.5, f"ours at most 0.5 × the echo at + 0 ms: {share:.2f} ×"
    for name, (ours, *_) in zip(list(tables)[1:], others, strict=True):
        times = ours.median / near.median
        yield times <= 1.5, f"ours at most 1.5 × ours at + 0 ms, {name}: {times:.2f} ×"
    for name, (ours, *_) in tables.items():
        yield ours.frames >= 18, f"a drag paints at least 18 of {STEPS} frames, {name}: {ours.frames:.1f}"
    back = sum(row.went_back for row, *_ in tables.values())
    yield not back, f"ours never went back to an older step: {back}"


def main() -> int:
    """Measure, print the tables and the targets; 1 only when something did not work."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--smoke", action="store_true", help="one short round: does everything still work?")
    arguments = parser.parse_args()
    if CHROMIUM is None:
        sys.exit("no Chromium on this machine: apt-get install chromium")
    rounds, presses = (1, 2) if arguments.smoke else (arguments.rounds, PRESSES)
    conditions = {name: CONDITIONS[name] for name in SMOKE} if arguments.smoke else CONDITIONS
    with tempfile.TemporaryDirectory() as scratch, running_lab(Path(scratch)) as lab:
        tables, problems = measure(lab, conditions, rounds, presses)
    for name, rows in tables.items():
        print(f"{name:<22}{HEADING}", *rows, "", sep="\n")
    for met, target in targets(tables):
        print(f"{'met   ' if met else 'MISSED'} {target}")
    for problem in problems:
        print(f"! {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
