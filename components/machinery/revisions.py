"""Which revision of the code and of the data, and which versions of packages, a run is of."""

import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

from components.machinery.code import ROOT

REVISIONS = {  # outside git in which variable, and in git of which files
    "git_revision": ("GRAFT_REVISION",),
    "dvc_revision": ("GRAFT_DVC_REVISION", "data/dvc.lock"),
}


def revisions() -> dict[str, str]:
    """Return the git revision of the code and the one by which DVC knows the data; none where nobody knows.

    The second is the last commit that changed `data/dvc.lock`, with `-dirty` where that file has changed since. Outside
    git, as in an image, they are GRAFT_REVISION and GRAFT_DVC_REVISION.
    """
    known = {name: git("log", "-1", "--format=%H", "--", *paths) for name, (_, *paths) in REVISIONS.items()}
    if git("status", "--porcelain", "--", "data/dvc.lock"):
        known["dvc_revision"] = f"{known['dvc_revision'] or 'none'}-dirty"
    known = {name: known[name] or os.environ.get(variable, "") for name, (variable, *_) in REVISIONS.items()}
    return {name: revision for name, revision in known.items() if revision}


def git(*arguments: str) -> str:
    """Return what git answers about the project; nothing where there is no git."""
    try:
        command = ["git", "-C", str(ROOT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except FileNotFoundError:
        return ""


def installed(packages: Sequence[str]) -> dict[str, str]:
    """Return the version of each package that is installed."""
    versions = {}
    for package in packages:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return versions
