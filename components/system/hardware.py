"""What this machine has: its system, processor, cores, GPUs and memory."""

import os
import platform
import re
import resource
import sys
from contextlib import suppress
from pathlib import Path

CONTAINER_LIMITS = (  # of the control groups of Linux, version 2 and 1
    "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes",
)  # fmt: skip


def machine_type() -> dict[str, str | int]:
    """Return this machine's `system` (`Linux x86_64`), `processor` (its name), numbers of `cores` (or 0) and `gpus`.

    The cores are 0 if unknown; the GPUs are those of `count_gpus`.
    """
    processor = platform.processor()
    with suppress(OSError):
        if names := re.findall(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE):
            processor = names[0]
    return {
        "system": f"{platform.system()} {platform.machine()}", "processor": processor,
        "cores": os.cpu_count() or 0, "gpus": count_gpus(),
    }  # fmt: skip


def count_gpus() -> int:
    """Return how many GPUs TensorFlow sees; 0 where this process has not imported TensorFlow."""
    tensorflow = sys.modules.get("tensorflow")
    return len(tensorflow.config.list_physical_devices("GPU")) if tensorflow else 0


def memory_size() -> int:
    """Return the lesser of the machine's and the container's memory, in bytes, plus all swap space; 0 if not known."""
    sizes, swap = [], 0
    with suppress(OSError, ValueError):
        sizes.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for file in CONTAINER_LIMITS:
        with suppress(OSError, ValueError):  # without a limit it says `max`
            sizes.append(int(Path(file).read_text()))
    with suppress(OSError):
        lines = re.findall(r"^SwapTotal:\s*(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
        swap = 1024 * sum(map(int, lines))
    return min(sizes) + swap if sizes else 0


def peak_memory() -> int:
    """Return the most bytes of memory that this process has had so far."""
    with suppress(OSError, AttributeError):  # getrusage(2) counts what it had before it began another program
        return 1024 * int(re.search(r"^VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)[1])  # type: ignore[index]
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
