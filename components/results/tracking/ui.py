"""MLflow's own UI on the local store, opened on the comparisons."""

import os
import signal
import subprocess
import sys
import urllib.request
import webbrowser
from contextlib import suppress
from pathlib import Path
from time import sleep

from components.results.tracking import runs, store, view
from components.system.errors import UserError
from components.system.signals import heeded_stops

SECONDS_TO_STOP = 10  # for requests that the server is answering


def serve(port: int = 5000) -> None:
    """Serve the local store on 127.0.0.1 until Ctrl-C, and open its comparisons; a remote server's are opened at once.

    Raises:
        UserError: There is no journal to open, or the server does not start.
    """
    import mlflow

    experiments = runs.experiment_ids()
    if not experiments:
        raise UserError(f"no run in {store.public_address()} yet: `make repro` writes some, `graft log` too")
    address = store.tracking_address()
    if store.is_server():
        _open_comparisons(store.public_address(), experiments)
        return
    if "%" in mlflow.__file__:
        raise UserError(
            f"MLflow's server takes the % in {Path(mlflow.__file__).parent} for a variable: rename that folder, and "
            "`make setup` in it anew"
        )
    environment = {"MLFLOW_BACKEND_STORE_URI": address, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    command = ["-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    stops: list[int] = []
    for number in heeded_stops():
        signal.signal(number, lambda number, frame: stops.append(number))
    server = subprocess.Popen(
        [sys.executable, *command],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # with a process of its own, which ends with it
    )
    try:
        print("MLflow is starting ...", flush=True)
        health, opened = f"http://127.0.0.1:{port}/health", False
        while not stops:
            if server.poll() is not None:
                raise UserError(f"mlflow server ended with {server.returncode}: is the port taken? `graft ui --port N`")
            if not opened and _answers(health):
                _open_comparisons(f"http://127.0.0.1:{port}", experiments)
                opened = True
            sleep(0.2)
    finally:
        stop_server(server)


def _answers(address: str) -> bool:
    """Return whether a server answers at an address within five seconds, and not with an error."""
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except OSError:
        return False


def stop_server(server: subprocess.Popen) -> None:
    """Ask a server that leads its session to stop, for `SECONDS_TO_STOP` at most, then kill all that it started."""
    server.terminate()
    with suppress(subprocess.TimeoutExpired):
        server.wait(timeout=SECONDS_TO_STOP)
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def _open_comparisons(host: str, experiments: dict[str, str]) -> None:
    """Print where each data set's comparison is, and open the first of them in a browser."""
    addresses = view.view_addresses(host, list(experiments.values()))
    for name, address in zip(experiments, addresses, strict=True):
        print(f"{name}: {address}")
    print("(the second icon above the table shows the same as charts; Ctrl-C ends the server)", flush=True)
    webbrowser.open(addresses[0])
