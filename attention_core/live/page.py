"""The files of a view's page: anywidget loads one script and one stylesheet, so they are joined here."""

from pathlib import Path

_HERE = Path(__file__).parent


def joined(*names: str) -> str:
    """These files, one after the other: `joined("plane.js", "kernel.js")`."""
    return "".join((_HERE / name).read_text("utf-8") for name in names)
