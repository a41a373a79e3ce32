"""What the machine does to a step: no space, no access, no memory, an end by force. Each is one line for the person."""

import ctypes
import errno
import gc
import multiprocessing
import os
import platform
import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from components.errors import UserError

STAYS = "what is finished stays, and the same command goes on from there"
LESS_MEMORY = "take a smaller batch_size, or a machine with more"
NO_MEMORY = (  # what libraries say of it, the last of them where they took no notice of a refused allocation
    "ResourceExhaustedError",
    "failed to map segment",
    "Cannot allocate memory",
    "bad_alloc",
    "SystemError: error return without exception set",
)
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
FULL = 2**16  # bytes: with less than this free, nothing was written whole
DIES_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


@contextmanager
def machine_said(name: str, folder: Path) -> Iterator[None]:
    """Turn what a machine that gives no space, access or memory makes a step throw into one line.

    Args:
        name: The step.
        folder: Where it writes.

    Raises:
        UserError: What was lacking.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if lacking := lack(error, folder):
            raise UserError(f"{name}: {lacking}; {STAYS}") from error
        raise


def lack(error: Exception, folder: Path) -> str:
    """Return what a machine did not give, if that is why something failed."""
    number, file = getattr(error, "errno", None), getattr(error, "filename", None) or folder
    present = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if number in NO_SPACE or shutil.disk_usage(present).free < FULL:
        return f"no space left on the disk for {file}: free some"
    if number in (errno.EROFS, errno.EACCES, errno.EPERM):
        return f"no access to {file} ({os.strerror(number)}): change its rights, or give another path"
    said = f"{type(error).__name__}: {error}"
    if isinstance(error, MemoryError) or number == errno.ENOMEM or any(words in said for words in NO_MEMORY):
        return f"out of memory: {LESS_MEMORY}"
    return ""


def machine_type() -> dict[str, str | int]:
    """Return the system, the processor, and how many cores and GPUs there are."""
    processor = platform.processor()
    with suppress(OSError):
        if names := re.findall(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE):
            processor = names[0]
    return {
        "system": f"{platform.system()} {platform.machine()}", "processor": processor,
        "cores": os.cpu_count() or 0, "gpus": gpus(),
    }  # fmt: skip


def gpus() -> int:
    """Return how many GPUs TensorFlow has; none where it is not loaded."""
    tensorflow = sys.modules.get("tensorflow")
    return len(tensorflow.config.list_physical_devices("GPU")) if tensorflow else 0


def supervised(work: Callable[[], None]) -> None:
    """Do work in a child process, and end as it ends.

    SIGTERM is handed on to the work, where it is Ctrl-C. Neither process outlives the other.
    """
    status = in_child(work)
    if status is not None:
        sys.exit(status)


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep Python's garbage collector from what is made inside, now and later.

    Large libraries make hundreds of thousands of objects that stay; going through them again and again takes two fifths
    of the time in which Keras loads.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()


def die_with_parent() -> None:
    """Let the kernel end this process when its parent ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DIES_WITH_PARENT, signal.SIGKILL)


def call_in_processes(function: Callable[..., None], arguments: Iterable[tuple[Any, ...]]) -> None:
    """Call a function once for each tuple of arguments, in forked processes, one a core; none outlives this one."""

    def begin() -> None:
        die_with_parent()
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C reaches all: this process is the one to speak of it

    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(mp_context=fork, initializer=begin) as pool:
        for done in [pool.submit(function, *own) for own in arguments]:
            done.result()


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
        print(f"error: ended by {name} with {used:.1f} GB of memory: {why} ({LESS_MEMORY}); {STAYS}", file=sys.stderr)
        return 128 + number
    return os.WEXITSTATUS(status)
