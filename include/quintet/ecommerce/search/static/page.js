"use strict";

const LIVE_MS = 2000;
const number = (value) => value.toLocaleString("en", { maximumFractionDigits: 0 });
const clock = (moment) => new Date(moment).toISOString().slice(11, 16);

const tiles = (figures) => {
  $("tiles").replaceChildren(...Object.entries(figures).map(([name, value]) => {
    const tile = element("div");
    tile.append(element("dt", name), element("dd", value));
    return tile;
  }));
};

const line = (values, width, height, className) => {
  const most = Math.max(1, ...values), step = width / Math.max(1, values.length - 1);
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("class", className);
  path.setAttribute("d", values.map((value, place) => `${place ? "L" : "M"}${(place * step).toFixed(1)} ${(height - 4 - (height - 8) * value / most).toFixed(1)}`).join(""));
  return path;
};

const chart = (minutes) => {
  const svg = $("chart"), width = svg.clientWidth || 600, height = svg.clientHeight || 120;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  if (minutes.length < 2) { svg.replaceChildren(); return; }
  svg.replaceChildren(
    line(minutes.map((one) => one.page_views), width, height, "views"),
    line(minutes.map((one) => one.orders), width, height, "orders"),
  );
};

const rows = (table, entries, cells) => {
  $(table).tBodies[0].replaceChildren(...entries.map((entry) => {
    const row = element("tr");
    for (const text of cells(entry)) row.append(element("td", text));
    return row;
  }));
};

const list = (id, entries, empty) => {
  const shown = entries.map(([text, count]) => {
    const entry = element("li", text);
    entry.append(element("b", number(count)));
    return entry;
  });
  $(id).replaceChildren(...(shown.length ? shown : [element("li", empty, "empty")]));
};

const look = async () => {
  try {
    const now = await ask("/api/v1/operations");
    const last = now.minutes.at(-1);
    tiles({
      ...(last ? {
        [`Revenue ${clock(last.minute)}, euros`]: number(last.revenue),
        Orders: number(last.orders),
        "Page views": number(last.page_views),
        "Active users": number(last.active_users),
        "Searches without result": number(last.searches_without_result),
      } : {}),
      "Products short": number(now.short.products),
      "Sold out": number(now.short.gone),
      "Searches here today": number(now.searches.today),
      "Nothing found today": number(now.searches.without_result),
      "Search p99, ms": now.searches.p99_ms ?? "–",
    });
    chart(now.minutes);
    $("short-count").textContent = number(now.short.products);
    rows("short", now.short.newest, (one) => [one.name, one.pieces, one.reorder_point, clock(one.since)]);
    rows("suspicious", now.suspicious_orders, (one) => [one.order_id, one.reason.replaceAll("_", " "), number(one.total_amount), clock(one.ordered_at)]);
    list("trending", now.trending.map((one) => [one.name, one.points]), "nothing yet");
    list("texts", now.texts.map((one) => [one.text, one.count]), "nothing yet");
    list("nothing", now.nothing_found.map((one) => [one.text, one.count]), "nothing");
    $("state").textContent = now.figures_trouble ? "search ready, no live figures" : "live";
    $("state").className = now.figures_trouble ? "half" : "good";
    $("state").title = now.figures_trouble;
  } catch (error) {
    $("state").textContent = error.message;
    $("state").className = "bad";
  }
};

const begin = () => { look(); Search.start(); };
$("access").addEventListener("close", () => { sessionStorage.setItem("key", $("key").value); begin(); });
setInterval(() => { if (!document.hidden && !$("access").open) look(); }, LIVE_MS);
begin();
