"""The experiments that `dvc exp run` made, side by side: what differs in their parameters, and what validation says."""

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
    """Return what `dvc exp show` knows of the workspace, the last commit and their experiments.

    Raises:
        UserError: DVC does not answer.
    """
    done = subprocess.run([sys.executable, "-m", "dvc", "exp", "show", "--json"], capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"`dvc exp show` failed: {' '.join(done.stderr.split())[:300]}")
    return json.loads(done.stdout)


def revisions(shown: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the name and the data of the workspace, of each commit, and of the experiments based on it."""
    for commit in shown:
        if commit.get("data"):
            yield commit["name"] or commit["rev"], commit["data"]
        for experiment in commit.get("experiments") or ():
            last = experiment["revs"][-1]
            if last.get("data"):
                yield experiment["name"] or last["name"] or last["rev"][:7], last["data"]


def table(shown: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return a row an experiment: the parameters and validation log losses that are not the same in all, best first.

    Args:
        shown: What `read` returns.
    """
    rows = {}
    for name, data in revisions(shown):
        values = [flat(file.get("data") or {}) for file in data["params"].values()]
        scores = {
            model_of(path): file["data"][SCORE]
            for path, file in data["metrics"].items()
            if path.endswith(f"/{FILE}") and file.get("data")
        }
        rows[name] = {"parameters": {key: one for own in values for key, one in own.items()}, "scores": scores}
    parts = [
        differing(pd.DataFrame({name: row[part] for name, row in rows.items()}).T) for part in ("parameters", "scores")
    ]
    parts[0] = parts[0].rename(columns=dict(zip(parts[0].columns, shortest([*parts[0].columns]), strict=True)))
    both = pd.concat(parts, axis=1)
    best = parts[1].astype(float).min(axis=1)
    return both.loc[best.sort_values(kind="stable").index].rename_axis("experiment")


def flat(values: Any, behind: tuple[str, ...] = ()) -> dict[str, str]:
    """Return nested mappings as text by the keys joined by dots."""
    if not isinstance(values, dict):
        return {".".join(behind): str(values)}
    return {key: text for name, inner in values.items() for key, text in flat(inner, (*behind, str(name))).items()}


def model_of(path: str) -> str:
    """Return what a classifier's scores are shown as, from where they lie: `digits glyphs top`."""
    return " ".join(part for part in PurePosixPath(path).parts[1:-1] if part != "classifiers")


def differing(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that are not the same in all rows; what a row lacks counts as a value."""
    return rows.loc[:, [column for column in rows if rows[column].fillna("").astype(str).nunique() > 1]]


def shortest(names: Sequence[str]) -> list[str]:
    """Return the shortest end of each dotted name that no other name ends on."""
    found = []
    for name in names:
        parts = name.split(".")
        ends = [".".join(parts[start:]) for start in reversed(range(len(parts)))]
        found.append(next((end for end in ends if sum(f".{one}".endswith(f".{end}") for one in names) == 1), name))
    return found
