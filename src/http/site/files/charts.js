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
  const series = drawn.map((column, n) => ({
    label: names[column],
    stroke: strokes[n % strokes.length],
    width: 2,
    ...(kind === "bars" ? { paths: bars(), fill: strokes[n % strokes.length], points: { show: false } } : {}),
    // few points among many, such as exits beside a price: as points alone
    ...(figure.dataset.points?.split(",").includes(String(column)) ? { paths: () => null, points: { show: true, size: 10, fill: strokes[n % strokes.length] } } : {}),
  }));
  const named = { values: (_, at) => at.map((n) => (Number.isInteger(n) ? labels[n] ?? "" : "")) };
  place.replaceChildren();
  const chart = new uPlot({
    width: place.clientWidth || 300,
    height: 260,
    scales: { x: { time: isTime, ...(isTime ? {} : { range: [-0.6, x.length - 0.4] }) } },
    axes: [{ ...axis, ...(isTime ? {} : named) }, { ...axis, size: 90, values: (_, at) => at.map((n) => (n === null ? "" : rough.format(n))) }],
    series: [{ label: names[0], ...(isTime ? {} : { value: (_, n) => labels[n] ?? "" }) }, ...series],
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
