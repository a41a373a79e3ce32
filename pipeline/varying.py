"""What a recipe asks for beyond its three models, run on this machine: folds, repeats, the ensemble, averaged views."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components import quiet, step
from components.data.artifacts import MANIFEST
from pipeline.planning import artifacts_of, run_entry

LISTED = "variants.json"


def vary(entry: Mapping[str, Any]) -> None:
    """Run every variant of a recipe that is not up to date, and remove what is no longer asked for.

    Args:
        entry: The recipe's entry under `vary` in the plan.
    """
    variants, records = Path(entry["variants"]), Path(entry["records"])
    for folder in (variants, records):
        folder.mkdir(parents=True, exist_ok=True)
    outputs: dict[str, str] = {}
    kept = set()
    for task in entry["tasks"]:
        name, places = task["step"], artifacts_of(task)
        made = [places[key] for key in step.load(name).outputs]
        note = Path(task["record"]).with_suffix(".made_from")
        if not step.is_made(name, places, task["values"], note):
            quiet.load_keras()  # once, for all children
            print(f"{name}: {', '.join(made)}", flush=True)
            run_entry(task)
            step.write_note(name, places, task["values"], note)
        outputs |= {str(Path(output).relative_to(variants)): name for output in made}
        kept |= {Path(task["record"]), note}
    for manifest in sorted(variants.rglob(MANIFEST)):
        if str(manifest.parent.relative_to(variants)) not in outputs:
            shutil.rmtree(manifest.parent)
    for file in [*records.rglob("*")]:
        if file.is_file() and file not in kept:
            file.unlink()
    for folder in (variants, records):
        listed = folder / LISTED
        listed.unlink(missing_ok=True)  # DVC may hold it by a hard link
        listed.write_text(json.dumps(outputs, indent=2) + "\n", encoding="utf-8")
