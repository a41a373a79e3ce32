"""Work in child processes."""

import os
import signal
from pathlib import Path

import pytest

from components.system.errors import UserError
from components.system.processes import call_in_processes
from components.system.resources import resource_errors


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
