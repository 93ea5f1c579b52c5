"""Every task definition of tests/data/task_definitions has a row in tests/data/sidecar_rows.yaml."""

import pytest
import yaml

from domain.errors import Refused
from domain.sidecar import inject, remove
from tests.task_definitions import FOLDER, enrolment, in_a_line, load, names, sidecar
from tests.task_rules import broken_rules

ROWS = yaml.safe_load((FOLDER.parent / "sidecar_rows.yaml").read_text())
INJECTED = [name for name, row in ROWS.items() if "becomes" in row]
REFUSED = [name for name, row in ROWS.items() if "refused" in row]


def injected(task_definition, row):
    return inject(task_definition, enrolment(**row.get("tags", {})), sidecar(**row.get("wanted", {})))


@pytest.mark.parametrize("name", INJECTED)
def test_a_task_definition_gets_its_sidecar(name):
    before = load(name)
    injection = injected(before, ROWS[name])
    assert injection.added
    assert in_a_line(before, injection.task_definition) == ROWS[name]["becomes"]


@pytest.mark.parametrize("name", INJECTED)
def test_what_comes_out_may_be_registered_needs_nothing_more_and_leads_back(name):
    before, untouched = load(name), load(name)
    after = injected(before, ROWS[name]).task_definition
    assert before == untouched
    assert broken_rules(after) == []
    assert not injected(after, ROWS[name]).added
    assert remove(after) == before


@pytest.mark.parametrize("name", REFUSED)
def test_a_task_definition_that_cannot_have_a_sidecar_is_refused_by_name(name):
    before, untouched = load(name), load(name)
    with pytest.raises(Refused) as refusal:
        injected(before, ROWS[name])
    assert str(refusal.value) == ROWS[name]["refused"]
    assert before == untouched


def test_every_task_definition_has_its_row():
    assert sorted(ROWS) == names()
    assert len(names()) >= 50
