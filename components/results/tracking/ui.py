"""MLflow's own UI on the local store, opened on the comparisons."""

import os
import signal
import subprocess
import sys
import urllib.request
import webbrowser
from time import sleep

from components.results.tracking import runs, store, view
from components.system.errors import UserError


def serve(port: int = 5000) -> None:
    """Serve the local store on 127.0.0.1 until Ctrl-C, and open its comparisons; a remote server's are opened at once.

    Raises:
        UserError: There is no journal to open, or the server does not start.
    """
    experiments = runs.experiment_ids()
    if not experiments:
        raise UserError(f"no run in {store.public_address()} yet: `make repro` writes some, `graft log` too")
    address = store.tracking_address()
    if store.is_server():
        _open_comparisons(store.public_address(), experiments)
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the server ends with this process
    environment = {"MLFLOW_BACKEND_STORE_URI": address, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    command = ["-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    server = subprocess.Popen(
        [sys.executable, *command],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for_server(server, f"http://127.0.0.1:{port}/health")
        _open_comparisons(f"http://127.0.0.1:{port}", experiments)
        server.wait()
    except KeyboardInterrupt:
        pass
    finally:
        server.terminate()
        server.wait()


def _wait_for_server(server: subprocess.Popen, health: str) -> None:
    """Wait until a server answers at its health address; raise a UserError if it ends before."""
    print("MLflow is starting ...", flush=True)
    while server.poll() is None:
        try:
            with urllib.request.urlopen(health, timeout=5):
                return
        except OSError:
            sleep(0.5)
    raise UserError(f"mlflow server ended with {server.returncode}: is the port taken? `graft ui --port N`")


def _open_comparisons(host: str, experiments: dict[str, str]) -> None:
    """Print where each data set's comparison is, and open the first of them in a browser."""
    addresses = view.view_addresses(host, list(experiments.values()))
    for name, address in zip(experiments, addresses, strict=True):
        print(f"{name}: {address}")
    print("(the second icon above the table shows the same as charts; Ctrl-C ends the server)", flush=True)
    webbrowser.open(addresses[0])
