"use strict";

const $ = (id) => document.getElementById(id);
const LIVE_MS = 5000;
let last = null;

const refused = (message) => {
  $("message").textContent = message;
  $("message").hidden = !message;
};

const ask = async (path, parameters = {}) => {
  const token = sessionStorage.getItem("token");
  const address = `${path}?${new URLSearchParams(parameters)}`;
  const answer = await fetch(address, { headers: token ? { Authorization: `Bearer ${token}` } : {} });
  if (answer.status === 401) {
    sessionStorage.removeItem("token");
    if (!$("access").open) $("access").showModal();
  }
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.error ?? body.message ?? answer.statusText);
  return body.data;
};

const options = (select, values, first) => {
  const chosen = select.value;
  select.replaceChildren(new Option(first, ""), ...values.map((value) => new Option(value, value)));
  select.value = values.includes(chosen) ? chosen : "";
  select.disabled = values.length === 0;
};

const selector = () => {
  const quoted = (text) => JSON.stringify(text);
  const plain = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test($("metric").value);
  const matchers = plain ? [] : [`__name__=${quoted($("metric").value)}`];
  if ($("label").value && $("value").value) matchers.push(`${$("label").value}=${quoted($("value").value)}`);
  return (plain ? $("metric").value : "") + (matchers.length ? `{${matchers.join(",")}}` : "");
};

const loadMetrics = async () => {
  const names = await ask("/api/v1/label/__name__/values");
  options($("metric"), names, "choose");
  $("metrics").replaceChildren(...names.map((name) => new Option(name)));
};

const loadLabels = async () => {
  const names = $("metric").value ? await ask("/api/v1/labels", { "match[]": selector() }) : [];
  options($("label"), names.filter((name) => name !== "__name__"), "all");
  await loadValues();
};

const loadValues = async () => {
  const label = $("label").value;
  $("value").value = "";
  const values = label ? await ask(`/api/v1/label/${encodeURIComponent(label)}/values`, { "match[]": selector() }) : [];
  options($("value"), values, "all");
};

const show = async () => {
  const query = $("expression").value.trim();
  if (!query) return;
  const span = Number($("range").value);
  const until = $("until").value.trim();
  const end = until ? Number(until) || Date.parse(until.endsWith("Z") ? until : `${until}Z`) / 1000 : Date.now() / 1000;
  if (!Number.isFinite(end)) { refused(`${until} is no time: write 2026-01-31T12:00:00 or seconds`); return; }
  const step = Math.max(1, Math.round(span / 400));
  const range = { query, start: end - span, end };
  try {
    const [data, touched] = await Promise.all([
      ask("/api/v1/query_range", { ...range, step }),
      ask("/api/v1/query_explain", range),
    ]);
    refused("");
    last = [data.result, range.start, end, step];
    Chart.draw($("chart"), $("legend"), ...last);
    $("touched").tBodies[0].replaceChildren(...touched.map((one) => {
      const row = document.createElement("tr");
      const cells = [
        one.selector, Chart.short(one.head_points), Chart.short(one.points), `${one.blocks_read} of ${one.blocks_total}`,
        `${one.chunks_read} of ${one.chunks_total}`, Chart.short(one.bytes_read),
      ];
      for (const text of cells) row.insertCell().textContent = text;
      return row;
    }));
  } catch (error) {
    refused(error.message);
  }
  history.replaceState(null, "", `#${new URLSearchParams({ query, range: span, until })}`);
};

const status = async () => {
  try {
    const ready = await fetch("/ready");
    $("state").textContent = ready.ok ? "ready" : "not ready";
    $("state").className = ready.ok ? "good" : "bad";
    const data = await ask("/api/v1/status/tsdb");
    const figures = {
      Series: data.headStats.numSeries, "Points in memory": data.store.points_head, "Points in blocks": data.store.points_blocks,
      Blocks: data.store.blocks, "Bytes of blocks": data.store.bytes_blocks, "Bytes of log": data.store.bytes_wal,
    };
    $("figures").replaceChildren(...Object.entries(figures).map(([name, value]) => {
      const entry = document.createElement("div");
      const term = document.createElement("dt"), text = document.createElement("dd");
      term.textContent = name;
      text.textContent = Chart.short(value);
      entry.append(term, text);
      return entry;
    }));
  } catch (error) {
    $("state").textContent = error.message;
    $("state").className = "bad";
  }
};

const guarded = (work) => async () => {
  try { await work(); } catch (error) { refused(error.message); }
};

$("query").addEventListener("submit", (event) => { event.preventDefault(); show(); });
$("metric").addEventListener("change", guarded(async () => {
  $("label").value = $("value").value = "";
  $("expression").value = $("metric").value ? selector() : "";
  await Promise.all([loadLabels(), show()]);
}));
$("label").addEventListener("change", guarded(async () => { await loadValues(); }));
$("value").addEventListener("change", () => { $("expression").value = selector(); show(); });
$("range").addEventListener("change", show);
$("access").addEventListener("close", () => { sessionStorage.setItem("token", $("token").value); start(); });
addEventListener("resize", () => { if (last) Chart.draw($("chart"), $("legend"), ...last); });
setInterval(() => {
  if (document.hidden) return;
  status();
  if ($("live").checked && !$("until").value) show();
}, LIVE_MS);

const start = guarded(async () => {
  const given = new URLSearchParams(location.hash.slice(1));
  if (given.get("query")) $("expression").value = given.get("query");
  if (given.get("range")) $("range").value = given.get("range");
  if (given.get("until")) $("until").value = given.get("until");
  await Promise.all([loadMetrics(), status(), show()]);
});
start();
