"""What the page holds beforehand, under random hands, delays and losses: real Python, real bank.js between.

Messages keep their order in each direction, as on a WebSocket, and arrive whenever chance has it; a control
sends one message at a time, as ipywidgets does. What is shown says of itself for which values it was made.
"""

import json
import os
import shutil
import subprocess
from collections import deque
from pathlib import Path
from typing import ClassVar

import comm
import ipywidgets as widgets
import pytest
import torch
import traitlets
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from ipywidgets.widgets import widget as of_ipywidgets

from attention_core.live import AttentionMap, Explorer, Strip, Words, bank
from attention_core.live.controls import choice, slider, text, whole

SCRIPTS = Path(bank.__file__).parent / "page"
PAGE = Path(__file__).parent / "page" / "bank_page.mjs"
STEPS = (0.5, 1.0, 1.5, 2.0, 3.0)
pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="needs node")


class Wire(comm.base_comm.BaseComm):
    """Keeps, in order, all that Python sends to any page."""

    sent: ClassVar[deque] = deque()

    def publish_msg(self, msg_type, data=None, metadata=None, buffers=None, **_):
        if msg_type == "comm_msg" and data["method"] in ("update", "echo_update", "custom"):
            assert not buffers
            Wire.sent.append((self.comm_id, json.loads(json.dumps(data))))


class Told(Explorer):
    """Says for which values it was asked."""

    sharp = traitlets.Float(1.0).tag(control=slider("Sharp", STEPS))
    kind = traitlets.Unicode("a").tag(control=choice("Kind", ["a", "b", "c"]))
    count = traitlets.Int(2).tag(control=whole("Count", 1, 4))
    word = traitlets.Unicode("x").tag(control=text("Word"))
    hidden = traitlets.Int(0)

    def views(self) -> dict[str, widgets.Widget]:
        return {"said": Strip(), "more": Strip(), "heatmap": Silent()}

    def following(self, name, inputs):
        return {"count": 1} if name == "kind" and inputs["kind"] == "c" else {}

    def settle(self, name):
        for of, value in self.following(name, self.inputs()).items():
            setattr(self, of, value)

    def compute(self, sharp, kind, count, word, hidden):
        said = json.dumps([sharp, kind, count, word, hidden])
        return {"said": Words(said), "more": Words(said), "heatmap": AttentionMap(torch.eye(1))}


class Silent(Strip):
    """In the place of a map: its frames are bytes, which need no test here."""

    def show(self, content):
        super().show(None)


