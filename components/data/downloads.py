"""Downloading a file from an http(s) address that is not trusted."""

import hashlib
import http.client
import re
import shutil
import string
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from components.system.errors import UserError, redact
from components.system.progress import bar
from components.system.resources import NO_SPACE

CHUNK = 1 << 20  # bytes read at once
BY_HAND = "download it by hand and give its path as the source"


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follows an address that has moved, at most 10 times, to where the first could have been; knows where it led."""

    led = ""

    def redirect_request(self, req: urllib.request.Request, fp: Any, *answer: Any) -> urllib.request.Request | None:
        fp.close()  # it is read to its end otherwise, which may never come
        self.led = f", which leads to {answer[-1]}"
        check_address(answer[-1], encrypted=req.type == "https")
        return super().redirect_request(req, fp, *answer)


def check_address(address: str, encrypted: bool = False) -> None:
    """Hold that a file can be fetched from an address; with https only, where the address before had it."""
    try:
        parts = urlsplit(address)
    except ValueError:
        raise ValueError("it is no address") from None  # what it says may show a password
    if parts.scheme not in ("http", "https"):
        raise ValueError("only http:// and https:// can be fetched")
    if encrypted and parts.scheme == "http":
        raise ValueError("https does not go on to http")
    if "@" in parts.netloc:
        raise ValueError("an address with a user name is not fetched")


def download(address: str, target: Path) -> None:
    """Write what an http(s) address answers to a file; `#sha256=HEX` at its end is the digest the file must have.

    Raises:
        UserError: The address does not answer, leads astray, ends early or answers something else.
    """
    place, mark, fragment = quote(address, safe=string.punctuation, errors="surrogateescape").partition("#")
    wanted = re.fullmatch("sha256=([0-9a-fA-F]{64})", fragment)
    if mark and not wanted:
        raise UserError(f"{redact(address)}: what follows a # is sha256= and 64 hexadecimal digits, as this is not")
    redirects, digest = Redirects(), hashlib.sha256()
    try:
        check_address(place)
        with urllib.request.build_opener(redirects).open(place, timeout=60) as answer, target.open("wb") as file:
            check_space(answer.length or 0)
            with bar("download", answer.length or 0, "byte") as progress:
                while chunk := answer.read(CHUNK):
                    file.write(chunk)
                    digest.update(chunk)
                    progress.update(len(chunk))
            missing = answer.length
    except (OSError, ValueError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        if getattr(error, "errno", None) in NO_SPACE:
            raise
        reason = " ".join(redact(str(error)).split())[:300]
        raise UserError(f"cannot download {redact(place + redirects.led)}: {reason}; {BY_HAND}") from error
    shown = redact(place + redirects.led)
    if missing:
        raise UserError(f"{shown} ended early: {missing} bytes are missing; try again, or {BY_HAND}")
    if wanted and digest.hexdigest() != wanted[1].lower():
        raise UserError(
            f"{shown} is another file than expected: its sha256 is {digest.hexdigest()}, not {wanted[1].lower()}; "
            "get it again, or correct the address"
        )


def check_space(needed: int) -> None:
    """Hold that so many bytes fit where temporary folders are."""
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ValueError(f"{needed:,} bytes do not fit into {folder} (TMPDIR), where {free:,} are free")
