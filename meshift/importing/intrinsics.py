"""CloudFormation's intrinsic functions, strictly: a value that is not known is named, never guessed.

The resolvers that cfn-lint, SAM CLI and moto bring along fill what they do not know with samples (account 123456789012,
the first allowed value, the text of the reference): right for a linter or an emulator, wrong for an import.
Rules: "Intrinsic function reference" in the CloudFormation user guide.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from meshift.importing.spelling import text_of

NOTHING = object()
"""What `AWS::NoValue` stands for: the member or item is left out."""
VARIABLE = re.compile(r"\$\{([^}]*)\}")


class Unresolved(Exception):
    """Something has no value. `reasons`: pairs of the place (empty while it is not known) and of what is missing."""

    def __init__(self, *reasons: str | tuple[str, str]) -> None:
        self.reasons = tuple(reason if isinstance(reason, tuple) else ("", reason) for reason in reasons)
        super().__init__(*self.texts)

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(f"{place}: {what}" for place, what in self.reasons)


Symbol = Callable[[str, str | None], Any]
"""Look up what a Ref names (attribute None) or a GetAtt; raises Unresolved without a place."""


class Resolver:
    """Resolve values of one template. `symbol` knows parameters and resources, `exports` other stacks' outputs."""

    def __init__(self, template: Mapping[str, Any], symbol: Symbol, exports: Mapping[str, str]) -> None:
        self.conditions = template.get("Conditions") or {}
        self.mappings = template.get("Mappings") or {}
        self.symbol = symbol
        self.exports = exports
        self.evaluating: set[str] = set()
        self.functions: dict[str, Callable[[Any, str], Any]] = {
            "Ref": lambda name, _: self.symbol(name_of(name), None),
            "Fn::GetAtt": self.attribute,
            "Fn::Sub": self.substituted,
            "Fn::Join": self.joined,
            "Fn::Select": self.selected,
            "Fn::Split": self.split,
            "Fn::FindInMap": self.mapped,
            "Fn::If": self.chosen,
            "Fn::ImportValue": self.imported,
        }
        self.predicates: dict[str, Callable[[Any, str], bool]] = {
            "Condition": lambda name, _: self.condition(name),
            "Fn::Equals": lambda pair, path: len({self.text(item, path) for item in arguments(pair, 2)}) == 1,
            "Fn::Not": lambda items, path: not self.truth(arguments(items, 1)[0], path),
            "Fn::And": lambda items, path: all(self.truth(item, path) for item in arguments(items)),
            "Fn::Or": lambda items, path: any(self.truth(item, path) for item in arguments(items)),
        }

    def value(self, item: Any, path: str) -> Any:
        """Resolve a value at every depth; all that is unresolved in it is raised together."""
        if isinstance(item, dict):
            name = function_of(item)
            if name is None:
                return self.all_of(((key, value, f"{path}.{key}") for key, value in item.items()))
            with placed(path):
                if name not in self.functions:
                    raise Unresolved(f"{name} is not among the functions that an import resolves")
                return plain(self.functions[name](item[name], path))
        if isinstance(item, list):
            return list(self.all_of((index, value, f"{path}[{index}]") for index, value in enumerate(item)).values())
        with placed(path):
            return plain(item)

    def all_of(self, items: Iterable[tuple[Any, Any, str]]) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        reasons: list[tuple[str, str]] = []
        for key, item, path in items:
            try:
                value = self.value(item, path)
            except Unresolved as error:
                reasons += error.reasons
            else:
                if value is not NOTHING:
                    found[key] = value
        if reasons:
            raise Unresolved(*reasons)
        return found

    def text(self, item: Any, path: str) -> str:
        value = self.value(item, path)
        if value is NOTHING or isinstance(value, dict | list | None):
            raise Unresolved("a text is needed where there is none")
        return text_of(value)

    def texts(self, items: Any, path: str) -> list[str]:
        values = items if isinstance(items, list) else self.value(items, path)
        if not isinstance(values, list):
            raise Unresolved("a list is needed where there is none")
        return [self.text(value, path) for value in values]

    def attribute(self, argument: Any, path: str) -> Any:
        logical, attribute = arguments(argument.split(".", 1) if isinstance(argument, str) else argument, 2)
        return self.symbol(name_of(logical), self.text(attribute, path))

    def substituted(self, argument: Any, path: str) -> str:
        text, variables = (argument, {}) if isinstance(argument, str) else arguments(argument, 2)
        if not isinstance(text, str) or not isinstance(variables, dict):
            raise Unresolved("Fn::Sub takes a text and an object of variables")

        def replace(found: re.Match[str]) -> str:
            name = found[1].strip()
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            if name in variables:
                return self.text(variables[name], path)
            return self.text({"Fn::GetAtt": name} if "." in name else {"Ref": name}, path)

        return VARIABLE.sub(replace, text)

    def joined(self, argument: Any, path: str) -> str:
        delimiter, items = arguments(argument, 2)
        return str(delimiter).join(self.texts(items, path))

    def selected(self, argument: Any, path: str) -> Any:
        index, items = arguments(argument, 2)
        values, position = self.texts(items, path), self.text(index, path)
        if not position.isdigit() or int(position) >= len(values):
            raise Unresolved(f"Fn::Select wants item {position} of {len(values)}")
        return values[int(position)]

    def split(self, argument: Any, path: str) -> list[str]:
        delimiter, text = arguments(argument, 2)
        return self.text(text, path).split(name_of(delimiter))

    def mapped(self, argument: Any, path: str) -> Any:
        *names, options = arguments(argument, 4) if len(arguments(argument)) == 4 else (*arguments(argument, 3), {})
        keys = [self.text(key, path) for key in names]
        found: Any = self.mappings
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        if found is not None:
            return found
        if isinstance(options, dict) and "DefaultValue" in options:
            return self.value(options["DefaultValue"], path)
        raise Unresolved(f"Mappings has no {'.'.join(keys)}")

    def chosen(self, argument: Any, path: str) -> Any:
        name, yes, no = arguments(argument, 3)
        return self.value(yes if self.condition(name) else no, path)

    def imported(self, argument: Any, path: str) -> str:
        name = self.text(argument, path)
        if name not in self.exports:
            raise Unresolved(f"the export {name} is another stack's; give --export {name}=VALUE")
        return self.exports[name]

    def condition(self, name: Any) -> bool:
        """Evaluate one of the template's conditions."""
        if name_of(name) not in self.conditions:
            raise Unresolved(f"Conditions has no {name}")
        with placed(f"Conditions.{name}"), once(name, self.evaluating):
            return self.truth(self.conditions[name], f"Conditions.{name}")

    def truth(self, item: Any, path: str) -> bool:
        name = next(iter(item)) if isinstance(item, dict) and len(item) == 1 else None
        if name in self.predicates:
            return self.predicates[name](item[name], path)
        return self.text(item, path) == "true"


