"use strict";

// Lines over time in an SVG: draw(svg, legend, series, start, end, step), series as of /api/v1/query_range.
const Chart = (() => {
  const COLOURS = ["#1f6f78", "#c2703d", "#5b6bb0", "#8a9a3c", "#a04a6f", "#3f8fbf", "#b89128", "#6a5acd", "#4f8a5b", "#8c6d5a"];
  const SHOWN = 50;
  const MARGIN = { left: 64, right: 12, top: 10, bottom: 24 };

  const element = (name, attributes, text) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  };

  const name = (metric) => {
    const { __name__: own = "", ...labels } = metric;
    const inner = Object.entries(labels).map(([key, value]) => `${key}="${value}"`).join(", ");
    return inner || !own ? `${own}{${inner}}` : own;
  };

  const short = (value) => {
    const size = Math.abs(value);
    if (size !== 0 && (size >= 1e15 || size < 1e-4)) return value.toExponential(2);
    for (const [unit, factor] of [["T", 1e12], ["G", 1e9], ["M", 1e6], ["k", 1e3]])
      if (size >= 10 * factor) return `${+(value / factor).toFixed(2)}${unit}`;
    return String(+value.toPrecision(5));
  };

  // Steps of 1, 2 or 5 times a power of ten.
  const ticks = (low, high, count) => {
    const rough = (high - low) / count;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= rough);
    const found = [];
    for (let value = Math.ceil(low / step) * step; value <= high + step / 1e6; value += step) found.push(value);
    return found;
  };

  const moment = (seconds, span) => {
    const text = new Date(seconds * 1000).toISOString();
    return span > 2 * 86400 ? text.slice(5, 16).replace("T", " ") : text.slice(11, span < 900 ? 19 : 16);
  };

  const draw = (svg, legend, series, start, end, step) => {
    const width = svg.clientWidth || 900, height = svg.clientHeight || 350;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.replaceChildren();
    legend.replaceChildren();
    const lines = series.slice(0, SHOWN).map((one) => ({
      name: name(one.metric),
      points: one.values.map(([time, value]) => [time, Number(value.replace("Inf", "Infinity"))]),
    }));
    let low = Infinity, high = -Infinity;
    for (const line of lines)
      for (const [, value] of line.points)
        if (Number.isFinite(value)) { low = Math.min(low, value); high = Math.max(high, value); }
    if (low > high) {
      svg.append(element("text", { x: width / 2, y: height / 2, "text-anchor": "middle" }, "no points in this time"));
      return;
    }
    if (low === high) { low -= Math.abs(low) / 10 || 1; high += Math.abs(high) / 10 || 1; }
    const x = (time) => MARGIN.left + ((time - start) / (end - start || 1)) * (width - MARGIN.left - MARGIN.right);
    const y = (value) => height - MARGIN.bottom - ((value - low) / (high - low)) * (height - MARGIN.top - MARGIN.bottom);
    for (const value of ticks(low, high, 5)) {
      svg.append(element("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(value), y2: y(value) }));
      svg.append(element("text", { x: MARGIN.left - 8, y: y(value) + 4, "text-anchor": "end" }, short(value)));
    }
    const columns = Math.max(2, Math.min(8, Math.floor(width / 110)));
    for (let column = 0; column <= columns; column += 1) {
      const time = start + ((end - start) * column) / columns;
      const anchor = column === 0 ? "start" : column === columns ? "end" : "middle";
      svg.append(element("text", { x: x(time), y: height - 6, "text-anchor": anchor }, moment(time, end - start)));
    }
    lines.forEach((line, number) => {
      const colour = COLOURS[number % COLOURS.length];
      let path = "", before = -Infinity;
      for (const [time, value] of line.points) {
        if (!Number.isFinite(value)) { before = -Infinity; continue; }
        // A step without a point is a gap, not a line across it.
        path += `${time - before > step * 1.5 ? "M" : "L"}${x(time).toFixed(1)},${y(value).toFixed(1)}`;
        before = time;
      }
      svg.append(element("path", { d: path, stroke: colour, "stroke-linecap": "round" }));
      const entry = document.createElement("span");
      const mark = document.createElement("i");
      mark.style.setProperty("background", colour);
      const last = document.createElement("b");
      last.textContent = line.points.length ? ` ${short(line.points.at(-1)[1])}` : "";
      entry.append(mark, line.name, last);
      legend.append(entry);
    });
    if (series.length > SHOWN) legend.append(`and ${series.length - SHOWN} more series`);
  };

  return { draw, name, short };
})();
