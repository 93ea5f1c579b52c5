"""Run every benchmark of this folder, one after the other: a JSON line each."""

import importlib
import pkgutil

import benchmarks


def main() -> None:
    for module in pkgutil.iter_modules(benchmarks.__path__):
        found = importlib.import_module(f"benchmarks.{module.name}") if module.name != "__main__" else None
        if hasattr(found, "main"):
            found.main()


main()
