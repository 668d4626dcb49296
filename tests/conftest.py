"""One torch thread in each test, and in each kernel that a test starts: two workers share two cores."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported for the first time
