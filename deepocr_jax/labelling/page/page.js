// The page: which word is shown, and what keys and buttons do.

import { paintCrop } from "./crop.js";
import { along, across, tidy } from "./geometry.js";
import { Labels, confidence, request, withKey } from "./labels.js";
import { DOUBTFUL, byDoubt, imageRow, paintList, wordRow } from "./list.js";
import { Picture } from "./picture.js";

const UNREADABLE = "###";
const STATES = {
  "Not saved": "Changes are in this page only; see the message",
  "Saving …": "On its way to the disk",
  Kept: "All changes are on the disk; the dataset’s file follows after a pause, or with Ctrl+S",
  Saved: "All changes are in the dataset’s file",
};
const $ = (id) => document.getElementById(id);

let labels;
let queue = []; // Entries of the images, doubtful ones first.
let image = null;
let order = []; // Keys of the words of the image, in the order of the list.
let current = null; // Key of the word.
let visited = []; // Where "back" leads.
let info = ""; // A sentence for the person, until the next step.
const pictures = new Map();

const picture = new Picture($("picture"), {
  select: (key) => select(key),
  change: (key, box) => changeBox(key, box),
  draw: (box) => addWord(box),
  mode: (drawing) => $("draw").setAttribute("aria-pressed", drawing),
});

// --- which words -----------------------------------------------------------------------------------

const wanted = {
  all: () => true,
  unchecked: (word) => !word.checked,
  doubtful: (word) => !word.checked && confidence(word) < DOUBTFUL,
};
const inEntry = {
  all: (entry) => entry.words > 0,
  unchecked: (entry) => entry.unchecked.length > 0,
  doubtful: (entry) => entry.unchecked.length > 0 && entry.unchecked[0] < DOUBTFUL,
};
const filter = () => $("filter").value;
const word = () => image?.words.find((w) => w.key === current);
const ofWords = () => queue.length > 0 && queue.every((entry) => entry.text !== null);

function loadPicture(id) {
  if (!pictures.has(id)) {
    const element = new Image();
    element.alt = "";
    element.draggable = false;
    element.src = `images/${id}/pixels`;
    pictures.set(id, element);
    // The current image, the one before and the one to come.
    if (pictures.size > 3) pictures.delete(pictures.keys().next().value);
  }
  return pictures.get(id);
}

// --- going about -----------------------------------------------------------------------------------

async function openImage(id, key) {
  leave();
  let opened, element;
  try {
    [opened, element] = [await labels.load(id), loadPicture(id)];
    await element.decode();
  } catch (error) {
    pictures.delete(id);
    image = null;
    current = null;
    picture.clear();
    $("empty").textContent = error.status === undefined ? "The browser cannot show this image." : error.message;
    $("empty").hidden = false;
    $("image-number").value = queue.findIndex((entry) => entry.id === id) + 1;
    $("image-name").textContent = labels.entries.get(id).name;
    return;
  }
  image = opened;
  $("empty").hidden = true;
  picture.show(element);
  order = byDoubt(image.words).map((w) => w.key);
  const first = image.words.find((w) => w.key === order.find((k) => wanted[filter()](byKey(k))));
  current = key ?? first?.key ?? order[0] ?? null;
  const next = queue[(place() + 1) % queue.length];
  if (next.id !== id) loadPicture(next.id);
  show(true);
}

const byKey = (key) => image.words.find((w) => w.key === key);
const place = () => queue.findIndex((entry) => entry.id === image?.id);

function select(key) {
  if (key === current) return;
  leave();
  if (current !== null) visited.push({ id: image.id, key: current });
  current = key;
  info = "";
  show(true);
}

// A text that was typed counts, wherever one goes next.
function leave() {
  const text = $("text").value.trim();
  if (word() && text !== word().text && text !== "") put({ ...word(), text, checked: true });
}

