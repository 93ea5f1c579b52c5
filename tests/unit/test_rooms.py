"""The rooms of the house: who may import what, and how long a handler may be."""

import ast
import sys
from pathlib import Path

import pytest

FUNCTIONS = Path(__file__).parents[2] / "functions"
MODULES = sorted(FUNCTIONS.rglob("*.py"))
ROOMS = {"handlers", "domain", "gateways", "settings", "observability"}


def imported(path: Path) -> set[str]:
    """The absolute names of the modules that a file imports, relative imports as `.`."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add("." if node.level else f"{node.module}")
    return names


def tops(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imported(path)}


def room(name: str) -> list[Path]:
    return [path for path in MODULES if path.relative_to(FUNCTIONS).parts[0] == name]


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_imports_are_absolute(path):
    assert "." not in imported(path)


@pytest.mark.parametrize("path", room("domain"), ids=lambda path: path.name)
def test_domain_imports_only_the_standard_library_and_itself(path):
    assert tops(path) <= sys.stdlib_module_names | {"domain"}


@pytest.mark.parametrize("path", room("domain"), ids=lambda path: path.name)
def test_domain_reads_no_environment_and_is_silent(path):
    assert not tops(path) & {"os", "logging", "socket", "subprocess", "time"}
    calls = {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert "print" not in calls


@pytest.mark.parametrize("path", room("handlers"), ids=lambda path: path.name)
def test_handlers_do_not_know_boto3(path):
    assert not tops(path) & {"boto3", "botocore"}


@pytest.mark.parametrize("path", room("handlers"), ids=lambda path: path.name)
def test_no_handler_function_is_longer_than_sixty_lines(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < 60, f"{path.name}: {node.name}"


@pytest.mark.parametrize("path", room("gateways"), ids=lambda path: path.name)
def test_gateways_do_not_know_handlers(path):
    assert not tops(path) & {"handlers"}


def test_the_rooms_are_the_ones_of_the_design():
    found = {path.relative_to(FUNCTIONS).parts[0].removesuffix(".py") for path in MODULES}
    assert found <= ROOMS
