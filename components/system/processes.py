"""Child processes that end with this one, and how each end is reported."""

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from components.system.resources import KEEPS_FINISHED, LESS_MEMORY

DIES_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


def supervised(work: Callable[[], None]) -> None:
    """Do work in a child process, and end as it ends.

    SIGTERM is handed on to the work, where it is Ctrl-C. Neither process outlives the other.
    """
    status = in_child(work)
    if status is not None:
        sys.exit(status)


def in_child(work: Callable[[], None]) -> int | None:
    """Do work in a child process, and return the exit status of its end; in the child that is over, nothing.

    What ended it by force is said in one line: such an end has no word of its own.
    """
    parent = os.getpid()
    child = os.fork()
    if not child:
        die_with_parent()
        if os.getppid() == parent:
            for stop in (signal.SIGTERM, signal.SIGINT):
                signal.signal(stop, signal.default_int_handler)
            try:
                work()
            except SystemExit as end:  # where memory is short, the interpreter's own end says a line an object
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(end.code if isinstance(end.code, int) else 1)
        return None
    signal.signal(signal.SIGTERM, lambda number, frame: os.kill(child, number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the child by itself
    _, status, usage = os.wait4(child, 0)
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        used = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9
        why = "the machine ran out of memory, or somebody did it" if number == signal.SIGKILL else "a library crashed"
        name = signal.Signals(number).name
        print(
            f"error: ended by {name} with {used:.1f} GB of memory: {why} ({LESS_MEMORY}); {KEEPS_FINISHED}",
            file=sys.stderr,
        )
        return 128 + number
    return os.WEXITSTATUS(status)


def call_in_processes(function: Callable[..., None], arguments: Iterable[tuple[Any, ...]]) -> None:
    """Call a function once for each tuple of arguments, in forked processes, one a core; none outlives this one."""

    def begin() -> None:
        die_with_parent()
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C reaches all: this process is the one to speak of it

    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(mp_context=fork, initializer=begin) as pool:
        for done in [pool.submit(function, *own) for own in arguments]:
            done.result()


def die_with_parent() -> None:
    """Let the kernel end this process when its parent ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DIES_WITH_PARENT, signal.SIGKILL)
