// Lines from what is written to what it looks at.
import { motion, svg } from "./dom.js";

/** The weight from which a line is seen. */
const FINEST = 0.04;

function paint({ node, now: [x1, y1, x2, y2, weight] }) {
  const [a, b, c, d, bend] = [x1, y1, x2, y2, (y1 + y2) / 2].map((value) => value.toFixed(1));
  node.setAttribute("d", `M${a} ${b}C${a} ${bend} ${c} ${bend} ${c} ${d}`);
  node.setAttribute("stroke-width", (0.75 + 6 * weight).toFixed(2));
  node.setAttribute("stroke-opacity", Math.min(1, 2 * weight + Math.min(0.15, 3 * weight)).toFixed(2));
}

/**
 * Draws into `picture`, an SVG under both rows of words. The returned function takes what is to be seen:
 * `{from: [x, y], to: [x, y], weight, colour, head}`. The strongest line of a head becomes its next strongest, and so
 * swings from word to word.
 */
export function lines(picture) {
  const drawn = new Map();
  let frame;

  return (wanted, move = true) => {
    cancelAnimationFrame(frame);
    const [ranks, goal] = [new Map(), new Map()];
    const seen = wanted.filter(({ weight }) => weight >= FINEST).sort((a, b) => b.weight - a.weight);
    for (const line of seen) {
      const rank = ranks.get(line.head) ?? 0;
      ranks.set(line.head, rank + 1);
      goal.set(`${line.head}:${rank}`, line);
    }
    for (const [key, line] of drawn) {
      if (!goal.has(key)) Object.assign(line, { begin: line.now, end: [...line.now.slice(0, 4), 0], gone: true });
    }
    for (const [key, { from, to, weight, colour }] of goal) {
      const end = [...from, ...to, weight], old = drawn.get(key);
      const node = old?.node ?? picture.appendChild(svg("path", { fill: "none", "stroke-linecap": "round" }));
      node.setAttribute("stroke", colour);
      drawn.set(key, { node, begin: old?.now ?? [...from, ...to, 0], end });
    }
    const began = performance.now(), length = move ? motion() : 0;
    const step = (time) => {
      const share = length ? Math.min(1, Math.max(0, (time - began) / length)) : 1;
      const eased = 1 - (1 - share) ** 3;
      for (const [key, line] of drawn) {
        line.now = line.begin.map((from, i) => from + (line.end[i] - from) * eased);
        paint(line);
        if (share === 1 && line.gone) {
          line.node.remove();
          drawn.delete(key);
        }
      }
      if (share < 1) frame = requestAnimationFrame(step);
    };
    step(began);
  };
}
