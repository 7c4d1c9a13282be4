// The changes of two pages to the words of one image, put together.

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const plain = ({ key, ...word }) => word;

// For each word of `before` what it has become in `after`, whose words have no keys: the word in the
// same box, else the word with the same text and data, else nothing (it was deleted).
function follow(before, after) {
  const left = new Set(after);
  const found = new Map();
  const tests = [
    (a, b) => same(plain(a), b),
    (a, b) => a.box !== null && same(a.box, b.box),
    (a, b) => a.text === b.text && same(a.custom, b.custom),
    (a, b) => a.box === null && b.box === null,
  ];
  for (const test of tests) {
    for (const word of before) {
      if (found.has(word)) continue;
      const match = [...left].find((other) => test(word, other));
      if (!match) continue;
      found.set(word, match);
      left.delete(match);
    }
  }
  return { found, added: [...left] };
}

// Merges `mine` and `theirs`, both made of `base`; the words of `base` and `mine` have keys, by
// which they belong together, and those of `theirs` get theirs from `newKey`. Gives the words, the
// words that both have changed, as {mine, theirs} (the result has mine), and `theirs` with keys.
export function merge(base, mine, theirs, newKey) {
  const { found, added } = follow(base, theirs);
  const keyed = new Map();
  for (const [old, other] of found) keyed.set(other, same(plain(old), other) ? old : { ...other, key: old.key });
  for (const other of added) keyed.set(other, newKey(other));
  const before = new Map(base.map((word) => [word.key, word]));
  const words = [], clashes = [];
  for (const word of mine) {
    const old = before.get(word.key);
    const other = old && keyed.get(found.get(old));
    before.delete(word.key);
    if (old && same(old, word)) {
      if (other) words.push(other); // Else they have deleted it.
      continue;
    }
    words.push(word);
    if (other && other !== old && !same(other, word)) clashes.push({ mine: word, theirs: other });
  }
  // What I have deleted comes back if they have changed it.
  for (const old of before.values()) {
    const other = keyed.get(found.get(old));
    if (other && other !== old) words.push(other);
  }
  words.push(...added.map((other) => keyed.get(other)));
  return { words, clashes, base: theirs.map((other) => keyed.get(other)) };
}

// Words without the change that made `after` of `before`; what else has changed since stays.
export function revert(words, before, after) {
  const old = new Map(before.map((word) => [word.key, word]));
  const made = new Map(after.map((word) => [word.key, word]));
  const result = words
    .filter((word) => old.has(word.key) || !made.has(word.key))
    .map((word) => (made.get(word.key) === old.get(word.key) ? word : old.get(word.key) ?? word));
  before.forEach((word, at) => {
    if (!made.has(word.key) && !result.some((other) => other.key === word.key)) {
      result.splice(at, 0, word);
    }
  });
  return result;
}
