"""A class at once: one Jupyter server, a kernel a learner, and all of them moving a slider.

python tests/benchmarks/classroom.py                             # 1, 5, 10 and 20 learners: some minutes
python tests/benchmarks/classroom.py --learners 30 --seconds 60
python tests/benchmarks/classroom.py --hub                       # beside a real JupyterHub: behind_hub.py

Each learner has the first cell of lesson 01 run, and then moves its temperature 5 times a second: over a
websocket of the server's own, with the messages that the page sends. As in the page, a step that comes while
the one before is still being answered waits, and only the newest of those waiting is sent. Steps come when
they are due, whether or not the last one has been answered, and the latency of a step runs from when it was
due to when weights that are at least as new have arrived; so a slow server cannot make itself look fast.
"""

import argparse
import asyncio
import json
import signal
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import nan
from pathlib import Path
from statistics import median, quantiles

import nbformat
import psutil
import torch
from jupyter_client.session import Session, json_packer
from jupyter_server.services.kernels.connection.base import (
    deserialize_msg_from_ws_v1,
    serialize_msg_to_ws_v1,
)
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import websocket_connect

from attention_core import scaled_dot_product_attention, words

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # tests/lab.py
from lab import NOTEBOOKS, Lab, running_lab

LEARNERS = (1, 5, 10, 20)
HUB_LEARNERS = (8, 30)
RATE = 5  # steps a second
SECONDS = 30
AT_ONCE = 4  # kernels that start: of thirty at once, on a busy machine, some take longer than Jupyter waits
PATIENCE = 300  # seconds in which a cell has to run, and a first step to be answered
KERNEL = "ipykernel_launcher"  # in the command of each
SUBPROTOCOL = "v1.kernel.websocket.jupyter.org"  # what JupyterLab asks for: messages in binary frames
TOO_FEW = (
    "the class is too small, or too short: {least} or more learners, and 2 or more steps, at {rate} a second"
)
HEADING = (
    "learners  ready (s)  median (ms)  p95 (ms)  MB/learner  server (MB)  learners/core"
    "  steps  overtaken  lost  errors"
)


class Moves:
    """A learner's steps on one slider: when each was due, and what came back for it.

    Of the steps not yet answered the newest is the one to send; those before it are overtaken.
    """

    def __init__(self) -> None:
        self.indices: list[int] = []  # where step n put the handle
        self.due: list[float] = []
        self.latencies: list[float] = []  # of the steps from the first on, in order
        self.shown: list[tuple[int, bytes]] = []  # the step that was answered, the weights that came

    def step(self, index: int, due: float) -> int:
        """The handle has moved; returns the number of this step."""
        self.indices.append(index)
        self.due.append(due)
        return len(self.indices) - 1

    def arrived(self, step: int, weights: bytes, now: float) -> None:
        """The weights that answer a step; every older step that waited is past now, too."""
        self.shown.append((step, weights))
        for n in range(len(self.latencies), step + 1):
            self.latencies.append(now - self.due[n])

    @property
    def waiting(self) -> int:
        """Steps after which nothing has come yet."""
        return len(self.indices) - len(self.latencies)

    @property
    def overtaken(self) -> int:
        """Steps that were never answered themselves, because a newer one was."""
        return len(self.latencies) - len({step for step, _ in self.shown})

    def lost(self, weights_at: Callable[[int], bytes]) -> int:
        """Steps without an answer or with another's; at least 1 unless the last one is shown last."""
        wrong = sum(weights != weights_at(self.indices[step]) for step, weights in self.shown)
        stale = not self.shown or self.shown[-1][0] != len(self.indices) - 1
        return max(self.waiting + wrong, int(stale))


