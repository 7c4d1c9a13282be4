// Where the person is, and what the steps from there are.

import { along, across, tidy } from "./geometry.js";
import { confidence, withKey } from "./labels.js";
import { DOUBTFUL, byDoubt } from "./list.js";
import { isLoaded, pictureOf } from "./pictures.js";

export const UNREADABLE = "###";

const doubt = (entry) => entry.unchecked[0] ?? 2;
const wantsWord = {
  all: () => true,
  unchecked: (word) => !word.checked,
  doubtful: (word) => !word.checked && confidence(word) < DOUBTFUL,
};
const wantsImage = {
  all: (entry) => entry.words > 0,
  unchecked: (entry) => entry.unchecked.length > 0,
  doubtful: (entry) => doubt(entry) < DOUBTFUL,
};

export class Session {
  // The view has: filter(), field() and typed() (texts), wait() (until an image is there),
  // showImage(element or null, message), and show(chosen), where `chosen` tells that another word is
  // the current one.
  constructor(labels, view) {
    this.labels = labels;
    this.view = view;
    this.queue = [...labels.index].sort((a, b) => doubt(a) - doubt(b));
    this.id = this.queue[0].id; // Of the image, which may still be loading.
    this.loading = false;
    this.image = null;
    this.order = []; // Keys of its words, in the order of the list.
    this.current = null; // Key of the word.
    this.visited = []; // Where "back" leads.
    this.info = ""; // A sentence for the person, until the next step.
  }

  get place() {
    return this.queue.findIndex((entry) => entry.id === this.id);
  }

  get word() {
    return this.byKey(this.current);
  }

  // Whether each image is one word.
  get ofCrops() {
    return this.queue.every((entry) => entry.text !== null);
  }

  byKey(key) {
    return this.image?.words.find((word) => word.key === key);
  }

  // Words may have come or gone.
  reorder() {
    const keys = (this.image?.words ?? []).map((word) => word.key);
    this.order = [...this.order.filter((key) => keys.includes(key)), ...keys.filter((key) => !this.order.includes(key))];
    if (!keys.includes(this.current)) this.current = this.order[0] ?? null;
  }

  // --- going about ---

  // Shows an image, and of it a word or the first one that is wanted.
  async open(id, key) {
    this.leave();
    this.id = id;
    try {
      const element = pictureOf(id);
      let image = this.labels.images.get(id);
      if (!image || !isLoaded(element)) {
        this.loading = true;
        this.view.wait();
        image = await this.labels.load(id);
        await element.decode();
      }
      if (this.id !== id) return; // The person has gone on.
      this.#enter(image, key);
      this.view.showImage(element, "");
    } catch (error) {
      if (this.id !== id) return;
      Object.assign(this, { image: null, order: [], current: null });
      this.view.showImage(null, error.status === undefined ? "The browser cannot show this image." : error.message);
    }
    this.loading = false;
    this.view.show(true);
    this.#loadAhead();
  }

