"""The revisions of code and data, and the versions of packages, that a run is recorded with."""

import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

from components.machinery.code import ROOT

REVISIONS = {  # outside git in which variable, and in git of which files
    "git_revision": ("GRAFT_REVISION",),
    "dvc_revision": ("GRAFT_DVC_REVISION", "data/dvc.lock"),
    "recipe_revision": ("GRAFT_RECIPE_REVISION", "params.yaml"),
}


def revisions() -> dict[str, str]:
    """Return `git_revision`, `dvc_revision` and `recipe_revision`, of code, data and recipe; unknown ones are left out.

    The first is the last commit, whatever has changed since. The others are the last commits that changed
    `data/dvc.lock` and `params.yaml`, with `-dirty` where that file has changed since. Outside git, as in an image,
    they are GRAFT_REVISION, GRAFT_DVC_REVISION and GRAFT_RECIPE_REVISION.
    """
    commits = {name: run_git("log", "-1", "--format=%H", "--", *paths) for name, (_, *paths) in REVISIONS.items()}
    for name, (_, *paths) in REVISIONS.items():
        if paths and run_git("status", "--porcelain", "--", *paths):
            commits[name] = f"{commits[name] or 'none'}-dirty"
    commits = {name: commits[name] or os.environ.get(variable, "") for name, (variable, *_) in REVISIONS.items()}
    return {name: revision for name, revision in commits.items() if revision}


def run_git(*arguments: str) -> str:
    """Return what a git command in the project prints, stripped; its failure is ignored; empty without git."""
    try:
        command = ["git", "-C", str(ROOT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except FileNotFoundError:
        return ""


def installed_versions(packages: Sequence[str]) -> dict[str, str]:
    """Return the version of each of the packages that is installed, by name; the others are left out."""
    versions = {}
    for package in packages:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return versions
