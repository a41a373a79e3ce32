"""The digest of the code behind a step: what changes it, what does not, and the packages that compute in that code."""

import ast
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from components import STEPS
from components.machinery import code
from components.machinery.signature import load_step
from components.model.backbones import BACKBONES
from tests.conftest import FITTING

TRAINING = {"train_benchmark", "train_top", "fine_tune", "average"}
DRAWING_VIEWS = {"augment", "explore", "choose_precision", "extract", *TRAINING, *FITTING, "evaluate"}
DRAWING = {"draw_exploration", "draw_comparison"}


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """A copy of the components, to be edited."""
    shutil.copytree(code.ROOT / "components", tmp_path / "components", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(code, "ROOT", tmp_path)
    return tmp_path


def digests() -> dict[str, str]:
    return {name: code.code_digest(name) for name in STEPS}


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def steps_behind(file: str) -> set[str]:
    return {name for name in STEPS if file in code.modules_behind(f"components/{name}.py")}


# What is behind a step


@pytest.mark.parametrize("name", STEPS)
def test_a_step_has_its_own_module_behind_it_and_no_machinery(name):
    files = code.modules_behind(f"components/{name}.py")
    assert {f"components/{name}.py", "components/data/artifacts.py"} <= files
    assert all((code.ROOT / file).is_file() and not file.startswith(code.MACHINERY) for file in files)


def test_machinery_is_there():
    assert all((code.ROOT / path).exists() for path in code.MACHINERY)


def test_a_package_leads_to_all_modules_that_it_imports():
    figures = {
        path.relative_to(code.ROOT).as_posix() for path in (code.ROOT / "components/results/figures").glob("*.py")
    }
    for file in figures:
        assert steps_behind(file) == DRAWING
    assert not steps_behind("components/results/__init__.py")  # it is empty


def test_relative_imports_and_packages_that_only_import(root):
    folder = root / "components/data"
    (folder / "new").mkdir()
    (folder / "new/__init__.py").write_text('"""New."""\n\nfrom .deep import VALUE\n')
    (folder / "new/deep.py").write_text("from ..grouping import WINDOW as VALUE\n")
    (folder / "user.py").write_text("from . import new\n")
    behind = {"components/data/user.py", "components/data/new/deep.py", "components/data/grouping.py"}
    assert code.modules_behind("components/data/user.py") == behind
    (folder / "new/__init__.py").write_text("from .deep import VALUE\n\nVALUE = VALUE + 1\n")
    assert code.modules_behind("components/data/user.py") == behind | {"components/data/new/__init__.py"}


def test_what_is_imported_for_types_alone_is_not_behind(root):
    edit(
        root / "components/data/splitting.py",
        "    import pandas as pd\n", "    import pandas as pd\n    from components.results import page\n",
    )  # fmt: skip
    assert "components/results/page.py" not in code.modules_behind("components/split.py")


# What changes the digest of a module

FUNCTION = "def f(x, *rest, k=1, **more):\n    y = x\n    return y\n"


@pytest.mark.parametrize(
    "other",
    [
        f'"""A module."""\n\n# a comment\n\n\n{FUNCTION}',
        "def f(x, *rest, k=1, **more):\n    'What it does.'\n    y = x  # a comment\n\n    return y\n",
        "def f(x: int, *rest: 'str', k: float = 1, **more: bool) -> list[int]:\n    y: int = x\n    return y\n",
        "def f(x, *rest, k=1, **more):\n    y: int\n    y = x\n    pass\n    return y\n",
        f"from __future__ import annotations\nfrom typing import Any\nimport collections.abc\n{FUNCTION}",
        f"from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import keras\n{FUNCTION}",
        f"import typing\nif typing.TYPE_CHECKING:\n    import keras\n{FUNCTION}",
        f"{FUNCTION}\n'What f is.'\n",
    ],
)
def test_what_is_for_readers_and_type_checkers_does_not_count(other):
    assert (
        code.parse_module(other, "components/data/f.py").digest
        == code.parse_module(FUNCTION, "components/data/f.py").digest
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = True"),
        ("x = 1.0", "x = '1.0'"),
        ("x = b'1'", "x = \"b'1'\""),
        ("x = None", "x = ''"),
        ("x = f'{y}'", "x = f'{y!r}'"),
        ("x = {**y, 1: z}", "x = {1: z, **y}"),
        (FUNCTION, FUNCTION.replace("y", "z")),
        (FUNCTION, FUNCTION.replace("k=1", "k=2")),
        ("def f(*, a=1, b=2): return a", "def f(*, a=2, b=1): return a"),
        ("if TYPE_CHECKING:\n    x = 1\nelse:\n    x = 2", "if TYPE_CHECKING:\n    x = 1\nelse:\n    x = 3"),
        ("if not TYPE_CHECKING:\n    x = 2", "if not TYPE_CHECKING:\n    x = 3"),
        ("class A:\n    x: int = 1", "class A:\n    x: ClassVar[int] = 1"),
        ("class A:\n    x: int = 1", "class A:\n    x: InitVar[int] = 1"),
        ("class A:\n    x: int = 1", "class A:\n    x = 1"),
        ("class A:\n    x: int", "class A:\n    pass"),
    ],
)
def test_what_can_change_a_number_counts(one, other):
    assert (
        code.parse_module(one, "components/data/f.py").digest != code.parse_module(other, "components/data/f.py").digest
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("class A:\n    x: int = 1", "class A:\n    x: 'float | str' = 1"),
        ("class A:\n    x: ClassVar[int] = 1", "class A:\n    x: typing.ClassVar = 1"),
        ("def f(*, a=1, b=2): return a", "def f(*, b=2, a=1): return a"),
        ("if TYPE_CHECKING:\n    x = 1\nelse:\n    x = 2", "x = 2"),
    ],
)
def test_what_says_the_same_has_the_same_digest(one, other):
    assert (
        code.parse_module(one, "components/data/f.py").digest == code.parse_module(other, "components/data/f.py").digest
    )