  #enter(image, key) {
    this.image = image;
    this.order = byDoubt(image.words).map((word) => word.key);
    const first = this.order.find((k) => wantsWord[this.view.filter()](this.byKey(k)));
    this.current = key ?? first ?? this.order[0] ?? null;
  }

  #loadAhead() {
    const next = this.#nextEntry();
    if (!next) return;
    pictureOf(next.id);
    this.labels.load(next.id).catch(() => {}); // It will fail again when it is opened.
  }

  select(key) {
    if (key === this.current) return;
    this.leave();
    this.#visit();
    this.current = key;
    this.info = "";
    this.view.show(true);
  }

  // A text that was typed counts, wherever one goes next.
  leave() {
    const text = this.view.typed();
    if (text) this.#confirm(text);
  }

  #confirm(text) {
    const { word } = this;
    if (word && (text !== word.text || !word.checked)) this.#put({ ...word, text, checked: true });
  }

  #visit() {
    if (this.current !== null) this.visited.push({ id: this.image.id, key: this.current });
  }

  next() {
    const at = this.order.indexOf(this.current);
    const around = this.view.filter() === "all" ? [] : this.order.slice(0, Math.max(at, 0));
    const later = [...this.order.slice(at + 1), ...around];
    const key = later.find((k) => wantsWord[this.view.filter()](this.byKey(k)));
    if (key === undefined) this.nextImage();
    else this.select(key);
  }

  #nextEntry() {
    const later = [...this.queue.slice(this.place + 1), ...this.queue.slice(0, this.place)];
    return later.find(wantsImage[this.view.filter()]);
  }

  nextImage() {
    const entry = this.#nextEntry();
    if (entry) {
      this.#visit();
      this.info = "";
      this.open(entry.id);
      return;
    }
    this.info = this.view.filter() === "doubtful" ? "No doubtful word is left." : "All words are checked.";
    this.view.show(false);
  }

  step(by) {
    if (this.ofCrops) return this.stepImage(by);
    const key = this.order[this.order.indexOf(this.current) + by];
    if (key !== undefined) this.select(key);
  }

  stepImage(by) {
    const entry = this.queue[this.place + by];
    if (entry) this.open(entry.id);
  }

  back() {
    const last = this.visited.pop();
    if (!last) return;
    this.leave();
    this.info = "";
    if (last.id !== this.id) return this.open(last.id, last.key);
    if (this.byKey(last.key)) this.current = last.key;
    this.view.show(true);
  }

  // --- changing ---

  #put(changed) {
    this.labels.change(this.image, this.image.words.map((word) => (word.key === changed.key ? changed : word)));
  }

  accept() {
    if (!this.word) return this.nextImage();
    const text = this.view.field();
    if (text === "") {
      this.info = "There is no text: type it, or choose “Unreadable” or “Delete”.";
      return this.view.show(false);
    }
    this.#confirm(text);
    this.next();
  }

  acceptAll() {
    this.leave();
    const words = this.image?.words ?? [];
    const checked = words.map((word) => (word.text.trim() && !word.checked ? { ...word, checked: true } : word));
    if (checked.some((word, at) => word !== words[at])) this.labels.change(this.image, checked);
    this.nextImage();
  }

  markUnreadable() {
    if (!this.word) return;
    this.#put({ ...this.word, text: UNREADABLE, checked: true });
    this.view.show(true);
    this.next();
  }

  remove() {
    if (!this.word) return;
    if (!this.word.box) return this.markUnreadable();
    const gone = this.current, at = this.order.indexOf(gone);
    this.order = this.order.filter((key) => key !== gone);
    this.current = this.order[at] ?? this.order[at - 1] ?? null;
    this.info = "The word was deleted; Escape brings it back.";
    this.labels.change(this.image, this.image.words.filter((word) => word.key !== gone));
    this.view.show(true);
  }

  changeBox(key, box) {
    const word = this.byKey(key);
    if (word) this.#put({ ...word, box: tidy(box, this.image.width, this.image.height) });
  }

  addWord(box) {
    this.leave();
    const added = withKey({
      text: "", checked: false, box: tidy(box, this.image.width, this.image.height),
      label_id: null, custom: {}, others: {},
    });
    this.#visit();
    this.current = added.key;
    this.order.push(added.key);
    this.info = "A new box: type its text.";
    this.labels.change(this.image, [...this.image.words, added]);
    this.view.show(true);
  }

  // Moves the box by pixels along and across its direction, or makes it so much longer and higher.
  nudge(right, down, grow) {
    if (!this.word?.box) return;
    const [row, col, phi, length1, length2] = this.word.box;
    const a = along(phi), b = across(phi);
    const moved = [row + right * a.row + down * b.row, col + right * a.col + down * b.col, phi, length1, length2];
    const grown = [row, col, phi, Math.max(length1 + right, 1), Math.max(length2 - down, 1)];
    this.changeBox(this.current, grow ? grown : moved);
  }

  async undo() {
    const before = this.image?.words;
    const id = await this.labels.undo();
    this.info = id === null ? "There is nothing to undo." : "";
    if (id === null) return this.view.show(false);
    const restored = this.labels.images.get(id).words.find((word) => !before?.includes(word))?.key;
    if (id !== this.id) return this.open(id, restored);
    this.reorder();
    this.current = restored ?? this.current;
    this.view.show(true);
  }
}
