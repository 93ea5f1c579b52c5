"""The picture of the state machine in the README, drawn from its definition: `python -m local.picture`."""

import re
from typing import Any

import yaml

from local.instance import ROOT

_README = ROOT / "README.md"
_PLACE = re.compile(r"(<!-- picture: [^\n]*-->\n).*?(<!-- /picture -->)", re.DOTALL)
_SHAPES = {"Choice": ("{", "}"), "Succeed": ("([", "])"), "Fail": ("([", "])")}


def draw(machine: dict[str, Any]) -> str:
    """Draw a definition as a Mermaid flow chart; what an error leads to is dotted."""
    ids = {name: f"s{number}" for number, name in enumerate(machine["States"])}
    lines = ["flowchart TD"]
    for name, state in machine["States"].items():
        left, right = _SHAPES.get(state["Type"], ("[", "]"))
        lines.append(f'    {ids[name]}{left}"{name}"{right}')
    for name, state in machine["States"].items():
        for choice in state.get("Choices", []):
            answer = re.search(r"= '(.*?)'", choice["Condition"])
            lines.append(f"    {ids[name]} -- {answer[1] if answer else 'yes'} --> {ids[choice['Next']]}")
        for key, arrow in (("Next", "-->"), ("Default", "-- otherwise -->")):
            if key in state:
                lines.append(f"    {ids[name]} {arrow} {ids[state[key]]}")
        lines += [f"    {ids[name]} -. error .-> {ids[each['Next']]}" for each in state.get("Catch", [])]
    return "\n".join(lines)


def refreshed(readme: str) -> str:
    """Return the README with the picture of the present definition."""
    machine = yaml.safe_load((ROOT / "statemachine" / "rollout.asl.yaml").read_text())
    return _PLACE.sub(lambda found: f"{found[1]}```mermaid\n{draw(machine)}\n```\n{found[2]}", readme)


if __name__ == "__main__":
    _README.write_text(refreshed(_README.read_text()))