def test_the_annotations_of_a_step_count_and_no_others():
    one, other = "def f(*, x: int): y: int = x", "def f(*, x: float): y: int = x"
    assert code.parse_module(one, "components/f.py").digest != code.parse_module(other, "components/f.py").digest
    assert (
        code.parse_module(one, "components/data/f.py").digest == code.parse_module(other, "components/data/f.py").digest
    )
    assert code.parse_module(one, "components/g.py").digest == code.parse_module(other, "components/g.py").digest
    local = one.replace("y: int", "y: float")
    assert code.parse_module(one, "components/f.py").digest == code.parse_module(local, "components/f.py").digest


# What changes the digest of a step


@pytest.mark.parametrize(
    ("file", "old", "new", "changed"),
    [
        ("data/grouping.py", "WINDOW = 5", "WINDOW = 6", {"split", "forecast"}),
        ("data/splitting.py", '"pd.DataFrame", sizes: Mapping', '"pd.Series", sizes: dict', set()),
        ("data/splitting.py", "from collections.abc import Mapping", "from typing import Mapping", set()),
        ("data/augmentation.py", "import hashlib\n", "import hashlib\n\nNEW = 1\n", DRAWING_VIEWS),
        ("results/figures/style.py", "import textwrap\n", "import textwrap\n\nNEW = 1\n", DRAWING),
        ("model/registry.py", "#D55E00", "#D55E01", {"compare", *DRAWING}),
        ("results/page.html", "<body", "<body class='new'", {"draw_comparison"}),
        ("data/artifact.py", "common_ground: ClassVar = ", "common_ground: set = ", {*STEPS}),
        ("data/artifact.py", "common_ground: ClassVar = ", "common_ground: ClassVar[set] = ", set()),
        ("explore.py", "these weights came", "the weights came", {"explore"}),  # a line of the log
        ("audit.py", "    content = pd", "    contents = pd", {"audit"}),  # a local variable
        ("augment.py", "shear: Share", "shear: PartialShare", {"augment"}),
        ("fetch.py", "max_quarantined: Share", "max_quarantined: int", {"fetch"}),
    ],
)
def test_an_edit_changes_the_steps_that_it_is_behind(root, file, old, new, changed):
    before = digests()
    edit(root / "components" / file, old, new)
    after = digests()
    assert {name for name in STEPS if before[name] != after[name]} == changed


def test_machinery_changes_nothing(root):
    before = digests()
    for path in code.MACHINERY:
        for file in [root / path] if path.endswith(".py") else (root / path).glob("*.py"):
            file.write_text(file.read_text(encoding="utf-8") + "\nNEW = 1\n", encoding="utf-8")
    assert digests() == before


def test_files_beside_that_belong_to_no_module_change_nothing(root):
    before = digests()
    for name in ("page.pyc", "page.py.orig", "pages.html", "README"):
        (root / "components/results" / name).write_text("new")
    assert digests() == before


def test_a_new_entry_of_a_registry_changes_no_signature(monkeypatch):
    before = code.parameter_signature("fetch_weights")
    code.parameter_signature.cache_clear()
    monkeypatch.setitem(BACKBONES, "new", BACKBONES["mobilenet_v2"])
    assert "new" in str(load_step("fetch_weights").parameters["backbone"].limits)
    assert code.parameter_signature("fetch_weights") == before


