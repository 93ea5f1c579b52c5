"""The demo's report: what a timeline says is on the page and in the picture, whatever is in it or missing."""

import doctest
import json
import re
from html.parser import HTMLParser

import pytest
from matplotlib.text import Text
from PIL import Image

from local import report
from local.report import __main__ as command
from local.report import history, page, picture, timeline
from local.report.style import DARK, LIGHT, SHAPES
from local.report.timeline import read
from tests.timelines import ODD, ODD_NAMES, PARTS, TIMELINE

VOID = {"meta", "input", "br"}


class Page(HTMLParser):
    """A page as a browser reads it: elements with their attributes and texts. Refuses one whose tags do not match."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.texts = [], [], {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.setdefault(self.open[-1] if self.open else "", []).append(data)

    def of(self, tag, **wanted):
        return [found for name, found in self.elements if name == tag and wanted.items() <= found.items()]

    def data(self):
        (text,) = [text for text in self.texts["script"] if text.startswith("{")]
        return json.loads(text)


def drawn(document):
    return Page(page.draw(read(document), report.MESH, report.CALLER, report.SERVICE))


@pytest.fixture
def shown():
    return drawn(TIMELINE)


def test_the_chart_has_a_line_for_what_was_asked_and_one_for_what_was_observed_of_each_version(shown):
    kinds = [found["class"] for found in shown.of("path") if "d" in found]
    chart = kinds[kinds.index("asked v0") :]
    assert chart.count("asked v0") == chart.count("asked v1") == 1
    assert chart.count("observed") == 2
    assert len([found for found in shown.of("rect") if found.get("class", "").startswith("error")]) == 1


def test_a_line_is_broken_where_there_was_no_request(shown):
    (first, second) = [found["d"] for found in shown.of("path", **{"class": "observed"}) if found["d"] != "M0 8L36 8"]
    assert first.count("M") == second.count("M") == 2


def test_every_mark_has_its_lane_and_says_what_happened(shown):
    assert {"shift", "roll back", "somersault"} <= set(shown.texts["text"])
    assert "12.9 s: roll back in alarm: serviceb-5xx" in shown.texts["title"]


def test_the_phases_count_what_was_measured_between_two_changes_of_the_weights(shown):
    cells = [text for text in shown.texts["td"] if text.strip()]
    second = ["11 s", "13 s", "75 %", "25 %", "77.5 %", "22.5 %", "40", "4", "61.5 ms"]
    assert any(cells[n : n + len(second)] == second for n in range(len(cells)))


def test_the_map_has_the_last_weights(shown):
    labels = shown.of("text", **{"class": "weight"})
    assert [found["data-node"] for found in labels] == ["serviceB", "serviceBv2"]
    assert any(title.endswith("its weights: serviceB 100, serviceBv2 0") for title in shown.texts["title"])


def test_the_closing_table_says_yes_and_no_in_words(shown):
    assert [found["class"] for found in shown.of("td", **{"data-name": "good"})] == ["yes", "no"]
    assert "NO" in shown.texts["td"]
    assert any("1 of 2 steps" in text for text in shown.texts["p"])


def test_who_cannot_see_the_chart_is_told_what_it_shows(shown):
    (text,) = shown.texts["desc"]
    assert text.startswith("120 requests in 4 seconds, 4 of them failed. What happened: 11 s shift serviceBv2 0 → 25;")
    for found in shown.of("svg"):
        assert found.get("aria-hidden") == "true" or (found["role"] == "img" and found["aria-labelledby"])
    assert len(shown.of("html", lang="en")) == 1


@pytest.mark.parametrize("document", [TIMELINE, ODD_NAMES], ids=["usual", "odd names"])
def test_the_page_refers_to_nothing_outside(document):
    text = page.draw(read(document), report.MESH, report.CALLER, report.SERVICE)
    assert not re.search(r"https?:|url\(|@import|\bfetch\(|XMLHttp|import\(", text)
    for tag, found in Page(text).elements:
        assert tag not in ("link", "img", "iframe", "object", "base"), tag
        assert not found.keys() & {"src", "href", "srcset", "action", "xlink:href", "style"}, found
    assert "default-src 'none'" in Page(text).of("meta")[1]["content"]


def test_odd_names_are_shown_as_they_are_and_never_become_elements():
    shown = drawn(ODD_NAMES)
    assert len(shown.of("script")) == 2
    assert shown.data()["names"] == [ODD, "_b"]
    assert ODD in shown.texts["td"]
    assert shown.of("line", **{"data-node": ODD})


@pytest.mark.parametrize("document", [TIMELINE, ODD_NAMES, *PARTS.values()], ids=["usual", "odd names", *PARTS])
def test_whatever_is_missing_page_and_picture_are_drawn(document, tmp_path):
    html, png = report.write(document, tmp_path / "new")
    Page(html.read_text())
    with Image.open(png) as picture:
        picture.verify()
    with Image.open(png) as picture:
        assert picture.format == "PNG"
        assert picture.width == 1560
        assert 500 <= picture.height <= 1600
        assert len(picture.convert("L").getcolors()) > 10, "it is blank"


@pytest.mark.parametrize("count", [1, 6, 7, 20])
def test_the_legend_of_the_picture_lies_on_nothing_else(count):
    names = {f"serviceb:{n}": 1 for n in range(count)}
    drawn = picture.draw(read({**TIMELINE, "samples": [{"at": 12, "counts": names}], "weights": []}), "b.local")
    drawn.draw_without_rendering()
    lanes, traffic, *_ = drawn.axes
    legend = traffic.get_legend().get_window_extent()
    title = next(each for each in traffic.findobj(Text) if each.get_text().startswith("traffic:")).get_window_extent()
    assert len(traffic.get_legend().get_texts()) == count
    assert title.y1 <= legend.y0
    assert legend.y1 <= lanes.get_window_extent().y0
    assert legend.x1 <= drawn.bbox.x1


def test_the_same_timeline_gives_the_same_bytes(tmp_path):
    first, second = report.write(TIMELINE, tmp_path / "a"), report.write(TIMELINE, tmp_path / "b")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_the_order_of_a_timeline_does_not_matter():
    turned = {name: found[::-1] for name, found in TIMELINE.items() if name != "table"}
    assert read(turned).phases() == read(TIMELINE).phases()


def test_the_examples_in_docstrings_hold():
    found = doctest.testmod(timeline)
    assert found.attempted > 0
    assert found.failed == 0


def test_names_without_weights_have_colours_and_shapes_of_their_own():
    assert read(PARTS["versions that are no nodes"]).names == ["blue", "serviceB", "serviceBv2"]


def luminance(colour):
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(("colours", "ground"), [(LIGHT, "#ffffff"), (DARK, "#14171b")], ids=["light", "dark"])
def test_every_colour_stands_out_from_its_ground(colours, ground):
    """WCAG 2.2, 1.4.11: 3 to 1 for what is drawn."""
    for colour in colours:
        low, high = sorted((luminance(colour), luminance(ground)))
        assert (high + 0.05) / (low + 0.05) >= 3, colour
    assert len({(n % len(LIGHT), n % len(SHAPES)) for n in range(30)}) == 30


def test_the_command_draws_beside_the_timeline(tmp_path, capsys):
    (tmp_path / "timeline.json").write_text(json.dumps(TIMELINE))
    assert command.main([str(tmp_path / "timeline.json")]) == 0
    assert capsys.readouterr().out.split() == [str(tmp_path / "report.html"), str(tmp_path / "rollout.png")]


@pytest.mark.parametrize("arguments", [[], ["there-is-none.json"]])
def test_the_command_says_what_it_misses(arguments, capsys):
    assert command.main(arguments) == 2
    assert "timeline" in capsys.readouterr().err


def test_what_meshift_remembers_becomes_weights_and_marks():
    before, first = {"serviceB": 100, "serviceBv2": 0}, {"serviceB": 75, "serviceBv2": 25}
    outcome = {"outcome": "Rolled Back", "reason": "in alarm: serviceb-5xx", "weights": before}
    lines = [
        (1000.5, "signal", {"signal": "retry", "by": "somebody"}),
        (1001.0, "plan", {"before": {"main": before, "by-header": before}}),
        (1002.0, "weights", {"route": "by-header", "from": before, "to": first}),
        (1002.1, "weights", {"route": "main", "from": before, "to": first}),
        (1003.0, "signal", {"signal": "pause", "by": "somebody"}),
        (1004.0, "weights", {"route": "main", "from": first, "to": before}),
        (1004.5, "outcome", outcome),
        (1005.0, "outcome", {"outcome": "Refused", "reason": "no route", "weights": None}),
    ]
    found = history.follow(lines, 1000.0, "main")
    assert [(each["at"], each["weights"]["serviceBv2"]) for each in found["weights"]] == [
        (1.0, 0), (2.1, 25), (4.0, 0), (4.5, 0),
    ]  # fmt: skip
    assert [(each["at"], each["what"], each["text"]) for each in found["marks"]] == [
        (0.5, "operator", "retry"),
        (2.1, "shift", "serviceB 100 → 75, serviceBv2 0 → 25"),
        (3.0, "paused", "pause"),
        (4.0, "shift", "serviceB 75 → 100, serviceBv2 25 → 0"),
        (4.5, "roll back", "in alarm: serviceb-5xx"),
        (5.0, "refused", "no route"),
    ]
