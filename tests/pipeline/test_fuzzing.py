"""Whatever stands in params.yaml or on the command line: one line says what is wrong with it, and nothing is left."""

import copy
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pipeline.__main__
from components import STEPS, __main__
from components.machinery.code import ROOT
from components.machinery.parameters import read_yaml
from components.machinery.signature import load_step
from components.system.errors import UserError
from pipeline import planning, recipes, stages

REAL = read_yaml(ROOT / "params.yaml")
EXAMPLES = int(os.environ.get("GRAFT_EXAMPLES", "300" if os.environ.get("GRAFT_SLOW") else "100"))
TEXT = (ROOT / "params.yaml").read_text(encoding="utf-8")
SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=EXAMPLES)

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.dates() | st.binary(max_size=5)
    | st.sampled_from(["digits", "glyphs", "vgg16_small", "../x", "a b", "it's", "$(x)", "-", "0.5", "\0", "\ud800"])
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9) | st.integers(), inner, max_size=3),
    max_leaves=5,
)


@pytest.fixture(scope="module", autouse=True)
def code_as_it_is():
    """Take the digest of each step's code once, for all examples."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning.code, "code_digest", cache(planning.code.code_digest))
        patch.setattr(planning.code, "computing_versions", cache(planning.code.computing_versions))
        yield


def places(value: Any) -> list[tuple[dict, Any]]:
    """Return every mapping and key in nested mappings."""
    if not isinstance(value, dict):
        return []
    return [(value, key) for key in value] + [place for inner in value.values() for place in places(inner)]


def error_line(action: Callable[..., Any], *arguments: Any) -> str:
    """Run an action, and return the one line of its error, or an empty text if it has none; raise all else."""
    line = ""
    try:
        action(*arguments)
    except UserError as error:
        line = str(error) or "\n"
    except SystemExit as end:
        if end.code:  # 0 follows help
            raise
    assert "\n" not in line and len(line) < 2000
    return line


def plan(content: Any) -> None:
    """Check, arrange and render the content of params.yaml, as `plan` does."""
    recipes.check(content)
    tasks = planning.active_tasks(content)
    for task in tasks.values():
        planning.Entry.of(task)
    stages.render(content, tasks)


@SHARED
@given(st.data())
def test_any_value_and_any_key_of_the_parameters(data):
    content = copy.deepcopy(REAL)
    for _ in range(data.draw(st.integers(1, 3))):
        inside, key = data.draw(st.sampled_from(places(content)))
        change = data.draw(st.sampled_from(["value", "key", "gone", "more"]))
        if change in ("key", "gone"):
            value = inside.pop(key)
        if change == "key":
            inside[data.draw(st.text(max_size=9) | st.integers() | st.none())] = value
        elif change == "value":
            inside[key] = data.draw(VALUES)
        elif change == "more":
            inside[data.draw(st.text(max_size=9))] = data.draw(VALUES)
    error_line(plan, content)


@SHARED
@given(
    st.integers(0, len(TEXT)), st.integers(0, 30),
    st.text(max_size=9)
    | st.sampled_from(["[" * 2000, "&a [*a]", "!!python/object:os.system x", "? [1]", "2001-99-99"]),
)  # fmt: skip
def test_any_text_of_the_parameters(tmp_path, start, length, text):
    file = tmp_path / "params.yaml"
    file.write_bytes((TEXT[:start] + text + TEXT[start + length :]).encode(errors="surrogatepass"))
    error_line(lambda: plan(recipes.read(file)))


def test_names_within_names_are_not_spelled_out(tmp_path):
    """Nine lists, each of nine times the one before it: read in no time, and a message of a billion names if shown."""
    lines = [
        "a0: &a0 [x]",
        *(f"a{number}: &a{number} [{', '.join([f'*a{number - 1}'] * 9)}]" for number in range(1, 10)),
    ]
    (tmp_path / "params.yaml").write_text(
        "\n".join([*lines, "active: []", "data: {}", "weights: {}", "defaults: {}", "recipes: *a9"])
    )
    assert "recipes is `name: value` lines; received [[" in error_line(recipes.read, tmp_path / "params.yaml")


FLAGS = sorted({f"--{key}" for name in STEPS for kinds in (
    load_step(name).inputs, load_step(name).outputs, load_step(name).parameters) for key in kinds})  # fmt: skip
WORDS = (
    st.sampled_from([*STEPS, *FLAGS, "--params", "--recipe", "--help", "-h", "", "-", "--", "params.yaml:recipes"])
    | st.sampled_from(["1", "-1", "0.5", "nan", "9" * 400, "check", "show", "ui", "--port", "linear", "a/b", ".", ".."])
    | st.text(st.characters(exclude_characters="/~\0", exclude_categories=["Cs"]), max_size=9)
)  # fmt: skip


@SHARED
@given(st.sampled_from([__main__.main, pipeline.__main__.main]), st.lists(WORDS, max_size=14))
def test_any_words_on_the_command_line(tmp_path, monkeypatch, main, words):
    monkeypatch.chdir(tmp_path)
    error_line(main, words)
    assert not list(tmp_path.iterdir())


@SHARED
@given(st.sampled_from(STEPS), st.data())
def test_any_values_of_a_step_on_the_command_line(tmp_path, monkeypatch, name, data):
    """All flags are there, with any values: no artifact is, so that no step gets as far as working."""
    monkeypatch.chdir(tmp_path)
    step = load_step(name)
    values = st.sampled_from(["1", "0", "-1", "0.5", "1e999", "nowhere", "", "linear"]) | st.text(
        st.characters(exclude_characters="/~\0", exclude_categories=["Cs"]), max_size=9
    )
    keys = [*step.inputs, *step.outputs, *step.parameters]
    words = [word for key in keys for word in (f"--{key}", data.draw(values))]
    assert error_line(__main__.main, [name, *words])
    assert not [path for path in Path().rglob("*") if path.is_file()]