@pytest.mark.parametrize("seed", range(5))
def test_comments_and_texts_anywhere_change_nothing(root, seed):
    """A blank line, a comment and a text before statements at random, and a comment at the end, in every module."""
    before = digests()
    drawing = random.Random(seed)
    for file in (root / "components").rglob("*.py"):
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        starts = {}
        for node in ast.walk(ast.parse("".join(lines))):
            if isinstance(node, ast.stmt):
                first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", []))])
                starts[first] = node.col_offset
        for line, column in sorted(starts.items(), reverse=True):
            own = lines[line - 1][column:].startswith("elif") or lines[line - 1][:column].strip()
            if not own and drawing.random() < 0.2:
                indent = " " * column
                lines.insert(line - 1, f'\n# a comment\n{indent}# another\n{indent}"""A text."""\n')
        file.write_text("".join([*lines, "# the end\n"]), encoding="utf-8")
    assert digests() == before


def digests_elsewhere(root: Path, seed: str) -> dict[str, str]:
    """Return the digests as another process has them, of the code in a folder."""
    command = (
        "from components import STEPS\nfrom components.machinery import code\nprint(*map(code.code_digest, STEPS))"
    )
    surroundings = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONDONTWRITEBYTECODE": "1"}
    answer = subprocess.run(
        [sys.executable, "-c", command], cwd=root, env=surroundings, capture_output=True, text=True, check=True
    )
    return dict(zip(STEPS, answer.stdout.split(), strict=True))


def test_every_process_has_the_same_digests(root):
    before = digests()
    assert digests_elsewhere(root, "1") == digests_elsewhere(root, "2") == before


def test_the_limits_behind_a_name_count(root):
    """They are defined in the machinery, of which else nothing counts."""
    before = digests()
    edit(
        root / "components/system/limits.py",
        'Range("in [0, 1]", lambda value: 0 <=',
        'Range("in (0, 1]", lambda value: 0 <',
    )
    after = digests_elsewhere(root, "1")
    assert {name for name in STEPS if before[name] != after[name]} == {"fetch", "augment", "fine_tune"}


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("epochs: Count", "epochs: Seed", {"train_benchmark", "train_top", "fine_tune"}),  # other limits
        ("min_delta: NotNegative", "min_delta: Count", {"train_benchmark", "train_top", "fine_tune"}),  # another type
        ("l2: NotNegative", "l2: Positive", {"train_top", "fine_tune"}),
        ("backbone_rate: Share\n", "backbone_rate: PartialShare\n", {"fine_tune"}),
        ("Epochs at most.", "Epochs, at most.", set()),
    ],
)
def test_what_the_fields_of_the_settings_may_be_counts_for_the_steps_that_take_them(root, old, new, changed):
    before = digests()
    edit(root / "components/model/settings.py", old, new)
    after = digests_elsewhere(root, "1")
    assert {name for name in STEPS if before[name] != after[name]} == changed


# Packages


def test_every_package_that_is_imported_behind_a_step_is_known():
    """To compute, or to compute nothing: name it here then."""
    modules = {file for name in STEPS for file in code.modules_behind(f"components/{name}.py")}
    roots = {name.partition(".")[0] for file in modules for name in code.read_module(file).imports}
    computing_nothing = {"yaml"}  # which writes the recipe on the page
    assert roots - set(sys.stdlib_module_names) - {"components"} - computing_nothing == set(code.COMPUTING)


def test_packages_of_a_step():
    assert code.computing_packages("augment") == ["numpy", "pillow", "pillow-heif"]
    assert {"keras", "tensorflow"} <= {*code.computing_packages("extract")}
    assert "scipy" in code.computing_packages("split") and "ImageHash" in code.computing_packages("audit")


@pytest.mark.parametrize("name", STEPS)
def test_every_package_of_a_step_is_locked(name):
    optional = {"pillow-heif"}
    assert {*code.computing_packages(name)} - {*code.computing_versions(name)} <= optional


def test_versions_are_those_that_are_locked(root):
    assert code.computing_versions("audit") == {}
    (root / "requirements.txt").write_text(
        "imagehash==4.3.2 \\\n    --hash=sha256:00\n    # via numpy==7\nKeras[all]==3.15.1\n"
        "numpy==2.4.6 ; python_full_version < '3.12' \\\n    --hash=sha256:11\n"
        "numpy==2.5.5 ; python_full_version >= '3.12'\nnumpy-more==1\n"
    )
    assert code.computing_versions("audit") == {"ImageHash": "4.3.2", "numpy": "2.4.6, 2.5.5"}
