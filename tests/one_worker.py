"""Which tests xdist keeps on one worker, and which of them begin."""

import re

from xdist.scheduler import LoadScopeScheduling

_OPENED = re.compile(r"[\[-](open \w+)")  # see tests/opened.py
_SLOW = re.compile(r"open |browser/|tools/|notebooks/|benchmarks/")


class ByLesson(LoadScopeScheduling):
    """Tests of one opened lesson stay together, as those of one file do; what starts a kernel comes first."""

    def _split_scope(self, nodeid: str) -> str:
        opened = _OPENED.search(nodeid)
        return opened[1] if opened else super()._split_scope(nodeid)

    def _assign_work_unit(self, node) -> None:
        slowest = max(self.workqueue, key=self._weight)
        self.workqueue.move_to_end(slowest, last=False)
        super()._assign_work_unit(node)

    def _weight(self, scope: str) -> tuple[bool, bool, int]:
        return scope.startswith("open "), bool(_SLOW.search(scope)), len(self.workqueue[scope])
