// Two texts: what the reader writes, and its translation while it is written.
import { attention } from "./attention.js";
import { call, live } from "./api.js";
import { el, grow, signed } from "./dom.js";
import { matched, place } from "./words.js";

const N_BEST = 3;

/** The name of a language, from its code. */
function language(code) {
  if (!/^[a-z]{2,3}([-_]\w+)?$/i.test(code)) return code;
  try { return new Intl.DisplayNames(["en"], { type: "language" }).of(code.replace("_", "-")); } catch { return code; }
}

const split = (text) => (text.match(/[\p{L}\p{M}\p{N}]+|[^\s]/gu) ?? []).map((text) => ({ text, special: false }));

/** Two examples that differ in one word: what changes with it is what they show. */
function findPair(examples) {
  for (const one of examples) {
    for (const other of examples) {
      const [a, b] = [split(one), split(other)];
      const was = matched(a, b);
      const at = was.indexOf(-1);
      if (one !== other && a.length === b.length && was.filter((i) => i < 0).length === 1) {
        return [[one, a], [other, b]].map(([text, words]) => ({ text, before: words[at - 1]?.text ?? "", word: words[at].text }));
      }
    }
  }
  return [];
}

function languageMenu(id, codes, fallback, changed) {
  if (!codes?.length) return { label: el("label", { for: id }, fallback), value: () => undefined };
  if (codes.length === 1) return { label: el("label", { for: id }, language(codes[0])), value: () => codes[0], code: codes[0] };
  const menu = el("select", { "aria-label": `${fallback} language`, onchange: changed }, codes.map((code) => el("option", { value: code }, language(code))));
  return { label: menu, value: () => menu.value };
}