function next() {
  const at = order.indexOf(current);
  const later = [...order.slice(at + 1), ...(filter() === "all" ? [] : order.slice(0, Math.max(at, 0)))];
  const key = later.find((k) => byKey(k) && wanted[filter()](byKey(k)));
  if (key !== undefined) return select(key);
  nextImage();
}

function nextImage() {
  const at = place();
  const later = [...queue.slice(at + 1), ...queue.slice(0, Math.max(at, 0))];
  const entry = later.find(inEntry[filter()]);
  if (!entry) {
    info = filter() === "doubtful" ? "No doubtful word is left." : "All words are checked.";
    show(false);
    return;
  }
  if (current !== null) visited.push({ id: image.id, key: current });
  info = "";
  openImage(entry.id);
}

function step(by) {
  const key = order[order.indexOf(current) + by];
  if (key !== undefined) select(key);
}

function stepImage(by) {
  const entry = queue[(place() < 0 ? Number($("image-number").value) - 1 : place()) + by];
  if (entry) openImage(entry.id);
}

async function back() {
  const last = visited.pop();
  if (!last) return;
  leave();
  info = "";
  if (last.id !== image?.id) return openImage(last.id, last.key);
  current = byKey(last.key) ? last.key : current;
  show(true);
}

// --- changing --------------------------------------------------------------------------------------

function put(changed) {
  labels.change(image, image.words.map((w) => (w.key === changed.key ? changed : w)));
}

function accept() {
  if (!word()) return next();
  const text = $("text").value.trim();
  if (text === "") {
    info = "There is no text: type it, or choose “Unreadable” or “Delete”.";
    show(false);
    return;
  }
  if (text !== word().text || !word().checked) put({ ...word(), text, checked: true });
  next();
}

function acceptAll() {
  if (!image) return;
  leave();
  const words = image.words.map((w) => (w.text.trim() && !w.checked ? { ...w, checked: true } : w));
  if (words.some((w, i) => w !== image.words[i])) labels.change(image, words);
  nextImage();
}

function markUnreadable() {
  if (!word()) return;
  put({ ...word(), text: UNREADABLE, checked: true });
  $("text").value = UNREADABLE;
  next();
}

function remove() {
  if (!word()) return;
  if (!word().box) return markUnreadable();
  const gone = current, at = order.indexOf(gone);
  $("text").value = word().text;
  order = order.filter((key) => key !== gone);
  current = order[at] ?? order[at - 1] ?? null;
  labels.change(image, image.words.filter((w) => w.key !== gone));
  info = "The word was deleted; Escape brings it back.";
  show(true);
}

function changeBox(key, box) {
  const changed = byKey(key);
  if (changed) put({ ...changed, box: tidy(box, image.width, image.height) });
  show(false);
}

function addWord(box) {
  leave();
  const added = withKey({
    text: "", checked: false, box: tidy(box, image.width, image.height),
    label_id: null, custom: {}, others: {},
  });
  order.push(added.key);
  if (current !== null) visited.push({ id: image.id, key: current });
  current = added.key;
  labels.change(image, [...image.words, added]);
  info = "A new box: type its text.";
  show(true);
}

function nudge(event) {
  const box = word()?.box;
  const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (!box || !by) return;
  const [row, col, phi, length1, length2] = box;
  const a = along(phi), b = across(phi);
  const changed = event.shiftKey
    ? [row, col, phi, Math.max(length1 + by[0], 1), Math.max(length2 - by[1], 1)]
    : [row + by[0] * a.row + by[1] * b.row, col + by[0] * a.col + by[1] * b.col, phi, length1, length2];
  changeBox(current, changed);
}

