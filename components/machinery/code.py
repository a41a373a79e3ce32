"""The code behind a step's numbers: its modules, a digest of them, and the packages that compute in it.

The digest is of syntax trees, without what is written for readers and type checkers alone, and is the same under every
version of Python that the project supports.
"""

import ast
import hashlib
import importlib
import re
from functools import cache
from importlib.util import resolve_name
from pathlib import Path
from typing import Any, NamedTuple

from components.data.content import file_sha256, sha256
from components.machinery.parameters import parameters_of
from components.system.limits import Names

ROOT = Path(__file__).parents[2]
MACHINERY = (  # determines no number: it runs the steps and writes the journal, or a digest vouches for what it says
    "components/__init__.py",
    "components/data/datasets.py",
    "components/data/pinned.py",
    "components/data/records.py",
    "components/machinery/",
    "components/model/naming.py",
    "components/results/tracking/",
    "components/system/",
)
COMPUTING = {  # the packages that compute, by the name under which they are imported
    "PIL": ("pillow",),
    "pillow_heif": ("pillow-heif",),  # optional
    "h5py": ("h5py",),
    "imagehash": ("ImageHash",),
    "jinja2": ("jinja2",),
    "keras": ("keras", "tensorflow"),
    "matplotlib": ("matplotlib",),
    "numpy": ("numpy",),
    "pandas": ("pandas",),
    "scipy": ("scipy",),
    "sklearn": ("scikit-learn",),
    "tensorflow": ("tensorflow",),
    "threadpoolctl": ("scikit-learn",),  # which brings it
}
FOR_TYPES = {"__future__", "collections.abc", "typing"}  # modules that are imported for annotations
KINDS_OF_FIELDS = ("ClassVar", "InitVar", "KW_ONLY")  # annotations that a dataclass obeys
UNWRITTEN = {"ctx", "kind", "type_comment"}  # fields of nodes that change nothing


class Module(NamedTuple):
    """What counts in a module: the digest of its bare tree, whether that does more than import, the names imported."""

    digest: str
    does: bool
    imports: frozenset[str]


class BareTree(ast.NodeTransformer):
    """Takes from a module's tree its docstrings, its annotations, and the imports for them; notes all other imports.

    Args:
        package: Package of the module, from which relative imports are resolved.
        kept: The function whose annotations stay, because they convert what it is given.
    """

    def __init__(self, package: str, kept: ast.stmt | None):
        self.package, self.kept = package, kept
        self.imports: set[str] = set()
        self.in_class = False

    def visit_FunctionDef(self, node: Any) -> Any:
        """Return the node, its inside visited, without annotations of arguments and result unless it is `kept`."""
        if node is not self.kept:
            node.returns = None
            for argument in ast.walk(node.args):
                if isinstance(argument, ast.arg):
                    argument.annotation = None
        return self.visit_inside(node, in_class=False)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        """Return the class, its inside visited with `in_class` set, since annotations there declare fields."""
        return self.visit_inside(node, in_class=True)

    def visit_inside(self, node: ast.AST, in_class: bool) -> Any:
        """Return the same node, its inside visited; meanwhile `self.in_class` is as given, then as it was before."""
        outside, self.in_class = self.in_class, in_class
        self.generic_visit(node)
        self.in_class = outside
        return node

    def visit_arguments(self, node: ast.arguments) -> Any:
        """Return the arguments, keyword-only ones sorted by name, each with its default: their order says nothing."""
        pairs = sorted(zip(node.kwonlyargs, node.kw_defaults, strict=True), key=lambda pair: pair[0].arg)
        node.kwonlyargs, node.kw_defaults = [one for one, _ in pairs], [default for _, default in pairs]
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        """Return in a class the node, its annotation cut to a text; elsewhere an `Assign`, None where it has no value.

        The text is the kinds of field that the annotation names, such as `ClassVar`, and is empty for most.
        """
        if self.in_class:
            annotation = ast.dump(node.annotation)
            node.annotation = ast.Constant(" ".join(kind for kind in KINDS_OF_FIELDS if kind in annotation))
            return self.generic_visit(node)
        return self.generic_visit(ast.Assign([node.target], node.value)) if node.value else None

    def visit_Expr(self, node: ast.Expr) -> Any:
        """Return None, which removes it, for a text that stands by itself, such as a docstring; else the node."""
        text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if text else self.generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> Any:
        """Return an f-string without the empty texts between its parts that the first releases of Python 3.12 add."""
        node.values = [one for one in node.values if getattr(one, "value", None) != ""]
        return self.generic_visit(node)

    def visit_Pass(self, node: ast.Pass) -> None:
        """Return None, which removes it, so that a body of a docstring alone is the same as one of `pass`."""

    def visit_If(self, node: ast.If) -> Any:
        """Return for `if TYPE_CHECKING` the list of nodes of its `else`, its body unnoted; any other `if` as a node."""
        if "TYPE_CHECKING" in (getattr(node.test, "id", ""), getattr(node.test, "attr", "")):
            node.body = []
            self.generic_visit(node)
            return node.orelse
        return self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> Any:
        """Return the import without modules of `FOR_TYPES`, None if none is left; note the others in `imports`."""
        node.names = [alias for alias in node.names if alias.name not in FOR_TYPES]
        self.imports.update(alias.name for alias in node.names)
        return node if node.names else None

    def visit_ImportFrom(self, node: ast.ImportFrom) -> Any:
        """Return None for an import from one of `FOR_TYPES`; else the node, its module and each `module.name` noted."""
        name = resolve_name("." * node.level + (node.module or ""), self.package)
        if name in FOR_TYPES:
            return None
        self.imports.update((name, *(f"{name}.{alias.name}" for alias in node.names)))
        return node


