"""The runbook leaves nothing out that rings, and nothing that ends."""

import re

import pytest

from domain.outcome import OUTCOMES
from tests.template import ROOT, resources

TEXT = (ROOT / "docs" / "operating.md").read_text()
SECTIONS = {title.strip("`"): body for title, body in re.findall(r"^### (.+)\n((?:(?!^##).*\n?)*)", TEXT, re.MULTILINE)}


@pytest.mark.parametrize("alarm", resources("AWS::CloudWatch::Alarm"))
def test_every_alarm_says_what_it_means_what_to_look_at_and_what_to_do(alarm):
    for word in ("**Means**", "**Look at**", "**Do**"):
        assert word in SECTIONS[alarm]


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_ending_says_what_it_means_and_what_to_do(outcome):
    assert "**Means**" in SECTIONS[outcome]
    assert "**Do**" in SECTIONS[outcome]


def test_the_runbook_tells_of_nothing_that_is_not_there():
    assert set(SECTIONS) == {*resources("AWS::CloudWatch::Alarm"), *OUTCOMES}


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`?meshift ([a-z-]+)", TEXT))))
def test_every_command_in_it_is_one(command):
    readme = (ROOT / "README.md").read_text()
    assert f"`meshift {command}" in readme or f"`{command}`" in readme or f"meshift {command} " in readme


@pytest.mark.parametrize("link", re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", TEXT))
def test_links_lead_somewhere(link):
    path, anchor = link
    text = (ROOT / "docs" / path).read_text() if path else TEXT
    anchors = {
        re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-") for title in re.findall(r"^#+ (.+)", text, re.M)
    }
    assert not anchor or anchor in anchors
