"""Changing an emulator safely: a patch that no longer fits says so instead of silently doing nothing."""

import inspect
from importlib import metadata
from types import ModuleType
from typing import Any

PINNED = "1.5.33"


class PatchDoesNotApply(RuntimeError):
    """The emulator is not the one that the patches of this folder were written for."""


def expect(module: ModuleType, name: str, *parameters: str) -> Any:
    """Give back `module.name` if it is there and, for a function, begins with these parameters."""
    found = getattr(module, name, None)
    if found is None:
        raise PatchDoesNotApply(_message(module, name, "it is not there"))
    if parameters or inspect.isfunction(found):
        has = tuple(inspect.signature(found).parameters)
        if has[: len(parameters)] != parameters:
            raise PatchDoesNotApply(_message(module, name, f"it takes {has}, expected {parameters}"))
    return found


def replace(module: ModuleType, name: str, new: Any, *parameters: str) -> Any:
    """Put `new` in the place of `module.name` and give back what was there."""
    old = expect(module, name, *parameters)
    setattr(module, name, new)
    return old


def _message(module: ModuleType, name: str, problem: str) -> str:
    installed = metadata.version("ministack")
    return (
        f"cannot patch {module.__name__}.{name}: {problem}. "
        f"local/ is written for ministack {PINNED}, installed is {installed}."
    )
