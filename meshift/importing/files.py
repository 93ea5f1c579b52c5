"""Files as a source: templates, and what `aws appmesh describe-*` printed, told apart by what is in them."""

import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]
from yaml import YAMLError

from domain.hosted.kinds import BY_NAME
from meshift.errors import BadInput
from meshift.importing.descriptions import resource_described
from meshift.importing.resources import Found
from meshift.importing.templates import Given, Template

ENDINGS = (".json", ".yaml", ".yml", ".template")


def read_files(paths: list[Path], given: Given) -> list[Found]:
    """Read files and folders. A file that is neither template nor description, or not readable, is BadInput."""
    found: list[Found] = []
    templates: list[Template] = []
    for path in chain.from_iterable(map(files_in, paths)):
        for document in documents_in(path):
            if isinstance(document, dict) and "Resources" in document:
                templates.append(Template(document, str(path), given))
                found += templates[-1].found()
            else:
                found.append(described_in(document, str(path)))
    unknown = [name for name in given.parameters if not any(template.knows(name) for template in templates)]
    if unknown:
        raise BadInput(f"--parameter {unknown[0]}: no template has a parameter or resource of that name")
    return found


def files_in(path: Path) -> list[Path]:
    """The files that a folder holds at any depth, in the order of their names; a file itself."""
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.rglob("*") if file.is_file() and file.suffix.lower() in ENDINGS)
    if not files:
        raise BadInput(f"{path} holds no file that ends in {', '.join(ENDINGS)}")
    return files


def documents_in(path: Path) -> list[Any]:
    """Parse a file: JSON documents one after the other (as a loop over the CLI writes them), else one of YAML."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    try:
        return list(json_documents(text))
    except ValueError:
        pass
    try:
        return [yaml_parse(text)]
    except (YAMLError, ValueError, TypeError, RecursionError) as error:
        raise BadInput(f"{path} is neither JSON nor YAML: {' '.join(str(error).split())}") from error


def json_documents(text: str) -> Iterator[Any]:
    text = text.strip()
    while text:
        document, end = json.JSONDecoder().raw_decode(text)
        yield document
        text = text[end:].lstrip()


def described_in(document: Any, origin: str) -> Found:
    """Read a description, `{"virtualNode": {…}}`, with or without `tags` beside it."""
    kinds = [name for name in document if name in BY_NAME] if isinstance(document, dict) else []
    if len(kinds) != 1 or not isinstance(document[kinds[0]], dict):
        raise BadInput(
            f"{origin} is neither a CloudFormation template (Resources) nor the output of an `aws appmesh describe-*`"
        )
    return resource_described(BY_NAME[kinds[0]], document[kinds[0]], document.get("tags"), origin)
