"""Compares the experiments of `dvc exp run`: the parameters in which they differ, and their log loss on validation."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import pandas as pd

from components.system.errors import UserError

SCORE, FILE = "log_loss", "validation.json"


def read() -> list[dict[str, Any]]:
    """Return the JSON of `dvc exp show`: a list of the workspace and the last commit, each with its experiments.

    Raises:
        UserError: `dvc exp show` fails.
    """
    done = subprocess.run([sys.executable, "-m", "dvc", "exp", "show", "--json"], capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"`dvc exp show` failed: {' '.join(done.stderr.split())[:300]}")
    return json.loads(done.stdout)


def revisions(answer: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield (name, data) of the workspace, each commit, and after it its experiments; those without data are left out.

    Where one has no name, its revision is in its place.
    """
    for commit in answer:
        if commit.get("data"):
            yield commit["name"] or commit["rev"], commit["data"]
        for experiment in commit.get("experiments") or ():
            last = experiment["revs"][-1]
            if last.get("data"):
                yield experiment["name"] or last["name"] or last["rev"][:7], last["data"]


def table(answer: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return a row each for workspace, commits, experiments: parameters and log losses that differ; lowest loss first.

    Its index, `experiment`, has their names. Its columns are those that differ: parameters as text, by shortest
    unambiguous names, then the log loss of each classifier, by its title. Rows without a log loss come last; a loss
    that is the same in all rows does not count.

    Args:
        answer: What `read` returns.
    """
    rows = {}
    for name, data in revisions(answer):
        values = [flatten(file.get("data") or {}) for file in data["params"].values()]
        scores = {
            model_title(path): file["data"][SCORE]
            for path, file in data["metrics"].items()
            if path.endswith(f"/{FILE}") and file.get("data")
        }
        rows[name] = {"parameters": {key: text for file in values for key, text in file.items()}, "scores": scores}
    parts = [
        differing_columns(pd.DataFrame({name: row[part] for name, row in rows.items()}).T)
        for part in ("parameters", "scores")
    ]
    parts[0] = parts[0].rename(columns=dict(zip(parts[0].columns, shortest_endings([*parts[0].columns]), strict=True)))
    both = pd.concat(parts, axis=1)
    best = parts[1].astype(float).min(axis=1)
    return both.loc[best.sort_values(kind="stable").index].rename_axis("experiment")


def flatten(values: Any, behind: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the values in nested mappings as text, by keys joined with dots: `{"a.b": "1"}` for `{"a": {"b": 1}}`.

    A list is one value; an empty mapping has none.
    """
    if not isinstance(values, dict):
        return {".".join(behind): str(values)}
    return {key: text for name, inner in values.items() for key, text in flatten(inner, (*behind, str(name))).items()}


def model_title(path: str) -> str:
    """Return a classifier's title: `digits top` for its scores at `artifacts/digits/classifiers/top/validation.json`.

    It is the inner folders with blanks, without `classifiers`.
    """
    return " ".join(part for part in PurePosixPath(path).parts[1:-1] if part != "classifiers")


def differing_columns(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a table with only those columns whose values differ, unchanged; a missing one equals an empty text."""
    return rows.loc[:, [column for column in rows if rows[column].astype(object).fillna("").astype(str).nunique() > 1]]


def shortest_endings(names: Sequence[str]) -> list[str]:
    """Return for each dotted name, in order, its shortest end of whole parts that no other has, else the name."""
    endings = []
    for name in names:
        parts = name.split(".")
        ends = [".".join(parts[start:]) for start in reversed(range(len(parts)))]
        endings.append(next((end for end in ends if sum(f".{one}".endswith(f".{end}") for one in names) == 1), name))
    return endings
