"""Work in child processes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from components.machinery.code import ROOT
from components.system.errors import UserError
from components.system.processes import call_in_processes
from components.system.resources import resource_errors
from tests.conftest import heed_signals


def write(folder: Path, name: str) -> None:
    if name == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "wrong":
        raise UserError("this one is wrong")
    (folder / name).write_text(str(os.getpid()))


def test_a_function_is_called_for_all_arguments_in_other_processes(tmp_path):
    names = [f"{number:02}" for number in range(20)]
    call_in_processes(write, ((tmp_path, name) for name in names))
    assert sorted(file.name for file in tmp_path.iterdir()) == names
    assert str(os.getpid()) not in {file.read_text() for file in tmp_path.iterdir()}


def test_nothing_is_called_without_arguments():
    call_in_processes(write, [])


def test_an_error_in_a_process_is_raised_here(tmp_path):
    with pytest.raises(UserError, match="this one is wrong"):
        call_in_processes(write, [(tmp_path, "right"), (tmp_path, "wrong")])


def test_a_process_that_is_killed_is_a_lack_of_memory(tmp_path):
    with pytest.raises(UserError, match="draw: out of memory"), resource_errors("draw", tmp_path):
        call_in_processes(write, [(tmp_path, "killed")])


def run_script(script: str, *ignored: signal.Signals) -> subprocess.CompletedProcess:
    """Run a script in a process that ignores some signals, and Ctrl-C only if that is among them."""

    def prepare() -> None:
        heed_signals()
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)

    command = [sys.executable, "-c", f"import os, signal, sys, time\n{script}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, preexec_fn=prepare)


TOLD = """
from components.system.processes import run_in_child

def work():
    try:
        os.kill(os.getppid(), signal.{name})
        while True:
            time.sleep(0.01)
    except KeyboardInterrupt:
        sys.exit(130)

print({{run_in_child(work) for _ in range(20)}})
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_reaches_the_child_whenever_it_comes(name):
    """Each child asks for its own end at once: before its parent waits, or while it does."""
    done = run_script(TOLD.format(name=name))
    assert (done.returncode, done.stdout, done.stderr) == (0, "{130}\n", "")


BETWEEN = """
from components.system.errors import run_cli
from components.system.processes import run_in_child

def main(words):
    run_in_child(sys.exit)
    os.kill(os.getpid(), signal.{name})
    time.sleep(0.1)
    print("went on")

run_cli(main)
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_between_two_children_a_signal_stops_the_parent(name):
    done = run_script(BETWEEN.format(name=name))
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "stopped: what is finished stays; the same command goes on from there\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_that_is_ignored_stays_so(number):
    """As SIGHUP under nohup, and Ctrl-C in the background of a script."""
    done = run_script(BETWEEN.format(name=number.name), number)
    assert (done.returncode, done.stdout, done.stderr) == (0, "went on\n", "")
