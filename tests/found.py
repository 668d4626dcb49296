"""Every explorer and every exercise there is, found and not listed: the package's, and those contributed as
others would."""

import functools
import importlib
import inspect
import pkgutil
import sys
from pathlib import Path

from attention_core.live import Explorer, explorers
from attention_core.practice import check
from attention_core.practice.exercise import Exercise

HERE = Path(__file__).parent


def found_explorers() -> dict[str, str]:
    """By its name, the code of a cell that shows one; those that can be made without an argument."""
    modules = [f"{explorers.__name__}.{m.name}" for m in pkgutil.iter_modules(explorers.__path__)]
    cells = {}
    for module in [*map(importlib.import_module, modules), *_contributed()]:
        for name, kind in vars(module).items():
            ours = inspect.isclass(kind) and issubclass(kind, Explorer) and kind.__module__ == module.__name__
            if ours and not name.startswith("_") and _needs_nothing(kind):
                path = (
                    f"import sys; sys.path.append({str(HERE)!r})\n"
                    if "contributed" in module.__name__
                    else ""
                )
                cells[name] = f"{path}from {module.__name__} import {name}\n{name}()"
    return dict(sorted(cells.items()))


@functools.cache
def found_exercises() -> dict[str, Exercise]:
    """By its name, each check of what a learner writes."""
    things = [(name, getattr(check, name)) for name in dir(check)]
    things += [named for module in _contributed() for named in vars(module).items()]
    return dict(sorted((name, thing) for name, thing in things if isinstance(thing, Exercise)))


def _contributed() -> list:
    """The modules of the examples that the README names."""
    if str(HERE) not in sys.path:
        sys.path.append(str(HERE))
    names = [f"contributed.{m.name}" for m in pkgutil.iter_modules([str(HERE / "contributed")])]
    return [importlib.import_module(name) for name in names]


def _needs_nothing(kind: type) -> bool:
    return all(p.default is not p.empty for p in inspect.signature(kind).parameters.values())
