// Elements, without a framework.

function make(create, tag, rest) {
  const [name, ...classes] = tag.split(".");
  const node = create(name);
  if (classes.length) node.setAttribute("class", classes.join(" "));
  const attributes = rest[0]?.constructor === Object ? rest.shift() : {};
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null) continue;
    if (name.startsWith("--")) node.style.setProperty(name, value);
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name.startsWith("aria-")) node.setAttribute(name, value);
    else if (value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...rest.flat(2).filter((child) => child || child === 0));
  return node;
}

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element by its tag and classes, as `p.status`; then attributes, `onclick`, `--properties`, and children. */
export const el = (tag, ...rest) => make((name) => document.createElement(name), tag, rest);

/** An SVG element, in the same way. */
export const svg = (tag, ...rest) => make((name) => document.createElementNS(SVG, name), tag, rest);

/** A button, `button.chip` for example, and what it does. */
export function button(tag, press, ...rest) {
  const node = el(tag, ...rest);
  node.type = "button";
  node.addEventListener("click", press);
  return node;
}

/** An example of a text, which a click takes. */
export const chip = (text, take, ...label) =>
  button("button.chip", () => take(text), { dir: "auto", title: text, "data-text": text }, label.length ? label : text);

/** A row of buttons of which one is pressed. `options` are `[value, label]`; `choose` gets the value. */
export function segmented(label, options, value, choose) {
  const press = (key) => () => {
    set(key);
    choose(key);
  };
  const buttons = options.map(([key, text]) => button("button", press(key), text));
  const set = (key) => options.forEach(([own], i) => buttons[i].setAttribute("aria-pressed", own === key));
  set(value);
  return { node: el("div.segmented", { role: "group", "aria-label": label }, buttons), set };
}

/** A bar of a share between 0 and 1, with its label and its number. */
export const bar = (label, share) => [
  el("span.bar-label", { dir: "auto" }, label),
  el("span.bar", { "aria-hidden": true }, el("span.bar-line", { "--share": share })),
  el("span.number", percent(share)),
];

/** A disc of a colour. */
export const dot = (colour) => el("span.dot", { "--colour": colour });

/** A wide thing that scrolls by itself, also by keyboard. */
export const scroll = (label, ...children) =>
  el("div.scroll", { tabindex: 0, role: "region", "aria-label": label }, children);

/** A table of numbers: `head` are the columns' names, `rows` are `[name, values]`. */
export const grid = (caption, head, rows) =>
  el("table", el("caption", caption),
    el("thead", el("tr", el("td"), head.map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", rows.map(([name, values]) =>
      el("tr", el("th", { scope: "row" }, name), values.map((value) => el("td", value))))));

/** The numbers behind a picture, as a table that `make` gives when it is asked for. */
export function numbers(make, open) {
  const node = el("details.numbers", { open }, el("summary", "The numbers as a table"));
  node.addEventListener("toggle", () => node.open && node.lastChild.localName === "summary" && node.append(make()));
  return node;
}

/** "48 %", with one digit more where it is small. */
export const percent = (share) =>
  (share >= 0.0995 || share < 0.0005 ? Math.round(share * 100) : (share * 100).toFixed(1)) + "\u202f%";

/** "−0.42", with a real minus sign. */
export const signed = (value, digits = 2) => value.toFixed(digits).replace("-", "−");

/** "1,626,624". */
export const grouped = (value) => value.toLocaleString("en");

/** The colours of Okabe and Ito (2008), which colour-blind readers can tell apart; the last is the text's own. */
const HEADS = ["#e69f00", "#56b4e9", "#009e73", "#0072b2", "#d55e00", "#cc79a7", "#f0e442", "var(--ink)"];
export const headColour = (head) => HEADS[head % HEADS.length];
/** The same for lines of a chart, the most legible first. */
const LINES = ["var(--accent)", "#d55e00", "#009e73", "#e69f00", "#cc79a7", "var(--other)", "var(--ink)", "#f0e442"];
export const lineColour = (i) => LINES[i % LINES.length];

/** Milliseconds of a transition: none where the reader asks for less motion. */
export const motion = () => (matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 200);

/** Whether an arrow key leads on (1) or back (-1) in a text, which may run from right to left; or undefined. */
export function along(event, node) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  return step && step * (getComputedStyle(node).direction === "rtl" ? -1 : 1);
}

/** Grows a text area with its text, where the style sheet can't. */
export function grow(area) {
  if (CSS.supports("field-sizing", "content")) return;
  area.style.height = "auto";
  area.style.height = `${area.scrollHeight}px`;
}

/** A setting that the browser keeps, where it may. */
export const kept = {
  get(key) {
    try {
      return localStorage.getItem(`attentive.${key}`);
    } catch {
      return null;
    }
  },
  set(key, value) {
    try {
      localStorage.setItem(`attentive.${key}`, value);
    } catch {
      // In a private window nothing is kept.
    }
  },
};