class Learner:
    """One kernel, and the one websocket through which a page would talk to it."""

    def __init__(self, lab: Lab, number: int):
        self.lab = lab
        self.number = number
        self.moves = Moves()
        self.errors: list[str] = []
        self.session = Session(username="")
        self.models: dict[str, dict] = {}  # comm_id → state, of each widget
        self.slider = self.heatmap = ""  # the comm_id of each
        self.start = 0  # where the handle stands at first
        self.temperatures: list[float] = []
        self.sentence = ""
        self.subshell: str | None = None
        self.pending: str | None = None  # the update that the kernel is working on
        self.waiting: int | None = None  # the newest step behind it
        self.sent: dict[str, int] = {}  # message id → step
        self.done: dict[str, asyncio.Future] = {}  # message id → the reply, or idle

    async def connect(self, path: str = "") -> None:
        """A kernel, in the folder of the notebook at `path`, and a socket to it."""
        asked = await fetch(self.lab, "/api/kernels", method="POST", body=json.dumps({"path": path}))
        kernel = json.loads(asked.body)["id"]
        address = self.lab.url.replace("http", "ws", 1)
        channels = f"{address}/api/kernels/{kernel}/channels?session_id={uuid.uuid4()}"
        patient = {"connect_timeout": PATIENCE, "request_timeout": PATIENCE}  # until it has shaken hands
        self.socket = await websocket_connect(  # it and the page send small messages at once: TCP_NODELAY
            HTTPRequest(channels, headers=self.lab.headers, **patient), subprotocols=[SUBPROTOCOL]
        )
        if self.socket.selected_subprotocol != SUBPROTOCOL:
            raise RuntimeError(f"the server does not speak {SUBPROTOCOL}")
        self.reader = asyncio.create_task(self._read())

    async def run(self, code: str) -> None:
        """Run a cell, as Shift+Enter does; what went wrong in it is in `errors`."""
        options = {"silent": False, "store_history": True, "user_expressions": {}, "stop_on_error": True}
        await self._ask("shell", "execute_request", {"code": code, "allow_stdin": False, **options})

    async def take_the_slider(self) -> None:
        """Find the widgets of the cell, and open the subshell over which the page sends their messages."""
        self._find_widgets()
        self.subshell = (await self._ask("control", "create_subshell_request", {}))["subshell_id"]

    async def _ask(self, channel: str, kind: str, content: dict) -> dict:
        message = self._send(channel, kind, content)
        self.done[message] = asyncio.get_running_loop().create_future()
        return await asyncio.wait_for(self.done[message], PATIENCE)

    def _send(self, channel: str, kind: str, content: dict) -> str:
        message = self.session.msg(kind, content)
        message["header"]["subshell_id"] = self.subshell if kind == "comm_msg" else None
        self.socket.write_message(serialize_msg_to_ws_v1(message, channel, json_packer), binary=True)
        return message["header"]["msg_id"]

    def move(self, n: int, due: float) -> None:
        """The n-th step of the handle: sent at once, or when the kernel is done with the one before."""
        # each learner is elsewhere: one's map on another's page would be seen
        index = (self.start + 1 + 3 * self.number + n) % len(self.temperatures)
        step = self.moves.step(index, due)
        if self.pending is None:
            self._send_step(step)
        else:
            self.waiting = step

    def _send_step(self, step: int) -> None:
        state = {"index": self.moves.indices[step]}
        data = {"method": "update", "state": state, "buffer_paths": []}
        self.pending = self._send("shell", "comm_msg", {"comm_id": self.slider, "data": data})
        self.sent[self.pending] = step

    async def _read(self) -> None:
        while (frame := await self.socket.read_message()) is not None:
            now = time.perf_counter()
            _channel, (header, parent, _, content, *buffers) = deserialize_msg_from_ws_v1(frame)
            kind, parent, content = json.loads(header)["msg_type"], json.loads(parent), json.loads(content)
            self.receive(kind, parent.get("msg_id", ""), content, buffers, now)
        self._give_up("the socket was closed")

    def receive(self, kind: str, parent: str, content: dict, buffers: list[bytes], now: float) -> None:
        """One message from the kernel, as it reaches the page."""
        if kind == "error" or content.get("status") == "error":
            self.errors.append(f"{content.get('ename')}: {content.get('evalue')}")
        if kind == "stream" and content["name"] == "stderr":
            self.errors.append(content["text"])
        if kind.endswith("_reply") and parent in self.done and not self.done[parent].done():
            self.done[parent].set_result(content)
        if kind == "status" and content["execution_state"] in ("restarting", "dead"):
            self._give_up("the kernel died")
        if kind == "comm_open":
            self.models[content["comm_id"]] = content["data"]["state"]
        if kind == "comm_msg" and content["data"].get("method") == "update":
            self.models[content["comm_id"]].update(content["data"]["state"])
            if content["comm_id"] == self.heatmap and "_frame" in content["data"]["state"]:
                self._repaint(content["data"]["buffer_paths"], buffers, parent, now)
        if kind == "status" and content["execution_state"] == "idle" and parent == self.pending:
            self.pending = None
            if self.waiting is not None:
                step, self.waiting = self.waiting, None
                self._send_step(step)

    def _give_up(self, why: str) -> None:
        self.errors.append(why)
        for future in self.done.values():
            if not future.done():
                future.set_exception(RuntimeError(why))

    def _find_widgets(self) -> None:
        for comm, state in self.models.items():
            if state.get("description") == "Temperature":
                self.slider, self.start = comm, state["index"]
                self.temperatures = [float(label) for label in state["_options_labels"]]
            if state.get("description") == "Sentence":
                self.sentence = state["value"]
            if state.get("_anywidget_id", "").endswith(".AttentionHeatmap"):
                self.heatmap = comm
        if not (self.slider and self.heatmap and self.sentence):
            raise RuntimeError(f"the first cell made no slider, sentence and heatmap: {self.errors}")

    def _repaint(self, paths: list[list], buffers: list[bytes], parent: str, now: float) -> None:
        if parent not in self.sent:
            self.errors.append("a map that no step asked for")
        elif ["_frame", "weights"] not in paths:
            self.errors.append("a map without weights")
        else:
            weights = buffers[paths.index(["_frame", "weights"])]
            self.moves.arrived(self.sent[parent], bytes(weights), now)

    def weights_at(self, index: int) -> bytes:
        """What the mathematics says should be shown with the handle there."""
        query, key, value = words.query_key_value(words.split(self.sentence))  # (n, 5), (n, 5), (n, 8)
        sharper = query * (1 / self.temperatures[index])
        return scaled_dot_product_attention(sharper, key, value)[1].numpy().tobytes()

    def close(self) -> None:
        """Leave the kernel, which goes on."""
        if (reader := getattr(self, "reader", None)) is None:
            return
        if reader.done() and reader.exception():
            self.errors.append(f"a message could not be read: {reader.exception()}")
        reader.cancel()
        self.socket.close()


