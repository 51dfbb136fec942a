// Lines from what is written to what it looks at.
import { MOTION, still, svg } from "./dom.js";

const FINEST = 0.04;

/** Draws into `picture`, an SVG that lies under both rows of words; the returned function takes what is to be seen. */
export function lines(picture) {
  const drawn = new Map();
  let frame;

  const paint = ({ node, now }) => {
    const [x1, y1, x2, y2, weight] = now, bend = (y1 + y2) / 2;
    node.setAttribute("d", `M${x1.toFixed(1)} ${y1.toFixed(1)}C${x1.toFixed(1)} ${bend.toFixed(1)} ${x2.toFixed(1)} ${bend.toFixed(1)} ${x2.toFixed(1)} ${y2.toFixed(1)}`);
    node.setAttribute("stroke-width", (0.75 + 6 * weight).toFixed(2));
    node.setAttribute("stroke-opacity", Math.min(1, 2 * weight + 0.15 * Math.min(1, 20 * weight)).toFixed(2));
  };

  /**
   * `wanted` are `{from: [x, y], to: [x, y], weight, colour, head}`. The strongest line of a head becomes the strongest
   * one that comes after it: it swings from word to word.
   */
  return (wanted, move = true) => {
    cancelAnimationFrame(frame);
    const ranks = new Map();
    const goal = new Map();
    for (const line of wanted.filter(({ weight }) => weight >= FINEST).sort((a, b) => b.weight - a.weight)) {
      const rank = ranks.get(line.head) ?? 0;
      ranks.set(line.head, rank + 1);
      goal.set(`${line.head}:${rank}`, line);
    }
    for (const [key, line] of goal) {
      const end = [...line.from, ...line.to, line.weight];
      const old = drawn.get(key);
      const node = old?.node ?? picture.appendChild(svg("path", { fill: "none", "stroke-linecap": "round" }));
      node.setAttribute("stroke", line.colour);
      drawn.set(key, { node, begin: old?.now ?? [...end.slice(0, 4), 0], now: old?.now ?? end, end });
    }
    for (const [key, line] of drawn) {
      if (!goal.has(key)) Object.assign(line, { begin: line.now, end: [...line.now.slice(0, 4), 0], gone: true });
      else line.gone = false;
    }
    const began = performance.now(), length = move && !still() ? MOTION : 0;
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
    if (length) frame = requestAnimationFrame(step);
    else step(began);
  };
}
