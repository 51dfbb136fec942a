// Curves over steps.
import { dot, el, grid, grouped, numbers, svg } from "./dom.js";

const HEIGHT = 220, LEFT = 52, RIGHT = 12, TOP = 12, BOTTOM = 28;
/** How many times larger the largest value is than the least, from which the axis is logarithmic. */
const DECADES = 50;
/** Points of a curve that are drawn as such. */
const FEW = 40;
/** Rows of a table. */
const ROWS = 40;

/** Round numbers between two bounds. */
function ticks(low, high, n) {
  const raw = (high - low) / n || 1, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find((k) => k * power >= raw) * power;
  const first = Math.ceil(low / step), last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** Powers of ten between two bounds, and between them 2 and 5 where there is room. */
function decades(low, high) {
  const all = [];
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power++) {
    all.push(...(high / low > 100 ? [1] : [1, 2, 5]).map((k) => Number(`${k}e${power}`)));
  }
  return all.filter((value) => value >= low && value <= high);
}

function written(value) {
  if (Math.abs(value) >= 1000) return grouped(Math.round(value));
  const small = value && Math.abs(value) < 1e-4;
  const text = small ? Number(value.toPrecision(3)).toExponential() : Number(value.toPrecision(4));
  return String(text).replaceAll("-", "−");
}

/** The value at the last point at or before a step. */
function valueAt(points, step) {
  let low = 0, high = points.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (points[middle][0] <= step) low = middle + 1;
    else high = middle;
  }
  return points[Math.max(0, low - 1)][1];
}

/** Points to be drawn: of many on one pixel, the least and the largest. */
function thin(points, width) {
  const n = Math.ceil(points.length / width);
  if (n <= 2) return points;
  const parts = Array.from({ length: Math.ceil(points.length / n) }, (_, i) => points.slice(i * n, (i + 1) * n));
  return parts.flatMap((part) => {
    const by_value = [...part].sort((a, b) => a[1] - b[1]);
    return [by_value[0], by_value.at(-1)].sort((a, b) => a[0] - b[0]);
  });
}

/** A panel of curves; its node has `show({name, unit, lines: [{name, colour, points}]})`. */
export function chart() {
  let panel, lines = [], pointed = null;
  const title = el("figcaption"), frame = el("div.frame"), reading = el("p.reading.number");
  const tables = el("div");
  const node = el("figure.chart", title, frame, reading, tables);

  function draw() {
    if (!lines.length) return frame.replaceChildren();
    const width = Math.max(280, frame.clientWidth);
    const ends = lines.flatMap(({ points }) => [points[0][0], points.at(-1)[0]]);
    const values = lines.flatMap(({ points }) => points.map(([, value]) => value)).sort((a, b) => a - b);
    const [x0, x1] = [Math.min(...ends), Math.max(...ends)];
    let [y0, y1] = [values[0], values.at(-1)];
    const log = y0 > 0 && y1 / y0 > DECADES, f = log ? Math.log10 : (value) => value;
    if (y0 === y1) [y0, y1] = [y0 - 0.5, y1 + 0.5];
    const margin = (f(y1) - f(y0)) * 0.04, [low, high] = [f(y0) - margin, f(y1) + margin];
    const x = (step) => LEFT + ((step - x0) / (x1 - x0 || 1)) * (width - LEFT - RIGHT);
    const y = (value) => TOP + (1 - (f(value) - low) / (high - low)) * (HEIGHT - TOP - BOTTOM);

    const across = (log ? decades(10 ** low, 10 ** high) : ticks(low, high, 4)).map((value) => [
      svg("path.grid", { d: `M${LEFT} ${y(value).toFixed(1)}H${width - RIGHT}` }),
      svg("text", { x: LEFT - 6, y: y(value), "text-anchor": "end", "dominant-baseline": "central" }, written(value)),
    ]);
    const steps = ticks(x0, x1, Math.max(2, Math.floor(width / 130))).map((step) => svg("text", {
      x: x(step), y: HEIGHT - 8, "text-anchor": x(step) > width - 40 ? "end" : "middle",
    }, grouped(step)));
    const curves = lines.map(({ colour, points }) => {
      const seen = thin(points, width);
      const d = seen.map(([step, value], i) => `${i ? "L" : "M"}${x(step).toFixed(1)} ${y(value).toFixed(1)}`).join("");
      return [svg("path.line", { stroke: colour, d }), ...(seen.length > FEW ? []
        : seen.map(([step, value]) => svg("circle", { cx: x(step), cy: y(value), r: 2.5, fill: colour })))];
    });
    const cursor = svg("path.cursor");
    const picture = svg("svg", {
      width, height: HEIGHT, role: "img", "aria-label":
        `${panel.name}: ${lines.map(({ name, points }) => `${name} ends at ${written(points.at(-1)[1])}`).join(", ")}`,
    }, across, svg("text", { x: LEFT - 6, y: HEIGHT - 8, "text-anchor": "end" }, "step"), steps, curves, cursor);

    const read = (step) => {
      pointed = step;
      cursor.setAttribute("d", step === null ? "" : `M${x(step).toFixed(1)} ${TOP}V${HEIGHT - BOTTOM}`);
      reading.replaceChildren(`step ${grouped(Math.round(step ?? x1))}`, ...lines.map(({ name, colour, points }) =>
        el("span", dot(colour), `${lines.length > 1 ? `${name} ` : ""}${written(valueAt(points, step ?? x1))}`)));
    };
    picture.addEventListener("pointermove", (event) => {
      const share = (event.clientX - picture.getBoundingClientRect().left - LEFT) / (width - LEFT - RIGHT);
      read(x0 + Math.min(1, Math.max(0, share)) * (x1 - x0));
    });
    picture.addEventListener("pointerleave", () => read(null));
    frame.replaceChildren(picture);
    const about = [panel.unit, log && "logarithmic"].filter(Boolean).join(", ");
    title.replaceChildren(el("b", panel.name), " ", el("span.soft", about));
    read(pointed);
  }

  const table = () => {
    const all = [...new Set(lines.flatMap(({ points }) => points.map(([step]) => step)))].sort((a, b) => a - b);
    const every = Math.ceil(all.length / ROWS), steps = all.filter((_, i) => i % every === 0 || i === all.length - 1);
    return grid(panel.name, lines.map(({ name }) => name), steps.map((step) =>
      [grouped(step), lines.map(({ points }) => written(valueAt(points, step)))]));
  };

  let width;
  new ResizeObserver(([entry]) => {
    if (entry.contentRect.width === width) return;
    width = entry.contentRect.width;
    draw();
  }).observe(frame);

  node.show = (given) => {
    panel = given;
    lines = given.lines.map((line) => ({ ...line, points: line.points.filter(([, value]) => Number.isFinite(value)) }))
      .filter(({ points }) => points.length);
    draw();
    tables.replaceChildren(numbers(table, tables.querySelector("details")?.open));
  };
  return node;
}
