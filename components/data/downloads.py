"""Downloading a file from an http(s) address that is not trusted."""

import hashlib
import http.client
import re
import shutil
import string
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


class SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows at most 10 redirects, each to an address that `check_address` allows; notes where the last one led."""

    note = ""  # for errors, after the address

    def redirect_request(self, req: urllib.request.Request, fp: Any, *answer: Any) -> urllib.request.Request | None:
        """Return the request that follows a redirect; raise a ValueError if its address is not allowed."""
        fp.close()  # it is read to its end otherwise, which may never come
        self.note = f", which leads to {answer[-1]}"
        check_address(answer[-1], encrypted=req.type == "https")
        return super().redirect_request(req, fp, *answer)


def check_address(address: str, encrypted: bool = False) -> None:
    """Raise a ValueError unless an address is http(s), with `encrypted` https, and has no user name."""
    try:
        parts = urlsplit(address)
    except ValueError:
        raise ValueError("it is not an address") from None  # the reason may contain a password
    if parts.scheme not in ("http", "https"):
        raise ValueError("only http:// and https:// can be fetched")
    if encrypted and parts.scheme == "http":
        raise ValueError("a redirect from https to http is not followed")
    if "@" in parts.netloc:
        raise ValueError("an address with a user name is not fetched")


def download(address: str, target: Path, advice: str = BY_HAND) -> None:
    """Download an http(s) address to a file; an address that ends in `#sha256=HEX` states the digest it must have.

    Args:
        address: The address.
        target: The file.
        advice: What to do where it cannot be downloaded, for errors.

    Raises:
        UserError: The address does not answer, redirects elsewhere than to http(s), ends early, or the file has another
            digest.
        OSError: The disk is full.
    """
    url, mark, fragment = quote(address, safe=string.punctuation, errors="surrogateescape").partition("#")
    expected = re.fullmatch("sha256=([0-9a-fA-F]{64})", fragment)
    if mark and not expected:
        raise UserError(
            f"expected #sha256=<64 hex digits> after the address; received {redact(address)}: correct the digest, or "
            "leave it out"
        )
    redirects, digest = SafeRedirects(), hashlib.sha256()
    try:
        check_address(url)
        with urllib.request.build_opener(redirects).open(url, timeout=60) as answer, target.open("wb") as file:
            check_space(answer.length or 0, target.parent)
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
        raise UserError(f"cannot download {redact(url + redirects.note)}: {reason}; {advice}") from error
    place = redact(url + redirects.note)
    if missing:
        raise UserError(f"{place} ended early: {missing} bytes are missing; try again, or {advice}")
    if expected and digest.hexdigest() != expected[1].lower():
        raise UserError(
            f"{place} is not the expected file: its sha256 is {digest.hexdigest()}, not {expected[1].lower()}; "
            "get it again, or correct the address"
        )


def check_space(needed: int, folder: Path) -> None:
    """Raise a ValueError unless so many bytes are free in a folder."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ValueError(f"{needed:,} bytes do not fit into {folder}, where {free:,} are free")
