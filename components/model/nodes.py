"""Nodes that train together: how each finds the others, by a folder that all of them share."""

import json
import os
import socket
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TypeVar

from components.data import resuming
from components.data.artifact import Artifact
from components.system.errors import UserError

Found = TypeVar("Found")

NODES, NODE, ADDRESS = "GRAFT_NODES", "GRAFT_NODE", "GRAFT_NODE_ADDRESS"  # variables of the environment
RUN = "KFP_RUN_ID"  # tells the nodes of one run from those of another
MINUTES = 30  # for which a node waits for the others
PAUSE = 0.5  # seconds between two looks


def meet(output: Artifact) -> None:
    """Wait for all nodes of a step and set TF_CONFIG to their addresses; do nothing if it is set or there is one node.

    The environment says how many there are, `GRAFT_NODES`, which of them this is, `GRAFT_NODE` from 0, and where the
    others reach it, `GRAFT_NODE_ADDRESS`. Node 0 lists the nodes that answer, so that addresses of an attempt that
    broke off are not taken for those of this one.

    Args:
        output: What the step makes, which is the same for all nodes.

    Raises:
        UserError: The nodes share no folder, or one does not come in time.
    """
    count, number = int(os.environ.get(NODES, "1")), int(os.environ.get(NODE, "0"))
    if count == 1 or "TF_CONFIG" in os.environ:
        return
    if not resuming.shared_folder():
        raise UserError(f"{count} nodes meet in a folder that they share: set {resuming.FOLDER}")
    folder = output.resume / f"nodes-{os.environ.get(RUN, 'run')}"
    folder.mkdir(parents=True, exist_ok=True)
    with closing(socket.create_server((os.environ[ADDRESS], 0))) as server:
        address = "{}:{}".format(*server.getsockname())
        write_text(folder / f"{number}.txt", address)
        everyone = folder / "all.json"
        if number:
            workers = wait_for(partial(read_list_with, everyone, address), f"node 0 of {count}")
        else:
            workers = [address]
            for other in range(1, count):
                look = partial(answering_address, folder / f"{other}.txt")
                workers.append(wait_for(look, f"node {other} of {count}"))
            write_text(everyone, json.dumps(workers))
    os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": number}})
    print(f"node {number + 1} of {count} has met the others, at {', '.join(workers)}")


def wait_for(look: Callable[[], Found | None], what: str) -> Found:
    """Call `look` every half second until it returns other than None, and return that; raise after half an hour.

    Raises:
        UserError: It found nothing for `MINUTES`.
    """
    start = time.monotonic()
    while (value := look()) is None:
        if time.monotonic() - start > 60 * MINUTES:
            raise UserError(f"{what} did not come within {MINUTES} minutes: see whether it found room on the cluster")
        time.sleep(PAUSE)
    return value


def answering_address(file: Path) -> str | None:
    """Return the HOST:PORT in a file if it accepts a connection; None if it does not, or there is no such file."""
    try:
        address = file.read_text(encoding="utf-8")
        host, port = address.rsplit(":", 1)
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError:
        return None
    return address


def read_list_with(file: Path, address: str) -> list[str] | None:
    """Return the list of addresses in a JSON file if this one is among them; None if not, or without the file."""
    addresses = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    return addresses if address in addresses else None


def write_text(file: Path, text: str) -> None:
    """Write a file in one move, so that another node reads it whole or not at all."""
    unfinished = file.with_suffix(".unfinished")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(file)