@dataclass
class Row:
    """One line of the table; `remarks` says what went wrong, in words."""

    learners: int
    ready: float  # seconds until all could begin
    latencies: list[float]  # milliseconds
    kernels: float  # MB, of all of them
    server: float  # MB
    processor: float  # seconds of kernels and server, of a second of the class
    steps: int
    overtaken: int
    lost: int
    late: float  # milliseconds that our own steps were late, at worst
    ours: float  # processor seconds of this program, of a second
    remarks: list[str] = field(default_factory=list)

    @property
    def each(self) -> float:
        """MB a learner."""
        return (self.kernels + self.server) / self.learners

    @property
    def per_core(self) -> float:
        """Learners that one core carries."""
        return self.learners / self.processor

    def __str__(self) -> str:
        middle, most = typical(self.latencies)
        return (
            f"{self.learners:8}  {self.ready:9.1f}  {middle:11.1f}  {most:8.1f}  {self.each:10.0f}"
            f"  {self.server:11.0f}  {self.per_core:13.1f}  {self.steps:5}  {self.overtaken:9}"
            f"  {self.lost:4}  {len(self.remarks):6}"
        )


def typical(times: list[float]) -> tuple[float, float]:
    """Median and 95th percentile; of no times, no number."""
    times = times or [nan]
    return median(times), quantiles(times, n=20, method="inclusive")[-1]


async def measure(labs: Sequence[Lab], server: psutil.Process, seconds: float) -> Row:
    """A class, from its first kernel to its last: each learner's lab, and the process that all began with."""
    code = first_cell()
    learners = len(labs)
    class_ = [Learner(lab, i) for i, lab in enumerate(labs)]
    began = time.perf_counter()
    try:
        turns = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(*(_begin(learner, code, turns) for learner in class_))
        ready = time.perf_counter() - began
        before = _processor(server), time.process_time(), time.perf_counter()
        late = await asyncio.gather(
            *(_drive(learner, i / learners / RATE, seconds) for i, learner in enumerate(class_))
        )
        after = _processor(server), time.process_time(), time.perf_counter()
        kernels, servers = [], []
        for process in (server, *server.children(recursive=True)):
            (kernels if KERNEL in process.cmdline() else servers).append(memory(process))
        used, ours, passed = (b - a for a, b in zip(before, after, strict=True))
    finally:
        for learner in class_:
            learner.close()
        await asyncio.gather(*map(shut_down, set(labs)))
    remarks = [f"learner {i}: {error}" for i, learner in enumerate(class_) for error in learner.errors]
    return Row(
        learners,
        ready,
        [1e3 * s for learner in class_ for s in learner.moves.latencies],
        sum(kernels),
        sum(servers),
        used / passed,
        sum(len(learner.moves.indices) for learner in class_),
        sum(learner.moves.overtaken for learner in class_),
        sum(learner.moves.lost(learner.weights_at) for learner in class_),
        1e3 * max(late),
        ours / passed,
        remarks,
    )


async def _begin(learner: Learner, code: str, turns: asyncio.Semaphore) -> None:
    async with turns:
        await learner.connect()
        await learner.run(code)
        await learner.take_the_slider()


