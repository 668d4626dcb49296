"""Every explorer there is, found and not listed: the package's, and one contributed as others would."""

import importlib
import inspect
import pkgutil
import sys
from pathlib import Path

from attention_core.live import Explorer, explorers

HERE = Path(__file__).parent


def found_explorers() -> dict[str, str]:
    """By its name, the code of a cell that shows one; those that can be made without an argument."""
    if str(HERE) not in sys.path:
        sys.path.append(str(HERE))
    modules = [f"{explorers.__name__}.{m.name}" for m in pkgutil.iter_modules(explorers.__path__)]
    modules += [f"contributed.{m.name}" for m in pkgutil.iter_modules([str(HERE / "contributed")])]
    cells = {}
    for module in map(importlib.import_module, modules):
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


def _needs_nothing(kind: type) -> bool:
    return all(p.default is not p.empty for p in inspect.signature(kind).parameters.values())
