"""Data sets and weights that DVC has pinned: in a commit of a git repository, with their bytes in a DVC remote."""

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
CREDENTIALS = r"https?://.*[@?]|([^/]*://)?[^/@]*:[^/@]*@"  # a user of http, or any with a password


@dataclass(frozen=True)
class PinnedSource:
    """Where DVC has pinned an artifact.

    Args:
        address: Address of the git repository.
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
    def parse(cls, source: str, folder: str, name: str) -> "PinnedSource":
        """Return the source that a text names, `git+ADDRESS@REVISION`, with or without `#name=NAME&remote=REMOTE`.

        Args:
            source: The text.
            folder: Folder of such artifacts in the repository.
            name: The artifact's name there, unless the text has another.

        Raises:
            UserError: It is not of that form, or contains a password.
        """
        text = source.removeprefix(GIT)
        if re.match(CREDENTIALS, text.rpartition("@")[0], re.IGNORECASE | re.DOTALL):
            raise UserError(
                "an address of git must not contain a user name, password or token, which others would see: leave them "
                "out, and let a credential helper of git or an SSH key sign in"
            )
        place, _, fragment = text.partition("#")
        address, _, revision = place.rpartition("@")
        if not address or not re.fullmatch("[0-9a-f]{40}", revision):
            raise UserError(
                "expected git+ADDRESS@REVISION, the revision as the 40 hexadecimal digits of a commit, which "
                f"`git rev-parse REVISION` prints; received {shorten(revision) if address else 'none'}"
            )
        try:
            options = dict(parse_qsl(fragment, strict_parsing=True, max_num_fields=2)) if fragment else {}
            if options.keys() - {"name", "remote"}:
                raise ValueError
        except ValueError:
            raise UserError(
                f"{redact(address)}: expected #name=NAME, #remote=REMOTE or #name=NAME&remote=REMOTE after the "
                "revision: correct what follows the #, or leave it out"
            ) from None
        return cls(address, revision, f"{folder}/{options.get('name', name)}", options.get("remote", ""))

    def fetch_into(self, output: Kind) -> Kind:
        """Move the pinned artifact's files into an output; return the artifact at that path with the pinned manifest.

        The manifest is in memory alone; its file is not kept.

        Args:
            output: The artifact to fill; its own manifest does not change.

        Raises:
            UserError: Git or DVC is missing or fails, or another kind of artifact is pinned.
        """
        if not importlib.util.find_spec("dvc") or not shutil.which("git"):
            raise UserError(
                "a source in git takes git and DVC: use the image `fetch`, or install git and `pip install dvc`"
            )
        target = output.path.absolute() / "pinned"
        with TemporaryDirectory(prefix=".source-", dir=output.path.absolute()) as temporary:
            clone, variables = f"{temporary}/clone", command_environment(temporary)
            run_command(
                ["git", "clone", "-q", "--no-checkout", "--", self.address, clone], variables,
                f"cannot clone {redact(self.address)}", "check the address, and the credentials that git has for it",
            )  # fmt: skip
            run_command(
                ["git", "-C", clone, "checkout", "-q", "--detach", self.revision], variables,
                f"{redact(self.address)} has no commit {self.revision} on a branch or tag", "push it, or correct it",
            )  # fmt: skip
            get = ["get", clone, self.path, f"--remote={self.remote}", "--out", str(target)]
            run_command(
                [sys.executable, "-P", "-m", "dvc", *get], variables, f"cannot get {self}",
                "check that it is pinned there, `dvc push` was run, and the remote (#remote=NAME) can be read here",
            )  # fmt: skip
        try:
            pinned = type(output).read(target)
        except UserError as error:
            raise UserError(
                f"{self} is not an artifact that a step made ({error}): correct the name or the commit, or push "
                "it again from where it is whole"
            ) from error
        for file in target.iterdir():
            if file.name != MANIFEST:
                file.rename(output.path / file.name)
        shutil.rmtree(target)
        return type(output)(output.path, pinned.manifest)


def command_environment(folder: str) -> dict[str, str]:
    """Return a copy of this process's environment in which git and DVC ask nothing, HOME and USER set where missing.

    A container's user may have neither. An existing home stays: git and DVC find their credentials by it.

    Args:
        folder: Where DVC keeps its cache, and the home where there is none.
    """
    variables = {**os.environ, "HOME": os.environ.get("HOME") or folder, "DVC_SITE_CACHE_DIR": folder}
    try:
        getpass.getuser()
    except (KeyError, OSError):
        variables["USER"] = "graft"
    return {**variables, "DVC_NO_ANALYTICS": "1", "GIT_TERMINAL_PROMPT": "0", "SSH_ASKPASS_REQUIRE": "never"}


def run_command(command: Sequence[str], variables: Mapping[str, str], failure: str, advice: str) -> None:
    """Run a command without a terminal, wait for its end and drop its output; its failure is a UserError.

    Args:
        command: The program and its arguments.
        variables: The environment variables.
        failure: What to say if it fails, before its own message.
        advice: What to do then, after it.

    Raises:
        UserError: It failed.
    """
    try:
        process = subprocess.Popen(
            command, env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            encoding="utf-8", errors="replace", start_new_session=True,
        )  # fmt: skip
    except ValueError as error:  # a character that no command line holds
        raise UserError(f"{failure}: {error}; {advice}") from error
    with process:
        try:
            _, stderr = process.communicate()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)  # its own children too
            raise
    if process.returncode:
        message = re.sub("ERROR: |fatal: |unexpected error - |failed to get .* - |Having any troubles.*", "", stderr)
        reason = " ".join(redact(message).split())[:300] or f"exit status {process.returncode}"
        reason = re.sub(r"^\[('.*')\]$", r"\1 is not there", reason)  # DVC's whole message for an unknown path
        raise UserError(f"{failure}: {reason}; {advice}")
