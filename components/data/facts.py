"""Facts: what an artifact says of itself to the steps downstream, typed by its kind."""

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from components.system.errors import UserError


class Facts:
    """Facts of one artifact; a kind's class declares them, as attributes with their types.

    A fact that the class gives a value may be missing from the manifest, and has that value then. What a manifest says
    beyond the declared stays in it, but is not taken over by what is made from the artifact.

    Args:
        values: The facts of the manifest, by name; what is assigned to an attribute is written there.
        path: The artifact, for error messages.
    """

    __slots__ = ("__dict__", "_path")

    families: ClassVar[tuple[str, ...]] = ()  # beginnings of the names of facts of which there is one for each of many

    def __init__(self, values: dict[str, Any], path: Path):
        self.__dict__ = values
        self._path = path

    if not TYPE_CHECKING:  # a type checker is to know the declared facts alone

        def __getattr__(self, name: str) -> Any:
            if not self.declares(name):
                raise AttributeError(f"{type(self).__name__} declares no fact {name!r}")
            raise UserError(f"{self._path} lacks the fact {name!r}: make it again with `dvc repro`")

    @classmethod
    def declares(cls, name: str) -> bool:
        """Return whether the kind, or one that it builds on, declares such a fact, by name or by a family's beginning.

        Whether the manifest has the fact does not matter.
        """
        declaring = (base for base in cls.__mro__ if base is not Facts)
        return any(name in inspect.get_annotations(base) for base in declaring) or name.startswith(cls.families)
