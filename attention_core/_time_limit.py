"""A call that may last so long and no longer, in any thread and on any system.

Python ends it between two of its own steps. A call that does not come back from torch, or from `time.sleep`,
is waited for: there only the square in the notebook's toolbar helps. Nothing is ended while a debugger runs,
nor where no thread can be started, as in a Python that runs in the browser.
"""

import contextlib
import ctypes
import sys
import threading
import time
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")
_EACH = 0.2  # seconds between two looks at the clock
_IDLE = 50  # looks without a call to watch, after which the watching thread goes


class TooLong(BaseException):
    """Raised in the middle of a call whose time is over: an `except Exception` in it does not hold this."""


def in_time(function: Callable[[], _T], seconds: float) -> _T:
    """`function()`. A call within such a call has the outer one's time. Raises: TooLong."""
    me = threading.get_ident()
    if me in _ends or sys.gettrace():
        return function()
    try:
        try:
            _watch(me, time.monotonic() + seconds)
            return function()
        finally:
            _leave(me)
    except TooLong:
        _leave(me)  # it may have come on the way out, too
        raise


_ends: dict[int, float] = {}  # when the call of a thread is to end, by the thread
_one_at_a_time = threading.RLock()
_watching: threading.Thread | None = None


def _watch(thread: int, end: float) -> None:
    global _watching
    with _one_at_a_time:
        _ends[thread] = end
        if _watching is None or not _watching.is_alive():  # after a fork it is not
            _watching = threading.Thread(target=_look, daemon=True)
            with contextlib.suppress(RuntimeError):
                _watching.start()


def _leave(thread: int) -> None:
    """From here on nothing is sent; what was sent before comes at the call below, and not after it.

    Python looks for it after every call. Sending NULL, to take it back, leaves CPython 3.11 with a signal
    that nothing answers: the process hangs as soon as a debugger traces.
    """
    with _one_at_a_time:
        _ends.pop(thread, None)


def _look() -> None:
    """Raise TooLong where the time is over, and again each second: a bare `except:` may have held it."""
    global _watching
    idle = 0
    while idle < _IDLE:
        time.sleep(_EACH)
        with _one_at_a_time:
            idle = 0 if _ends else idle + 1
            for thread, end in _ends.items():
                if (now := time.monotonic()) > end:
                    _raise_in(thread, TooLong)
                    _ends[thread] = now + 1
            if idle == _IDLE:
                _watching = None


def _raise_in(thread: int, error: type[BaseException]) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error))
