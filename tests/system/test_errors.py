"""Messages that say what is wrong and what would be right."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from components.machinery.code import ROOT
from components.system.errors import UserError, redact, unknown_name

HEADS = ("linear", "dense")


@pytest.mark.parametrize(
    ("received", "message"),
    [
        ("liner", "no head 'liner'; did you mean 'linear'? (there are: dense, linear)"),
        ("xyz", "no head 'xyz' (there are: dense, linear)"),
        ("", "no head '' (there are: dense, linear)"),
    ],
)
def test_an_unknown_name_is_shown_beside_the_known_ones(received, message):
    error = unknown_name("head", received, HEADS)
    assert isinstance(error, UserError)
    assert str(error) == message


@pytest.mark.parametrize(("received", "known"), [(True, ["on"]), (7, ["7a"]), ("a", [1, "b"])])
def test_names_that_yaml_reads_as_something_else(received: Any, known: Any):
    error = str(unknown_name("recipe", received, known))
    assert str(received) in error and all(str(name) in error for name in known)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no 'http://a:b@host:5/x' here", "no 'http://host:5/x' here"),
        ("no http://a:b c d@host:5/x here", "no http://host:5/x here"),
        ("at http://host:5/x, of a@b", "at http://host:5/x, of a@b"),
    ],
)
def test_what_signs_in_is_not_shown(text, expected):
    assert redact(text) == expected


HELP = "Parser('x').print_help(); sys.exit()"
COMMAND = """
import sys
from components.system.errors import Parser, run_cli

def main(words):
    {body}

run_cli(main)
"""


def run_body(body: str, output: Path = Path(os.devnull), **variables: str) -> subprocess.CompletedProcess:
    """Run a command of one line in a process, with its output in a file."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    command = [sys.executable, "-c", COMMAND.format(body=body)]
    with output.open("w") as stdout:
        return subprocess.run(command, env=environment, stdout=stdout, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("length", [10, 100_000])
def test_an_output_that_is_full_is_one_line(length):
    """Also where what is printed is so short that it goes out at the end."""
    done = run_body(f"print('x' * {length})", Path("/dev/full"))
    assert (done.returncode, done.stderr) == (2, "error: output: No space left on device\n")


@pytest.mark.parametrize("body", ["print('x'); sys.exit()", "print('x'); raise KeyboardInterrupt", HELP])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_output_that_is_full_is_one_line_however_the_command_ends(body, unbuffered):
    done = run_body(body, Path("/dev/full"), PYTHONUNBUFFERED=unbuffered)
    assert (done.returncode, done.stderr) == (2, "error: output: No space left on device\n")


@pytest.mark.parametrize("body", ["print('x' * 100_000)", "print('x'); sys.exit()", HELP])
def test_a_reader_that_has_stopped_is_no_error(body):
    reading, writing = os.pipe()
    os.close(reading)
    done = run_body(body, Path(f"/dev/fd/{writing}"))
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_command_without_an_output_runs(tmp_path):
    script = COMMAND.format(body=f"print('x'); open({str(tmp_path / 'made')!r}, 'w')")
    command = ["sh", "-c", 'exec "$0" -c "$1" >&- 2>&-', sys.executable, script]
    assert subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}).returncode == 0
    assert (tmp_path / "made").exists()


def test_without_docstrings_a_line_says_why_nothing_runs():
    done = run_body("print('x')", PYTHONOPTIMIZE="2")
    assert done.returncode == 2
    assert done.stderr.startswith("error: PYTHONOPTIMIZE=2 and -OO drop the docstrings")


def test_a_move_that_fails_names_where_to(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    done = run_body(f"__import__('os').rename({str(tmp_path / 'file')!r}, {str(tmp_path / 'folder')!r})")
    assert (done.returncode, done.stderr) == (2, f"error: {tmp_path}/folder: Is a directory\n")


def test_a_folder_in_place_of_a_file_is_one_line(tmp_path):
    done = run_body(f"open({str(tmp_path)!r}, 'w')")
    assert (done.returncode, done.stderr) == (2, f"error: {tmp_path}: Is a directory\n")


def test_a_fault_of_the_program_keeps_its_traceback():
    assert run_body("raise OSError('no number')").stderr.startswith("Traceback")
