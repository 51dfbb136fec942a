"use strict";
// Maps of every layer and head of a model, and lines between the words of one text.

/** Colours that colour-blind readers can tell apart (Okabe and Ito 2008); the last is the text's own. */
const COLOURS = ["#e69f00", "#56b4e9", "#009e73", "#0072b2", "#d55e00", "#cc79a7", "#f0e442", "currentColor"];
/** The weights from which a line is seen and a word is named. */
const FINEST = 0.04, NAMED = 0.05;

const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const range = (n) => Array.from({ length: n }, (_, i) => i);
const colour = (head) => COLOURS[head % COLOURS.length];
const percent = (share) => `${(100 * share).toFixed(share >= 0.0995 || share < 0.0005 ? 0 : 1)}\u202f%`;
const dark = matchMedia("(prefers-color-scheme: dark)");

function make(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === undefined) continue;
    if (typeof value === "function") node.addEventListener(name, value);
    else node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child || child === 0));
  return node;
}
const el = (tag, attributes = {}, ...children) => make(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) =>
  make(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

const maps = data.maps.map((map) => {
  const bytes = atob(map.weights);
  const [rows, columns] = [map.rows.length, map.columns.length];
  /** The weights of a head, or without one the mean of the layer's. */
  const plane = (layer, head) => {
    const size = rows * columns, at = (h) => (layer * map.heads + h) * size;
    if (head !== null) return range(size).map((i) => bytes.charCodeAt(at(head) + i) / 255);
    return range(size).map((i) =>
      range(map.heads).reduce((sum, h) => sum + bytes.charCodeAt(at(h) + i), 0) / 255 / map.heads);
  };
  return { ...map, n: [rows, columns], plane };
});
const state = { map: maps.length - 1, layer: 0, head: 0, mode: "one", every: false, row: 0 };

const map = () => maps[state.map];
const heads = () => (state.mode === "all" ? range(map().heads) : [state.mode === "mean" ? null : state.head]);
const lineColour = (head) => (head === null || map().heads === 1 ? "var(--accent)" : colour(head));
const rowOf = (plane, row) => plane.slice(row * map().n[1], (row + 1) * map().n[1]);
const where = () => `layer ${state.layer + 1}, ` + (state.mode === "one" ? `head ${state.head + 1}` : "mean of the heads");
/** What the large map and the sentence above it show. */
const shown = () => map().plane(state.layer, state.mode === "one" ? state.head : null);

function best(plane, row) {
  return rowOf(plane, row).map((share, i) => [map().columns[i], share]).filter(([, share]) => share >= NAMED)
    .sort((a, b) => b[1] - a[1]).slice(0, 4);
}

/** A picture of weights; shades are steeper than weights, so that small ones are seen. */
function picture(plane, [rows, columns], greatest = 1) {
  const node = el("canvas", { width: columns, height: rows, "aria-hidden": true });
  const [r, g, b] = dark.matches ? [86, 180, 233] : [0, 114, 178];
  const context = node.getContext("2d"), image = context.createImageData(columns, rows);
  plane.forEach((weight, i) => image.data.set([r, g, b, 255 * Math.min(1, weight / greatest) ** 0.6], 4 * i));
  context.putImageData(image, 0, 0);
  return node;
}
/** Of pictures, patches share what a text's words share in each row: the greatest has the full colour. */
const greatest = (plane) => (data.picture ? Math.max(...plane, 1 / 255) : 1);

/** A row of buttons of which one is pressed. */
function choice(label, options, now, choose) {
  return el("div", { role: "group", "aria-label": label }, options.map(([value, text]) =>
    el("button", { type: "button", "aria-pressed": String(value === now), click: () => choose(value) }, text)));
}

function drawTools() {
  const held = document.activeElement?.closest("#tools button") && document.activeElement.textContent;
  byId("tools").replaceChildren(
    maps.length > 1 && choice("Attention", maps.map(({ name }, i) => [i, name]), state.map, (to) => {
      state.map = to;
      state.layer = Math.min(state.layer, map().layers - 1);
      state.head = Math.min(state.head, map().heads - 1);
      state.row = Math.min(state.row, map().n[0] - 1);
      draw();
    }) || "",
    map().heads > 1 ? choice("Heads", 
      [["one", "one head"], !data.picture && ["all", "all heads"], ["mean", "mean"]].filter(Boolean), state.mode, (to) => {
      state.mode = to;
      draw();
    }) : "",
    data.picture ? "" : choice("Lines", [[false, "lines of one word"], [true, "of every word"]], state.every, (to) => {
      state.every = to;
      draw();
    }));
  if (held) [...byId("tools").querySelectorAll("button")].find((one) => one.textContent === held)?.focus();
}

/** Moves the focus among `nodes` by arrow keys, of which `across` are in a row. */
function rove(event, nodes, at, across, go) {
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across }[event.key];
  const to = { Home: 0, End: nodes.length - 1 }[event.key] ?? (step && at + step);
  if (!(to in nodes) || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  go(to);
}

function drawSmall() {
  const { layers, heads: n } = map(), host = byId("small");
  const held = host.contains(document.activeElement);
  host.className = n > 8 ? "scroll many" : "scroll";
  const cell = (layer, head) => {
    const plane = map().plane(layer, head), is = state.layer === layer && state.head === head;
    const pressed = state.layer === layer && (state.mode !== "one" || state.head === head);
    return el("td", {}, el("button", {
      type: "button", "aria-pressed": String(pressed), "aria-label": `layer ${layer + 1}, head ${head + 1}`,
      tabindex: is ? 0 : -1, click: () => pick(layer, head),
    }, picture(plane, map().n, greatest(plane))));
  };
  host.replaceChildren(el("table", {}, el("caption", {}, map().name),
    el("thead", {}, el("tr", {}, el("td"), range(n).map((head) => {
      const dot = el("span", { class: "dot" });
      dot.style.background = colour(head);
      return el("th", { scope: "col" }, dot, head + 1);
    }))),
    el("tbody", {}, range(layers).map((layer) =>
      el("tr", {}, el("th", { scope: "row" }, `layer ${layer + 1}`), range(n).map((head) => cell(layer, head)))))));
  const buttons = [...host.querySelectorAll("button")];
  buttons.forEach((button, at) => button.addEventListener("keydown", (event) =>
    rove(event, buttons, at, n, (to) => pick(Math.floor(to / n), to % n))));
  if (held) buttons[state.layer * n + state.head]?.focus();
}

function pick(layer, head) {
  Object.assign(state, { layer, head, mode: "one" });
  draw();
}

function drawBoard() {
  const board = byId("board");
  board.hidden = Boolean(data.picture);
  if (data.picture) return;
  const held = board.contains(document.activeElement);
  const top = el("div", { class: "words", dir: "auto", role: "group", "aria-label": "What it looks at" },
    map().columns.map((text) => el("span", { class: "word" }, text)));
  const plane = shown();
  const spoken = (row) => best(plane, row).map(([text, share]) => `${text} ${percent(share)}`).join(", ");
  const bottom = el("div", { class: "words", dir: "auto", role: "listbox", "aria-label": `What it is ${map().verb}` },
    map().rows.map((text, row) => el("span", {
      class: "word", role: "option", "aria-selected": String(row === state.row), tabindex: row === state.row ? 0 : -1,
      "aria-label": `${map().verb} ${text}: looks at ${spoken(row) || "everything a little"}`, click: () => choose(row),
      pointerenter: () => state.every || row === state.row || choose(row),
    }, text)));
  bottom.addEventListener("keydown", (event) => rove(event, bottom.children, state.row, 1, choose));
  board.replaceChildren(svg("svg", { "aria-hidden": true }), top, bottom);
  if (held) bottom.children[state.row]?.focus();
  drawLines();
}

/** Chooses a row; its word keeps the focus, as its node stays. */
function choose(row) {
  state.row = row;
  const options = byId("board").querySelectorAll("[role=option]");
  const held = byId("board").contains(document.activeElement);
  options.forEach((option, i) => {
    option.setAttribute("aria-selected", i === row);
    option.tabIndex = i === row ? 0 : -1;
  });
  if (held) options[row].focus();
  drawLines();
  say();
  mark();
}

function drawLines() {
  const [lines, top, bottom] = byId("board").children;
  if (!bottom) return;
  const rows = state.every ? range(map().n[0]) : [state.row], all = heads(), found = [];
  all.forEach((head, h) => {
    const plane = map().plane(state.layer, head), shift = 3 * (h - (all.length - 1) / 2);
    for (const row of rows) {
      const from = bottom.children[row];
      rowOf(plane, row).forEach((weight, i) => {
        if (weight < FINEST) return;
        const to = top.children[i];
        const [x1, y1] = [from.offsetLeft + from.offsetWidth / 2 + shift, from.offsetTop];
        const [x2, y2] = [to.offsetLeft + to.offsetWidth / 2 + shift, to.offsetTop + to.offsetHeight];
        const bend = (y1 + y2) / 2;
        found.push(svg("path", {
          d: `M${x1} ${y1}C${x1} ${bend} ${x2} ${bend} ${x2} ${y2}`, "stroke-width": (0.75 + 6 * weight).toFixed(2),
          "stroke-opacity": Math.min(1, 2 * weight + 0.1).toFixed(2), stroke: lineColour(head),
        }));
      });
    }
  });
  lines.replaceChildren(...found);
}

function say() {
  if (data.picture) return byId("says").replaceChildren(el("span", { class: "soft" }, `${map().name}, ${where()}`));
  const found = best(shown(), state.row);
  byId("says").replaceChildren(`${map().verb} `, el("b", {}, el("bdi", {}, map().rows[state.row])),
    found.length ? ": looks at " : ": looks a little at everything",
    ...found.flatMap(([text, share], i) => [i ? ", " : "", el("b", {}, el("bdi", {}, text)), ` ${percent(share)}`]),
    el("span", { class: "soft" }, ` · ${where()}`));
}

let size = 0, left = 0, above = 0;

function drawLarge() {
  const plane = shown(), [rows, columns] = map().n;
  size = Math.max(3, Math.min(24, Math.floor(560 / Math.max(rows, columns))));
  const stride = Math.ceil(13 / size), fit = (text) => ([...text].length > 16 ? `${[...text].slice(0, 15).join("")}…` : text);
  const longest = (all) => Math.max(0, ...all.map((text) => [...fit(text)].length));
  [left, above] = data.picture ? [0, 0] : [longest(map().rows) * 7.5 + 10, longest(map().columns) * 6 + 14];
  const right = data.picture ? 0 : 60, [wide, high] = [size * columns, size * rows];
  const name = `${map().title}, ${where()}`;
  const image = { x: left, y: above, width: wide, height: high, preserveAspectRatio: "none" };
  const labels = data.picture ? [] : [
    ...map().rows.map((text, i) => i % stride ? "" : svg("text",
      { x: left - 6, y: above + (i + 0.5) * size + 4, "text-anchor": "end" }, fit(text))),
    ...map().columns.map((text, i) => i % stride ? "" : svg("text",
      { transform: `translate(${left + (i + 0.5) * size + 3} ${above - 6}) rotate(-50)` }, fit(text)))];
  const drawing = svg("svg", {
    width: left + wide + right, height: above + high + 2, role: "img", "aria-label": `${name}. The table has the numbers.`,
  }, data.picture && svg("image", { ...image, href: data.picture, opacity: 0.5 }),
  svg("image", { ...image, href: picture(plane, map().n, greatest(plane)).toDataURL() }), labels,
  svg("rect", image), svg("rect", { class: "mark", x: left, width: wide, height: size }));
  drawing.addEventListener("pointermove", (event) => {
    const row = Math.floor((event.clientY - drawing.getBoundingClientRect().top - above) / size);
    if (row in map().rows && row !== state.row && !data.picture) choose(row);
  });
  const shades = data.picture ? "" : el("p", { class: "scale soft" }, [0.02, 0.1, 0.25, 0.5, 0.75, 1].map((weight) =>
    el("span", {}, el("span", {}, picture([weight], [1, 1])), percent(weight))));
  const told = data.picture ? "Each cell is a patch of the picture; the deeper, the more it is looked at."
    : `Rows: the token that it is ${map().verb}. Columns: what it looks at.`;
  byId("large").replaceChildren(el("figcaption", {}, el("b", {}, name), el("br"), told), 
    el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": name }, drawing),
    shades);
  mark();
  if (byId("numbers").open) drawNumbers();
}

function mark() {
  const node = document.querySelector("#large .mark");
  if (data.picture) node?.remove();
  else node?.setAttribute("y", above + state.row * size);
}

function drawNumbers() {
  const plane = shown(), name = `${map().title}, ${where()}`;
  byId("table").replaceChildren(el("table", {}, el("caption", {}, name),
    el("thead", {}, el("tr", {}, el("td"), map().columns.map((text) => el("th", { scope: "col" }, text)))),
    el("tbody", {}, map().rows.map((text, row) => el("tr", {}, el("th", { scope: "row" }, text),
      rowOf(plane, row).map((share) => el("td", {}, percent(share))))))));
}

function draw() {
  drawTools();
  drawBoard();
  drawSmall();
  drawLarge();
  say();
}

byId("numbers").addEventListener("toggle", () => byId("numbers").open && drawNumbers());
dark.addEventListener("change", draw);
addEventListener("resize", drawLines);
state.layer = Math.floor((map().layers - 1) / 2);
draw();
