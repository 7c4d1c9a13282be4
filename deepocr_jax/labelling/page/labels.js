// The words of all images: what is shown, what the server has, and what is on its way to it.
//
// Words are never changed in place: a change is a new list. Each change goes to the server at once,
// and is kept in the browser's storage until the server has it on its disk.

import { request } from "./server.js";
import { merge, revert } from "./merge.js";

const RETRY_MS = 4000;
const WRITE_AFTER_MS = 3000;
const PAUSE_PER_WRITE = 10; // Writing a large file takes no more than a tenth of the time.

let lastKey = 0;
export const withKey = (word) => ({ ...word, key: ++lastKey });
const withoutKey = ({ key, ...word }) => word;
export const confidence = (word) => word.custom.confidence ?? 0;

export class Labels {
  // onChange is called whenever what is shown or saved may have changed.
  constructor(dataset, onChange) {
    this.file = dataset.file;
    this.index = dataset.images;
    this.entries = new Map(this.index.map((entry) => [entry.id, entry]));
    this.images = new Map();
    this.changes = [];
    this.onChange = onChange;
    this.failure = null;
    this.unwritten = false; // Whether the file lacks something that the server has taken.
    this.writing = false;
    this.pause = WRITE_AFTER_MS;
    this.prefix = `deepocr-labels:${dataset.file}:`;
    this.tab = crypto.randomUUID();
    navigator.locks.request(this.prefix + this.tab, () => new Promise(() => {}));
  }

  // --- reading ---

  async load(id) {
    if (!this.images.has(id)) {
      const image = await request("GET", `images/${id}`);
      if (!this.images.has(id)) {
        image.words = image.words.map(withKey);
        // `base` is what the server has, of that revision.
        this.images.set(id, { ...image, base: image.words, dirty: false, sending: null, clashes: [] });
      }
    }
    return this.images.get(id);
  }

  get counts() {
    let words = 0, unchecked = 0;
    for (const entry of this.index) {
      words += entry.words;
      unchecked += entry.unchecked.length;
    }
    return { words, checked: words - unchecked };
  }

  get dirty() {
    return [...this.images.values()].some((image) => image.dirty);
  }

  get conflict() {
    return [...this.images.values()].find((image) => image.clashes.length);
  }

  // --- changing ---

  change(image, words) {
    this.changes.push({ id: image.id, before: image.words, after: words });
    this.#set(image, words);
  }

  // Takes the last change back; gives the id of its image.
  async undo() {
    const last = this.changes.at(-1);
    if (!last) return null;
    const image = await this.load(last.id);
    this.changes.pop();
    this.#set(image, revert(image.words, last.before, last.after));
    return last.id;
  }

