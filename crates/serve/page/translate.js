// Two texts: what the reader writes, and its translation while it is written.
import { call, live } from "./api.js";
import { attention } from "./attention.js";
import { button, chip, el, grow, motion, signed } from "./dom.js";
import { matched } from "./words.js";

const N_BEST = 3;
/** Examples next to the pair. */
const EXAMPLES = 4;
/** The share of attention from which a word of the texts lights up. */
const LIT = 0.04;

/** The name of a language, from its code. */
function language(code) {
  if (!/^[a-z]{2,3}([-_]\w+)?$/i.test(code)) return code;
  try {
    return new Intl.DisplayNames(["en"], { type: "language" }).of(code.replace("_", "-"));
  } catch {
    return code;
  }
}

/** The words of a text, to compare it with another. */
const split = (text) => (text.match(/[\p{L}\p{M}\p{N}]+|\S/gu) ?? []).map((text) => ({ text, special: false }));

/** Two examples that differ in one word: what changes with it is what they show. */
function findPair(examples) {
  for (const one of examples) {
    for (const other of examples) {
      const [a, b] = [split(one), split(other)], was = matched(a, b), at = was.indexOf(-1);
      if (at >= 0 && a.length === b.length && was.lastIndexOf(-1) === at) {
        return [[one, a], [other, b]].map(([text, words]) =>
          ({ text, before: words[at - 1]?.text, word: words[at].text }));
      }
    }
  }
  return [];
}

/** The head of a text: the name of its language, or a choice of them. */
function languages(id, codes, name, changed) {
  const [only] = codes?.length === 1 ? codes : [];
  if (!codes?.length || only) return { node: el("label", { for: id }, only ? language(only) : name), code: () => only };
  const options = codes.map((code) => el("option", { value: code }, language(code)));
  const node = el("select", { "aria-label": `Language of the ${name.toLowerCase()}`, onchange: changed }, options);
  return { node, code: () => node.value };
}

/** A text with the words marked that are not in another. */
function differing(text, other) {
  const words = split(text), was = matched(split(other), words);
  let at = 0;
  const parts = words.flatMap((word, i) => {
    const start = text.indexOf(word.text, at), gap = text.slice(at, start);
    at = start + word.text.length;
    return [gap, was[i] < 0 ? el("mark", word.text) : word.text];
  });
  return [...parts, text.slice(at)];
}

/** Shows a text in which `words` may be lit: `lit(word)` gives a weight, or "chosen". */
function light(host, text, words, lit, colour) {
  let at = 0;
  const parts = words.filter((word) => !word.special).flatMap((word) => {
    const mark = lit(word), gap = text.slice(at, word.start);
    at = word.end;
    return [gap, el(mark === "chosen" ? "span.chosen" : mark >= LIT ? "span.lit" : "span",
      { "data-word": words.indexOf(word), "--weight": mark }, text.slice(word.start, word.end))];
  });
  host.style.setProperty("--colour", colour);
  host.replaceChildren(...parts, text.slice(at));
}

/** The word of a translation that another one does not have: what a change of the source is about. */
const changing = (other) => (words) => {
  const own = words.filter((word) => !word.special);
  return words.indexOf(own[Math.max(0, matched(split(other), own).indexOf(-1))]);
};

