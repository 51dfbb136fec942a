// What it looks at: the words, lines between them, and the maps of all layers and heads.
import { el, headColour, kept, MOTION, percent, segmented, still, svg } from "./dom.js";
import { lines } from "./lines.js";
import { drawMap, scale, table, thumbnail } from "./map.js";
import { decode, look, matched, place, places, plane, words } from "./words.js";

/** The kinds of attention: which side is looked at, and from which side. */
const MAPS = {
  cross: { name: "decoder → encoder", verb: "writing", rows: "target", columns: "source", title: "Attention of the decoder to the encoder" },
  encoder: { name: "encoder", verb: "reading", rows: "source", columns: "source", title: "Self-attention of the encoder" },
  decoder: { name: "decoder", verb: "writing", rows: "target", columns: "read", title: "Self-attention of the decoder" },
};
const MODES = [["one", "one head"], ["all", "all heads"], ["mean", "mean"]];

/** The share of attention from which a word is named. */
const NAMED = 0.05;

/**
 * The section under the two texts. `paint(look)` is told what lights up in them, `opened()` that the reader wants it.
 * It has `node`, `show(answer)`, `choose(side, word)`, `heads(answer)`, `sides`, and whether it is `open`.
 */
export function attention({ paint, opened }) {
  const state = { map: null, layer: 0, head: 0, mode: "one", side: "target", word: 0, measured: [], what: "", picked: false };
  let answer = null, maps = {}, sides = {}, rowNodes = [], columnNodes = [], large = null;

  const says = el("p", { class: "says", "aria-live": "polite" });
  const picture = svg("svg", { class: "lines", "aria-hidden": "true" });
  const top = el("div", { class: "words", dir: "auto" }), bottom = el("div", { class: "words", dir: "auto", role: "listbox", "aria-orientation": "horizontal" });
  const board = el("div", { class: "board" }, picture, top, bottom);
  const grid = el("div", { class: "heads scroll" }), figure = el("figure", { class: "map" });
  const tools = el("div", { class: "tools" });
  const body = el("div", { class: "inside" }, tools, says, board, el("div", { class: "maps" }, grid, figure));
  const empty = el("p", { class: "empty" }, "Write something above, or take an example: then its words are here.");
  const node = el("details", { id: "inside", open: kept.get("inside") !== "closed" }, el("summary", {}, el("h2", {}, "What it looks at")), empty, body);
  const draw = lines(picture);

  const modes = segmented("Heads", MODES, "one", (mode) => { state.mode = mode; refresh(); });
  const kinds = el("span", { class: "kinds" });
  tools.append(kinds, modes.node);
  node.addEventListener("toggle", () => {
    kept.set("inside", node.open ? "open" : "closed");
    if (node.open) { opened(); drawLines(false); }
  });

  const kind = () => MAPS[state.map];
  const map = () => maps[state.map];
  const rows = () => sides[kind()?.rows ?? "target"] ?? [];
  const columns = () => sides[kind()?.columns ?? "source"] ?? [];
  const colour = () => (state.mode === "one" && map()?.heads > 1 ? headColour(state.head) : "var(--accent)");
  const weights = (head = state.mode === "one" ? state.head : null) => plane(map(), state.layer, head);
  const looks = (row, head) => look(weights(head), map().columns, rows()[row], columns());
  const headName = () => {
    const { heads, layers } = map();
    if (heads === 1 && layers === 1) return "";
    if (state.mode === "one") return `layer ${state.layer}, head ${state.head}`;
    return `layer ${state.layer}, ${state.mode === "all" ? "its heads in their colours" : `mean of ${heads} heads`}`;
  };

  /** What a word looks at, in plain words. */
  function sentence(row, shares) {
    const best = shares.map((share, i) => [share, columns()[i].text]).filter(([share]) => share >= NAMED)
      .sort((a, b) => b[0] - a[0]).slice(0, 3);
    return { word: rows()[row].text, best };
  }

  /** The same word on the other side, by alignment, or by where the decoder looks most. */
  function counterpart(side, index) {
    const from = sides[side]?.[index], to = side === "target" ? "source" : "target";
    if (!from || !sides[to]) return 0;
    const pairs = answer.translations[0].alignment ?? [];
    const column = side === "target" ? 1 : 0;
    const pair = pairs.find((pair) => from.at.includes(pair[column]));
    if (pair) {
      const found = sides[to].findIndex((word) => word.at.includes(pair[1 - column]));
      if (found >= 0) return found;
    }
    if (!maps.cross) return Math.min(index, sides[to].length - 1);
    const mean = plane(maps.cross, maps.cross.layers - 1, null);
    const shares = side === "target" ? look(mean, maps.cross.columns, from, sides.source)
      : sides.target.map((row) => look(mean, maps.cross.columns, row, [from])[0]);
    return shares.indexOf(Math.max(...shares));
  }

  /** Chooses a word of the text that is read or written; it is followed into the map that is shown. */
  function choose(side, index, { focus = false, move = true } = {}) {
    if (!rows().length) return;
    const own = kind()?.rows ?? "target";
    if (side !== own) index = counterpart(side, index);
    state.side = own;
    state.word = Math.max(0, Math.min(index, rows().length - 1));
    light(move);
    if (focus) rowNodes[state.word].focus();
  }

  /** Marks the chosen word, and what it looks at. */
  function light(move = true) {
    rowNodes.forEach((chip, i) => {
      chip.setAttribute("aria-selected", i === state.word);
      chip.tabIndex = i === state.word ? 0 : -1;
    });
    board.classList.toggle("unseen", !map());
    if (!map()) {
      says.textContent = "This model does not say what it looks at; these are its tokens.";
      paint({ side: "target", word: state.word, weights: [], columns: "source", colour: "var(--accent)" });
      return;
    }
    const shares = looks(state.word);
    const { word, best } = sentence(state.word, shares);
    says.replaceChildren(`${kind().verb} `, el("b", {}, el("bdi", {}, word)), best.length ? ": looks at " : ": looks everywhere a little",
      ...best.flatMap(([share, text], i) => [i ? ", " : "", el("em", {}, el("bdi", {}, text)), " ", el("span", { class: "number" }, percent(share))]),
      el("span", { class: "soft" }, headName() && ` · ${headName()}`));
    columnNodes.forEach((chip, i) => {
      chip.style.setProperty("--weight", state.mode === "all" ? 0 : shares[i].toFixed(3));
      const bars = chip.querySelector(".bars");
      if (bars) bars.remove();
      if (state.mode === "all") chip.append(strip(i));
    });
    board.style.setProperty("--colour", colour());
    drawLines(move);
    large?.mark(state.word);
    paint({ side: kind().rows, word: state.word, weights: shares, columns: kind().columns, colour: colour() });
  }

  /** One small field for each head, as deep as it looks at this word. */
  function strip(column) {
    const { heads } = map();
    const fields = Array.from({ length: heads }, (_, head) => {
      const share = look(weights(head), map().columns, rows()[state.word], [columns()[column]])[0];
      return svg("path", { d: `M${head} 0h1v1h-1z`, fill: headColour(head), "fill-opacity": Math.min(1, share * 1.5).toFixed(2) });
    });
    return svg("svg", { class: "bars", viewBox: `0 0 ${heads} 1`, preserveAspectRatio: "none", "aria-hidden": "true" }, fields);
  }

  function drawLines(move) {
    const chip = rowNodes[state.word];
    if (!node.open || !map() || !chip) return draw([], false);
    const many = state.mode === "all" ? Array.from({ length: map().heads }, (_, head) => head) : [state.mode === "one" ? state.head : null];
    const wanted = many.flatMap((head, n) => looks(state.word, head).map((weight, i) => {
      const up = columnNodes[i], shift = (n - (many.length - 1) / 2) * 3;
      return {
        from: [chip.offsetLeft + chip.offsetWidth / 2 + shift, chip.offsetTop],
        to: [up.offsetLeft + up.offsetWidth / 2 + shift, up.offsetTop + up.offsetHeight],
        weight, head: many.length > 1 ? head : "line", colour: many.length > 1 ? headColour(head) : colour(),
      };
    }));
    draw(wanted, move);
  }

  /** A word as its tokens, which are chips side by side. */
  function chip(word, options) {
    const pieces = word.special ? [word.text] : word.tokens.map((token) => token.text);
    const about = word.tokens.filter((token) => token.id !== undefined)
      .map((token) => `${token.text}: token ${token.id}${token.log_prob === undefined ? "" : `, probability ${percent(Math.exp(token.log_prob))}`}`);
    return el("span", { class: word.special ? "word special" : "word", title: about.join("\n") || null, ...options },
      pieces.map((piece) => el("span", { class: "piece" }, piece)));
  }

  /** Puts words in a row; those that were there glide to their places. */
  function fillRow(host, list, before, nodes, make) {
    const was = matched(before, list);
    const places = nodes.map((old) => [old.offsetLeft, old.offsetTop]);
    const made = list.map(make);
    host.replaceChildren(...made.flatMap((chip) => [chip, " "]));
    if (nodes.length && !still()) {
      made.forEach((chip, i) => {
        if (was[i] < 0) {
          chip.animate([{ opacity: 0 }, { opacity: 1 }], { duration: MOTION });
          return;
        }
        const [x, y] = places[was[i]];
        const [dx, dy] = [x - chip.offsetLeft, y - chip.offsetTop];
        if (dx || dy) chip.animate([{ transform: `translate(${dx}px, ${dy}px)` }, { transform: "none" }], { duration: MOTION, easing: "ease-out" });
      });
    }
    return made;
  }

  let shownRows = [], shownColumns = [], shownMap;
  function fillRows() {
    const same = shownMap === state.map;
    columnNodes = fillRow(top, columns(), same ? shownColumns : [], same ? columnNodes : [], (word) => chip(word));
    rowNodes = fillRow(bottom, rows(), same ? shownRows : [], same ? rowNodes : [], (word, i) => chip(word, {
      role: "option", onpointerenter: () => choose(kind()?.rows ?? "target", i), onfocus: () => state.word === i || choose(kind()?.rows ?? "target", i),
      onclick: () => choose(kind()?.rows ?? "target", i, { focus: true }), "aria-label": spoken(i),
    }));
    [shownRows, shownColumns, shownMap] = [rows(), columns(), state.map];
    top.setAttribute("aria-label", kind()?.columns === "source" ? "Words of the source" : "Words read before");
    bottom.setAttribute("aria-label", kind()?.rows === "source" ? "Words of the source: what each looks at" : "Words of the translation: what each looks at");
  }

  const spoken = (i) => {
    if (!map()) return rows()[i].text;
    const { word, best } = sentence(i, looks(i));
    return `${kind().verb} ${word}: looks at ${best.map(([share, text]) => `${text} ${percent(share)}`).join(", ") || "everything a little"}`;
  };

  bottom.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const along = getComputedStyle(bottom).direction === "rtl" ? -1 : 1;
    const to = step ? state.word + step * along : { Home: 0, End: rows().length - 1 }[event.key];
    if (to === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    choose(kind()?.rows ?? "target", to, { focus: true });
  });

  /** The grid of all layers and heads, and the large map. */
  function drawMaps() {
    if (!map()) { grid.replaceChildren(); figure.replaceChildren(); large = null; return; }
    const { layers, heads, rows: r, columns: c } = map();
    const best = state.measured.filter((one) => one.map === state.map);
    const star = best[0];
    const cell = (layer, head) => {
      const measured = best.find((one) => one.layer === layer && one.head === head);
      const starred = measured && measured === star;
      const chosen = state.layer === layer && (state.mode !== "one" || state.head === head);
      const label = `layer ${layer}, head ${head}${measured ? `: ${percent(measured.agreement)} right` : ""}${starred ? ", the best" : ""}`;
      const button = el("button", { type: "button", "aria-pressed": chosen, "aria-label": label, title: label, onclick: () => pick(state.map, layer, head) },
        thumbnail(plane(map(), layer, head), r, c), starred && el("span", { class: "star", "aria-hidden": "true" }, "★"));
      button.style.setProperty("--colour", headColour(head));
      return el("td", {}, button);
    };
    const header = (head) => {
      const dot = el("span", { class: "dot" });
      dot.style.setProperty("--colour", headColour(head));
      return el("th", { scope: "col" }, dot, el("span", { class: "long" }, "head "), head);
    };
    const focused = document.activeElement?.closest?.(".heads button")?.getAttribute("title");
    grid.style.setProperty("--heads", heads);
    grid.replaceChildren(...(layers * heads > 1 ? [el("table", { class: heads > 8 ? "many" : null },
      el("caption", {}, kind().title),
      el("thead", {}, el("tr", {}, el("td", {}), Array.from({ length: heads }, (_, head) => header(head)))),
      el("tbody", {}, Array.from({ length: layers }, (_, layer) => el("tr", {},
        el("th", { scope: "row" }, el("span", { class: "long" }, "layer "), layer), Array.from({ length: heads }, (_, head) => cell(layer, head))))))] : []),
      ...note());
    if (focused) grid.querySelector(`button[title="${CSS.escape(focused)}"]`)?.focus();
    drawLarge();
  }

  /** Which head was measured to do best; a click goes there. */
  function note() {
    const best = state.measured[0];
    if (!best || !maps[best.map]) return [];
    const where = best.map === state.map ? "" : `${MAPS[best.map].name}, `;
    return [el("button", { type: "button", class: "plain note", onclick: () => pick(best.map, best.layer, best.head) },
      el("span", { class: "star", "aria-hidden": "true" }, "★"),
      ` ${where}layer ${best.layer}, head ${best.head} ${state.what}: ${percent(best.agreement)} of ${best.n} sentences`)];
  }

  function drawLarge() {
    const heading = `${kind().title}${headName() ? `, ${state.mode === "all" ? `layer ${state.layer}, mean of its heads` : headName()}` : ""}`;
    const shown = { weights: weights(), rows: rows(), columns: columns(), name: heading, verb: kind().verb };
    large = drawMap({ ...shown, width: figure.clientWidth || 480, point: (row) => choose(kind().rows, row) });
    figure.replaceChildren(el("figcaption", {}, el("b", {}, heading), el("br"), `Rows: the word that it is ${kind().verb}. Columns: what it looks at.`),
      el("div", { class: "scroll" }, large), scale(), table(shown, figure.querySelector(".numbers")?.open));
  }

  function pick(name, layer, head) {
    const word = state.word, side = state.side;
    const other = name !== state.map;
    Object.assign(state, { map: name, layer, head, mode: "one", picked: true });
    modes.set("one");
    if (other) { drawKinds(); fillRows(); choose(side, word, { move: false }); }
    refresh();
  }

  function drawKinds() {
    const there = Object.keys(MAPS).filter((name) => maps[name]);
    kinds.replaceChildren(...(there.length > 1 ? [segmented("Attention", there.map((name) => [name, MAPS[name].name]), state.map, (name) => {
      const best = state.measured.find((one) => one.map === name);
      const { layers, heads } = maps[name];
      pick(name, best?.layer ?? Math.min(state.layer, layers - 1), best?.head ?? Math.min(state.head, heads - 1));
    }).node] : []));
    modes.node.hidden = !map() || map().heads === 1;
  }

  function refresh() {
    if (!answer) return;
    rowNodes.forEach((chip, i) => chip.setAttribute("aria-label", spoken(i)));
    drawMaps();
    light();
  }

  /** Opens the head that was measured to be best, until the reader picks one. */
  function preset() {
    const best = state.measured.find((one) => maps[one.map]);
    if (best && !state.picked) Object.assign(state, { map: best.map, layer: best.layer, head: best.head });
    if (!maps[state.map]) {
      state.map = Object.keys(MAPS).find((name) => maps[name]) ?? null;
      if (map() && !best) Object.assign(state, { layer: map().layers - 1, head: 0 });
    }
    if (map()) {
      state.layer = Math.min(state.layer, map().layers - 1);
      state.head = Math.min(state.head, map().heads - 1);
    }
  }

  /** Shows an answer; `favour` are words of the translation of which one is chosen, if there are any. */
  function show(got, text, favour) {
    const best = got.translations[0];
    const [old, oldSides, oldSide] = [state.word, sides, state.side];
    answer = got;
    maps = Object.fromEntries(Object.entries(got.attention ?? {}).filter(([name, one]) => one && MAPS[name]).map(([name, one]) => [name, decode(one)]));
    const [source, target] = [places(got.source_tokens, text), place(best.tokens, best.text)];
    const reading = maps.cross?.column_labels ?? maps.encoder?.column_labels ?? source.map((token) => token.text);
    const writing = maps.cross?.row_labels ?? maps.decoder?.row_labels ?? target.map((token) => token.text);
    sides = { source: words(reading, source, "source"), target: words(writing, target, "target") };
    if (maps.decoder) sides.read = words(maps.decoder.column_labels, target, "read");
    preset();
    drawKinds();
    empty.hidden = true;
    body.hidden = false;
    fillRows();
    const own = kind()?.rows ?? "target";
    const was = oldSides[own] ? matched(oldSides[own], sides[own]) : [];
    const kept = oldSide === own ? was.indexOf(old) : -1;
    if (favour) choose("target", favour(sides.target), { move: true });
    else choose(own, kept >= 0 ? kept : Math.max(0, was.indexOf(-1)), { move: true });
    drawMaps();
    large?.mark(state.word);
  }

  function clear() {
    answer = null;
    [sides, maps, rowNodes, columnNodes, shownRows, shownColumns] = [{}, {}, [], [], [], []];
    empty.hidden = false;
    body.hidden = true;
  }
  clear();

  let width;
  new ResizeObserver(([entry]) => {
    if (!answer || !node.open || entry.contentRect.width === width) return;
    width = entry.contentRect.width;
    drawLines(false);
    if (map()) { drawLarge(); large.mark(state.word); }
  }).observe(body);
  document.addEventListener("colours", () => answer && map() && refresh());

  return {
    node, show, clear, choose,
    get sides() { return sides; },
    get open() { return node.open; },
    /** Which head resolves a pronoun, as it was measured. */
    heads({ heads, what }) {
      state.measured = heads.toSorted((a, b) => b.agreement - a.agreement);
      state.what = what;
      if (!answer) return;
      const { word, side } = state;
      preset();
      drawKinds();
      fillRows();
      choose(side, word, { move: false });
      refresh();
    },
  };
}
