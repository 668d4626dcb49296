"""Toy tasks with exact solutions: what a tiny transformer can learn while one watches.

    task = Reverse(length=8)
    for x, y in task.batches(300, batch_size=64, seed=0):  # (64, 8) and (64, 8), whole numbers
        ...

The same seed gives the same batches, today and tomorrow, whatever else draws random numbers.
"""

from attention_core.tasks.dates import Dates
from attention_core.tasks.digits import Copy, Repeat, Reverse, Sort
from attention_core.tasks.opinions import Opinions
from attention_core.tasks.pictures import Arrows, MarkedDigits, Pictures
from attention_core.tasks.sentences import Sentences
from attention_core.tasks.task import IGNORE, Batches, Task, accuracy

__all__ = [
    "IGNORE",
    "Arrows",
    "Batches",
    "Copy",
    "Dates",
    "MarkedDigits",
    "Opinions",
    "Pictures",
    "Repeat",
    "Reverse",
    "Sentences",
    "Sort",
    "Task",
    "accuracy",
]
