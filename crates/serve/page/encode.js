// Encoders: the hidden words of a text as bars, the vectors of texts or of one word compared, and classes.
import { live } from "./api.js";
import { bar, button, chip, el, grid, grow, scroll, signed } from "./dom.js";

const MASK = "[MASK]";
const MASKS = /\[MASK\]|<mask>/g;

const lines = (text) => text.split("\n").map((line) => line.trim()).filter(Boolean);
const hides = (text) => text.search(MASKS) >= 0;

/** A text area that asks while the reader types; `answer(got, text)` gives what is shown of an answer. */
function form({ id, label, text, rows = 3, extra, placeholder, request, answer, changed }) {
  const area = el("textarea", { id, rows, dir: "auto", spellcheck: "false", placeholder });
  const status = el("p.status", { role: "status" }), output = el("div.result", { "aria-live": "polite" });
  const send = live(request, (got, value) => output.replaceChildren(...answer(got, value)), ({ waiting, message }) => {
    output.classList.toggle("stale", waiting);
    if (message !== undefined) status.textContent = message;
  });
  const ask = (now = false) => {
    grow(area);
    changed?.(area.value);
    if (area.value.trim()) return send(area.value, now);
    send(undefined);
    output.replaceChildren();
  };
  const put = (value) => {
    area.value = value;
    ask(true);
  };
  area.addEventListener("input", () => ask());
  area.value = text ?? "";
  const node = el("section.ask", el("label", { for: id }, label), area, extra?.(put, area), status, output);
  ask(true);
  return { node, ask };
}

/** The view of a model that fills masks; its vectors are compared below. */
export function fill(model, { text, changed }) {
  const examples = (model.examples ?? []).filter(hides);
  let put;
  const hidden = form({
    id: "masked", label: "A text with hidden words", text: text ?? examples[0], changed,
    placeholder: `The animal was too ${MASK}.`,
    extra: (to, area) => {
      put = to;
      const hide = () => {
        area.setRangeText(MASK, area.selectionStart, area.selectionEnd, "end");
        area.focus();
        put(area.value);
      };
      return el("div.chips", button("button", hide, `Hide a word: ${MASK}`), examples.map((text) => chip(text, put)));
    },
    request: (text) => ["fill", { model: model.name, text, n: 6 }],
    answer: ({ masks }, asked) => {
      if (!masks.length) return [el("p.empty", `Nothing is hidden: write ${MASK} where a word is to be found.`)];
      // A click puts a word into the text.
      const insert = (i, word) => () => {
        let seen = -1;
        put(asked.replace(MASKS, (mask) => (++seen === i ? word : mask)));
      };
      return [el("div.columns", masks.map(({ candidates }, i) => el("section",
        el("h3", masks.length > 1 ? `Hidden word ${i + 1}` : "Hidden word"),
        el("ul.bars-list", candidates.map(({ text, probability }) => el("li", button("button", insert(i, text.trim()),
          { title: "Put it into the text" }, bar(text.trim(), probability))))))))];
    },
  });
  const embeds = !model.uses || model.uses.includes("embed");
  return { nodes: [hidden.node, ...(embeds ? embed(model, {}).nodes : [])] };
}

/** The view of vectors: of whole texts, or of one word in each. */
export function embed(model, { text, changed }) {
  const examples = (model.examples ?? []).filter((text) => !hides(text));
  const word = el("input", {
    type: "text", size: 12, dir: "auto", placeholder: "whole texts", oninput: () => compared.ask(),
  });
  const compared = form({
    id: "texts", label: "Texts to compare, one on each line", rows: 4, changed,
    text: text ?? examples.slice(0, 4).join("\n"),
    extra: () => el("div.settings", el("label", "the vector of the word", word)),
    request: (text) => ["embed", { model: model.name, texts: lines(text), word: word.value.trim() || undefined }],
    answer: ({ similarities }, asked) => [matrix(lines(asked), similarities, word.value.trim())],
  });
  return { nodes: [compared.node] };
}

/** Cosines of all pairs, as a table that is shaded by them. */
function matrix(texts, similarities, word) {
  const name = word ? `Cosine of the vectors of “${word}”` : "Cosine of the vectors";
  const marked = (text) => {
    const at = word ? text.toLowerCase().indexOf(word.toLowerCase()) : -1;
    const end = at + word.length;
    return at < 0 ? text : [text.slice(0, at), el("b", text.slice(at, end)), text.slice(end)];
  };
  const shaded = (value) => el("span.cosine", { "--weight": Math.max(0, value) }, signed(value));
  return scroll(name, el("div.matrix", grid(name, texts.map((_, i) => i + 1), texts.map((text, i) =>
    [el("span", { dir: "auto" }, `${i + 1}  `, marked(text)), similarities[i].map(shaded)]))));
}

/** The view of a model that names classes, for each line of the text. */
export function classify(model, { text, changed }) {
  const examples = model.examples ?? [];
  const asked = form({
    id: "texts", label: "A text, or one on each line", text: text ?? examples[0], changed,
    extra: (put) => el("div.chips", examples.slice(0, 5).map((text) => chip(text, put))),
    request: (text) => ["classify", { model: model.name, texts: lines(text) }],
    answer: ({ results }, value) => results.map((classes, i, { length }) => el("section.classes",
      length > 1 && el("h3", { dir: "auto" }, lines(value)[i]),
      el("ul.bars-list", { "aria-label": lines(value)[i] },
        [...classes].sort((a, b) => b.probability - a.probability).slice(0, 10)
          .map(({ label, probability }) => el("li", bar(label, probability)))))),
  });
  return { nodes: [asked.node] };
}