async def _drive(learner: Learner, offset: float, seconds: float) -> float:
    """Step at a steady rate, then wait for what is still to come; returns how late a step was, at worst."""
    start, late = time.perf_counter() + 0.1 + offset, 0.0
    for n in range(round(seconds * RATE)):
        due = start + n / RATE
        await asyncio.sleep(max(0, due - time.perf_counter()))
        learner.move(n, due)
        late = max(late, time.perf_counter() - due)
    last = time.perf_counter() + max(10, seconds)
    while learner.moves.waiting and time.perf_counter() < last:
        await asyncio.sleep(0.02)
    return late


def first_cell() -> str:
    """Lesson 01's first code cell."""
    book = nbformat.read(NOTEBOOKS / "01_self_attention.ipynb", as_version=4)
    return next(cell.source for cell in book.cells if cell.cell_type == "code")


async def shut_down(lab: Lab) -> None:
    """Every kernel of this server, also one that was asked for and never heard of again."""
    running = json.loads((await fetch(lab, "/api/kernels")).body)
    gone = (fetch(lab, f"/api/kernels/{kernel['id']}", method="DELETE") for kernel in running)
    await asyncio.gather(*gone, return_exceptions=True)
    if left := json.loads((await fetch(lab, "/api/kernels")).body):
        raise RuntimeError(f"{len(left)} kernels would not stop")


async def fetch(lab: Lab, path: str, **request):
    return await AsyncHTTPClient(max_clients=100).fetch(
        HTTPRequest(
            lab.url + path, headers=lab.headers, connect_timeout=PATIENCE, request_timeout=PATIENCE, **request
        )
    )


def _processor(server: psutil.Process) -> float:
    """Processor seconds so far, of the server and of each kernel."""
    return sum(sum(p.cpu_times()[:2]) for p in (server, *server.children(recursive=True)))


def memory(process: psutil.Process) -> float:
    """MB: where Linux says so, with each shared page shared out among those who have it (PSS)."""
    full = process.memory_full_info()
    return getattr(full, "pss", full.rss) / 1e6


def server_process(scratch: Path) -> psutil.Process:
    """The lab's own process, from the note that it leaves while it runs."""
    note = next((scratch / "runtime").glob("jpserver-*.json"))
    return psutil.Process(json.loads(note.read_text())["pid"])


def main() -> int:
    """Measure, print the table; 1 only when something was lost or did not work."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--learners", type=int, nargs="+", help=f"{LEARNERS}; behind a hub {HUB_LEARNERS}")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of moving, for each row")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--smoke", action="store_true", help="2 learners, 2 seconds: does it still work?")
    how.add_argument(
        "--hub", action="store_true", help="the same through a JupyterHub that is installed for it"
    )
    arguments = parser.parse_args()
    sizes = arguments.learners or (HUB_LEARNERS if arguments.hub else LEARNERS)
    sizes, seconds = ((2,), 2) if arguments.smoke else (sizes, arguments.seconds)
    least = 2 if arguments.hub else 1  # behind a hub two accounts are looked at, too
    if min(sizes) < least or seconds * RATE < 2:
        parser.error(TOO_FEW.format(least=least, rate=RATE))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # by way of every `finally`
    torch.set_num_threads(1)
    cores = psutil.cpu_count()
    print(f"{cores} cores, {RATE} steps a second a learner, {seconds:g} s; this program is on them, too")
    if arguments.hub:
        from behind_hub import beside_a_hub  # which measures with what stands here

        return beside_a_hub(sizes, seconds)
    print(HEADING)
    rows = []
    with tempfile.TemporaryDirectory() as scratch, running_lab(Path(scratch)) as lab:
        server = server_process(Path(scratch))
        for learners in sizes:
            rows.append(asyncio.run(measure([lab] * learners, server, seconds)))
            print(rows[-1], flush=True)
    return 0 if told(rows) else 1


def told(rows: Sequence[Row]) -> bool:
    """Print what this program took itself and what went wrong; whether nothing did."""
    print()
    late, ours = max(row.late for row in rows), max(row.ours for row in rows)
    print(f"this program: a step at most {late:.0f} ms late, {ours:.2f} of a core at most")
    nothing_lost = not any(row.lost or row.remarks for row in rows)
    verdict = "met   " if nothing_lost else "MISSED"
    print(f"{verdict} nothing lost: each learner's last value is the one shown")
    for row in rows:
        for remark in row.remarks[:20]:
            print(f"! {row.learners} learners, {remark}")
    return nothing_lost


if __name__ == "__main__":
    sys.exit(main())
