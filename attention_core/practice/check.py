"""The checks of all lessons, by the name of what the learner writes: `check.softmax(softmax)`.

Each is found where it stands, `exercises/softmax.py`, and imported when it is first asked for.
"""

import importlib
import pkgutil

from attention_core.practice import exercises


def __dir__() -> list[str]:
    return sorted(m.name for m in pkgutil.iter_modules(exercises.__path__) if not m.name.startswith("_"))


def __getattr__(name: str):
    if name not in __dir__():
        raise AttributeError(f"there is no check.{name}; there are {', '.join(__dir__())}")
    exercise = getattr(importlib.import_module(f"{exercises.__name__}.{name}"), name)
    exercise.known_as = name  # for the line that shows how to repeat an example
    return exercise
