"""What exists is documented."""

import json
import re

import pytest

from domain.enrolment import TAGS
from domain.outcome import OUTCOMES
from domain.policy import parse_policy
from local.picture import refreshed
from tests.template import ROOT, template

README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("name", [*template()["Parameters"], *template()["Outputs"], *TAGS, *OUTCOMES])
def test_every_parameter_output_tag_and_outcome_is_in_the_readme(name):
    assert f"`{name}`" in README


def test_the_picture_is_the_one_of_the_present_definition():
    assert refreshed(README) == README
    assert "```mermaid" in README


def test_the_policy_in_the_readme_is_one():
    text = re.search(r"    (\{\"steps\".*?\]\})", README, re.DOTALL)[1]
    assert [check.name for check in parse_policy(text).checks] == ["serviceb-5xx"]
    assert json.loads(text)["checks"]


@pytest.mark.parametrize("target", re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
def test_the_make_targets_for_people_are_in_the_readme(target):
    if target not in ("help", "bench", "lock", "clean"):
        assert f"make {target}" in README


def anchors(path):
    """The headings of a page, as GitHub links to them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links():
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text()):
            yield page.relative_to(ROOT), link


@pytest.mark.parametrize(("page", "link"), links())
def test_links_lead_somewhere(page, link):
    path, _, anchor = link.partition("#")
    target = (ROOT / page).parent / path if path else ROOT / page
    assert target.exists()
    assert not anchor or anchor in anchors(target)


@pytest.mark.parametrize("page", sorted(path.name for path in (ROOT / "docs").glob("*.md")))
def test_the_readme_leads_to_every_page(page):
    assert f"](docs/{page}" in README


@pytest.mark.parametrize("path", sorted(path.name for path in (ROOT / "events").glob("*.json")))
def test_every_payload_in_events_is_used_by_a_test(path):
    tests = "".join(each.read_text() for each in (ROOT / "tests").rglob("*.py"))
    assert f'"{path.removesuffix(".json")}"' in tests
