"""A closed lesson keeps its pictures: how a contents manager hands out notebooks with outputs of ours."""

import copy
import functools
import inspect
import logging
import re
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from importlib.util import find_spec
from pathlib import Path

VIEW = "application/vnd.jupyter.widget-view+json"
HARMLESS = {VIEW, "image/png", "text/plain"}  # none of them is code; a view only shows what a kernel has
SECONDS = 2  # to wait for a kernel's answer, before the notebook is handed out all the same
MOVERS = ("copy", "rename", "save", "update", "trust_notebook", "create_checkpoint", "restore_checkpoint")
_moving = ContextVar("_moving", default=False)  # whether a manager is moving a file, and needs all of it
_log = logging.getLogger(__name__)


def keep_pictures(contents, sessions) -> None:
    """Let this contents manager hand out notebooks so that every output of ours shows something.

    A saved output of ours holds a picture and the name of a live view, which only the kernel that made it
    can show. Where no kernel runs for the notebook the page would say "model not found": it gets the
    picture alone. Where one runs it gets both, and by a cell's `trusted` word which of them to show: the
    view if the kernel still has it, though the lesson was run in part and so is not signed; the picture if
    the view is of an earlier kernel. (JupyterLab shows no view in a cell that it does not trust.)

    No file is changed: what is copied, renamed, saved as a checkpoint or downloaded is what it was. Works
    on the instance, synchronous or not, whatever its class.
    """
    if not (names := views()):
        return
    ours = re.compile(rf"(?:{'|'.join(sorted(names))})\(")
    as_it_is = contents.get

    @functools.wraps(as_it_is)
    def get(path, *args, **options):
        answer = as_it_is(path, *args, **options)
        if _moving.get():
            return answer

        async def later():
            model = await answer
            if not _has_pictures(model, ours):
                return model
            if await _runs(sessions, asked):
                alive = await _models(sessions, asked)
                return _changed(model, functools.partial(_with_leave, alive=alive), ours)
            return _changed(model, _as_picture, ours)

        asked = path.strip("/")
        if inspect.isawaitable(answer):
            return later()
        if not _has_pictures(answer, ours):
            return answer
        return _changed(answer, _with_leave if _now(_runs(sessions, asked)) else _as_picture, ours)

    moves = {name: _as_a_whole(getattr(contents, name)) for name in MOVERS if hasattr(contents, name)}

    def save(model, *args, **options):
        """A cell that showed its picture, its view being gone, does not keep the others from being signed."""
        model = _changed(model, _with_leave, ours) if _has_pictures(model, ours) else model
        return moves["save"](model, *args, **options)

    for name, method in {"get": get, **moves, **({"save": save} if "save" in moves else {})}.items():
        setattr(contents, name, method)


def _as_a_whole(move: Callable) -> Callable:
    """The same method of a contents manager; what it gets itself, it gets as it is."""

    @functools.wraps(move)
    def moved(*args, **options):
        token = _moving.set(True)
        try:
            answer = move(*args, **options)
        finally:
            _moving.reset(token)
        return later(answer) if inspect.isawaitable(answer) else answer

    async def later(answer):
        token = _moving.set(True)
        try:
            return await answer
        finally:
            _moving.reset(token)

    return moved


def views() -> set[str]:
    """Names of the package's views, read and not imported: the text of our outputs begins with one."""
    found = find_spec("attention_core")
    folders = [Path(place) for place in found.submodule_search_locations] if found else []
    sources = [file.read_text("utf-8") for folder in folders for file in folder.rglob("*.py")]
    view = re.compile(r"^class ([A-Z]\w*)\(.*\b(?:View|Pictured|\w*Explorer)\b", re.MULTILINE)
    return {name for source in sources for name in view.findall(source)}


def _has_pictures(model: dict, ours: re.Pattern) -> bool:
    """Whether it is a notebook with an output of ours, and none that brings its widgets' state along."""
    try:
        content = model.get("content") if model.get("type") == "notebook" else None
        if not content or "widgets" in content.get("metadata", {}):
            return False
        outputs = [output for cell in content.get("cells", ()) for output in cell.get("outputs", ())]
        return any(_is_ours(output, ours) for output in outputs)
    except (AttributeError, TypeError):  # not what a notebook looks like: the page says so, as it always did
        return False


def _is_ours(output: dict, ours: re.Pattern) -> bool:
    data = output.get("data", {})
    text = data.get("text/plain", "")
    text = "".join(map(str, text)) if isinstance(text, list) else text
    return VIEW in data and "image/png" in data and isinstance(text, str) and bool(ours.match(text))


def _changed(model: dict, change: Callable[[dict, re.Pattern], dict], ours: re.Pattern) -> dict:
    """The model with changed cells; those it came with stay, as the manager may keep them."""
    model, content = copy.copy(model), copy.copy(model["content"])
    model["content"] = content
    content["cells"] = [change(cell, ours) if cell.get("outputs") else cell for cell in content["cells"]]
    return model


def _as_picture(cell: dict, ours: re.Pattern) -> dict:
    cell = copy.copy(cell)
    outputs = cell["outputs"] = [copy.copy(output) for output in cell["outputs"]]
    for output in outputs:
        if _is_ours(output, ours):
            output["data"] = copy.copy(output["data"])
            del output["data"][VIEW]
    return cell


def _with_leave(cell: dict, ours: re.Pattern, alive: set[str] | None = None) -> dict:
    """The cell, to be trusted if it holds views alone, and the kernel has them; None if it was not asked."""
    rich = [output for output in cell["outputs"] if "data" in output]
    if not rich or not all(_is_ours(output, ours) and set(output["data"]) <= HARMLESS for output in rich):
        return cell
    cell = copy.copy(cell)
    cell["metadata"] = copy.copy(cell["metadata"])
    shown = {output["data"][VIEW].get("model_id") for output in rich}
    cell["metadata"]["trusted"] = (
        alive is None or shown <= alive
    )  # the server takes it out again when it saves
    return cell


async def _runs(sessions, path: str) -> bool:
    """Whether a kernel runs for the notebook; as if one did where that cannot be said."""
    try:
        answer = sessions.session_exists(path)
        return bool(await answer if inspect.isawaitable(answer) else answer)
    except Exception as error:
        _log.warning("whether a kernel runs for %s is not known: %r", path, error)
        return True


async def _models(sessions, path: str) -> set[str] | None:
    """The widgets that the notebook's kernel has, by their names; None if it cannot be asked.

    Asked on the control channel, which a kernel answers while a cell is running, too.
    """
    try:
        session = await sessions.get_session(path=path)
        client = sessions.kernel_manager.get_kernel(session["kernel"]["id"]).client()
        client.start_channels(shell=False, iopub=False, stdin=False, hb=False, control=True)
        try:
            client.control_channel.send(
                client.session.msg("comm_info_request", {"target_name": "jupyter.widget"})
            )
            reply = await client.control_channel.get_msg(timeout=SECONDS)
            return set(reply["content"]["comms"])
        finally:
            client.stop_channels()
    except Exception as error:  # another kind of kernel, or one elsewhere: the page finds out for itself
        _log.info("the kernel of %s was not asked for its widgets: %r", path, error)
        return None


def _now(question: Coroutine) -> bool:
    """The answer, of a manager that has it at once; where one must be waited for, as if a kernel ran."""
    try:
        question.send(None)
    except StopIteration as answered:
        return bool(answered.value)
    question.close()
    return True
