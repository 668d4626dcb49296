"""What one thread prints is kept aside, while what others print goes where it would have gone."""

import contextlib
import io
import sys
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def aside(into: io.TextIOBase, *streams: str) -> Iterator[None]:
    """What this thread writes to these streams, "stdout" or "stderr", goes `into` this one."""
    with contextlib.ExitStack() as entered:
        for name in streams:
            entered.enter_context(_STANDS[name].writing(into))
        yield


class _Stand(io.TextIOBase):
    """Stands in the place of `sys.stdout` or `sys.stderr`.

    There is one of each, never freed: `print` does not count its hold on a stream (before CPython 3.14), so
    that another thread's print would write into what has gone.
    """

    def __init__(self, name: str):
        self._name, self._beneath = name, getattr(sys, name)
        self._within, self._lock, self._mine = 0, threading.Lock(), threading.local()

    @contextlib.contextmanager
    def writing(self, into: io.TextIOBase) -> Iterator[None]:
        with self._lock:
            if not self._within and getattr(sys, self._name) is not self:
                self._beneath = getattr(sys, self._name)
            setattr(sys, self._name, self)
            self._within += 1
        kept = vars(self._mine).setdefault("kept", [])
        kept.append(into)
        try:
            yield
        finally:
            kept.pop()
            with self._lock:
                self._within -= 1
                if not self._within:
                    setattr(sys, self._name, self._beneath)

    def write(self, text: str) -> int:
        kept = vars(self._mine).get("kept")
        return (kept[-1] if kept else self._beneath).write(text)

    def flush(self) -> None:
        self._beneath.flush()

    def __getattr__(self, name: str):
        return getattr(self._beneath, name)


_STANDS = {name: _Stand(name) for name in ("stdout", "stderr")}
