// A head's weights as a picture.
import { el, percent, svg } from "./dom.js";

/** Tokens up to which a map is drawn in SVG, with labels. */
const MAX_SVG = 64;
const LEVELS = 20;
/** Letters of a label. */
const LABEL = 14;

/** Shades are steeper than weights, so that small weights are seen; the scale below a map says what they mean. */
const shade = (weight) => Math.min(weight, 1) ** 0.6;

/** The cells of a map, one path for each shade. */
function cells(weights, rows, columns) {
  const paths = new Array(LEVELS + 1).fill("");
  for (let i = 0; i < rows * columns; i++) {
    paths[Math.round(shade(weights[i]) * LEVELS)] += `M${i % columns} ${Math.floor(i / columns)}h1v1h-1z`;
  }
  return paths.map((d, level) => level && d && svg("path", { d, "fill-opacity": level / LEVELS }));
}

function canvas(weights, rows, columns) {
  const node = el("canvas.cells", { width: columns, height: rows, "aria-hidden": true });
  // Its colour is known when it is in the document.
  requestAnimationFrame(() => {
    // Another map may be in its place by then.
    if (!node.isConnected) return;
    const colour = getComputedStyle(node).color.match(/[\d.]+/g).slice(0, 3);
    const context = node.getContext("2d");
    const image = context.createImageData(columns, rows);
    for (let i = 0; i < rows * columns; i++) image.data.set([...colour, shade(weights[i]) * 255], 4 * i);
    context.putImageData(image, 0, 0);
  });
  return node;
}

/** A small map without labels. */
export function thumbnail(weights, rows, columns) {
  if (Math.max(rows, columns) > MAX_SVG) return canvas(weights, rows, columns);
  const attributes = { viewBox: `0 0 ${columns} ${rows}`, preserveAspectRatio: "none", "aria-hidden": true };
  return svg("svg.cells", attributes, cells(weights, rows, columns));
}

const letters = (text) => [...text];
const short = (text) => (letters(text).length > LABEL ? `${letters(text).slice(0, LABEL - 1).join("")}…` : text);

/** The tokens of words, one for each row or column of a map. */
export const tokens = (words) =>
  words.flatMap((word) => word.tokens.map((token) => ({ text: word.special ? word.text : token.text, word })));

/**
 * A large map of `weights`, `[rows × columns]`, with the tokens of words as labels; `width` pixels wide if it can be.
 * `point(row)` gets the index of the word in whose row the pointer is. The node has `mark(row)`.
 */
export function drawMap({ weights, rows, columns, name, width, point }) {
  const [down, across] = [tokens(rows), tokens(columns)];
  const labelled = Math.max(down.length, across.length) <= MAX_SVG;
  const longest = (all) => Math.max(...all.map(({ text }) => Math.min(letters(text).length, LABEL)));
  // The last labels lean over the edge.
  const lean = ({ text }, i) => letters(short(text)).length * 6 + 8 - (across.length - 1 - i) * 15;
  const [left, top, right] = labelled
    ? [longest(down) * 8 + 12, Math.ceil(longest(across) * 6.4) + 16, Math.max(0, ...across.map(lean))]
    : [0, 0, 0];
  const room = Math.floor((width - left - right) / across.length);
  const size = labelled ? Math.max(15, Math.min(room, 26)) : Math.max(2, Math.min(room, 6));
  const [wide, high] = [left + size * across.length, top + size * down.length];

  const row = svg("rect.mark", { width: wide });
  const column = svg("rect.mark.faint", { height: high });
  const picture = svg("svg.large", {
    width: wide + right, height: high + 2, viewBox: `0 0 ${wide + right} ${high + 2}`, direction: "ltr", role: "img",
    "aria-label": `${name}. The table has its numbers.`,
  }, row, column);
  const label = ({ text, word }, attributes) =>
    svg(word.special ? "text.special" : "text", attributes, short(text), svg("title", text));
  if (labelled) {
    const lines = [...down, 0].map((_, i) => `M${left} ${top + i * size}H${wide}`);
    lines.push(...[...across, 0].map((_, i) => `M${left + i * size} ${top}V${high}`));
    picture.append(
      svg("g.cells", { transform: `translate(${left} ${top}) scale(${size})` },
        cells(weights, down.length, across.length)),
      svg("path.grid", { d: lines.join("") }),
      ...down.map((token, i) => label(token, {
        x: left - 6, y: top + (i + 0.5) * size, "text-anchor": "end", "dominant-baseline": "central",
      })),
      ...across.map((token, i) => label(token, {
        transform: `translate(${left + (i + 0.5) * size} ${top - 6}) rotate(-48)`,
      })));
  }

  const follow = (event) => {
    const box = picture.getBoundingClientRect();
    const r = Math.floor((event.clientY - box.top - top) / size);
    const c = Math.floor((event.clientX - box.left - left) / size);
    if (down[r]) point(rows.indexOf(down[r].word));
    column.setAttribute("width", across[c] ? size : 0);
    column.setAttribute("x", left + c * size);
  };
  picture.addEventListener("pointermove", follow);
  picture.addEventListener("pointerdown", follow);
  picture.addEventListener("pointerleave", () => column.setAttribute("width", 0));

  const node = labelled ? picture : el("div.plain-map", canvas(weights, down.length, across.length), picture);
  if (!labelled) {
    node.style.width = `${wide}px`;
    node.style.height = `${high}px`;
  }
  node.mark = (chosen) => {
    const { at } = rows[chosen];
    row.setAttribute("y", top + at[0] * size);
    row.setAttribute("height", at.length * size);
  };
  return node;
}

/** What the shades mean. */
export const scale = () => el("p.scale", [0.02, 0.1, 0.25, 0.5, 0.75, 1].map((weight) => el("span",
  svg("svg.cells", { viewBox: "0 0 1 1", "aria-hidden": true },
    svg("path", { d: "M0 0h1v1h-1z", "fill-opacity": shade(weight) })), percent(weight))));
