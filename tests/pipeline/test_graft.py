"""The command `graft`: what it lists, how little its help loads, how it is installed."""

import inspect
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from components import STEPS
from components.machinery.code import ROOT
from components.machinery.command_line import read_arguments
from components.system.errors import UserError
from pipeline import __main__, experiments
from pipeline.__main__ import COMMANDS, main

GRAFT = Path(sys.executable).with_name("graft")


def run_graft(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([GRAFT, *words], cwd=folder, capture_output=True, text=True)


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
def test_help_lists_every_command_with_its_summary(words, capsys):
    main(words)
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    summaries = {name: (command.__doc__ or "").splitlines()[0] for name, command in COMMANDS.items()}
    assert dict(lines) == summaries
    assert all(summary.endswith(".") and len(summary) <= 105 for summary in summaries.values())


def test_experiments_that_have_not_been_scored_are_listed_last(monkeypatch, capsys):
    def answered(name: str, dropout: float, loss: float | None) -> dict:
        metrics = {"artifacts/digits/classifiers/top/validation.json": {"data": loss and {"log_loss": loss}}}
        params = {"params.yaml": {"data": {"train_top": {"dropout": dropout}}}}
        return {"name": name, "data": {"params": params, "metrics": metrics}}

    answer = [answered("workspace", 0.1, None), answered("first", 0.2, 0.5), answered("second", 0.3, 0.25)]
    monkeypatch.setattr(experiments, "read", lambda: answer)
    main(["experiments"])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[2:]]
    assert rows == [["second", "0.3", "0.2500"], ["first", "0.2", "0.5000"], ["workspace", "0.1"]]


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "step"])
def test_a_command_documents_itself(name, capsys):
    arguments = read_arguments(COMMANDS[name])
    assert [argument.name for argument in arguments] == list(inspect.signature(COMMANDS[name]).parameters)
    assert all(argument.description.endswith(".") for argument in arguments)
    with pytest.raises(SystemExit) as left:
        main([name, "--help"])
    assert left.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: graft {name} [-h]")


def test_an_unknown_command():
    with pytest.raises(UserError, match="no command 'chek'; did you mean 'check'"):
        main(["chek"])


LOADED = """
import sys
from pipeline.__main__ import COMMANDS, main
for name in COMMANDS:
    try:
        main([name, "--help"])
    except SystemExit:
        pass
print(sorted(set(sys.argv[1:]) & set(sys.modules)), file=sys.stderr)
"""
HEAVY = ("keras", "tensorflow", "mlflow", "sklearn", "pandas", "numpy", "scipy", "matplotlib", "PIL", "dvc", "kfp")


def test_help_loads_nothing_heavy(tmp_path):
    command = [sys.executable, "-c", LOADED.replace("for name in COMMANDS", "for name in {*COMMANDS} - {'step'}")]
    assert subprocess.run([*command, *HEAVY], cwd=ROOT, capture_output=True, text=True).stderr == "[]\n"


# One step


def test_a_step_is_run_as_by_its_module(tmp_path):
    listed = run_graft("step", folder=tmp_path)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert [line.split()[0] for line in listed.stdout.splitlines() if line.startswith("  ")] == list(STEPS)
    for words in (["step", "splt"], ["step", "split", "--seed", "1"]):
        left = run_graft(*words, folder=tmp_path)
        module = subprocess.run(
            [sys.executable, "-m", "components", *words[1:]], cwd=ROOT, capture_output=True, text=True
        )
        assert (left.returncode, left.stdout) == (module.returncode, module.stdout) == (2, "")
        assert left.stderr == module.stderr.replace("`python -m components split", "`graft step split")
        assert left.stderr.startswith("error: ") and left.stderr.count("\n") == 1


# Installation


def test_it_is_installed_where_the_code_is(tmp_path):
    listed = run_graft(folder=tmp_path)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert listed.stdout.startswith("graft COMMAND ...\n")
    code = "import components, pipeline; print(components.__file__, pipeline.__file__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(ROOT / name / "__init__.py") for name in ("components", "pipeline")]


def test_in_the_folder_of_other_code_it_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    __main__.check_folder()
    (tmp_path / "pipeline").mkdir()
    shutil.copy(ROOT / "pipeline/__main__.py", tmp_path / "pipeline")
    left = run_graft("check", folder=tmp_path)
    assert (left.returncode, left.stdout) == (2, "")
    assert left.stderr == (
        f"error: `graft` runs the code of {ROOT} in this environment, not that of this folder: `make setup` here, "
        "and then `. .venv/bin/activate`\n"
    )


def make_setup(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    for name in ("Makefile", "requirements-setup.txt", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, folder / name)
    return subprocess.run(["make", *options, "setup"], cwd=folder, capture_output=True, text=True)


def test_no_environment_is_made_in_a_folder_with_a_colon(tmp_path):
    folder = tmp_path / "x:y"
    folder.mkdir()
    done = make_setup(folder)
    assert f"{folder} has a colon, which no PATH can hold: rename that folder" in done.stderr
    assert done.returncode and not (folder / ".venv").exists()


@pytest.mark.parametrize(("here", "commands"), [(True, 0), (False, 1)])
def test_an_environment_that_was_moved_is_made_anew(tmp_path, here, commands):
    make_setup(tmp_path, "--dry-run")
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/.complete").write_text(f"{tmp_path if here else '/elsewhere'}\n")
    (tmp_path / ".venv/bin/graft").touch()
    done = subprocess.run(["make", "--dry-run", "setup"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.count("-m venv --clear .venv") == commands


def test_a_wheel_has_all_modules_and_what_lies_beside_them(tmp_path):
    """Built as pip builds it, without a network."""
    kept = ("components", "pipeline", "pyproject.toml", "README.md", "LICENSE")
    for name in kept:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    build = "from setuptools.build_meta import build_wheel; print(build_wheel('dist'))"
    done = subprocess.run([sys.executable, "-c", build], cwd=tmp_path, capture_output=True, text=True, check=True)
    with ZipFile(tmp_path / "dist" / done.stdout.split()[-1]) as wheel:
        files = {file for file in wheel.namelist() if ".dist-info/" not in file}
        (entry_points,) = (file for file in wheel.namelist() if file.endswith("entry_points.txt"))
        assert "graft = pipeline.__main__:graft" in wheel.read(entry_points).decode()
    sources = (path for name in ("components", "pipeline") for path in (ROOT / name).rglob("*") if path.is_file())
    assert files == {path.relative_to(ROOT).as_posix() for path in sources if "__pycache__" not in path.parts}
