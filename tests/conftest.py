"""What all tests share: one torch thread for each, and no stop-watch over random examples."""

import os

import pytest
from hypothesis import settings
from one_worker import ByLesson

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # before torch is imported; kernels that tests start have it too
os.environ.pop(
    "JPY_SESSION_NAME", None
)  # a notebook's `!pytest` belongs to that notebook: see practice/kept.py
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

if os.environ.get("SHIFT_MEMORY", "0") != "0":
    import memory

    memory.shift_everything()  # here and, when they start, in the kernels of notebooks


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return ByLesson(config, log) if config.option.dist == "loadscope" else None
