// The list at the side: the words of an image, or, where each image is one word, the images.

import { confidence } from "./labels.js";

export const DOUBTFUL = 0.9;
const SHOWN = 200; // Rows around the current one; more would make the page slow.

const percent = (value) => `${Math.floor(value * 100)} %`;

export function byDoubt(words) {
  return [...words].sort((a, b) => a.checked - b.checked || confidence(a) - confidence(b));
}

export const wordRow = (word) => ({
  id: word.key, text: word.text, checked: word.checked, confidence: word.custom.confidence,
});

export const imageRow = (entry) => ({
  id: entry.id, text: entry.text, checked: entry.unchecked.length === 0, confidence: entry.unchecked[0],
});

export function paintList(list, rows, current) {
  const at = Math.max(rows.findIndex((row) => row.id === current), 0);
  const first = Math.max(0, Math.min(at - SHOWN / 2, rows.length - SHOWN));
  list.replaceChildren(...rows.slice(first, first + SHOWN).map((row) => paintRow(row, row.id === current)));
  list.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
  if (rows.length) list.setAttribute("aria-activedescendant", `row-${current}`);
}

function paintRow(row, selected) {
  const item = document.createElement("li");
  item.id = `row-${row.id}`;
  item.dataset.id = row.id;
  item.setAttribute("role", "option");
  item.setAttribute("aria-selected", selected);
  const mark = part("mark", row.checked ? "✓" : "");
  if (row.checked) mark.setAttribute("aria-label", "checked");
  const sure = row.confidence ?? 0;
  const kind = !row.checked && sure < DOUBTFUL ? "doubt" : "sure";
  const shown = row.checked ? "" : row.confidence === undefined ? "new" : percent(sure);
  item.append(mark, part("name", row.text || "(no text)"), part(kind, shown));
  return item;
}

function part(name, text) {
  const element = document.createElement("span");
  element.className = name;
  element.textContent = text;
  return element;
}
