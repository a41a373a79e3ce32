"""The signals that stop a command: what they do, and how a process that waits for another hears of them."""

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # Ctrl-C, an end that is asked for, a terminal that was closed


def heeded_stops() -> list[signal.Signals]:
    """Return those of SIGINT, SIGTERM and SIGHUP that this process does not ignore: no SIGHUP under `nohup`."""
    return [number for number in STOPS if signal.getsignal(number) != signal.SIG_IGN]


def stop_on_signals() -> None:
    """Let SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt, TERM and HUP once; ignored signals stay ignored."""
    for number in heeded_stops():
        signal.signal(number, interrupt)


def interrupt(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt; from then on only Ctrl-C does so again.

    A process gets SIGHUP and SIGTERM more than once: its own, and what its parent passes on.
    """
    for again in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(again, signal.SIG_IGN)
    raise KeyboardInterrupt


@contextmanager
def hear_signals(numbers: Iterable[int]) -> Iterator[Callable[[], int]]:
    """Yield a function that returns the number of the next of some signals sent in the block, or waits for one.

    Within the block the signals do nothing else, and after it what they did before.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    earlier = signal.set_wakeup_fd(writing)
    handlers = {number: signal.signal(number, lambda number, frame: None) for number in numbers}
    try:
        yield lambda: os.read(reading, 1)[0]
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(earlier)
        os.close(reading)
        os.close(writing)
