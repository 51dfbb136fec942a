// What it looks at: the words with lines between them, and the maps of all layers and heads.
import { board } from "./board.js";
import { button, dot, el, grid, headColour, kept, numbers, percent, scroll, segmented } from "./dom.js";
import { drawMap, scale, thumbnail, tokens } from "./map.js";
import { decode, look, matched, place, places, plane, words } from "./words.js";

/** The kinds of attention: which words look, and at which. */
const MAPS = {
  cross: {
    name: "decoder → encoder", title: "Attention of the decoder to the encoder", verb: "writing",
    rows: "target", columns: "source",
  },
  encoder: {
    name: "encoder", title: "Self-attention of the encoder", verb: "reading", rows: "source", columns: "source",
  },
  decoder: {
    name: "decoder", title: "Self-attention of the decoder", verb: "writing", rows: "target", columns: "read",
  },
};
const MODES = [["one", "one head"], ["all", "all heads"], ["mean", "mean"]];
const SIDES = { source: "Words of the source", target: "Words of the translation", read: "Words written before" };

/** The share of attention from which a word is named. */
const NAMED = 0.05;

/** A head as the commands of attentive name it: they count from 1. */
const numbered = ({ layer, head }) => `layer ${layer + 1}, head ${head + 1}`;
const range = (n) => Array.from({ length: n }, (_, i) => i);

/**
 * The section under the two texts. `paint(look)` is told what lights up in them, `opened()` that the reader unfolds it.
 * `show(answer, text, favour)` shows an answer: `favour(words)` says which word of the translation is chosen, else the
 * one that was stays chosen.
 */