async function undo() {
  if (picture.drawing) return picture.setDrawing(false);
  if (word() && $("text").value !== word().text) {
    $("text").value = word().text;
    return;
  }
  const before = image?.words;
  let id;
  try {
    id = await labels.undo();
  } catch (error) {
    info = error.message;
    return show(false);
  }
  if (id === null) {
    info = "There is nothing to undo.";
    return show(false);
  }
  info = "";
  const words = (await labels.load(id)).words;
  const restored = words.find((w) => !before?.includes(w))?.key;
  if (id !== image?.id) {
    $("text").value = word()?.text ?? "";
    return openImage(id, restored);
  }
  order = [...order.filter((key) => byKey(key)), ...words.map((w) => w.key).filter((key) => !order.includes(key))];
  current = restored ?? (byKey(current) ? current : order[0] ?? null);
  show(true);
}

async function save() {
  leave();
  show(false);
  await labels.write().catch(() => {});
}

// --- showing ---------------------------------------------------------------------------------------

// Shows the state; where another word was chosen, its text as well.
function show(chosen) {
  const shown = word();
  if (chosen) {
    $("text").value = shown?.text ?? "";
    $("text").select();
    if (!document.activeElement || document.activeElement === document.body) $("text").focus();
    if (shown?.box) picture.reveal(shown.box);
  }
  const words = image?.words ?? [];
  picture.render(words.map((w) => ({ ...w, doubtful: confidence(w) < DOUBTFUL })), current);
  paintCrop($("crop"), image && pictures.get(image.id), shown?.box);
  if (ofWords()) paintList($("words"), queue.map(imageRow), image?.id);
  else paintList($("words"), order.filter(byKey).map((key) => wordRow(byKey(key))), current);
  $("text").disabled = !shown;
  for (const id of ["accept", "unreadable", "remove"]) $(id).disabled = !shown;
  $("accept").disabled = !image;
  $("back").disabled = visited.length === 0;
  $("undo").disabled = labels.changes.length === 0;
  $("draw").disabled = !image || image.words.some((w) => !w.box);
  $("detail").textContent = info || describe(shown);
  showHeader();
}

function describe(shown) {
  if (!image) return "";
  if (!shown) return image.words.length ? "" : "This image has no words. Draw a box around one, or go on.";
  if (shown.text === UNREADABLE) return "Marked as unreadable.";
  if (shown.checked) return "Checked.";
  const sure = shown.custom.confidence;
  return sure === undefined ? "Not read by the model." : `Read with a confidence of ${(100 * sure).toFixed(1)} %.`;
}

function showHeader() {
  const { words, checked } = labels.counts;
  $("bar").max = words || 1;
  $("bar").value = checked;
  $("counter").textContent = `${checked} of ${words} words checked`;
  $("image-count").textContent = queue.length;
  if (image) {
    if (document.activeElement !== $("image-number")) $("image-number").value = place() + 1;
    $("image-name").textContent = $("image-name").title = image.name;
  }
  $("previous-image").disabled = place() === 0;
  $("next-image").disabled = place() === queue.length - 1;
  const state = saveState();
  $("state").textContent = state;
  $("state").title = STATES[state];
  $("state").classList.toggle("unsaved", state === "Not saved");
  showNotice();
}

function saveState() {
  if (labels.failure || hasConflict()) return "Not saved";
  if (labels.dirty || labels.writing) return "Saving …";
  return labels.unwritten ? "Kept" : "Saved";
}

const hasConflict = () => [...labels.images.values()].find((x) => x.conflict);

function showNotice() {
  const conflict = hasConflict();
  $("notice").hidden = !conflict && !labels.failure;
  if (conflict) {
    notice(`${conflict.name} was changed in another tab or window while you changed it here. Nothing is lost yet: which words shall count?`, [
      ["Keep mine", () => settle(conflict, true)],
      ["Take the others", () => settle(conflict, false)],
    ]);
  } else if (labels.failure) {
    notice(labels.failure.message, [["Try again", () => save()]]);
  }
}

function notice(text, buttons) {
  if ($("notice-text").textContent !== text) $("notice-text").textContent = text;
  const made = buttons.map(([name, does]) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.addEventListener("click", does);
    return button;
  });
  $("notice-buttons").replaceChildren(...made);
}

