// The words of both sides in two rows, and lines between them.
import { along, el, headColour, motion, percent, svg } from "./dom.js";
import { lines } from "./lines.js";
import { matched } from "./words.js";

/** What is known of a word's tokens, for the pointer that stays on it. */
const about = ({ tokens }) => tokens.filter(({ id }) => id !== undefined).map(({ text, id, log_prob }) =>
  `${text}: token ${id}${log_prob === undefined ? "" : `, probability ${percent(Math.exp(log_prob))}`}`).join("\n");

/** A word as its tokens, which are chips side by side. */
const chip = (word, attributes = {}) =>
  el(word.special ? "span.word.special" : "span.word", { title: about(word) || null, ...attributes },
    (word.special ? [word] : word.tokens).map(({ text }) => el("span.piece", text)));

/** A row of words; those that were in it glide to their places. */
function row(host) {
  let words = [];
  const all = { host, nodes: [] };
  all.show = (next, make, glide) => {
    const was = glide ? matched(words, next) : [];
    const places = all.nodes.map((node) => [node.offsetLeft, node.offsetTop]);
    words = next;
    all.nodes = next.map(make);
    host.replaceChildren(...all.nodes.flatMap((node) => [node, " "]));
    const duration = motion();
    if (!glide || !places.length || !duration) return;
    all.nodes.forEach((node, i) => {
      if (was[i] < 0) return node.animate({ opacity: [0, 1] }, duration);
      const [x, y] = places[was[i]], [dx, dy] = [x - node.offsetLeft, y - node.offsetTop];
      const transform = [`translate(${dx}px, ${dy}px)`, "none"];
      if (dx || dy) node.animate({ transform }, { duration, easing: "ease-out" });
    });
  };
  return all;
}

/** Both rows; `choose(index, focus)` is told of a word in the lower row, by pointer or keyboard. */
export function board(choose) {
  const picture = svg("svg.lines", { "aria-hidden": true });
  const top = row(el("div.words", { dir: "auto", role: "group" }));
  const bottom = row(el("div.words", { dir: "auto", role: "listbox", "aria-orientation": "horizontal" }));
  const node = el("div.board", picture, top.host, bottom.host);
  const draw = lines(picture);
  let chosen = 0;

  bottom.host.addEventListener("keydown", (event) => {
    const to = { Home: 0, End: bottom.nodes.length - 1 }[event.key] ?? chosen + along(event, bottom.host);
    if (!(to in bottom.nodes) || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    choose(to, true);
  });

  return {
    node,
    /** New words; `glide` where they are of the same texts as before. */
    show(rows, columns, names, glide) {
      top.show(columns, (word) => chip(word), glide);
      bottom.show(rows, (word, i) => chip(word, {
        role: "option", onpointerenter: () => choose(i), onclick: () => choose(i, true),
      }), glide);
      top.host.setAttribute("aria-label", names.columns);
      bottom.host.setAttribute("aria-label", names.rows);
    },
    /** How each word of the lower row is spoken. */
    speak(spoken) {
      bottom.nodes.forEach((node, i) => node.setAttribute("aria-label", spoken(i)));
    },
    /** Marks the chosen word. `heads` are `{head, colour, shares}`: one, or all of a layer. */
    light(word, heads, { focus, move } = {}) {
      chosen = word;
      bottom.nodes.forEach((node, i) => {
        node.setAttribute("aria-selected", i === word);
        node.tabIndex = i === word ? 0 : -1;
      });
      if (focus) bottom.nodes[word].focus();
      node.classList.toggle("unseen", !heads.length);
      node.style.setProperty("--colour", heads.length === 1 ? heads[0].colour : "var(--accent)");
      top.nodes.forEach((node, i) => {
        node.style.setProperty("--weight", heads.length === 1 ? heads[0].shares[i] : 0);
        node.querySelector(".bars")?.remove();
        if (heads.length > 1) node.append(strip(heads, i));
      });
      this.draw(heads, move);
    },
    /** Draws the lines again: where words are may have changed. */
    draw(heads, move) {
      const from = bottom.nodes[chosen];
      draw(from ? heads.flatMap(({ head, colour, shares }, n) => shares.map((weight, i) => {
        const to = top.nodes[i], shift = (n - (heads.length - 1) / 2) * 3;
        return {
          from: [from.offsetLeft + from.offsetWidth / 2 + shift, from.offsetTop],
          to: [to.offsetLeft + to.offsetWidth / 2 + shift, to.offsetTop + to.offsetHeight],
          weight, colour, head: heads.length > 1 ? head : "one",
        };
      })) : [], move);
    },
  };
}

/** One small field for each head, as deep as it looks at this word. */
const strip = (heads, i) =>
  svg("svg.bars", { viewBox: `0 0 ${heads.length} 1`, preserveAspectRatio: "none", "aria-hidden": true },
    heads.map(({ head, shares }) => svg("path", {
      d: `M${head} 0h1v1h-1z`, fill: headColour(head), "fill-opacity": Math.min(1, shares[i] * 1.5),
    })));
