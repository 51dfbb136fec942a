// A head's weights as a picture, with a table of the same numbers.
import { el, percent, svg } from "./dom.js";

/** Tokens up to which a map is drawn in SVG. */
const MAX_SVG = 64;
const LEVELS = 20;
/** Shades are steeper than weights, so that small weights are seen; the scale below a map says what they mean. */
export const shade = (weight) => Math.min(weight, 1) ** 0.6;

/** The cells of a map, one path for each shade. */
function cells(weights, rows, columns) {
  const paths = new Array(LEVELS + 1).fill("");
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      paths[Math.round(shade(weights[r * columns + c]) * LEVELS)] += `M${c} ${r}h1v1h-1z`;
    }
  }
  return paths.slice(1).map((d, i) => d && svg("path", { d, "fill-opacity": ((i + 1) / LEVELS).toFixed(2) }))
    .filter(Boolean);
}

function canvas(weights, rows, columns) {
  const node = el("canvas", { width: columns, height: rows, class: "cells", "aria-hidden": "true" });
  // The colour is known when it is in the document.
  requestAnimationFrame(() => {
    const [red, green, blue] = getComputedStyle(node).color.match(/[\d.]+/g).map(Number);
    const context = node.getContext("2d"), image = context.createImageData(columns, rows);
    for (let i = 0; i < rows * columns; i++) image.data.set([red, green, blue, shade(weights[i]) * 255], 4 * i);
    context.putImageData(image, 0, 0);
  });
  return node;
}

/** A small map without labels. */
export function thumbnail(weights, rows, columns) {
  if (Math.max(rows, columns) > MAX_SVG) return canvas(weights, rows, columns);
  return svg("svg", { viewBox: `0 0 ${columns} ${rows}`, preserveAspectRatio: "none", class: "cells", "aria-hidden": "true" },
    cells(weights, rows, columns));
}

const short = (text, n = 14) => ([...text].length > n ? [...text].slice(0, n - 1).join("") + "…" : text);
const labels = (words) => words.flatMap((word) =>
  word.tokens.map((token) => ({ text: word.special ? word.text : token.text, word, special: word.special })));

/**
 * A large map of `weights`, `[rows × columns]`, with the words as labels, `width` pixels wide where it can be.
 * `point(row, column)` gets the indices of words under the pointer. The node has `mark(row)`.
 */
export function drawMap({ weights, rows, columns, name, width, point }) {
  const [down, across] = [labels(rows), labels(columns)];
  const plain = Math.max(down.length, across.length) > MAX_SVG;
  const longest = (all) => Math.max(...all.map((label) => Math.min([...label.text].length, 14)));
  const left = plain ? 0 : Math.ceil(longest(down) * 8) + 12;
  const top = plain ? 0 : Math.ceil(longest(across) * 6.4) + 16;
  // The last labels lean over the edge.
  const lean = (label, i) => [...short(label.text)].length * 6 + 8 - (across.length - 1 - i) * 15;
  const right = plain ? 0 : Math.max(...across.map(lean), 0);
  const room = Math.floor((width - left - right) / across.length);
  const size = plain ? Math.max(2, Math.min(room, 6)) : Math.max(15, Math.min(room, 26));
  const wide = left + size * across.length + right, high = top + size * down.length + 2;

  const row = svg("rect", { class: "mark", x: 0, width: wide - right, height: 0 });
  const column = svg("rect", { class: "mark faint", y: 0, width: 0, height: high });
  const picture = svg("svg", {
    width: wide, height: high, viewBox: `0 0 ${wide} ${high}`, role: "img", "aria-label": `${name}. The table has its numbers.`,
    class: "large", direction: "ltr",
  }, row, column);
  if (!plain) {
    picture.append(svg("g", { transform: `translate(${left} ${top}) scale(${size})`, class: "cells" },
      cells(weights, down.length, across.length)));
    picture.append(svg("path", {
      class: "grid", d: [...across, 0].map((_, i) => `M${left + i * size} ${top}v${down.length * size}`).join("")
        + [...down, 0].map((_, i) => `M${left} ${top + i * size}h${across.length * size}`).join(""),
    }));
    down.forEach((label, i) => picture.append(svg("text", {
      x: left - 6, y: top + (i + 0.5) * size, "text-anchor": "end", "dominant-baseline": "central", class: label.special ? "special" : null,
    }, short(label.text), svg("title", {}, label.text))));
    across.forEach((label, i) => picture.append(svg("text", {
      transform: `translate(${left + (i + 0.5) * size} ${top - 6}) rotate(-48)`, class: label.special ? "special" : null,
    }, short(label.text), svg("title", {}, label.text))));
  }

  const at = (event) => {
    const box = picture.getBoundingClientRect(), scale = wide / box.width;
    const r = Math.floor(((event.clientY - box.top) * scale - top) / size);
    const c = Math.floor(((event.clientX - box.left) * scale - left) / size);
    if (down[r]) point(rows.indexOf(down[r].word), across[c] ? columns.indexOf(across[c].word) : null);
    column.setAttribute("width", across[c] ? size : 0);
    column.setAttribute("x", left + c * size);
  };
  picture.addEventListener("pointermove", at);
  picture.addEventListener("pointerdown", at);
  picture.addEventListener("pointerleave", () => column.setAttribute("width", 0));

  let node = picture;
  if (plain) {
    node = el("div", { class: "plain-map" }, canvas(weights, down.length, across.length), picture);
    node.style.width = `${wide}px`;
    node.style.height = `${high}px`;
  }
  node.mark = (chosen) => {
    const { at: tokens } = rows[chosen];
    row.setAttribute("y", top + tokens[0] * size);
    row.setAttribute("height", tokens.length * size);
  };
  return node;
}

/** The scale of shades. */
export function scale() {
  const steps = [0.02, 0.1, 0.25, 0.5, 0.75, 1];
  return el("p", { class: "scale" }, steps.map((weight) => {
    const swatch = svg("svg", { viewBox: "0 0 1 1", class: "cells", "aria-hidden": "true" },
      svg("path", { d: "M0 0h1v1h-1z", "fill-opacity": shade(weight).toFixed(2) }));
    return el("span", {}, swatch, percent(weight));
  }));
}

/** The numbers of a map, made when they are asked for. */
export function table({ weights, rows, columns, name, verb }, open) {
  const node = el("details", { class: "numbers", open }, el("summary", {}, "The numbers as a table"));
  node.addEventListener("toggle", () => {
    if (!node.open || node.querySelector("table")) return;
    const [down, across] = [labels(rows), labels(columns)];
    node.append(el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": name }, el("table", {},
      el("caption", {}, name),
      el("thead", {}, el("tr", {}, el("td", {}), across.map((label) => el("th", { scope: "col" }, label.text)))),
      el("tbody", {}, down.map((label, r) => el("tr", {}, el("th", { scope: "row" }, `${verb} ${label.text}`),
        across.map((_, c) => el("td", {}, percent(weights[r * across.length + c])))))))));
  });
  return node;
}
