// The page: what is shown where, and what keys, buttons and the mouse do.

import { paintCrop } from "./crop.js";
import { Labels, confidence } from "./labels.js";
import { DOUBTFUL, imageRow, paintList, wordRow } from "./list.js";
import { Picture } from "./picture.js";
import { pictureOf } from "./pictures.js";
import { request } from "./server.js";
import { Session, UNREADABLE } from "./session.js";

const $ = (id) => document.getElementById(id);
const STATES = {
  "Not saved": "Changes are in this browser only; see the message",
  "Saving …": "On its way to the disk",
  Kept: "All changes are on the disk; the dataset’s file follows after a pause, or with Ctrl+S",
  Saved: "All changes are in the dataset’s file",
};

let session;
let shownText = ""; // What was put into the field; whatever else is in it was typed.
let shownWords = null;

const picture = new Picture($("picture"), {
  select: (key) => session.select(key),
  change: (key, box) => session.changeBox(key, box),
  draw: (box) => session.addWord(box),
  mode: (drawing) => $("draw").setAttribute("aria-pressed", drawing),
});

const view = {
  filter: () => $("filter").value,
  field: () => $("text").value.trim(),
  typed: () => ($("text").value === shownText ? "" : $("text").value.trim()),
  show,
  wait() {
    // What is typed now would be meant for a word that is not there yet.
    setText("", false);
    $("text").readOnly = true;
    $("detail").textContent = "Loading …";
  },
  showImage(element, message) {
    if (element) picture.show(element);
    else picture.clear();
    $("empty").textContent = message;
    $("empty").hidden = !message;
  },
};

// --- showing ---------------------------------------------------------------------------------------

// Shows the state; where another word was chosen, its text as well.
function show(chosen) {
  if (session.loading) return showHeader();
  const { image, word, labels } = session;
  shownWords = image?.words;
  const untouched = $("text").value === shownText;
  if (chosen || untouched) setText(word?.text ?? "", chosen);
  if (chosen && word?.box) picture.reveal(word.box);
  picture.render((image?.words ?? []).map((w) => ({ ...w, doubtful: confidence(w) < DOUBTFUL })), session.current);
  paintCrop($("crop"), image && pictureOf(image.id), word?.box);
  if (session.ofCrops) paintList($("words"), session.queue.map(imageRow), session.id);
  else paintList($("words"), session.order.map((key) => wordRow(session.byKey(key))), session.current);
  $("text").disabled = !word;
  $("text").readOnly = false;
  for (const id of ["unreadable", "remove"]) $(id).disabled = !word;
  $("back").disabled = session.visited.length === 0;
  $("undo").disabled = labels.changes.length === 0;
  $("draw").disabled = !image || image.words.some((w) => !w.box);
  $("detail").textContent = session.info || describe(image, word);
  showHeader();
  if (document.activeElement === document.body) $("text").focus();
}

function setText(text, chosen) {
  shownText = text;
  if ($("text").value !== text) $("text").value = text;
  if (chosen) $("text").select();
}

function describe(image, word) {
  if (!image) return "";
  if (!word) return "This image has no words. Draw a box around one, or go on.";
  if (word.text === UNREADABLE) return "Marked as unreadable.";
  if (word.checked) return "Checked.";
  const sure = word.custom.confidence;
  return sure === undefined ? "Not read by the model." : `Read with a confidence of ${(100 * sure).toFixed(1)} %.`;
}

function showHeader() {
  const { labels, queue, place } = session;
  const { words, checked } = labels.counts;
  $("bar").max = words || 1;
  $("bar").value = checked;
  $("counter").textContent = `${checked} of ${words} words checked`;
  $("image-count").textContent = queue.length;
  if (document.activeElement !== $("image-number")) $("image-number").value = place + 1;
  $("image-name").textContent = $("image-name").title = queue[place].name;
  $("previous-image").disabled = place === 0;
  $("next-image").disabled = place === queue.length - 1;
  const state = saveState(labels);
  $("state").textContent = state;
  $("state").title = STATES[state];
  $("state").classList.toggle("unsaved", state === "Not saved");
  showNotice(labels);
}

function saveState(labels) {
  if (labels.failure || labels.conflict) return "Not saved";
  if (labels.dirty || labels.writing) return "Saving …";
  return labels.unwritten ? "Kept" : "Saved";
}

// --- messages with a choice ------------------------------------------------------------------------

function showNotice(labels) {
  const { conflict, failure } = labels;
  $("notice").hidden = !conflict && !failure;
  if (conflict) {
    const shown = conflict.clashes.slice(0, 3).map(({ mine, theirs }) => `“${mine.text}” here, “${theirs.text}” there`);
    const more = conflict.clashes.length > 3 ? ", and others" : "";
    notice(`${conflict.name} was changed in another tab, too: ${shown.join("; ")}${more}. Which shall count?`, [
      ["Those here", () => labels.settle(conflict, true)],
      ["Those of the other tab", () => labels.settle(conflict, false)],
    ]);
  } else if (failure) {
    notice(failure.message, [["Try again", save]]);
  }
}

