"""Families of interchangeable parts: the members of a family are the modules of a package, named after them."""

import importlib
import pkgutil
from typing import Any

from nextlat_rl.errors import UserError


class Registry:
    """Finds the members of one family.

    A new member is a new module in the package; nothing else has to change. Names are listed from the folder alone, so
    that `--help` and spelling mistakes are answered without loading torch.

    Args:
        package: dotted name of the package whose modules are the members.
        family: what a member is called in errors, which is the option that names it.
        attribute: name of the attribute that a member's module exports.
        skip: modules of the package that are not members.
    """

    def __init__(self, package: str, family: str, attribute: str, skip: frozenset[str] = frozenset()) -> None:
        self.package, self.family, self.attribute, self.skip = package, family, attribute, skip

    def names(self) -> list[str]:
        """Names of all members, sorted."""
        path = importlib.import_module(self.package).__path__
        return sorted(module.name for module in pkgutil.iter_modules(path) if module.name not in self.skip)

    def check(self, name: str) -> None:
        """Require that there is a member of this name.

        Raises:
            UserError: there is none; the message lists those there are.
        """
        if name not in self.names():
            raise UserError(f"{self.family}={name} is unknown; choose one of: {', '.join(self.names())}")

    def load(self, name: str) -> Any:
        """The member called `name`; its module is imported.

        Raises:
            UserError: there is none; the message lists those there are.
        """
        self.check(name)
        return getattr(importlib.import_module(f"{self.package}.{name}"), self.attribute)