/** The view of a model that translates. `text` is what it begins with, `changed(text)` is told each new text. */
export function translate(model, { text: first, changed }) {
  const examples = model.examples ?? [];
  const pair = findPair(examples);
  let shown = null, favour = null, asked = null;

  const source = languageMenu("source", model.languages?.source, "Text", () => ask(true));
  const target = languageMenu("translation", model.languages?.target, "Translation", () => ask(true));
  const area = el("textarea", { id: "source", dir: "auto", rows: 3, spellcheck: "false", autocapitalize: "sentences", placeholder: "Write here", "aria-label": source.code ? null : "Text to translate", lang: source.code });
  const backdrop = el("div", { class: "backdrop", dir: "auto", "aria-hidden": "true" });
  const output = el("output", { id: "translation", for: "source", dir: "auto", "aria-live": "polite", lang: target.code });
  const score = el("span", { class: "number" });
  const count = el("span", { class: "number soft" });
  const more = el("button", { type: "button", class: "plain", "aria-expanded": "false", "aria-controls": "n-best", hidden: true, onclick: () => {
    const open = more.getAttribute("aria-expanded") !== "true";
    more.setAttribute("aria-expanded", open);
    list.hidden = !open;
  } });
  const copy = el("button", { type: "button", class: "plain", hidden: true, onclick: async () => {
    await navigator.clipboard.writeText(shown.translations[0].text);
    copy.textContent = "Copied";
    setTimeout(() => (copy.textContent = "Copy"), 1500);
  } }, "Copy");
  const clear = el("button", { type: "button", class: "plain", hidden: true, onclick: () => { put(""); area.focus(); } }, "Clear");
  const list = el("ol", { class: "n-best", id: "n-best", "aria-label": "Other translations, best first", hidden: true });
  const status = el("p", { class: "status", role: "status" });
  const chips = [
    ...pair.map(({ text, before, word }) => el("button", { type: "button", class: "chip", "data-text": text, title: text, onclick: () => put(text, true) },
      `… ${before} `, el("em", {}, word))),
    ...examples.filter((text) => !pair.some((one) => one.text === text)).slice(0, 4).map((text) =>
      el("button", { type: "button", class: "chip", dir: "auto", "data-text": text, title: text, onclick: () => put(text) }, text)),
  ];

  const inside = attention({
    opened: () => !shown || shown.attention || model.attention === false || ask(true),
    paint,
  });
  const panes = el("section", { class: "panes", "aria-label": "Translation" },
    el("div", { class: "pane" }, el("div", { class: "pane-head" }, source.label, clear),
      el("div", { class: "field" }, backdrop, area), el("div", { class: "pane-foot chips" }, chips)),
    el("div", { class: "pane" }, el("div", { class: "pane-head" }, target.label, copy),
      output, el("div", { class: "pane-foot" }, count, el("span", { class: "space" }), score, more), list));

  const request = (text) => ["translate", {
    model: model.name, text, source: source.value(), target: target.value(), n_best: N_BEST,
    attention: model.attention !== false && inside.open, alignment: true,
  }];
  const put_ = live(request, answered, ({ waiting, message }) => {
    output.classList.toggle("stale", waiting);
    output.setAttribute("aria-busy", waiting);
    inside.node.classList.toggle("stale", waiting);
    if (message !== undefined) status.textContent = message;
  });

  function ask(now = false) {
    const text = area.value;
    clear.hidden = !text;
    for (const chip of chips) chip.setAttribute("aria-pressed", chip.dataset.text === text);
    grow(area);
    changed(text);
    if (text !== asked) backdrop.replaceChildren();
    asked = text;
    if (text.trim()) return put_(text, now);
    put_(undefined);
    shown = null;
    output.textContent = score.textContent = count.textContent = "";
    backdrop.replaceChildren();
    list.replaceChildren();
    more.hidden = copy.hidden = true;
    inside.clear();
  }

  function put(text, paired = false) {
    // The word that changes between the two is the one to look at.
    const before = paired && shown ? split(shown.translations[0].text) : null;
    favour = before && ((now) => {
      const at = matched(before, now.filter((word) => !word.special)).indexOf(-1);
      return at < 0 ? 0 : now.findIndex((word) => word === now.filter((word) => !word.special)[at]);
    });
    area.value = text;
    ask(true);
  }

  function answered(got, text) {
    shown = got;
    const [best, ...others] = got.translations;
    output.textContent = best.text;
    score.textContent = signed(best.score);
    score.title = `score of the search; log probability ${signed(best.log_prob)}`;
    count.textContent = `${got.source_tokens.length} → ${best.tokens.length} tokens`;
    more.hidden = !others.length;
    more.textContent = `${others.length} more`;
    copy.hidden = !navigator.clipboard;
    const words = split(best.text);
    list.replaceChildren(...others.map((other) => el("li", {}, el("span", { dir: "auto", lang: target.value() }, differing(words, other.text)), el("span", { class: "number" }, signed(other.score)))));
    inside.show(got, text, favour);
    favour = null;
  }

  /** A text with the words marked that `words` has not. */
  function differing(words, text) {
    const own = split(text);
    const was = matched(words, own);
    let at = 0;
    const parts = own.flatMap((word, i) => {
      const start = text.indexOf(word.text, at), gap = text.slice(at, start);
      at = start + word.text.length;
      return [gap, was[i] < 0 ? el("mark", {}, word.text) : word.text];
    });
    return [...parts, text.slice(at)];
  }

  /** The two texts light up with the words below. */
  function paint({ side, word, weights, columns, colour }) {
    const { sides } = inside;
    const marks = { source: new Map(), target: new Map() };
    const read = columns === "read";
    (sides[columns] ?? []).forEach((one, i) => weights[i] >= 0.04 && !one.special && marks[read ? "target" : columns].set(one.start, [one, weights[i]]));
    const chosen = sides[side]?.[word];
    if (chosen && !chosen.special) marks[side].set(chosen.start, [chosen, "chosen"]);
    marked(backdrop, area.value, [...marks.source.values()], colour);
    marked(output, shown?.translations[0].text ?? "", [...marks.target.values()], colour, sides.target);
    backdrop.append("\u200b");
  }

  function marked(host, text, marks, colour, all) {
    const byStart = new Map(marks.map((mark) => [mark[0].start, mark]));
    const parts = all ? all.filter((word) => !word.special) : marks.map(([word]) => word).sort((a, b) => a.start - b.start);
    let at = 0;
    const nodes = [];
    for (const word of parts) {
      const mark = byStart.get(word.start)?.[1];
      const span = el("span", { class: mark === "chosen" ? "lit chosen" : mark ? "lit" : null, "data-word": all ? all.indexOf(word) : null }, text.slice(word.start, word.end));
      if (typeof mark === "number") span.style.setProperty("--weight", mark.toFixed(3));
      nodes.push(text.slice(at, word.start), span);
      at = word.end;
    }
    host.style.setProperty("--colour", colour);
    host.replaceChildren(...nodes, text.slice(at));
  }

  const over = (event) => {
    const word = event.target.closest?.("[data-word]");
    if (word && !getSelection().toString()) inside.choose("target", Number(word.dataset.word));
  };
  output.addEventListener("pointerover", over);
  output.addEventListener("pointerdown", over);
  area.addEventListener("input", () => { favour = null; ask(); });
  area.addEventListener("scroll", () => (backdrop.scrollTop = area.scrollTop));

  async function begin() {
    // Only a model of the corpus that this pair is from can be measured on its pronouns.
    if (model.attention !== false && pair.length) {
      call("heads", { model: model.name }).then((got) => inside.heads(got), () => { /* then no head has a star */ });
    }
    const text = first ?? pair[0]?.text ?? examples[0] ?? "";
    if (pair.length && text === pair[0].text) {
      // What the other sentence of the pair changes is what the first one is about.
      const other = await call(...request(pair[1].text)).catch(() => null);
      if (area.value) return;
      const words = other && split(other.translations[0].text);
      favour = words && ((now) => {
        const own = now.filter((word) => !word.special);
        return now.indexOf(own[Math.max(0, matched(words, own).indexOf(-1))]);
      });
    }
    area.value = text;
    ask(true);
  }
  begin();
  return { nodes: [panes, status, inside.node], inside };
}
