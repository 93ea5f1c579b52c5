"use strict";
// Shows the values of the moment under the pointer, or of the slider's; without it the page says all the same.
const data = JSON.parse(document.getElementById("timeline").textContent);
const chart = document.getElementById("chart");
const cursor = document.getElementById("cursor");
const readout = document.getElementById("readout");
const moment = document.getElementById("moment");
const [left, right, begin, end] = ["left", "right", "begin", "end"].map((name) => Number(chart.dataset[name]));
const width = chart.viewBox.baseVal.width;
const last = (list, at) => list.filter((each) => each.at <= at).pop();
const rounded = (number) => String(Math.round(number * 10) / 10);

function told(at) {
  const lines = [`${rounded(at)} s`];
  const asked = last(data.asked, at);
  const sample = data.samples.find((each) => each.at >= at) || data.samples[data.samples.length - 1];
  const total = sample ? Object.values(sample.counts).reduce((sum, each) => sum + each, 0) : 0;
  for (const name of data.names) {
    const wanted = asked && Object.hasOwn(asked.weights, name) ? `asked ${asked.weights[name]} %` : "";
    const seen = total ? `observed ${rounded((100 * (sample.counts[name] || 0)) / total)} %` : "";
    const failed = sample && sample.errors[name] ? `failed ${sample.errors[name]}` : "";
    const said = [wanted, seen, failed].filter(Boolean).join(", ");
    if (said) lines.push(`${name}: ${said}`);
  }
  if (sample) lines.push(`${total} requests`);
  if (sample && sample.p99 !== null) lines.push(`p99 ${rounded(sample.p99)} ms`);
  const near = data.marks.filter((each) => Math.abs(each.at - at) <= (end - begin) / 100);
  for (const mark of near) lines.push(`${rounded(mark.at)} s ${mark.what} ${mark.text}`.trim());
  return lines.join("\n");
}

function show(at) {
  const x = left + ((width - left - right) * (at - begin)) / (end - begin);
  cursor.setAttribute("x1", x);
  cursor.setAttribute("x2", x);
  cursor.setAttribute("visibility", "visible");
  readout.textContent = told(at);
  const scale = chart.clientWidth / width;
  const beside = x * scale + 14 + readout.offsetWidth > chart.clientWidth ? -14 - readout.offsetWidth : 14;
  readout.style.left = `${Math.max(0, x * scale + beside)}px`;
  map(at);
}

function map(at) {
  const asked = last(data.asked, at);
  for (const each of document.querySelectorAll(".map [data-node]")) {
    const weight = (asked && asked.weights[each.dataset.node]) || 0;
    if (each.tagName === "text") each.textContent = weight;
    else each.setAttribute("stroke-width", 0.5 + weight * 0.115);
  }
  document.getElementById("map-when").textContent = `at ${rounded(at)} s`;
}

function hide() {
  cursor.setAttribute("visibility", "hidden");
  readout.textContent = "";
  map(end);
}

chart.addEventListener("pointermove", (event) => {
  const box = chart.getBoundingClientRect();
  const part = (((event.clientX - box.left) / box.width) * width - left) / (width - left - right);
  if (part >= 0 && part <= 1) {
    moment.value = begin + part * (end - begin);
    show(begin + part * (end - begin));
  }
});
chart.addEventListener("pointerleave", hide);
moment.addEventListener("input", () => show(Number(moment.value)));
moment.addEventListener("blur", hide);
