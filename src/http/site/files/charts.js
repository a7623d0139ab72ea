// Charts, drawn from the tables beside them: a figure names its kind, its table has a first column of times or names and one of numbers a series.

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** A colour of the sheet, as a canvas takes it. */
function colour(name) {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

const number = (cell) => (cell.dataset.v === undefined || cell.dataset.v === "" ? null : Number(cell.dataset.v));

/** What a table holds: a list a column. */
function read(table) {
  const rows = [...table.tBodies[0].rows];
  const names = [...table.tHead.rows[0].cells].map((cell) => cell.textContent.trim());
  return { names, columns: names.map((_, n) => rows.map((row) => number(row.cells[n]))), labels: rows.map((row) => row.cells[0].textContent.trim()) };
}

/** Few figures, however small or large a number is. */
const rough = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 4 });

/** Marks that are told apart without their colours. */
const SHAPES = {
  up: (path, x, y, r) => { path.moveTo(x, y - r); path.lineTo(x + r, y + r * 0.8); path.lineTo(x - r, y + r * 0.8); path.closePath(); },
  down: (path, x, y, r) => { path.moveTo(x, y + r); path.lineTo(x + r, y - r * 0.8); path.lineTo(x - r, y - r * 0.8); path.closePath(); },
  ring: (path, x, y, r) => path.arc(x, y, r * 0.75, 0, 2 * Math.PI),
};

const COLOURS = { up: "--good", down: "--bad", ring: "--rank-s" };

/** Draws a series as marks of a shape, each on its point, with a rim that parts it from the line. */
function marks(shape, stroke, ground) {
  return (u, series) => {
    const { ctx } = u;
    const r = 6 * devicePixelRatio;
    const { scale } = u.series[series];
    ctx.save();
    ctx.beginPath();
    ctx.rect(u.bbox.left - r, u.bbox.top - r, u.bbox.width + 2 * r, u.bbox.height + 2 * r);
    ctx.clip();
    for (let n = 0; n < u.data[0].length; n++) {
      const value = u.data[series][n];
      if (value === null || value === undefined) continue;
      const path = new Path2D();
      SHAPES[shape](path, u.valToPos(u.data[0][n], "x", true), u.valToPos(value, scale, true), r);
      ctx.lineWidth = (shape === "ring" ? 5 : 3) * devicePixelRatio;
      ctx.strokeStyle = ground;
      ctx.stroke(path);
      ctx.fillStyle = shape === "ring" ? ground : stroke;
      ctx.fill(path);
      ctx.lineWidth = (shape === "ring" ? 2 : 1) * devicePixelRatio;
      ctx.strokeStyle = stroke;
      ctx.stroke(path);
    }
    ctx.restore();
    return false;
  };
}

/** Columns of few points among many, such as exits beside a price: drawn as points alone, of a shape where one is named (`2:up,4`). */
const few = (said) => new Map((said ?? "").split(",").filter(Boolean).map((one) => one.split(":")).map(([column, shape]) => [Number(column), shape]));

/** Times of an axis in UTC, as far as they differ: `2026`, `2026-04`, `2026-04-20`, `18:32`, `18:32:11`. Never by the clock of who looks. */
function inUtc(times, step) {
  const DAY = 86_400;
  const [from, to] = [[365 * DAY, [0, 4]], [28 * DAY, [0, 7]], [DAY, [0, 10]], [60, [11, 16]]].find(([least]) => step >= least)?.[1] ?? [11, 19];
  return times.map((at) => new Date(at * 1000).toISOString().slice(from, to));
}

const bars = () => uPlot.paths.bars({ size: [0.7, 60] });

function draw(figure) {
  const table = figure.querySelector("table:not(.u-legend)");
  const place = figure.querySelector(".plot");
  if (!table || !place || table.tBodies[0].rows.length === 0) return;
  const { names, columns, labels } = read(table);
  const kind = figure.dataset.chart;
  const isTime = kind === "line";
  const x = isTime ? columns[0] : labels.map((_, n) => n);
  const strokes = ["--fill", "--good", "--bad", "--rank-s"].map(colour);
  const text = colour("--soft");
  const axis = { stroke: text, grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
  // of a table with much else in it, these columns
  const drawn = figure.dataset.columns?.split(",").map(Number) ?? names.slice(1).map((_, n) => n + 1);
  const ground = colour("--ground");
  const apart = few(figure.dataset.points);
  const series = drawn.map((column, n) => {
    const shape = apart.get(column);
    const stroke = shape ? colour(COLOURS[shape]) : strokes[n % strokes.length];
    const line = { label: names[column], stroke, width: 2 };
    if (shape) return { ...line, paths: () => null, points: { show: marks(shape, stroke, ground), fill: stroke } };
    if (apart.has(column)) return { ...line, paths: () => null, points: { show: true, size: 10, fill: stroke } };
    if (kind === "bars") return { ...line, paths: bars(), fill: stroke, points: { show: false } };
    return line;
  });
  // days say what they are; of hours one is told whose
  const isDays = columns[0].every((at) => at % 86_400 === 0);
  const timed = { space: 90, values: (_, at, __, ___, step) => inUtc(at, step), ...(isDays ? {} : { label: "UTC" }) };
  const named = { values: (_, at) => at.map((n) => (Number.isInteger(n) ? labels[n] ?? "" : "")) };
  place.replaceChildren();
  const chart = new uPlot({
    width: place.clientWidth || 300,
    height: 260,
    // ticks fall on the days of UTC, wherever they are looked at
    tzDate: (at) => uPlot.tzDate(new Date(at * 1000), "Etc/UTC"),
    scales: { x: { time: isTime, ...(isTime ? {} : { range: [-0.6, x.length - 0.4] }) } },
    axes: [{ ...axis, ...(isTime ? timed : named) }, { ...axis, size: (_, said) => 24 + 8 * Math.max(3, ...(said ?? []).map((one) => one.length)), values: (_, at) => at.map((n) => (n === null ? "" : rough.format(n))) }],
    series: [{ label: names[0], value: (_, __, ___, n) => labels[n] ?? "" }, ...series],
  }, [x, ...drawn.map((column) => columns[column])], place);
  const widths = new ResizeObserver(() => place.clientWidth && chart.setSize({ width: place.clientWidth, height: 260 }));
  widths.observe(place);
  // a picture of what the table says: readers of screens have the table
  place.setAttribute("aria-hidden", "true");
}

function drawAll(root) {
  for (const figure of root.querySelectorAll("figure[data-chart]")) draw(figure);
}

drawAll(document);
document.addEventListener("htmx:afterSettle", (event) => drawAll(event.detail.elt));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll(document));