  #set(image, words) {
    image.words = words;
    image.dirty = true;
    this.#count(image);
    this.#keepDraft(image);
    this.#send(image);
  }

  #count(image) {
    const entry = this.entries.get(image.id);
    entry.words = image.words.length;
    entry.unchecked = image.words.filter((w) => !w.checked).map(confidence).sort((a, b) => a - b);
    if (entry.text !== null) entry.text = image.words[0].text;
    this.onChange();
  }

  // --- saving ---

  // Sends what the server lacks; resolves when it has it, or has failed.
  async #send(image) {
    if (!image.dirty || image.clashes.length) return;
    image.sending ??= this.#sendNow(image);
    await image.sending;
  }

  async #sendNow(image) {
    try {
      while (image.dirty && !image.clashes.length) {
        const words = image.words;
        const body = { revision: image.revision, words: words.map(withoutKey) };
        try {
          image.revision = (await request("PUT", `images/${image.id}`, body)).revision;
          image.base = words;
          image.dirty = image.words !== words;
          this.unwritten = true;
          this.failure = null;
        } catch (error) {
          if (!(await this.#merged(image, error))) return this.#fail(error);
        }
      }
      if (image.dirty) return;
      localStorage.removeItem(this.#draftName(image));
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.write(), this.pause);
    } finally {
      image.sending = null;
      this.onChange();
    }
  }

  #fail(error) {
    this.failure = error;
    // What the server refuses once it refuses always.
    if (error.status !== 0 && error.status !== 507) return;
    clearTimeout(this.retry);
    this.retry = setTimeout(() => this.sendAll(), RETRY_MS);
  }

  async sendAll() {
    for (const image of this.images.values()) await this.#send(image);
  }

  // Has the server write the dataset's file.
  async write() {
    clearTimeout(this.timer);
    this.writing = true;
    this.onChange();
    await this.sendAll();
    this.unwritten = false; // Until the server takes something else.
    const start = performance.now();
    try {
      await request("POST", "save", {});
      this.pause = Math.max(WRITE_AFTER_MS, PAUSE_PER_WRITE * (performance.now() - start));
      if (!this.dirty) this.failure = null;
    } catch (error) {
      this.unwritten = true;
      this.#fail(error);
    } finally {
      this.writing = false;
      this.onChange();
    }
  }

  // The same as the page goes away: the answer finds nobody.
  writeAtLast() {
    if (!this.unwritten) return;
    const headers = { "Content-Type": "application/json" };
    fetch("save", { method: "POST", keepalive: true, headers, body: "{}" }).catch(() => {});
  }

  // --- what another page has changed ---

  // Takes that in after a conflict, the reason of `error`. Words that both have changed wait for
  // `settle`. False where the error is another one.
  async #merged(image, error) {
    if (error.status !== 409) return false;
    let theirs;
    try {
      theirs = await request("GET", `images/${image.id}`);
    } catch {
      return false;
    }
    const { words, clashes, base } = merge(image.base, image.words, theirs.words, withKey);
    Object.assign(image, { words, clashes, base, revision: theirs.revision });
    this.#count(image);
    this.#keepDraft(image);
    return true;
  }

  // Ends a conflict with the words of this page or those of the other one; undo brings mine back.
  settle(image, keepMine) {
    const theirs = new Map(image.clashes.map((clash) => [clash.mine.key, clash.theirs]));
    image.clashes = [];
    if (keepMine) this.#set(image, image.words);
    else this.change(image, image.words.map((word) => theirs.get(word.key) ?? word));
  }

  // --- what an earlier page could not save ---

  #draftName(image) {
    return `${this.prefix}${this.tab}:${image.id}`;
  }

  #keepDraft({ id, revision, base, words, clashes }) {
    try {
      localStorage.setItem(this.#draftName({ id }), JSON.stringify({ revision, base, words, clashes }));
    } catch (error) {
      console.warn("The browser's storage is full; changes are kept by this page alone.", error);
    }
  }

  // Takes up the changes of pages that were closed or lost before the server had them.
  async takeUpDrafts() {
    const held = new Set((await navigator.locks.query()).held.map((lock) => lock.name));
    let count = 0;
    for (const name of Object.keys(localStorage).filter((key) => key.startsWith(this.prefix))) {
      const [tab, id] = name.slice(this.prefix.length).split(":");
      if (held.has(this.prefix + tab) || !this.entries.has(Number(id))) continue;
      const { revision, base, words, clashes } = JSON.parse(localStorage.getItem(name));
      const keys = new Map();
      const renew = (word) => {
        if (!keys.has(word.key)) keys.set(word.key, ++lastKey);
        return { ...word, key: keys.get(word.key) };
      };
      let image;
      try {
        image = await this.load(Number(id));
      } catch {
        continue; // The image cannot be read now; its changes wait for the next page.
      }
      const asked = clashes.map(({ mine, theirs }) => ({ mine: renew(mine), theirs: renew(theirs) }));
      Object.assign(image, { revision, base: base.map(renew), clashes: asked });
      this.#set(image, words.map(renew));
      localStorage.removeItem(name);
      count += 1;
    }
    return count;
  }
}

