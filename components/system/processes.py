"""Runs work in child processes that never outlive their parent, and reports how they ended."""

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from components.system.resources import KEEPS_FINISHED, LESS_MEMORY
from components.system.signals import STOPS, hear_signals, heeded_stops, stop_on_signals

DIES_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


def run_supervised(work: Callable[[], None]) -> None:
    """Run work in a child process, and exit with its status; the child itself returns once the work is done.

    SIGTERM and SIGHUP are passed on to the child, where they act as Ctrl-C, and change nothing after its end. Neither
    process outlives the other.
    """
    for number in heeded_stops():
        if number != signal.SIGINT:  # one that a closed terminal sends to both may come when the child has ended of it
            signal.signal(number, lambda number, frame: None)
    status = run_in_child(work)
    if status is not None:
        sys.exit(status)


def run_in_child(work: Callable[[], None]) -> int | None:
    """Run work in a child process; return its exit status, 128 + the signal that ended it, or in the child itself None.

    A child that a signal ended is reported in one line, since it cannot report itself. The child's None comes
    once the work is done, or at once, without work, where the parent has ended already. After the child's end signals
    act in the parent as before it.
    """
    parent = os.getpid()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)  # until both processes are ready for them
    child = os.fork()
    if not child:
        die_with_parent()
        if os.getppid() == parent:
            stop_on_signals()
            try:
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)
                work()
            except SystemExit as end:  # where memory is short, the interpreter's own end says a line an object
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(end.code if isinstance(end.code, int) else 1)
        return None
    with hear_signals([*heeded_stops(), signal.SIGCHLD]) as next_signal:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        while not (ended := os.wait4(child, os.WNOHANG))[0]:
            if (number := next_signal()) in (signal.SIGTERM, signal.SIGHUP):  # Ctrl-C reaches the child by itself
                os.kill(child, number)
    _, status, usage = ended
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
    """Call a function once for each tuple of arguments, in at most as many forked processes as cores; drop the results.

    The first exception, in the order of the arguments, is raised here; calls that have not begun then are cancelled.
    """

    def begin() -> None:
        die_with_parent()
        for stop in heeded_stops():  # Ctrl-C and a closed terminal reach every process; the parent reports it
            signal.signal(stop, signal.SIG_DFL)

    calls, fork = list(arguments), multiprocessing.get_context("fork")
    workers = max(1, min(os.cpu_count() or 1, len(calls)))
    with ProcessPoolExecutor(workers, mp_context=fork, initializer=begin) as pool:
        futures = [pool.submit(function, *call) for call in calls]
        try:
            for future in futures:
                future.result()
        finally:
            for future in futures:
                future.cancel()


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends; on systems other than Linux do nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DIES_WITH_PARENT, signal.SIGKILL)