def arguments(items: Any, count: int | None = None) -> list[Any]:
    """Check that a function got a list, of a length."""
    if not isinstance(items, list) or len(items) != (count or len(items)):
        raise Unresolved(f"the function takes a list of {count}" if count else "the function takes a list")
    return items


def name_of(item: Any) -> str:
    if not isinstance(item, str) or not item:
        raise Unresolved("the function takes a text that is written out")
    return item


def function_of(item: dict[Any, Any]) -> str | None:
    """Find the intrinsic function that an object is, if it is one."""
    name = next(iter(item)) if len(item) == 1 else None
    return name if isinstance(name, str) and (name == "Ref" or name.startswith("Fn::")) else None


def plain(value: Any) -> Any:
    """Refuse text that CloudFormation would go on to replace."""
    if isinstance(value, str) and "{{resolve:" in value:
        raise Unresolved(f"{value} is a dynamic reference, whose value only AWS knows")
    return value


@contextmanager
def placed(path: str) -> Iterator[None]:
    """Say where something is unresolved, unless that is said already."""
    try:
        yield
    except Unresolved as error:
        raise Unresolved(*((place or path, what) for place, what in error.reasons)) from error


@contextmanager
def once(name: str, evaluating: set[str]) -> Iterator[None]:
    """Refuse to evaluate something for the sake of itself."""
    if name in evaluating:
        raise Unresolved(f"{name} depends on itself")
    evaluating.add(name)
    try:
        yield
    finally:
        evaluating.discard(name)