def dump_tree(node: Any) -> str:
    """Return a syntax tree as text, the same in every Python: without positions, empty fields and `UNWRITTEN`."""
    if isinstance(node, ast.AST):
        values = ((name, getattr(node, name, None)) for name in node._fields if name not in UNWRITTEN)
        fields = (f"{name}={dump_tree(value)}" for name, value in values if value is not None and value != [])
        return f"{type(node).__name__}({','.join(fields)})"
    if isinstance(node, list):
        return f"[{','.join(map(dump_tree, node))}]"
    return ascii(node)


@cache
def parse_module(text: str, file: str) -> Module:
    """Return the SHA-256 of a module's text as `BareTree` leaves it, whether it does more than import, what it imports.

    What `BareTree` takes away is in none of the three; `from a import b` imports `a` and `a.b`. The path is from the
    repository's root.

    Of a module right in `components` the function of its name is a step, whose annotations count.
    """
    tree, path = ast.parse(text), Path(file)
    step = path.stem if path.parent.name == "components" else ""
    kept = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == step)
    bare = BareTree(".".join(path.parent.parts), next(kept, None))
    bare.visit(tree)
    does = any(not isinstance(node, ast.Import | ast.ImportFrom) for node in tree.body)
    return Module(hashlib.sha256(dump_tree(tree).encode()).hexdigest(), does, frozenset(bare.imports))


def read_module(file: str) -> Module:
    """Return the Module of a file, by its path from the root: digest, whether it does more than import, and imports."""
    return parse_module((ROOT / file).read_text(encoding="utf-8"), file)


def modules_behind(file: str) -> frozenset[str]:
    """Return the paths from the root of a module and all of `components` it imports, at any depth, less `MACHINERY`.

    `MACHINERY` determines no number, and is left out with what it alone imports; the `__init__.py` of a package is
    followed, and included where it does more than import.
    """
    reached: dict[str, Module] = {}
    looked_at, todo = set(MACHINERY), [file]
    while todo:
        current = todo.pop()
        reached[current] = read_module(current)
        names = (name for name in reached[current].imports if name.startswith("components."))
        places = (name.replace(".", "/") for name in names)
        for path in (path for place in places for path in (f"{place}.py", f"{place}/__init__.py")):
            if path not in looked_at and not path.startswith(MACHINERY) and (ROOT / path).is_file():
                todo.append(path)
            looked_at.add(path)
    return frozenset(path for path, module in reached.items() if module.does or not path.endswith("/__init__.py"))


def files_beside(modules: frozenset[str]) -> list[str]:
    """Return the data files beside modules, in no order: a module's path with another suffix, such as a template."""
    folders = {(ROOT / file).parent for file in modules}
    files = (path.relative_to(ROOT) for folder in folders for path in folder.iterdir() if path.is_file())
    others = (path for path in files if path.suffix and not path.suffix.startswith(".py"))
    return [path.as_posix() for path in others if path.with_suffix(".py").as_posix() in modules]


def code_digest(step: str) -> str:
    """Return one digest of the modules behind a step, the files beside them and its parameters, without docstrings.

    It changes when that code can change a number.
    """
    modules = modules_behind(f"components/{step}.py")
    digests = {file: read_module(file).digest for file in modules}
    digests |= {file: file_sha256(ROOT / file) for file in files_beside(modules)}
    return sha256(digests, parameter_signature(step))


@cache
def parameter_signature(step: str) -> list[list[str]]:
    """Return [name, type, limits], as texts, of each parameter of a step, sorted by name; limits may be "None".

    "None" is where there are no limits; those of a name in a registry are its noun, such as `optimizer`.

    The step's module names them, or a dataclass whose fields they are; the machinery defines them.
    """
    function = getattr(importlib.import_module(f"components.{step}"), step)
    return [
        [name, one.kind.__name__, one.limits.noun if isinstance(one.limits, Names) else str(one.limits)]
        for name, one in sorted(parameters_of(function).items())
    ]


def computing_packages(step: str) -> list[str]:
    """Return, sorted, PyPI names in `COMPUTING` of what a step's modules import, without modules behind artifacts."""
    modules = modules_behind(f"components/{step}.py") - modules_behind("components/data/artifacts.py")
    roots = {name.partition(".")[0] for file in modules for name in read_module(file).imports}
    return sorted({package for root in roots for package in COMPUTING.get(root, ())})


@cache
def locked_versions(requirements: str) -> dict[str, str]:
    """Return the version of each package that a lock file's text pins by `==`, by normal name; commas join several."""
    versions: dict[str, str] = {}
    for name, version in re.findall(r"^([\w.-]+)(?:\[[^]]*\])? *== *([^\s;]+)", requirements, re.MULTILINE):
        package = normal_name(name)
        versions[package] = f"{versions[package]}, {version}" if package in versions else version
    return versions


def normal_name(package: str) -> str:
    """Return a package's name in lower case, each run of `-`, `_` and `.` as one `-`, as PEP 503 defines it."""
    return re.sub("[-_.]+", "-", package).lower()


def computing_versions(step: str) -> dict[str, str]:
    """Return, by PyPI name, the version in requirements.txt of each package a step computes with, if it is there."""
    file = ROOT / "requirements.txt"
    locked = locked_versions(file.read_text(encoding="utf-8")) if file.is_file() else {}
    packages = computing_packages(step)
    return {package: locked[normal_name(package)] for package in packages if normal_name(package) in locked}
