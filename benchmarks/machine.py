"""The machine that the benchmarks ran on, and the fastest that it multiplies matrices."""

import os
import platform
from functools import cache
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

UNITS = ("avx2", "avx512f", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_tile")
LIBRARIES = ("tensorflow", "keras", "numpy", "pillow", "dvc")


@cache
def describe_machine() -> dict[str, Any]:
    """Return `processor`, `cores`, `instruction_sets` of UNITS, `memory_gigabytes`, `system` and `versions` by name."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text(encoding="utf-8").splitlines() if about.exists() else []
    pairs = (line.partition(":") for line in lines)
    facts = {name.strip(): value.strip() for name, _, value in pairs}
    flags = facts.get("flags", "").split()
    return {
        "processor": facts.get("model name") or platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "instruction_sets": [unit for unit in UNITS if unit in flags],
        "memory_gigabytes": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
    }


def caption(machine: dict[str, Any]) -> str:
    """Return a machine's cores, processor, instruction sets, memory, system and versions of libraries in a line."""
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    units = " ".join(machine["instruction_sets"])
    return (
        f"{machine['cores']} cores of {machine['processor']} ({units}), {machine['memory_gigabytes']} GB, "
        f"{machine['system']}; {versions}"
    )


def matmul_rate(kind: str) -> float:
    """Return the floating-point operations a second of a matrix product of side 4,096: the best of three.

    The first product is not timed. `kind` is a type of TensorFlow's numbers, such as `bfloat16`.
    """
    import numpy as np
    import tensorflow as tf

    side = 4096
    matrix = tf.cast(np.random.default_rng(0).normal(size=(side, side)), kind)
    taken = []
    for _ in range(4):
        start = perf_counter()
        tf.matmul(matrix, matrix).numpy()
        taken.append(perf_counter() - start)
    return 2 * side**3 / min(taken[1:])
