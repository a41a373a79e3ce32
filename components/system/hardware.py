"""What this machine has: its system, processor, cores and GPUs."""

import os
import platform
import re
import sys
from contextlib import suppress
from pathlib import Path


def machine_type() -> dict[str, str | int]:
    """Return this machine's `system`, `processor`, number of `cores`, 0 if unknown, and `gpus`, as of `count_gpus`."""
    processor = platform.processor()
    with suppress(OSError):
        if names := re.findall(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE):
            processor = names[0]
    return {
        "system": f"{platform.system()} {platform.machine()}", "processor": processor,
        "cores": os.cpu_count() or 0, "gpus": count_gpus(),
    }  # fmt: skip


def count_gpus() -> int:
    """Return how many GPUs TensorFlow sees; 0 where it is not loaded."""
    tensorflow = sys.modules.get("tensorflow")
    return len(tensorflow.config.list_physical_devices("GPU")) if tensorflow else 0
