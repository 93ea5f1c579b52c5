"""The demo's page in a real browser: Chromium, as Debian installs it, without a network."""

import json
import re
import shutil
import subprocess
from html import escape, unescape

import pytest

from local import report
from local.report import page
from local.report.timeline import read
from tests.timelines import ODD, ODD_NAMES, TIMELINE

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian: apt-get install chromium)")
# The page in a frame as wide as a phone; what is seen of it is written where the test can read it.
FRAME = """<!DOCTYPE html><iframe id="page" style="width: {width}px; height: 800px" srcdoc="{page}"></iframe>
<pre id="seen"></pre><script>
document.getElementById("page").addEventListener("load", (event) => {{
  const view = event.target.contentWindow, shown = view.document;
  const root = shown.documentElement, chart = shown.getElementById("chart"), box = chart.getBoundingClientRect();
  const readout = () => shown.getElementById("readout").textContent;
  const weights = () => [...shown.querySelectorAll(".map text[data-node]")].map((each) => each.textContent);
  const overflow = root.scrollWidth - root.clientWidth;
  const seen = {{ overflow, tall: box.height, weightsAtTheEnd: weights(), before: readout() }};
  const x = box.left + 96 + (box.width - 96 - 14) * {part};
  chart.dispatchEvent(new view.PointerEvent("pointermove", {{ clientX: x, clientY: box.top + 50 }}));
  Object.assign(seen, {{ pointed: readout(), weightsThen: weights() }});
  seen.cursor = shown.getElementById("cursor").getAttribute("visibility");
  chart.dispatchEvent(new view.PointerEvent("pointerleave"));
  Object.assign(seen, {{ after: readout(), weightsAfter: weights() }});
  const moment = shown.getElementById("moment");
  moment.value = {moment};
  moment.dispatchEvent(new view.Event("input"));
  Object.assign(seen, {{ moved: readout(), scripts: shown.scripts.length }});
  const band = view.getComputedStyle(shown.querySelector(".chart .asked"));
  Object.assign(seen, {{ band: band.strokeWidth, colour: band.stroke }});
  document.getElementById("seen").textContent = JSON.stringify(seen);
}});
</script>"""


def chromium(*arguments, folder):
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"]
    command += ["--proxy-server=127.0.0.1:1", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def look(document, folder, width=360, part=0.5, moment=12):
    text = page.draw(read(document), report.MESH, report.CALLER, report.SERVICE)
    frame = folder / "frame.html"
    frame.write_text(FRAME.format(page=escape(text), width=width, part=part, moment=moment))
    dom = chromium("--dump-dom", "--virtual-time-budget=5000", frame.as_uri(), folder=folder)
    return json.loads(unescape(re.search(r'<pre id="seen">(.*?)</pre>', dom, re.DOTALL)[1]))


def test_the_page_fits_a_phone_and_says_what_is_under_the_pointer(tmp_path):
    seen = look(TIMELINE, tmp_path)
    assert seen["overflow"] == 0
    assert seen["tall"] > 300
    assert (seen["before"], seen["after"]) == ("", "")
    assert seen["cursor"] == "visible"
    assert seen["pointed"].splitlines() == [
        "12 s",
        "serviceB: asked 75 %, observed 77.5 %",
        "serviceBv2: asked 25 %, observed 22.5 %, failed 4",
        "40 requests",
        "p99 61.5 ms",
    ]
    assert seen["moved"] == seen["pointed"]
    assert (seen["weightsAtTheEnd"], seen["weightsThen"], seen["weightsAfter"]) == (
        ["100", "0"],
        ["75", "25"],
        ["100", "0"],
    )
    assert (seen["band"], seen["colour"]) == ("8px", "rgb(0, 114, 178)"), "the style sheet is not taken"


def test_odd_names_are_text_in_the_browser_too(tmp_path):
    seen = look(ODD_NAMES, tmp_path, part=0.99, moment=1)
    assert seen["scripts"] == 2
    assert f"{ODD}: asked 50 %, observed 50 %, failed 1" in seen["moved"]


def test_an_empty_page_runs_without_a_fault(tmp_path):
    seen = look({"weights": TIMELINE["weights"][:1]}, tmp_path, width=1000, moment=10)
    assert seen["moved"].splitlines() == ["10 s", "serviceB: asked 100 %", "serviceBv2: asked 0 %"]


def test_the_page_prints(tmp_path):
    html, _ = report.write(TIMELINE, tmp_path)
    chromium(f"--print-to-pdf={tmp_path / 'page.pdf'}", "--no-pdf-header-footer", html.as_uri(), folder=tmp_path)
    printed = (tmp_path / "page.pdf").read_bytes()
    assert printed.startswith(b"%PDF")
    assert 1 <= printed.count(b"/Type /Page\n") <= 4