/** The view of a model that translates. `text` is what it begins with; `changed(text)` is told each new one. */
export function translate(model, { text: first, changed }) {
  const examples = model.examples ?? [], pair = findPair(examples);
  let shown = null, answer_of = null, favour = null;

  const source = languages("source", model.languages?.source, "Text", () => ask(true));
  const target = languages("translation", model.languages?.target, "Translation", () => ask(true));
  const area = el("textarea", {
    id: "source", dir: "auto", rows: 3, spellcheck: "false", placeholder: "Write here", lang: source.code(),
    "aria-label": source.node.localName === "select" ? "Text" : null,
  });
  const backdrop = el("div.backdrop", { dir: "auto", "aria-hidden": true });
  const output = el("output", { id: "translation", for: "source", dir: "auto", "aria-live": "polite" });
  const [score, count] = [el("span.number"), el("span.number.soft")];
  const list = el("ol.n-best", { id: "n-best", "aria-label": "Other translations, best first", hidden: true });
  const more = button("button.plain", () => {
    list.hidden = !list.hidden;
    more.setAttribute("aria-expanded", !list.hidden);
  }, { "aria-expanded": false, "aria-controls": "n-best", hidden: true });
  const copy = button("button.plain", async () => {
    const text = shown.translations[0].text;
    copy.textContent = await navigator.clipboard.writeText(text).then(() => "Copied", () => "Not allowed");
    setTimeout(() => (copy.textContent = "Copy"), 1500);
  }, { hidden: true }, "Copy");
  const clear = button("button.plain", () => {
    put("");
    area.focus();
  }, { hidden: true }, "Clear");
  const status = el("p.status", { role: "status" });
  const others = examples.filter((text) => !pair.some((one) => one.text === text)).slice(0, EXAMPLES);
  const chips = [
    ...pair.map(({ text, before, word }) => chip(text, (text) => {
      favour = shown && changing(shown.translations[0].text);
      put(text);
    }, `… ${before ?? ""} `, el("em", word))),
    ...others.map((text) => chip(text, put)),
  ];

  const opened = () => shown && !shown.attention && model.attention !== false && ask(true);
  const inside = attention({ paint, opened });
  const panes = el("section.panes", { "aria-label": "Translation" },
    el("div.pane", el("div.pane-head", source.node, clear), el("div.field", backdrop, area),
      el("div.pane-foot.chips", chips)),
    el("div.pane", el("div.pane-head", target.node, copy), output,
      el("div.pane-foot", count, el("span.space"), score, more), list));

  const request = (text) => ["translate", {
    model: model.name, text, source: source.code(), target: target.code(), n_best: N_BEST, alignment: true,
    attention: model.attention !== false && inside.node.open,
  }];
  const send = live(request, answered, ({ waiting, message }) => {
    for (const node of [output, inside.node]) node.classList.toggle("stale", waiting);
    output.setAttribute("aria-busy", waiting);
    if (message !== undefined) status.textContent = message;
  });

  function ask(now = false) {
    const text = area.value;
    clear.hidden = !text;
    for (const node of chips) node.setAttribute("aria-pressed", node.dataset.text === text);
    grow(area);
    changed(text);
    if (text !== answer_of) backdrop.replaceChildren();
    if (text.trim()) return send(text, now);
    send(undefined);
    shown = null;
    for (const node of [output, score, count, list]) node.replaceChildren();
    more.hidden = copy.hidden = true;
    inside.clear();
  }

  function put(text) {
    area.value = text;
    ask(true);
  }

  function answered(got, text) {
    const before = split(shown?.translations[0].text ?? "");
    [shown, answer_of] = [got, text];
    const [best, ...rest] = got.translations, lang = target.code();
    if (lang) output.lang = lang;
    output.textContent = best.text;
    score.textContent = signed(best.score);
    score.title = `score of the search; log probability ${signed(best.log_prob)}`;
    count.textContent = `${got.source_tokens.length} → ${best.tokens.length} tokens`;
    more.hidden = !rest.length;
    more.textContent = `${rest.length} more`;
    copy.hidden = !navigator.clipboard;
    list.replaceChildren(...rest.map((one) => el("li",
      el("span", { dir: "auto", lang }, differing(one.text, best.text)), el("span.number", signed(one.score)))));
    inside.show(got, text, favour);
    favour = null;
    const words = inside.sides().target, was = matched(before, words), duration = motion();
    for (const span of before.length && duration ? output.querySelectorAll("[data-word]") : []) {
      if (was[span.dataset.word] < 0) span.animate({ opacity: [0, 1] }, duration);
    }
  }

  /** The two texts light up with the words below. */
  function paint({ side, word, columns, shares, colour }) {
    const all = inside.sides(), chosen = all[side][word];
    const lit = (text) => (one) => {
      if (side === text && one === chosen) return "chosen";
      // What was written before is the same text as what is written, but of other words.
      const looked = columns === "read" && text === "target"
        ? all.read.findIndex((read) => !read.special && read.start === one.start) : all[columns]?.indexOf(one) ?? -1;
      return shares[looked] ?? 0;
    };
    // The reader may have written on since.
    if (area.value === answer_of) light(backdrop, answer_of, all.source, lit("source"), colour);
    light(output, shown.translations[0].text, all.target, lit("target"), colour);
  }

  const point = ({ target }) => {
    const word = target.closest?.("[data-word]");
    if (word && getSelection().isCollapsed) inside.choose("target", Number(word.dataset.word));
  };
  output.addEventListener("pointerover", point);
  output.addEventListener("pointerdown", point);
  area.addEventListener("input", () => {
    favour = null;
    ask();
  });

  async function begin() {
    const text = first ?? pair[0]?.text ?? examples[0] ?? "";
    if (model.pronouns) {
      call("heads", { model: model.name }).then(inside.heads, () => { /* then no head has a star */ });
    }
    if (text && text === pair[0]?.text) {
      // What the other sentence of the pair changes is what the first one is about.
      const other = await call(...request(pair[1].text)).catch(() => null);
      if (area.value) return;
      favour = other && changing(other.translations[0].text);
    }
    put(text);
  }
  begin();
  return { nodes: [panes, status, inside.node], inside };
}
