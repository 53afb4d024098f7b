const metrics = [
  { field: "cpuPercent", name: "CPU", unit: "%" },
  { field: "memoryMiB", name: "Memory", unit: "MiB" },
  { field: "requestsPerSecond", name: "Requests", unit: "/s" },
  { field: "latencyMs", name: "Latency", unit: "ms" },
];
const height = 150;
const margin = { top: 8, right: 6, bottom: 18, left: 38 };

const charts = metrics.map(createChart);
document.querySelector("#charts").append(...charts.map((chart) => chart.element));
document.querySelector("#burst").addEventListener("click", () => fetch("burst", { method: "POST" }));
addEventListener("resize", () => charts.forEach((chart) => chart.draw()));
void follow();

async function follow() {
  for (;;) {
    let next = 1000;
    try {
      const response = await fetch("history", { signal: AbortSignal.timeout(3000) });
      const history = await response.json();
      next = history.pollMs;
      charts.forEach((chart) => chart.draw(history));
      showState(history);
    } catch {
      setState(false, "monitor-agent does not answer");
    }
    await new Promise((resolve) => setTimeout(resolve, next));
  }
}

function showState({ instance, environment, upstream, samples, pollMs }) {
  document.querySelector("#where").textContent = `${environment} · ${upstream.url}`;
  const since = upstream.lastSuccess === null ? "" : `, last seen ${clock(upstream.lastSuccess)}`;
  if (upstream.up) setState(true, "live");
  else setState(false, `no answer from upstream (${upstream.error ?? "not asked yet"})${since}`);
  document.querySelector("#footer").textContent =
    `served by ${instance} · ${samples.length} samples, one every ${pollMs / 1000} s`;
}

function setState(up, text) {
  const state = document.querySelector("#state");
  state.dataset.up = up;
  state.textContent = text;
}

/** One metric: its newest value, its course, and the value under the pointer. */
function createChart({ field, name, unit }) {
  const value = document.createElement("output");
  const label = document.createElement("span");
  label.textContent = name;
  const caption = document.createElement("figcaption");
  caption.append(label, value);
  const svg = tag("svg", { role: "img", "aria-label": `${name} over time` });
  const element = document.createElement("figure");
  element.append(caption, svg);

  let history = { samples: [], historySize: 1 };
  let pointer;
  svg.addEventListener("pointermove", (event) => {
    pointer = event.offsetX;
    draw();
  });
  svg.addEventListener("pointerleave", () => {
    pointer = undefined;
    draw();
  });

  function draw(next = history) {
    history = next;
    const { samples, historySize } = history;
    const width = svg.clientWidth;
    const values = samples.map((sample) => sample[field]);
    const top = niceTop(Math.max(1, ...values));
    const [left, right] = [margin.left, width - margin.right];
    const [high, low] = [margin.top, height - margin.bottom];
    // The newest sample stands at the right edge; a short history leaves the left empty.
    const x = (index) =>
      right - ((values.length - 1 - index) / Math.max(1, historySize - 1)) * (right - left);
    const y = (sample) => low - (sample / top) * (low - high);

    const parts = [0, top / 2, top].flatMap((tick) => [
      tag("line", { class: "grid", x1: left, x2: right, y1: y(tick), y2: y(tick) }),
      text(left - 6, y(tick) + 4, String(tick), "end"),
    ]);
    if (values.length > 0) {
      const path = values.map((sample, index) => `${x(index).toFixed(1)},${y(sample).toFixed(1)}`).join("L");
      const shown = pointer === undefined ? values.length - 1 : nearest(pointer, values.length, x);
      parts.push(
        tag("path", { class: "area", d: `M${path}L${right},${low}L${x(0).toFixed(1)},${low}Z` }),
        tag("path", { class: "line", d: `M${path}` }),
        text(right, height - 3, clock(samples.at(-1).timestamp), "end"),
      );
      if (pointer !== undefined) {
        parts.push(tag("line", { class: "cursor", x1: x(shown), x2: x(shown), y1: high, y2: low }));
      }
      parts.push(tag("circle", { class: "dot", cx: x(shown), cy: y(values[shown]), r: 4.5 }));
      value.textContent = `${values[shown].toFixed(1)} ${unit}`;
      const at = pointer === undefined ? "" : ` at ${clock(samples[shown].timestamp)}`;
      label.textContent = `${name}${at}`;
    }
    svg.replaceChildren(...parts);
  }
  return { element, draw };
}

function nearest(pointer, count, x) {
  const step = count > 1 ? x(1) - x(0) : 1;
  return Math.min(count - 1, Math.max(0, Math.round((pointer - x(0)) / step)));
}

/** The least of 1, 2, 4, 5, 10, 20, … that is not below `value`: its half is a round number too. */
function niceTop(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 5, 10].map((step) => step * power).find((step) => step >= value);
}

function clock(time) {
  return new Date(time).toLocaleTimeString([], { hourCycle: "h23" });
}

function text(x, y, content, anchor) {
  const node = tag("text", { x, y, "text-anchor": anchor });
  node.textContent = content;
  return node;
}

function tag(name, attributes) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}
