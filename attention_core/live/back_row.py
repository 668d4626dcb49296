"""The projector setting: what is on the page, large enough for the back row of a class."""

import weakref

import traitlets

from attention_core.live.known import Known

_all: weakref.WeakSet = weakref.WeakSet()
_on = False


class ForProjector(Known):
    """A widget with a `projector` trait: True shows it 1.6 times as large, in the room that it has."""

    projector = traitlets.Bool(False).tag(sync=True)

    def __init__(self, *arguments, **traits):
        traits.setdefault("projector", _on)
        super().__init__(*arguments, **traits)
        _all.add(self)


def projector(on: bool = True) -> None:
    """Show every heatmap and explorer, those on the page and those to come, for a projector (or not).

    One of them alone: its own `projector`, or the box under its map.
    """
    global _on
    _on = bool(on)
    for widget in list(_all):
        widget.projector = _on
