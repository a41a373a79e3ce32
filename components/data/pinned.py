"""Data sets and weights as DVC pinned them: a commit of a git repository, and the DVC remote that holds their bytes."""

import getpass
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import TypeVar
from urllib.parse import parse_qsl

from components.data.artifact import MANIFEST, Artifact
from components.system.errors import UserError, redact, shorten

Kind = TypeVar("Kind", bound=Artifact)

GIT = "git+"
SIGNED = r"https?://.*[@?]|([^/]*://)?[^/@]*:[^/@]*@"  # a user of http, or any with a password


@dataclass(frozen=True)
class Pinned:
    """Where an artifact is pinned.

    Args:
        address: What git clones.
        revision: The commit, 40 hexadecimal digits.
        path: The artifact's folder in the repository.
        remote: The DVC remote; empty for the repository's default.
    """

    address: str
    revision: str
    path: str
    remote: str

    def __str__(self) -> str:
        return f"{self.path} of {redact(self.address)} at {self.revision[:12]}"

    @classmethod
    def read(cls, source: str, folder: str, name: str) -> "Pinned":
        """Return what `git+ADDRESS@REVISION#name=NAME&remote=REMOTE` says; what follows the # may lack.

        Args:
            source: The text.
            folder: Where in the repository such artifacts lie.
            name: The artifact's name there, unless the text has another.

        Raises:
            UserError: It is not of that form, or would show a password.
        """
        text = source.removeprefix(GIT)
        if re.match(SIGNED, text.rpartition("@")[0], re.IGNORECASE | re.DOTALL):
            raise UserError(
                "an address of git with a user name, password or token in it is not taken, as others would see them: "
                "leave them out, and let a credential helper of git or an SSH key sign in"
            )
        place, _, fragment = text.partition("#")
        address, _, revision = place.rpartition("@")
        if not address or not re.fullmatch("[0-9a-f]{40}", revision):
            raise UserError(
                "a source in git is git+ADDRESS@REVISION, the revision being the 40 hexadecimal digits of a commit, as "
                f"`git rev-parse REVISION` gives them; received {shorten(revision) if address else 'none'}"
            )
        try:
            given = dict(parse_qsl(fragment, strict_parsing=True, max_num_fields=2)) if fragment else {}
            if given.keys() - {"name", "remote"}:
                raise ValueError
        except ValueError:
            raise UserError(
                f"{redact(address)}: what follows a # is name=NAME, remote=REMOTE or both, joined by &, as this is not"
            ) from None
        return cls(address, revision, f"{folder}/{given.get('name', name)}", given.get("remote", ""))

    def get(self, output: Kind) -> Kind:
        """Fill an output with the pinned artifact, and return that: its manifest is still the pinned one.

        Args:
            output: The artifact to fill.

        Raises:
            UserError: Git or DVC is lacking or fails, or what is pinned is no such artifact.
        """
        if not importlib.util.find_spec("dvc") or not shutil.which("git"):
            raise UserError(
                "a source in git takes git and DVC: use the image `fetch`, or install git and `pip install dvc`"
            )
        target = output.path.absolute() / "pinned"
        with TemporaryDirectory(prefix="graft-") as temporary:
            clone, surroundings = f"{temporary}/clone", environment(temporary)
            run(
                ["git", "clone", "-q", "--no-checkout", "--", self.address, clone], surroundings,
                f"cannot clone {redact(self.address)}", "check the address, and with what git signs in there",
            )  # fmt: skip
            run(
                ["git", "-C", clone, "checkout", "-q", "--detach", self.revision], surroundings,
                f"{redact(self.address)} has no commit {self.revision} on a branch or tag", "push it, or correct it",
            )  # fmt: skip
            get = ["get", clone, self.path, f"--remote={self.remote}", "--out", str(target)]
            run(
                [sys.executable, "-P", "-m", "dvc", *get], surroundings, f"cannot get {self}",
                "see that it is pinned there, `dvc push` was run, and the remote (#remote=NAME) can be read from here",
            )  # fmt: skip
        try:
            pinned = type(output).read(target)
        except UserError as error:
            raise UserError(f"{self} is nothing that a step made ({error})") from error
        for file in target.iterdir():
            if file.name != MANIFEST:
                file.rename(output.path / file.name)
        shutil.rmtree(target)
        return type(output)(output.path, pinned.manifest)


def environment(folder: str) -> dict[str, str]:
    """Return what git and DVC run under: asking nothing, writing to a folder, with a home and a name if they have none.

    A container's user may have neither. A home that there is stays: git and DVC find their credentials by it.
    """
    found = {**os.environ, "HOME": os.environ.get("HOME") or folder, "DVC_SITE_CACHE_DIR": folder}
    try:
        getpass.getuser()
    except (KeyError, OSError):
        found["USER"] = "graft"
    return {**found, "DVC_NO_ANALYTICS": "1", "GIT_TERMINAL_PROMPT": "0", "SSH_ASKPASS_REQUIRE": "never"}


def run(command: Sequence[str], surroundings: Mapping[str, str], failed: str, advice: str) -> None:
    """Run a command without a terminal.

    Raises:
        UserError: It failed, with what it said.
    """
    try:
        process = subprocess.Popen(
            command, env=surroundings, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            encoding="utf-8", errors="replace", start_new_session=True,
        )  # fmt: skip
    except ValueError as error:  # a character that no command line holds
        raise UserError(f"{failed}: {error}; {advice}") from error
    with process:
        try:
            _, stderr = process.communicate()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)  # its own children too
            raise
    if process.returncode:
        said = re.sub("ERROR: |fatal: |unexpected error - |failed to get .* - |Having any troubles.*", "", stderr)
        reason = " ".join(redact(said).split())[:300] or f"exit status {process.returncode}"
        reason = re.sub(r"^\[('.*')\]$", r"\1 is not there", reason)  # all that DVC says of an unknown path
        raise UserError(f"{failed}: {reason}; {advice}")
