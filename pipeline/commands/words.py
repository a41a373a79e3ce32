"""What several commands take on their command lines, and how assignments are read."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from components.system.errors import UserError

Recipe = Annotated[str, "RECIPE"]
Name = Annotated[str, "NAME"]
Assignment = Annotated[str, "STEP.PARAMETER=VALUE"]
Sweep = Annotated[str, "STEP.PARAMETER=VALUE,..."]
Model = Annotated[str, "MODEL"]
Image = Annotated[Path, "IMAGE"]
File = Annotated[Path, "FILE"]
Folder = Annotated[Path, "DIR"]


def read_assignments(words: Sequence[str]) -> dict[str, str]:
    """Return texts by STEP.PARAMETER of words STEP.PARAMETER=VALUE, not checked otherwise; of one set twice the last.

    Raises:
        UserError: A word is of another form.
    """
    values = {}
    for word in words:
        address, sign, value = word.partition("=")
        if not sign or "." not in address:
            raise UserError(f"STEP.PARAMETER=VALUE is needed, as in train_top.learning_rate=1e-4; received {word!r}")
        values[address] = value
    return values


def read_sweeps(words: Sequence[str]) -> dict[str, list[str]]:
    """Return lists of texts by STEP.PARAMETER of words STEP.PARAMETER=VALUE,...; of one that is there twice the last.

    Raises:
        UserError: A word is of another form.
    """
    return {address: values.split(",") for address, values in read_assignments(words).items()}