export function attention({ paint, opened }) {
  const state = { map: null, layer: 0, head: 0, mode: "one", word: 0, picked: false };
  let measured = [], what = "", answer = null, maps = {}, sides = {}, side = "target", shown = null, large = null;

  const says = el("p.says", { "aria-live": "polite" });
  const stage = board((index, focus) => choose(side, index, { focus }));
  const small = el("div.heads.scroll"), figure = el("figure.map");
  const modes = segmented("Heads", MODES, "one", (mode) => {
    state.mode = mode;
    refresh();
  });
  const kinds = el("span");
  const body = el("div", el("div.tools", kinds, modes.node), says, stage.node, el("div.maps", small, figure));
  const empty = el("p.empty", "Write something above, or take an example: its words are shown here.");
  const node = el("details", { id: "inside", open: kept.get("inside") !== "closed" },
    el("summary", el("h2", "What it looks at")), empty, body);
  node.addEventListener("toggle", () => {
    kept.set("inside", node.open ? "open" : "closed");
    if (!node.open) return;
    opened();
    if (answer) stage.draw(seen(), false);
  });

  const kind = () => MAPS[state.map];
  const map = () => maps[state.map];
  const rows = () => sides[side] ?? [];
  const columns = () => sides[kind()?.columns ?? "source"] ?? [];
  const weights = (head = state.mode === "one" ? state.head : null) => plane(map(), state.layer, head);
  const looks = (row, head) => look(weights(head), map().columns, rows()[row], columns());
  const seen = (word = state.word) => {
    if (!map()) return [];
    if (state.mode === "all") {
      return range(map().heads).map((head) => ({ head, colour: headColour(head), shares: looks(word, head) }));
    }
    const colour = state.mode === "one" && map().heads > 1 ? headColour(state.head) : "var(--accent)";
    return [{ head: state.head, colour, shares: looks(word) }];
  };
  const headName = () => {
    const { heads, layers } = map();
    if (heads * layers === 1) return "";
    return state.mode === "one" ? numbered(state) : `layer ${state.layer + 1}, mean of ${heads} heads`;
  };

  /** The words that one looks at most, with their shares. */
  const named = (row) => looks(row).map((share, i) => [columns()[i].text, share])
    .filter(([, share]) => share >= NAMED).sort((a, b) => b[1] - a[1]).slice(0, 3);

  /** The same word in the other text, by alignment, or by where the decoder looks most. */
  function counterpart(from, index, to) {
    const word = sides[from]?.[index];
    if (!word || !sides[to]) return 0;
    const own = from === "source" ? 0 : 1;
    const pair = (answer.translations[0].alignment ?? []).find((pair) => word.at.includes(pair[own]));
    const aligned = pair ? sides[to].findIndex(({ at }) => at.includes(pair[1 - own])) : -1;
    if (aligned >= 0) return aligned;
    if (!maps.cross) return Math.min(index, sides[to].length - 1);
    const mean = plane(maps.cross, maps.cross.layers - 1, null), n = maps.cross.columns;
    const shares = from === "target" ? look(mean, n, word, sides.source)
      : sides.target.map((row) => look(mean, n, row, [word])[0]);
    return shares.indexOf(Math.max(...shares));
  }

  /** Chooses a word of a text; where the map that is shown is of the other text, its counterpart. */
  function choose(from, index, options) {
    if (!rows().length) return;
    if (from !== side) index = counterpart(from, index, side);
    state.word = Math.max(0, Math.min(index, rows().length - 1));
    const heads = seen();
    stage.light(state.word, heads, options);
    large?.mark(state.word);
    const [shares, colour] = heads.length === 1 ? [heads[0].shares, heads[0].colour]
      : [heads.length ? looks(state.word) : [], "var(--accent)"];
    paint({ side, word: state.word, columns: kind()?.columns ?? "source", shares, colour });
    if (!map()) return says.replaceChildren("This model does not say what it looks at; these are its tokens.");
    const best = named(state.word), where = headName();
    says.replaceChildren(`${kind().verb} `, el("b", el("bdi", rows()[state.word].text)),
      best.length ? ": looks at " : ": looks a little at everything", ...best.flatMap(([text, share], i) =>
        [i ? ", " : "", el("b", el("bdi", text)), " ", el("span.number", percent(share))]),
      el("span.soft", where && ` · ${where}`));
  }

  /** Words in rows, spoken with what they look at. */
  function fill(glide) {
    side = kind()?.rows ?? "target";
    shown = state.map;
    stage.show(rows(), columns(), { rows: SIDES[side], columns: SIDES[kind()?.columns ?? "source"] }, glide);
    speak();
  }
  const speak = () => stage.speak((i) => {
    const { text } = rows()[i];
    if (!map()) return text;
    const best = named(i).map(([text, share]) => `${text} ${percent(share)}`).join(", ");
    return `${kind().verb} ${text}: looks at ${best || "everything a little"}`;
  });

  /** The grid of all layers and heads, and the large map. */
  function drawMaps() {
    large = null;
    const focused = small.contains(document.activeElement) && document.activeElement.title;
    small.replaceChildren(...(map() ? [smallMaps(), note()].filter(Boolean) : []));
    if (focused) small.querySelector(`[title="${CSS.escape(focused)}"]`)?.focus();
    if (map()) drawLarge();
    else figure.replaceChildren();
  }

  function smallMaps() {
    const { layers, heads } = map();
    if (layers * heads === 1) return null;
    const of_map = measured.filter((one) => one.map === state.map);
    const cell = (layer, head) => {
      const own = of_map.find((one) => one.layer === layer && one.head === head);
      const starred = own && own === of_map[0];
      const title = [numbered({ layer, head }), own && percent(own.agreement), starred && "the best"]
        .filter(Boolean).join(", ");
      const pressed = state.layer === layer && (state.mode !== "one" || state.head === head);
      return el("td", button("button", () => pick(state.map, layer, head),
        { "aria-pressed": pressed, "aria-label": title, title, "--colour": headColour(head) },
        thumbnail(plane(map(), layer, head), map().rows, map().columns), starred && star()));
    };
    return el(heads > 8 ? "table.many" : "table", { "--heads": heads }, el("caption", kind().title),
      el("thead", el("tr", el("td"), range(heads).map((head) =>
        el("th", { scope: "col" }, dot(headColour(head)), el("span.long", "head "), head + 1)))),
      el("tbody", range(layers).map((layer) => el("tr",
        el("th", { scope: "row" }, el("span.long", "layer "), layer + 1), range(heads).map((head) => cell(layer, head))))));
  }
  const star = () => el("span.star", { "aria-hidden": true }, "★");

  /** Which head was measured to do best; a click goes there. */
  function note() {
    const best = measured.find((one) => maps[one.map]);
    if (!best) return null;
    const where = best.map === state.map ? "" : `${MAPS[best.map].name}, `;
    const right = Math.round(best.agreement * best.n);
    return button("button.plain.note", () => pick(best.map, best.layer, best.head), { title: what }, star(),
      ` ${where}${numbered(best)} finds the noun of “it” in ${right} of ${best.n} sentences`);
  }

  function drawLarge() {
    const name = [kind().title, headName()].filter(Boolean).join(", ");
    const shown = { weights: weights(), rows: rows(), columns: columns(), name };
    large = drawMap({ ...shown, width: figure.clientWidth || 480, point: (row) => choose(side, row) });
    large.mark(state.word);
    const { verb } = kind(), [down, across] = [tokens(rows()), tokens(columns())];
    const table = () => scroll(name, grid(name, across.map(({ text }) => text), down.map(({ text }, r) =>
      [`${verb} ${text}`, across.map((_, c) => percent(shown.weights[r * across.length + c]))])));
    figure.replaceChildren(
      el("figcaption", el("b", name), el("br"), `Rows: the word that it is ${verb}. Columns: what it looks at.`),
      el("div.scroll", large), scale(), numbers(table, figure.querySelector(".numbers")?.open));
  }

  function pick(name, layer, head) {
    Object.assign(state, { map: name, layer, head, mode: "one", picked: true });
    modes.set("one");
    turn();
  }

  /** Goes to the map that `state` names; the chosen word is followed there. */
  function turn() {
    const from = side, { word } = state;
    drawKinds();
    // Until it is drawn again, the large map is of other words, of which there may be fewer.
    large = null;
    if (shown !== state.map) fill(false);
    choose(from, word);
    refresh();
  }

  function drawKinds() {
    const there = Object.keys(MAPS).filter((name) => maps[name]).map((name) => [name, MAPS[name].name]);
    kinds.replaceChildren(there.length < 2 ? "" : segmented("Attention", there, state.map, (name) => {
      const { layers, heads } = maps[name], best = measured.find((one) => one.map === name);
      pick(name, best?.layer ?? Math.min(state.layer, layers - 1), best?.head ?? Math.min(state.head, heads - 1));
    }).node);
    modes.node.hidden = !map() || map().heads === 1;
  }

  function refresh() {
    if (!answer) return;
    speak();
    drawMaps();
    choose(side, state.word);
  }

  /** Opens the head that was measured to be best, until the reader picks one. */
  function preset() {
    const best = measured.find((one) => maps[one.map]);
    if (best && !state.picked) Object.assign(state, { map: best.map, layer: best.layer, head: best.head });
    else if (!maps[state.map]) {
      state.map = Object.keys(MAPS).find((name) => maps[name]) ?? null;
      state.layer = Infinity;
    }
    state.layer = Math.min(state.layer, (map()?.layers ?? 1) - 1);
    state.head = Math.min(state.head, (map()?.heads ?? 1) - 1);
  }

  function show(got, text, favour) {
    const best = got.translations[0], [before, old] = [sides[side], state.word];
    const there = Object.entries(got.attention ?? {}).filter(([name, one]) => one?.layers && MAPS[name]);
    [answer, large] = [got, null];
    maps = Object.fromEntries(there.map(([name, one]) => [name, decode(one)]));
    const [source, target] = [places(got.source_tokens, text), place(best.tokens, best.text)];
    const labels = (tokens) => tokens.map((token) => token.text);
    sides = {
      source: words(maps.cross?.column_labels ?? maps.encoder?.column_labels ?? labels(source), source, "source"),
      target: words(maps.cross?.row_labels ?? maps.decoder?.row_labels ?? labels(target), target, "target"),
      read: maps.decoder && words(maps.decoder.column_labels, target, "read"),
    };
    empty.hidden = true;
    body.hidden = false;
    preset();
    drawKinds();
    const same = before && MAPS[state.map ?? "cross"].rows === side;
    fill(same && shown === state.map);
    const was = same ? matched(before, rows()) : [], kept = was.indexOf(old);
    if (favour) choose("target", favour(sides.target));
    else choose(side, kept < 0 ? was.indexOf(-1) : kept);
    drawMaps();
  }

  function clear() {
    [answer, sides, maps, large] = [null, {}, {}, null];
    empty.hidden = false;
    body.hidden = true;
  }
  clear();

  let width;
  new ResizeObserver(([entry]) => {
    if (!answer || !node.open || entry.contentRect.width === width) return;
    width = entry.contentRect.width;
    stage.draw(seen(), false);
    if (map()) drawLarge();
  }).observe(body);
  document.addEventListener("colours", refresh);

  return {
    node, show, clear, choose, sides: () => sides,
    /** Which heads resolve a pronoun, as it was measured. */
    heads(got) {
      measured = [...got.heads].sort((a, b) => b.agreement - a.agreement);
      what = got.what;
      if (!answer) return;
      preset();
      turn();
    },
  };
}
