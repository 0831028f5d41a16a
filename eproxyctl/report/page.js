"use strict";
// Draws the figures of a report from the columns that the page holds once, in the colours of the page's style.
(() => {
  const page = JSON.parse(document.getElementById("data").textContent);
  const ARRAYS = { f64: Float64Array, i32: Int32Array };
  const GAP_X = 66, GAP_Y = 66, MOST_LIVE_GL = 3, WRAP = 44;
  const PAPER = 660; // pixels that A4 and letter paper have between their margins
  const BUTTONS = ["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"];
  const decoded = new Map();
  const drawn = new Set();
  const live = [];
  let printing = false;

  // ------------------------------------------------------------------------------------------------- columns

  function decode(stored) {
    if (!decoded.has(stored)) {
      let values = stored;
      if (!Array.isArray(stored)) {
        const raw = atob(stored.data);
        const bytes = new Uint8Array(raw.length);
        for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
        values = new ARRAYS[stored.type](bytes.buffer);
      }
      decoded.set(stored, values);
    }
    return decoded.get(stored);
  }

  function column(reference) {
    const sheet = page.sheets[reference.sheet];
    const values = decode(sheet.columns[reference.column]);
    if (!reference.rows) return values;
    return Array.from(decode(sheet.rows[reference.rows]), (row) => values[row]);
  }

  // Plotly reads text as a kind of HTML; names and keys of a report are text and nothing else.
  function plain(text) {
    return String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/%\{/g, "&#37;{");
  }

  function wrapped(text) {
    const lines = String(text).match(new RegExp(`[^]{1,${WRAP}}`, "g")) || [""];
    return lines.slice(0, 6).map(plain).join("<br>");
  }

  function resolve(value) {
    if (Array.isArray(value)) return value.map(resolve);
    if (value === null || typeof value !== "object") return value;
    if (value.sheet) return value.hover ? Array.from(column(value), wrapped) : column(value);
    if (value.zip) {
      const columns = value.zip.map(column);
      return Array.from(columns[0], (_, i) => columns.map((c) => c[i]));
    }
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, resolve(inner)]));
  }

  function csv(name) {
    const sheet = page.sheets[name];
    const names = Object.keys(sheet.columns);
    const columns = names.map((column) => decode(sheet.columns[column]));
    const cell = (value) => {
      const text = value === null || Number.isNaN(value) ? "" : String(value);
      return /[",\n\r]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
    };
    const lines = [names.map(cell).join(",")];
    for (let i = 0; i < columns[0].length; i++) lines.push(columns.map((values) => cell(values[i])).join(","));
    return lines.join("\n") + "\n";
  }

  function download(name) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([csv(name)], { type: "text/csv" }));
    link.download = page.sheets[name].file;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  // ------------------------------------------------------------------------------------------------- figures

  const webgl = (() => {
    try {
      return Boolean(document.createElement("canvas").getContext("webgl"));
    } catch {
      return false;
    }
  })();

  function colours() {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue(name).trim();
    return {
      text: read("--text"), soft: read("--soft"), ground: read("--ground"), grid: read("--grid"),
      raised: read("--raised"), rule: read("--rule"), shade: read("--shade"),
      series: Array.from({ length: 8 }, (_, i) => read(`--series-${i}`)),
    };
  }

  const axisName = (letter, i) => letter + "axis" + (i ? i + 1 : "");
  const axisId = (letter, i) => letter + (i ? i + 1 : "");

  // Panels side by side where there is room, one below the other where there is not.
  function grid(figure, width, c) {
    const count = figure.panels.length;
    const columns = Math.max(1, Math.min(count, figure.columns || 3, Math.floor((width + GAP_X) / (figure.least + GAP_X))));
    const rows = Math.ceil(count / columns);
    const inner = Math.max(100, width - 80), tall = rows * figure.height + (rows - 1) * GAP_Y;
    const layout = {};
    figure.panels.forEach((panel, i) => {
      const at = i % columns, row = Math.floor(i / columns);
      const w = (inner - GAP_X * (columns - 1)) / columns;
      const left = (at * (w + GAP_X)) / inner, top = (row * (figure.height + GAP_Y)) / tall;
      const common = { gridcolor: c.grid, zerolinecolor: c.rule, linecolor: c.rule, automargin: true };
      const title = (text) => ({ text, standoff: 8, font: { size: 13 } });
      const hidden = figure.shared && at > 0;
      layout[axisName("x", i)] = {
        ...common, ...panel.x, title: title(panel.x.title), anchor: axisId("y", i),
        domain: [left, Math.min(1, left + w / inner)],
      };
      layout[axisName("y", i)] = {
        ...common, ...panel.y, title: title(hidden ? "" : panel.y.title), anchor: axisId("x", i),
        domain: [Math.max(0, 1 - top - figure.height / tall), 1 - top], showticklabels: !hidden,
        ...(figure.shared && i ? { matches: "y" } : {}),
      };
    });
    return { layout, height: tall };
  }

  function shapes(figure, c) {
    const lines = (figure.lines || []).map((line) => {
      const across = line.x === undefined;
      return {
        type: "line", layer: "below", line: { color: c.soft, width: 1.3, dash: "dash" },
        xref: across ? axisId("x", line.panel) + " domain" : axisId("x", line.panel),
        yref: across ? axisId("y", line.panel) : axisId("y", line.panel) + " domain",
        x0: across ? 0 : line.x, x1: across ? 1 : line.x, y0: across ? line.y : 0, y1: across ? line.y : 1,
      };
    });
    const shades = (figure.shades || []).map((shade) => ({
      type: "rect", layer: "below", line: { width: 0 }, fillcolor: c.shade, opacity: 0.1,
      xref: axisId("x", shade.panel), yref: axisId("y", shade.panel) + " domain",
      x0: shade.from, x1: shade.to, y0: 0, y1: 1,
    }));
    return [...lines, ...shades];
  }

  function traces(figure, c) {
    return figure.traces.map((stored) => {
      const { panel, colour, ...trace } = resolve(stored);
      trace.xaxis = axisId("x", panel);
      trace.yaxis = axisId("y", panel);
      if (trace.type === "scattergl" && (!webgl || printing)) trace.type = "scatter";
      if (colour !== undefined) {
        const shade = c.series[colour % c.series.length];
        trace.marker = { ...trace.marker, color: shade };
        trace.line = { ...trace.line, color: shade };
        for (const bar of ["error_x", "error_y"]) if (trace[bar]) trace[bar] = { thickness: 1.6, width: 4, ...trace[bar], color: shade };
      }
      if (typeof trace.textfont === "object") trace.textfont = { ...trace.textfont, color: c.soft };
      return trace;
    });
  }

  function draw(id) {
    const place = document.getElementById(id), figure = page.figures[id], c = colours();
    const width = printing ? PAPER : Math.max(place.clientWidth || 700, figure.least);
    const { layout, height } = grid(figure, width, c);
    const legend = figure.legend ? 34 : 0;
    Object.assign(layout, {
      width, height: height + 88 + legend, margin: { l: 56, r: 16, t: 28 + legend, b: 52 }, shapes: shapes(figure, c),
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", barmode: "group", bargap: 0.25,
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: c.text },
      showlegend: Boolean(figure.legend), hovermode: "closest",
      legend: { orientation: "h", x: 0, xanchor: "left", y: 1, yref: "container", yanchor: "top", font: { size: 12 } },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: c.soft, activecolor: c.text },
      hoverlabel: { bgcolor: c.raised, bordercolor: c.rule, font: { color: c.text }, align: "left", namelength: -1 },
    });
    const bar = matchMedia("(hover: hover)").matches ? "hover" : false;
    const options = { displaylogo: false, displayModeBar: bar, modeBarButtons: [BUTTONS] };
    Plotly.react(place, traces(figure, c), layout, options);
    drawn.add(id);
  }

  // A browser has few WebGL contexts: figures that use one give it back when others come into view.
  function show(id) {
    if (drawn.has(id)) return;
    draw(id);
    if (webgl && page.figures[id].traces.some((trace) => trace.type === "scattergl")) {
      live.push(id);
      while (live.length > MOST_LIVE_GL) {
        const oldest = live.shift(), place = document.getElementById(oldest);
        place.style.minHeight = `${place.clientHeight}px`;
        Plotly.purge(place);
        drawn.delete(oldest);
      }
    }
  }

  function redraw() {
    for (const id of [...drawn]) draw(id);
  }

  const seen = new IntersectionObserver(
    (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => show(entry.target.id)),
    { rootMargin: "500px" },
  );
  for (const id of Object.keys(page.figures)) seen.observe(document.getElementById(id));
  for (const button of document.querySelectorAll("button.csv")) {
    button.addEventListener("click", () => download(button.dataset.sheet));
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  let width = window.innerWidth, waiting = 0;
  window.addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      if (window.innerWidth !== width) redraw();
      width = window.innerWidth;
    }, 150);
  });
  window.addEventListener("beforeprint", () => {
    printing = true;
    document.documentElement.classList.add("printing");
    Object.keys(page.figures).forEach(draw);
  });
  window.addEventListener("afterprint", () => {
    printing = false;
    document.documentElement.classList.remove("printing");
    redraw();
  });
  window.eproxyctlReport = { csv, draw, figures: Object.keys(page.figures), drawn };
})();
