// What the server cannot do: draw the plots, keep the reader's place over a refresh, say when nobody answers.
"use strict";
(() => {
  const EVERY_MS = 10000;
  const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];
  const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: "UTC" });
  const closed = new Map();
  const plots = new Map();

  function size(bytes) {
    if (bytes === null || bytes === undefined) return "unknown";
    let unit = 0;
    while (bytes >= 1024 && unit < UNITS.length - 1) { bytes /= 1024; unit += 1; }
    return `${unit === 0 ? bytes : bytes.toFixed(1)} ${UNITS[unit]}`;
  }

  function count(records) {
    return records === null || records === undefined ? "unknown" : records.toLocaleString("en");
  }

  function colour(name) {
    const probe = document.createElement("span");
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  }

  function last(values) {
    for (let at = values.length - 1; at >= 0; at -= 1) if (values[at] !== null) return values[at];
    return null;
  }

  function draw(figure, lag) {
    const place = figure.querySelector("[data-plot]");
    const now = figure.querySelector("[data-now]");
    plots.get(figure)?.destroy();
    plots.delete(figure);
    place.hidden = lag.at.length < 2;
    if (lag.at.length === 0) {
      now.textContent = "Not measured: nothing streamed.";
      return;
    }
    const bytes = last(lag.bytes);
    const records = last(lag.records);
    const most = Math.max(0, ...lag.records.filter((each) => each !== null));
    const at = lag.at[lag.at.length - 1];
    const age = Date.now() / 1000 - at;
    const when = age > 60 ? `At ${clock.format(at * 1000)} UTC: ` : "";
    const text = `${when}${size(bytes)} not yet in Kafka, ${count(records)} records not yet in the target (most: ${count(most)})`;
    if (now.textContent !== text) now.textContent = text;
    if (place.hidden) return;
    const whole = [1, 2, 5].flatMap((step) => [...Array(10).keys()].map((power) => step * 10 ** power)).sort((a, b) => a - b);
    const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
    plots.set(figure, new uPlot({
      width: place.clientWidth, height: 170,
      cursor: { drag: { x: false, y: false } },
      scales: { bytes: { range: (_, low, high) => [0, Math.max((high ?? 0) * 1.1, 1024)] },
                records: { range: (_, low, high) => [0, Math.max((high ?? 0) * 1.1, 10)] } },
      series: [
        { label: "UTC", value: (_, each) => (each === null ? "" : clock.format(each * 1000)) },
        { label: "not yet in Kafka", scale: "bytes", stroke: colour("--accent"), width: 2, spanGaps: false, value: (_, v) => (v === null ? "" : size(v)) },
        { label: "records not yet in the target", scale: "records", stroke: colour("--busy"), width: 2, dash: [6, 4], spanGaps: false, value: (_, v) => (v === null ? "" : count(v)) },
      ],
      axes: [
        // The labels are whole minutes and whole records: finer steps would repeat them.
        { ...axis, size: 30, incrs: [60, 120, 300, 600, 900, 1800, 3600], values: (_, all) => all.map((each) => clock.format(each * 1000)) },
        { ...axis, scale: "bytes", size: 80, values: (_, v) => v.map(size) },
        { ...axis, scale: "records", side: 1, size: 60, incrs: whole, grid: { show: false }, values: (_, v) => v.map(count) },
      ],
    }, gaps(lag), place));
  }

  // Where nobody measured there is a hole, not a line.
  function gaps(lag) {
    const drawn = [[], [], []];
    lag.at.forEach((at, index) => {
      const before = lag.at[index - 1];
      if (before !== undefined && at - before > 60) [before + 1, null, null].forEach((value, row) => drawn[row].push(value));
      [at, lag.bytes[index], lag.records[index]].forEach((value, row) => drawn[row].push(value));
    });
    return drawn;
  }

  async function measure(figure) {
    const answer = await fetch(figure.dataset.lag, { headers: { Accept: "application/json" } });
    if (answer.ok) draw(figure, await answer.json());
  }

  function measureAll() {
    for (const figure of document.querySelectorAll("[data-lag]")) measure(figure).catch(() => {});
  }

  document.addEventListener("DOMContentLoaded", () => {
    measureAll();
    setInterval(() => { if (!document.hidden) measureAll(); }, EVERY_MS);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", measureAll);
    let resized;
    addEventListener("resize", () => { clearTimeout(resized); resized = setTimeout(measureAll, 200); });

    // A reader's open or closed list stays so over a refresh.
    document.addEventListener("click", (event) => {
      const details = event.target.closest("summary")?.parentElement;
      if (details?.id) closed.set(details.id, details.open);
    });
    document.body.addEventListener("htmx:afterSettle", () => {
      for (const [id, wasOpen] of closed) {
        const details = document.getElementById(id);
        if (details) details.open = !wasOpen;
      }
    });

    // A button that has done its work may be gone: the keyboard goes on at its pipeline.
    let asked = null;
    document.body.addEventListener("htmx:beforeRequest", (event) => {
      const form = event.target.closest("form");
      if (!form) return;
      asked = form.closest("section")?.id ?? null;
      document.querySelector("#notice").replaceChildren();
    });
    document.body.addEventListener("htmx:afterSettle", () => {
      if (asked === null || document.activeElement !== document.body) return;
      document.getElementById(asked)?.querySelector(".top button, a")?.focus();
      asked = null;
    });

    document.body.addEventListener("htmx:afterRequest", (event) => {
      if (event.detail.successful && event.detail.elt.id === "poll") document.querySelector("#trouble").replaceChildren();
    });
    function unanswered() {
      const line = document.createElement("p");
      line.className = "cause";
      line.textContent = "The API does not answer: what is shown here is as it was. Fix: see ./cdc up and CDC_HOME/logs/http_api.log";
      document.querySelector("#trouble").replaceChildren(line);
    }
    document.body.addEventListener("htmx:sendError", unanswered);
    document.body.addEventListener("htmx:timeout", unanswered);
  });
})();
