// From tokens to words, and from weights of tokens to weights of words.

/** Scripts that write words without spaces: each of their tokens is shown alone. */
const UNSPACED =
  /\p{sc=Han}|\p{sc=Hiragana}|\p{sc=Katakana}|\p{sc=Thai}|\p{sc=Lao}|\p{sc=Khmer}|\p{sc=Myanmar}/u;
const joins = (before, text) =>
  /[\p{L}\p{M}\p{N}]$/u.test(before) && /^[\p{L}\p{M}\p{N}]/u.test(text) && !UNSPACED.test(text);

/** A token's text without the marks by which tokenizers say where words begin and end. */
const bare = (text) => text.replace(/^##|@@$|<\/w>$/g, "").replace(/[▁Ġ]/g, " ").trim();

/** Gives each token its place in the text that it is part of; tokens that are not in the text have none. */
export function place(tokens, text) {
  let at = 0;
  return tokens.map((token) => {
    const piece = bare(token.text);
    const found = piece ? text.indexOf(piece, at) : -1;
    if (found < 0 || text.slice(at, found).trim()) return { ...token, start: at, end: at };
    at = found + piece.length;
    return { ...token, text: piece, start: found, end: at };
  });
}

/** Places counted in characters become places in a JavaScript string. */
export function places(tokens, text) {
  const offsets = [0];
  for (const character of text) offsets.push(offsets.at(-1) + character.length);
  return tokens.map((token) => {
    const start = offsets[token.start] ?? 0, end = offsets[token.end] ?? start;
    return { ...token, text: text.slice(start, end).trim() || token.text, start, end };
  });
}

/**
 * The words of one side of a map, whose rows or columns have `labels`: of the source, of what is written (a last row is
 * the end), or of what was read before (a first column is the beginning). `tokens` have places in a text. A word has
 * the indices `at` of its rows or columns, and its tokens.
 */
export function words(labels, tokens, side) {
  const begins = side === "read" || (side === "source" && tokens.length < labels.length && /^[<[]/.test(labels[0]));
  const found = [];
  labels.forEach((label, i) => {
    const token = tokens[i - (begins ? 1 : 0)];
    const before = found.at(-1);
    if (!token || token.end <= token.start) {
      const text = i === 0 && side === "read" ? "begin" : i === labels.length - 1 ? "end" : bare(label) || label;
      found.push({ text, special: true, at: [i], tokens: [token ?? { text: label }], start: 0, end: 0 });
    } else if (before && !before.special && token.start <= before.end && joins(before.text, token.text)) {
      before.text += token.text;
      before.end = token.end;
      before.at.push(i);
      before.tokens.push(token);
    } else {
      found.push({ text: token.text, special: false, at: [i], tokens: [token], start: token.start, end: token.end });
    }
  });
  return found;
}

/** The weights of a map: 16 bits each, from 0 to 65535 for 1. */
export function decode(map) {
  const bytes = Uint8Array.from(atob(map.weights), (c) => c.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const weights = new Float32Array(bytes.length / 2);
  for (let i = 0; i < weights.length; i++) weights[i] = view.getUint16(2 * i, true) / 65535;
  return { ...map, weights };
}

/** The rows of one head, or of the mean of a layer's heads: `[rows × columns]`. */
export function plane(map, layer, head) {
  const size = map.rows * map.columns, from = layer * map.heads * size;
  if (head !== null) return map.weights.subarray(from + head * size, from + (head + 1) * size);
  const mean = new Float32Array(size);
  for (let h = 0; h < map.heads; h++) {
    for (let i = 0; i < size; i++) mean[i] += map.weights[from + h * size + i] / map.heads;
  }
  return mean;
}

/** What a word looks at: the mean over its pieces, the sum over the pieces of each word that is looked at. */
export function look(weights, n_columns, row, columns) {
  return columns.map((column) => {
    let sum = 0;
    for (const r of row.at) for (const c of column.at) sum += weights[r * n_columns + c];
    return sum / row.at.length;
  });
}

/** For each word of `after`, the index of the word of `before` that it was, or -1: the longest common subsequence. */
export function matched(before, after) {
  const n = before.length, m = after.length;
  const same = (i, j) => before[i].text === after[j].text && before[i].special === after[j].special;
  const common = Array.from({ length: n + 1 }, () => new Uint16Array(m + 1));
  for (let i = n - 1; i >= 0; i--) {
    for (let j = m - 1; j >= 0; j--) {
      common[i][j] = same(i, j) ? common[i + 1][j + 1] + 1 : Math.max(common[i + 1][j], common[i][j + 1]);
    }
  }
  const was = new Array(m).fill(-1);
  for (let i = 0, j = 0; i < n && j < m;) {
    if (same(i, j)) was[j++] = i++;
    else if (common[i + 1][j] >= common[i][j + 1]) i++;
    else j++;
  }
  return was;
}
