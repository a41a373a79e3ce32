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
    """Return the answer of `dvc exp show`: the workspace, the last commit, and the experiments based on them.

    Raises:
        UserError: `dvc exp show` fails.
    """
    done = subprocess.run([sys.executable, "-m", "dvc", "exp", "show", "--json"], capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"`dvc exp show` failed: {' '.join(done.stderr.split())[:300]}")
    return json.loads(done.stdout)


def revisions(answer: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the name and the data of the workspace, of each commit, and of the experiments based on it."""
    for commit in answer:
        if commit.get("data"):
            yield commit["name"] or commit["rev"], commit["data"]
        for experiment in commit.get("experiments") or ():
            last = experiment["revs"][-1]
            if last.get("data"):
                yield experiment["name"] or last["name"] or last["rev"][:7], last["data"]


def table(answer: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the columns in which experiments differ, a row each, those with the lowest validation log loss first.

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
    """Return the values in nested mappings as text, by keys joined with dots: `{"a.b": "1"}` for `{"a": {"b": 1}}`."""
    if not isinstance(values, dict):
        return {".".join(behind): str(values)}
    return {key: text for name, inner in values.items() for key, text in flatten(inner, (*behind, str(name))).items()}


def model_title(path: str) -> str:
    """Return the title of a classifier, such as `digits glyphs top`, from the path of its scores."""
    return " ".join(part for part in PurePosixPath(path).parts[1:-1] if part != "classifiers")


def differing_columns(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of a table whose values differ; a missing value counts as one."""
    return rows.loc[:, [column for column in rows if rows[column].fillna("").astype(str).nunique() > 1]]


def shortest_endings(names: Sequence[str]) -> list[str]:
    """Return the shortest end of each dotted name that no other name ends on."""
    endings = []
    for name in names:
        parts = name.split(".")
        ends = [".".join(parts[start:]) for start in reversed(range(len(parts)))]
        endings.append(next((end for end in ends if sum(f".{one}".endswith(f".{end}") for one in names) == 1), name))
    return endings