function notice(text, buttons) {
  if ($("notice-text").textContent === text) return; // Read aloud once.
  $("notice-text").textContent = text;
  const made = buttons.map(([name, does]) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.addEventListener("click", () => {
      $("notice-text").textContent = "";
      does();
      $("text").focus();
    });
    return button;
  });
  $("notice-buttons").replaceChildren(...made);
}

// --- what keys, buttons and the mouse do -----------------------------------------------------------

async function save() {
  session.leave();
  await session.labels.write();
}

function undo() {
  if (picture.drawing) return picture.setDrawing(false);
  if ($("text").value !== shownText) return setText(shownText, true);
  session.undo().catch((error) => {
    session.info = error.message;
    show(false);
  });
}

const toggleDrawing = () => !$("draw").disabled && picture.setDrawing(!picture.drawing);

const ACTIONS = {
  accept: () => session.accept(),
  back: () => session.back(),
  undo,
  unreadable: () => session.markUnreadable(),
  remove: () => session.remove(),
  save,
  draw: toggleDrawing,
  fit: () => picture.fit(),
  "zoom-in": () => picture.zoom(1.5),
  "zoom-out": () => picture.zoom(1 / 1.5),
  "previous-image": () => session.stepImage(-1),
  "next-image": () => session.stepImage(1),
};
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function onKey(event) {
  if (event.isComposing || $("keys").open) return;
  const typing = event.target === $("text");
  const labelling = typing || [$("boxes"), $("words"), document.body].includes(event.target);
  const control = event.ctrlKey || event.metaKey;
  const does = everywhere(event, control) ?? (labelling ? onWord(event, control, typing) : null);
  if (does) {
    event.preventDefault();
    if (!session.loading || event.key.startsWith("Page")) does();
  } else if (labelling && !typing && event.key.length === 1 && !control && !event.altKey) {
    $("text").focus();
  }
}

function everywhere(event, control) {
  const { key, altKey, shiftKey } = event;
  if (control && key.toLowerCase() === "s") return save;
  if (control && key === "Delete") return ACTIONS.remove;
  if (altKey && key.toLowerCase() === "u") return ACTIONS.unreadable;
  if (altKey && ARROWS[key]) return () => session.nudge(...ARROWS[key], shiftKey);
  if (key === "PageDown") return ACTIONS["next-image"];
  if (key === "PageUp") return ACTIONS["previous-image"];
  if (key === "Insert") return toggleDrawing;
  return key === "Escape" ? undo : null;
}

function onWord({ key, shiftKey }, control, typing) {
  if (key === "Enter") return control ? () => session.acceptAll() : shiftKey ? ACTIONS.back : ACTIONS.accept;
  if (key === "Delete" && !typing) return ACTIONS.remove;
  if (key === "ArrowDown") return () => session.step(1);
  if (key === "ArrowUp") return () => session.step(-1);
  return null;
}

function listen() {
  document.addEventListener("keydown", onKey);
  // The field has the focus again after each of them, so that one can go on typing.
  const listenTo = (id, kind, does) =>
    $(id).addEventListener(kind, (event) => {
      does(event);
      $("text").focus();
    });
  for (const [id, does] of Object.entries(ACTIONS)) {
    listenTo(id, "click", () => (!session.loading || id.endsWith("-image")) && does());
  }
  listenTo("keys", "close", () => {});
  listenTo("filter", "change", () => show(false));
  listenTo("image-number", "change", () => {
    const entry = session.queue[Number($("image-number").value) - 1];
    if (entry) session.open(entry.id);
  });
  listenTo("words", "click", (event) => {
    const id = Number(event.target.closest("li")?.dataset.id);
    if (!id) return;
    if (session.ofCrops) session.open(id);
    else session.select(id);
  });
  $("help").addEventListener("click", () => $("keys").showModal());
  $("close-keys").addEventListener("click", () => $("keys").close());
  window.addEventListener("beforeunload", (event) => {
    if (session.labels.dirty || view.typed()) event.preventDefault();
  });
  window.addEventListener("pagehide", () => session.labels.writeAtLast());
}

function onChange() {
  if (!session) return;
  if (session.image?.words === shownWords) return showHeader();
  session.reorder();
  show(false);
}

async function start() {
  const dataset = await request("GET", "dataset");
  document.title = `Labels – ${dataset.file}`;
  const labels = new Labels(dataset, onChange);
  const restored = await labels.takeUpDrafts();
  session = new Session(labels, view);
  listen();
  await session.open(session.id);
  if (!restored) return;
  session.info = `Changes of ${restored === 1 ? "an image" : `${restored} images`} that an earlier page could not save were brought back.`;
  show(false);
}

start().catch((error) => view.showImage(null, error.message));
