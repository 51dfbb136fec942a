// Encoders: the hidden words of a text as bars, the vectors of texts or of one word compared, and classes.
import { live } from "./api.js";
import { bar, el, grow, percent } from "./dom.js";

const lines = (text) => text.split("\n").map((line) => line.trim()).filter(Boolean);

/** A form of one text area that asks while the reader types. */
function form({ id, label, text, rows = 3, extra = [], note, request, answer, changed, placeholder }) {
  const area = el("textarea", { id, rows, dir: "auto", spellcheck: "false", placeholder });
  const status = el("p", { class: "status", role: "status" });
  const output = el("div", { class: "result", "aria-live": "polite" });
  const put = live(request, (got, value) => answer(output, got, value), ({ waiting, message }) => {
    output.classList.toggle("stale", waiting);
    if (message !== undefined) status.textContent = message;
  });
  const ask = (now) => {
    grow(area);
    changed?.(area.value);
    if (area.value.trim()) return put(area.value, now);
    put(undefined);
    output.replaceChildren();
  };
  area.addEventListener("input", () => ask());
  area.value = text ?? "";
  const node = el("section", { class: "ask" }, el("label", { for: id }, label), note && el("p", { class: "soft" }, note), area, extra, status, output);
  return { node, area, ask, put: (value) => { area.value = value; ask(true); } };
}

const chips = (examples, put) => examples.length > 1 && el("div", { class: "chips" }, examples.slice(0, 5).map((text) =>
  el("button", { type: "button", class: "chip", title: text, onclick: () => put(text) }, text)));

/** The view of a model that fills masks; its vectors are compared below. */
export function fill(model, { text, changed }) {
  const MASK = "[MASK]";
  const examples = (model.examples ?? []).filter((text) => /\[MASK\]|<mask>/.test(text));
  const insert = el("button", { type: "button", onclick: () => {
    const { area } = hidden;
    area.setRangeText(MASK, area.selectionStart, area.selectionEnd, "end");
    area.focus();
    hidden.ask();
  } }, `Hide a word: ${MASK}`);
  const hidden = form({
    id: "masked", label: "A text with hidden words", text: text ?? examples[0], changed, placeholder: `The animal was too ${MASK}.`,
    extra: el("div", { class: "chips" }, insert, examples.map((text) => el("button", { type: "button", class: "chip", title: text, onclick: () => hidden.put(text) }, text))),
    request: (text) => ["fill", { model: model.name, text, n: 6 }],
    answer: (output, { masks }, asked) => output.replaceChildren(masks.length
      ? el("div", { class: "columns" }, masks.map(({ candidates }, i) => el("section", {},
        el("h3", {}, masks.length > 1 ? `Hidden word ${i + 1}` : "Hidden word"),
        el("ul", { class: "bars-list" }, candidates.map((one) => el("li", {}, el("button", { type: "button", title: "Put it into the text", onclick: () => {
          let seen = -1;
          hidden.put(asked.replace(/\[MASK\]|<mask>/g, (mask) => (++seen === i ? one.text.trim() : mask)));
        } }, bar(one.text.trim(), one.probability)))))))) : el("p", { class: "empty" }, `Nothing is hidden: write ${MASK} where a word is to be found.`)),
  });
  hidden.ask(true);
  return { nodes: [hidden.node, ...embed(model, {}).nodes] };
}

/** The view of vectors: of whole texts, or of one word in each. */
export function embed(model, { text, changed }) {
  const examples = (model.examples ?? []).filter((text) => !/\[MASK\]|<mask>/.test(text));
  const word = el("input", { type: "text", id: "word", size: 12, dir: "auto", placeholder: "whole texts" });
  const compared = form({
    id: "texts", label: "Texts to compare, one on each line", rows: 4, text: text ?? examples.slice(0, 4).join("\n"), changed,
    extra: el("div", { class: "settings" }, el("label", {}, "the vector of the word", word)),
    request: (text) => ["embed", { model: model.name, texts: lines(text), word: word.value.trim() || undefined }],
    answer: (output, { similarities }, asked) => output.replaceChildren(matrix(lines(asked), similarities, word.value.trim())),
  });
  word.addEventListener("input", () => compared.ask());
  compared.ask(true);
  return { nodes: [compared.node] };
}

/** Cosines of all pairs, as a table that is shaded by them. */
function matrix(texts, similarities, word) {
  const name = word ? `Cosine of the vectors of “${word}”` : "Cosine of the vectors";
  const marked = (text) => {
    const at = word ? text.toLowerCase().indexOf(word.toLowerCase()) : -1;
    return at < 0 ? text : [text.slice(0, at), el("b", {}, text.slice(at, at + word.length)), text.slice(at + word.length)];
  };
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": name }, el("table", { class: "matrix" }, el("caption", {}, name),
    el("thead", {}, el("tr", {}, el("td", {}), texts.map((_, i) => el("th", { scope: "col" }, i + 1)))),
    el("tbody", {}, texts.map((text, i) => el("tr", {}, el("th", { scope: "row", dir: "auto" }, `${i + 1}  `, marked(text)),
      similarities[i].map((value) => {
        const cell = el("td", {}, value.toFixed(2).replace("-", "−"));
        cell.style.setProperty("--weight", Math.max(0, value).toFixed(2));
        return cell;
      }))))));
}

/** The view of a model that names classes, for each line of the text. */
export function classify(model, { text, changed }) {
  const asked = form({
    id: "texts", label: "A text, or one on each line", text: text ?? model.examples?.[0], changed,
    extra: chips(model.examples ?? [], (text) => asked.put(text)),
    request: (text) => ["classify", { model: model.name, texts: lines(text) }],
    answer: (output, { results }, value) => {
      const texts = lines(value);
      output.replaceChildren(...results.map((classes, i) => el("section", { class: "classes" },
        texts.length > 1 && el("h3", { dir: "auto" }, texts[i]),
        el("ul", { class: "bars-list", "aria-label": texts[i] }, [...classes].sort((a, b) => b.probability - a.probability).slice(0, 10).map((one) => el("li", {}, bar(one.label, one.probability)))))));
    },
  });
  asked.ask(true);
  return { nodes: [asked.node] };
}
