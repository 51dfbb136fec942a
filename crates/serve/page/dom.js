// Elements, without a framework.

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name.startsWith("aria-")) node.setAttribute(name, value);
    else if (value === false) continue;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return node;
}

/** An HTML element: attributes, listeners as `onclick`, and children. */
export const el = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);

/** An SVG element. */
export const svg = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

/** A row of buttons of which one is pressed. `options` are `[value, label]`; `choose` gets the value. */
export function segmented(label, options, value, choose) {
  const buttons = options.map(([key, text]) =>
    el("button", { type: "button", "aria-pressed": key === value, onclick: () => (set(key), choose(key)) }, text));
  const set = (key) => options.forEach(([k], i) => buttons[i].setAttribute("aria-pressed", k === key));
  set(value);
  const node = el("div", { class: "segmented", role: "group", "aria-label": label }, buttons);
  return { node, set };
}

/** A bar of a share between 0 and 1, with its label and its number. */
export function bar(label, share, colour) {
  const line = el("span", { class: "bar-line" });
  line.style.setProperty("--share", share);
  if (colour) line.style.setProperty("--colour", colour);
  return [el("span", { class: "bar-label", dir: "auto" }, label), el("span", { class: "bar", "aria-hidden": "true" }, line),
    el("span", { class: "number" }, percent(share))];
}

/** "48 %", with one digit more where it is small. */
export const percent = (share) =>
  (share >= 0.0995 || share < 0.0005 ? Math.round(share * 100) : (share * 100).toFixed(1)) + "\u202f%";

/** A number with a real minus sign. */
export const signed = (value, digits = 2) => value.toFixed(digits).replace("-", "−");

/** "1,626,624". */
export const grouped = (value) => value.toLocaleString("en");

/** The colours of Okabe and Ito (2008), which colour-blind readers can tell apart; the last is the text's own. */
const OKABE_ITO = ["#e69f00", "#56b4e9", "#009e73", "#0072b2", "#d55e00", "#cc79a7", "#f0e442", "var(--ink)"];
export const headColour = (head) => OKABE_ITO[head % OKABE_ITO.length];
/** The same for lines of a chart, the most legible first. */
const LINES = ["var(--accent)", "#d55e00", "#009e73", "#e69f00", "#cc79a7", "var(--other)", "var(--ink)", "#f0e442"];
export const lineColour = (i) => LINES[i % LINES.length];

/** Whether the reader asks for less motion. */
export const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Milliseconds of a transition. */
export const MOTION = 200;

/** Grows a text area with its text, where the style sheet can't. */
export function grow(area) {
  if (CSS.supports("field-sizing", "content")) return;
  area.style.height = "auto";
  area.style.height = `${area.scrollHeight}px`;
}

/** A setting that the browser keeps, where it may. */
export const kept = {
  get(key) {
    try { return localStorage.getItem(`attentive.${key}`); } catch { return null; }
  },
  set(key, value) {
    try { localStorage.setItem(`attentive.${key}`, value); } catch { /* a private window: it is not kept */ }
  },
};