function settle(conflict, keepMine) {
  labels.settle(conflict, keepMine);
  if (conflict.id !== image?.id) return;
  order = byDoubt(image.words).map((w) => w.key);
  current = byKey(current) ? current : order[0] ?? null;
  show(true);
}

// --- keys and buttons ------------------------------------------------------------------------------

function onKey(event) {
  if (event.isComposing || $("keys").open) return;
  const typing = event.target === $("text");
  const control = event.ctrlKey || event.metaKey;
  const editing = typing || event.target === $("boxes") || event.target === $("words") || event.target === document.body;
  const does = keyAction(event, control, typing, editing);
  if (does) {
    event.preventDefault();
    does();
  } else if (editing && !typing && event.key.length === 1 && !control && !event.altKey) {
    $("text").focus();
  }
}

function keyAction(event, control, typing, editing) {
  const key = event.key;
  if (control && key.toLowerCase() === "s") return save;
  if (key === "PageDown") return () => stepImage(1);
  if (key === "PageUp") return () => stepImage(-1);
  if (key === "Insert") return () => picture.setDrawing(!picture.drawing);
  if (key === "Escape") return undo;
  if (event.altKey && key.toLowerCase() === "u") return markUnreadable;
  if (event.altKey && key.startsWith("Arrow")) return () => nudge(event);
  if (key === "Delete" && (control || (editing && !typing))) return remove;
  if (!editing) return null;
  if (key === "Enter") return control ? acceptAll : event.shiftKey ? back : accept;
  if (key === "ArrowDown") return () => (ofWords() ? stepImage(1) : step(1));
  if (key === "ArrowUp") return () => (ofWords() ? stepImage(-1) : step(-1));
  return null;
}

function listen() {
  document.addEventListener("keydown", onKey);
  // The field keeps the focus, so that one can go on typing.
  const clicks = {
    accept, back, undo, unreadable: markUnreadable, remove, save,
    draw: () => picture.setDrawing(!picture.drawing),
    fit: () => picture.fit(),
    "zoom-in": () => picture.zoom(1.5),
    "zoom-out": () => picture.zoom(1 / 1.5),
    "previous-image": () => stepImage(-1),
    "next-image": () => stepImage(1),
  };
  for (const [id, does] of Object.entries(clicks)) {
    $(id).addEventListener("click", () => {
      does();
      $("text").focus();
    });
  }
  $("help").addEventListener("click", () => $("keys").showModal());
  $("close-keys").addEventListener("click", () => $("keys").close());
  $("keys").addEventListener("close", () => $("text").focus());
  $("filter").addEventListener("change", () => $("text").focus());
  $("image-number").addEventListener("change", () => {
    const entry = queue[Number($("image-number").value) - 1];
    if (entry) openImage(entry.id);
    $("text").focus();
  });
  $("words").addEventListener("click", (event) => {
    const row = event.target.closest("li");
    if (!row) return;
    if (ofWords()) openImage(Number(row.dataset.id));
    else select(Number(row.dataset.id));
    $("text").focus();
  });
  window.addEventListener("beforeunload", (event) => {
    const typed = word() && $("text").value.trim() !== word().text;
    if (labels.dirty || typed) event.preventDefault();
  });
}

async function start() {
  const dataset = await request("GET", "dataset");
  labels = new Labels(dataset, () => showHeader());
  document.title = `Labels – ${dataset.file}`;
  const doubt = (entry) => entry.unchecked[0] ?? 2;
  queue = [...dataset.images].sort((a, b) => doubt(a) - doubt(b));
  listen();
  const restored = await labels.takeUpDrafts();
  await openImage(queue[0].id);
  $("text").focus();
  if (restored) {
    info = `Changes of ${restored} ${restored === 1 ? "image" : "images"} that an earlier page could not save were brought back.`;
    show(false);
  }
}

start().catch((error) => {
  $("empty").textContent = error.message;
  $("empty").hidden = false;
});