class Node:
    """The page, in a process that lives as long as the tests do."""

    def __init__(self):
        command = ["node", str(PAGE), (SCRIPTS / "bank.js").as_uri()]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def does(self, *events) -> dict:
        self.process.stdin.write(json.dumps(events) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@pytest.fixture(scope="module", autouse=True)
def wired():
    patch = pytest.MonkeyPatch()
    patch.setattr(comm, "create_comm", Wire)
    patch.setattr(of_ipywidgets.comm, "create_comm", Wire)
    patch.setattr(bank, "_Watch", Counted)
    Hands.node = Node()
    yield
    Hands.node.process.kill()
    patch.undo()


class Counted:
    """Time that passes by the question: the same moves have the same frames on any machine."""

    def __init__(self):
        self.turns = 0

    def wall(self) -> float:
        self.turns += 1
        return self.turns * bank.A_TURN / 2

    def spent(self) -> float:
        return 0.0


class Hands(RuleBasedStateMachine):
    node: Node

    def __init__(self):
        super().__init__()
        self.explorer = made = Told()
        Wire.sent.clear()
        self.answers = [self.python()]  # that Python gave, in order
        made._bank.observe(lambda _: self.answers.append(self.python()), "_answer")
        self.by_id = {w.model_id: w for w in (*made.controls.values(), *made._views.values(), made._bank)}
        watched = {
            id: {k: x for k, x in w.get_state().items() if _is_plain(x)} for id, w in self.by_id.items()
        }
        held = made._bank
        self.to_page: deque = deque()
        self.to_kernel: deque = deque()
        opened = {"dials": held._dials, "views": held._views, "states": watched, "id": held.model_id}
        self.seen(self.node.does({"do": "open", **opened}))
        self.reached: list | None = None
        self.right: list[list] = []
        self.unforeseen = False
        self.put: dict[str, int] = {}  # where the reader has put a control

    # ---- the two ends

    def python(self) -> list:
        return list(self.explorer.inputs().values())

    def on_page(self) -> list:
        """What the controls on the page say; what has no control is as Python has it."""
        sharp, kind, count, word = (self.models[c.model_id] for c in self.explorer.controls.values())
        return [STEPS[sharp["index"]], "abc"[kind["index"]], count["value"], word["value"], None]

    def shows(self, view: str) -> list:
        return json.loads(self.models[self.explorer._views[view].model_id]["_frame"]["said"])

    def seen(self, told: dict) -> None:
        self.models = told["shown"]
        self.to_kernel.extend(told["sent"])

    def kernel_hears(self, message: dict) -> None:
        widget = self.by_id[message["id"]]
        data = (
            {"method": "custom", "content": message["custom"]}
            if "custom" in message
            else {"method": "update", "state": message["state"], "buffer_paths": []}
        )
        widget.comm.handle_msg({"content": {"data": data}, "buffers": []})
        told = self.wire()
        self.to_page.extend((id, {**data, "parent": message["msg"]}) for id, data in told)
        self.to_page.append((message["id"], "idle"))

    def wire(self) -> list:
        sent, Wire.sent = list(Wire.sent), deque()
        return [(id, data) for id, data in sent if id in self.by_id]

    def page_hears(self, id: str, data) -> None:
        if data == "idle":
            self.seen(self.node.does({"do": "idle", "id": id}))
        elif data["method"] == "custom":
            self.seen(self.node.does({"do": "custom", "content": data["content"]}))
        else:
            self.seen(self.node.does({"do": data["method"], "id": id, **data}))

    # ---- what happens

    @rule(which=st.sampled_from(["sharp", "kind", "count"]), data=st.data())
    def the_reader_moves(self, which, data):
        control = self.explorer.controls[which]
        trait = "value" if which == "count" else "index"
        most = {"sharp": 4, "kind": 2, "count": 4}[which]
        value = data.draw(st.integers(1 if which == "count" else 0, most))
        self.seen(self.node.does({"do": "move", "id": control.model_id, "state": {trait: value}}))
        self.put[which] = value

    @rule(word=st.sampled_from("xyz"))
    def the_reader_types(self, word):
        id = self.explorer.controls["word"].model_id
        self.seen(self.node.does({"do": "move", "id": id, "state": {"value": word}}))
        self.unforeseen = True

    @rule(hidden=st.integers(0, 2), sharp=st.sampled_from(STEPS))
    def python_sets(self, hidden, sharp):
        self.explorer.hidden = hidden
        self.explorer.sharp = sharp
        self.unforeseen = True
        self.put.clear()
        self.to_page.extend(self.wire())

    @rule(n=st.integers(1, 6))
    def messages_reach_the_kernel(self, n):
        for _ in range(min(n, len(self.to_kernel))):
            self.kernel_hears(self.to_kernel.popleft())

    @rule(n=st.integers(1, 12))
    def messages_reach_the_page(self, n):
        for _ in range(min(n, len(self.to_page))):
            self.page_hears(*self.to_page.popleft())

    @rule(ms=st.sampled_from([10, 310, 6000]))
    def time_passes(self, ms):
        self.seen(self.node.does({"do": "tick", "ms": ms}))

    @rule()
    def all_is_quiet(self):
        """In the end page and Python agree, and what is shown is what they agree on."""
        for _ in range(8):
            while self.to_kernel or self.to_page:
                self.messages_reach_the_kernel(99)
                self.messages_reach_the_page(99)
            self.time_passes(310)
        self.unforeseen = False
        self.put.clear()
        assert self.on_page()[:4] == self.python()[:4]
        assert self.shows("said") == self.shows("more") == self.python()

    # ---- what must be so at any moment

    @invariant()
    def what_is_shown_is_right_for_where_the_page_stands_or_an_answer_that_python_gave(self):
        """Or one that the page has shown rightly: it stays until there is a newer one."""
        shown, now = self.shows("said"), self.expected()
        if shown in now:
            self.right.append(shown)
        assert shown in self.answers or shown in self.right, (shown, now)

    @invariant()
    def what_the_page_has_reached_it_does_not_leave_before_something_moves(self):
        """What is typed, or set in Python, has no frames beforehand: those answers come as they come."""
        shown, now = self.shows("said"), self.expected()
        if self.reached == now and not self.unforeseen:
            assert shown in now
        self.reached = now if shown in now else None

    @invariant()
    def a_control_stays_where_the_reader_has_put_it(self):
        """Also when an earlier move's echo comes; but a count falls with the kind, and Python may set any."""
        sharp, kind, *_ = self.on_page()
        if not self.unforeseen:
            assert sharp == STEPS[self.put.get("sharp", STEPS.index(sharp))]
            assert kind == "abc"[self.put.get("kind", "abc".index(kind))]

    def expected(self) -> list[list]:
        """What belongs to the controls on the page, and to what else Python had when it answered last."""
        sharp, kind, count, word, _ = self.on_page()
        answer = self.models[self.explorer._bank.model_id]["_answer"]
        counts = {count, 1} if kind == "c" else {count}  # it falls to 1 with "c", and may be raised again
        return [[sharp, kind, n, word, self.answers[answer["n"] - 1][-1]] for n in sorted(counts)]


TestHands = Hands.TestCase
TestHands.settings = settings(
    max_examples=int(os.environ.get("EXAMPLES", "40")),
    stateful_step_count=50,  # with EXAMPLES=200, 10 000 interactions
    deadline=None,
    derandomize="EXAMPLES" not in os.environ,  # the suite plays the same games each time; by hand, others
    suppress_health_check=list(HealthCheck),
)


def _is_plain(x) -> bool:
    try:
        json.dumps(x)
    except TypeError:
        return False
    return not isinstance(x, bytes)
