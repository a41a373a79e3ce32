"""What results are called where they are shown: that alone knows the recipe's name."""

import hashlib
import re

from components.data.artifacts import Classifier, Report

LONGEST = 80  # characters of a folder's name


def title(made: Classifier | Report, recipe: str = "") -> str:
    """Return what a model is called: its recipe or its data set, and which model it is, as in `digits, top`.

    Args:
        made: The model, or the report on it.
        recipe: The recipe; if not given, that of the record of its making.
    """
    facts = made.facts
    averaged = ", views averaged" if facts.get("views") == "averaged" else ""
    return f"{recipe or made.record.recipe or facts['data_set']}, {facts['model']}{averaged}"


def folder_name(name: str) -> str:
    """Return a name that a folder can have: letters, digits and `_.=+-,`; another one for another name."""
    safe = re.sub(r"[^A-Za-z0-9_.=+ -]", "_", name)[:LONGEST].lstrip(". ").replace(" ", ",")
    if safe.replace(",", " ") == name:
        return safe
    return f"{safe}-{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:8]}"
