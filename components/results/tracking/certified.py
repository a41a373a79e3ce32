"""What is certified of a model's written files, on the card of its registered version."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from components.results.tracking.card import FILE
from components.results.tracking.store import client

if TYPE_CHECKING:
    from mlflow.entities import Run

FOLDER = "export"  # of a run's artifacts: its model's written files, and what lies beside them
CERTIFICATE = ".certificate.json"  # after a file's name
DESCRIPTION = 5000  # characters, at most, in MLflow's tables


def certified_sections(run_id: str) -> str:
    """Return Markdown: the sections on a run's certificates one after another, by names of files; "" without any."""
    from components.results.certificates import Certificate

    names = [file.path for file in client().list_artifacts(run_id, FOLDER) if file.path.endswith(CERTIFICATE)]
    with TemporaryDirectory() as folder:
        files = [Path(client().download_artifacts(run_id, name, folder)) for name in sorted(names)]
        certificates = [Certificate(**json.loads(file.read_text(encoding="utf-8"))) for file in files]
    return "".join(f"\n{certificate.card_section()}\n" for certificate in certificates)


def write_card(run: "Run", name: str, version: str, text: str) -> None:
    """Write a version's card, with what its run has certified at the end: beside its model, and as its description.

    Args:
        run: The run that the version is of.
        name: That of the registered model.
        version: The version.
        text: The card without certificates.
    """
    assert run.outputs is not None
    card = text + certified_sections(run.info.run_id)
    with TemporaryDirectory() as folder:
        file = Path(folder, FILE)
        file.write_text(card, encoding="utf-8")
        client().log_model_artifact(run.outputs.model_outputs[0].model_id, str(file))
    client().update_model_version(name, version, card[:DESCRIPTION])


def renew_cards(run: "Run", name: str) -> None:
    """Write the card of every version that a run has in the registry anew, with the certificates that it has by now."""
    import mlflow

    from components.results.certificates import HEADING

    for version in client().search_model_versions(f"name = '{name}'"):
        if version.run_id == run.info.run_id and run.outputs:
            address = f"models:/{name}/{version.version}/{FILE}"
            with TemporaryDirectory() as folder:
                card = Path(mlflow.artifacts.download_artifacts(address, dst_path=folder)).read_text(encoding="utf-8")
            write_card(run, name, str(version.version), card.partition(f"\n{HEADING}")[0])
