// Curves over steps.
import { el, grouped, svg } from "./dom.js";

const HEIGHT = 220, LEFT = 52, RIGHT = 12, TOP = 12, BOTTOM = 28;

/** Round numbers between two bounds. */
function ticks(low, high, n) {
  const raw = (high - low) / n || 1, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find((k) => k * power >= raw) * power;
  const found = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-9; at += step) found.push(Number(at.toPrecision(12)));
  return found;
}

const written = (value) => (value === 0 ? "0" : Math.abs(value) >= 1000 ? grouped(Math.round(value)) : Math.abs(value) < 1e-4 ? String(Number(value.toPrecision(3)).toExponential()).replaceAll("-", "−") : String(Number(value.toPrecision(4))).replace("-", "−"));

/** The value at the last point at or before a step. */
function valueAt(points, step) {
  let low = 0, high = points.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (points[middle][0] <= step) low = middle + 1; else high = middle;
  }
  return points[Math.max(0, low - 1)];
}

/** Points for drawing: of many on one pixel, the least and the largest. */
function thin(points, width) {
  if (points.length <= 2 * width) return points;
  const per = Math.ceil(points.length / width), kept = [];
  for (let i = 0; i < points.length; i += per) {
    const part = points.slice(i, i + per);
    const by = part.toSorted((a, b) => a[1] - b[1]);
    kept.push(...[by[0], by.at(-1)].sort((a, b) => a[0] - b[0]));
  }
  return [...kept, points.at(-1)];
}

/** A panel of curves; its node has `show({name, unit, lines: [{name, colour, points}]})`. */
export function chart() {
  let panel;
  const scale = el("span", { class: "soft" });
  const title = el("figcaption"), reading = el("p", { class: "reading number", "aria-live": "off" });
  const frame = el("div", { class: "frame" });
  const numbers = el("details", { class: "numbers" }, el("summary", {}, "The numbers as a table"));
  const node = el("figure", { class: "chart" }, title, frame, reading, numbers);
  let to = null;

  function draw() {
    const width = Math.max(280, frame.clientWidth || 480);
    const finite = panel.lines.map((line) => ({ ...line, points: line.points.filter(([, value]) => Number.isFinite(value)) })).filter((line) => line.points.length);
    if (!finite.length) return frame.replaceChildren();
    const steps = finite.flatMap((line) => [line.points[0][0], line.points.at(-1)[0]]);
    const values = finite.flatMap((line) => line.points.map((point) => point[1])).sort((a, b) => a - b);
    const [x0, x1] = [Math.min(...steps), Math.max(...steps)];
    let [y0, y1] = [values[0], values.at(-1)];
    // Where values span decades, the axis has them at equal distances.
    const log = y0 > 0 && y1 / y0 > 50;
    if (y0 === y1) [y0, y1] = [y0 - 0.5, y1 + 0.5];
    const f = log ? Math.log10 : (value) => value;
    const margin = (f(y1) - f(y0)) * 0.04;
    const [low, high] = [f(y0) - margin, f(y1) + margin];
    const x = (step) => LEFT + ((step - x0) / (x1 - x0 || 1)) * (width - LEFT - RIGHT);
    const y = (value) => TOP + (1 - (f(value) - low) / (high - low)) * (HEIGHT - TOP - BOTTOM);
    const decades = log ? Array.from({ length: 40 }, (_, i) => 10 ** (i - 20)).flatMap((ten) => (high - low > 2 ? [ten] : [ten, 2 * ten, 5 * ten])) : [];
    const across = (log ? decades.filter((value) => f(value) >= low && f(value) <= high) : ticks(low, high, 4));
    const cursor = svg("path", { class: "cursor", d: "" });
    const picture = svg("svg", { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: "img",
      "aria-label": `${panel.name}: ${finite.map((line) => `${line.name} ends at ${written(line.points.at(-1)[1])}`).join(", ")}` },
      across.map((value) => [svg("path", { class: "grid", d: `M${LEFT} ${y(value).toFixed(1)}H${width - RIGHT}` }),
        svg("text", { x: LEFT - 6, y: y(value), "text-anchor": "end", "dominant-baseline": "central" }, written(value))]).flat(),
      ticks(x0, x1, Math.max(2, Math.floor(width / 130))).map((step) => svg("text", { x: x(step), y: HEIGHT - 8, "text-anchor": x(step) > width - 40 ? "end" : "middle" }, grouped(step))),
      svg("text", { x: LEFT - 6, y: HEIGHT - 8, "text-anchor": "end" }, "step"),
      finite.map((line) => {
        const points = thin(line.points, width);
        return [svg("path", { class: "line", stroke: line.colour, d: points.map(([step, value], i) => `${i ? "L" : "M"}${x(step).toFixed(1)} ${y(value).toFixed(1)}`).join("") }),
          points.length < 40 && points.map(([step, value]) => svg("circle", { cx: x(step), cy: y(value), r: 2.5, fill: line.colour }))].flat();
      }).flat().filter(Boolean), cursor);
    const read = (step) => {
      const at = step ?? x1;
      cursor.setAttribute("d", step === null ? "" : `M${x(at).toFixed(1)} ${TOP}V${HEIGHT - BOTTOM}`);
      reading.replaceChildren(`step ${grouped(Math.round(at))}`, ...finite.map((line) => {
        const dot = el("span", { class: "dot" });
        dot.style.setProperty("--colour", line.colour);
        return el("span", {}, dot, `${finite.length > 1 ? `${line.name} ` : ""}${written(valueAt(line.points, at)[1])}`);
      }));
    };
    picture.addEventListener("pointermove", (event) => {
      const box = picture.getBoundingClientRect();
      const share = (event.clientX - box.left - LEFT) / (width - LEFT - RIGHT);
      to = x0 + Math.min(1, Math.max(0, share)) * (x1 - x0);
      read(to);
    });
    picture.addEventListener("pointerleave", () => read(to = null));
    frame.replaceChildren(picture);
    scale.textContent = log ? " · logarithmic" : "";
    read(to);
  }

  function tabulate() {
    if (!numbers.open) return;
    const steps = [...new Set(panel.lines.flatMap((line) => thin(line.points, 20).map(([step]) => step)))].sort((a, b) => a - b);
    numbers.querySelector("table")?.remove();
    numbers.append(el("table", {}, el("caption", {}, panel.name), el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "step"), panel.lines.map((line) => el("th", { scope: "col" }, line.name)))),
      el("tbody", {}, steps.map((step) => el("tr", {}, el("th", { scope: "row" }, grouped(step)), panel.lines.map((line) => el("td", {}, written(valueAt(line.points, step)[1]))))))));
  }
  numbers.addEventListener("toggle", tabulate);
  let width;
  new ResizeObserver(([entry]) => {
    if (entry.contentRect.width === width || !panel) return;
    width = entry.contentRect.width;
    draw();
  }).observe(frame);

  node.show = (given) => {
    panel = given;
    title.replaceChildren(el("b", {}, panel.name), panel.unit && el("span", { class: "soft" }, ` ${panel.unit}`), scale);
    draw();
    tabulate();
  };
  return node;
}
