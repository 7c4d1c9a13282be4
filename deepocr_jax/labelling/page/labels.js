// The words of all images: what is shown, what the server has, and what is on its way to it.
//
// Words are never changed in place: a change is a new list. Each change goes to the server at once
// and is kept in the browser's storage until the server has it on its disk.

const RETRY_MS = 4000;
const WRITE_AFTER_MS = 3000;

export class ServerError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// Answers of the server, or a ServerError; status 0 where there was no answer.
export async function request(method, path, body) {
  let answer, value;
  try {
    const options = { method, cache: "no-store" };
    if (body !== undefined) {
      options.body = JSON.stringify(body);
      options.headers = { "Content-Type": "application/json" };
    }
    answer = await fetch(path, options);
    value = await answer.json();
  } catch {
    throw new ServerError(0, "The server does not answer. Your changes stay in this page; start deepocr label again and open the address that it prints.");
  }
  if (!answer.ok) throw new ServerError(answer.status, value.error);
  return value;
}

let lastKey = 0;
export const withKey = (word) => ({ ...word, key: ++lastKey });
const withoutKey = ({ key, ...word }) => word;
export const confidence = (word) => word.custom.confidence ?? 0;

export class Labels {
  // onChange is called whenever what is shown or saved may have changed.
  constructor(dataset, onChange) {
    this.index = dataset.images;
    this.entries = new Map(this.index.map((entry) => [entry.id, entry]));
    this.images = new Map();
    this.changes = [];
    this.onChange = onChange;
    this.failure = null;
    this.unwritten = false; // Whether the file lacks something that the server has taken.
    this.writing = false;
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
        this.images.set(id, { ...image, dirty: false, sending: false, conflict: null });
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

  // --- changing ---

  change(image, words) {
    this.changes.push({ id: image.id, words: image.words });
    this.#set(image, words);
  }

  // Takes the last change back; gives the id of its image.
  async undo() {
    const last = this.changes.pop();
    if (!last) return null;
    this.#set(await this.load(last.id), last.words);
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

  async #send(image) {
    if (image.sending || !image.dirty || image.conflict) return;
    image.sending = true;
    const words = image.words;
    try {
      const body = { revision: image.revision, words: words.map(withoutKey) };
      image.revision = (await request("PUT", `images/${image.id}`, body)).revision;
      image.dirty = image.words !== words;
      this.unwritten = true;
      this.failure = null;
    } catch (error) {
      await this.#failed(image, error);
      return;
    } finally {
      image.sending = false;
      this.onChange();
    }
    if (image.dirty) return this.#send(image);
    localStorage.removeItem(this.prefix + this.tab + ":" + image.id);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.write().catch(() => {}), WRITE_AFTER_MS);
  }

  async #failed(image, error) {
    if (error.status === 409) {
      try {
        image.conflict = await request("GET", `images/${image.id}`);
        return;
      } catch (another) {
        error = another;
      }
    }
    this.failure = error;
    // What the server refuses once it refuses always.
    if (error.status === 0 || error.status === 507) {
      clearTimeout(this.retry);
      this.retry = setTimeout(() => this.sendAll(), RETRY_MS);
    }
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
    try {
      await request("POST", "save", {});
      if (!this.dirty) this.failure = null;
    } catch (error) {
      this.unwritten = true;
      this.failure = error;
      throw error;
    } finally {
      this.writing = false;
      this.onChange();
    }
  }

  // Ends a conflict with the words of this page or with those of the server; undo brings back mine.
  settle(image, keepMine) {
    const theirs = image.conflict;
    image.conflict = null;
    image.revision = theirs.revision;
    if (keepMine) {
      this.#set(image, image.words);
      return;
    }
    this.changes.push({ id: image.id, words: image.words });
    image.words = theirs.words.map(withKey);
    image.dirty = false;
    localStorage.removeItem(this.prefix + this.tab + ":" + image.id);
    this.#count(image);
  }

  // --- what an earlier page could not save ---

  #keepDraft(image) {
    const draft = { revision: image.revision, words: image.words.map(withoutKey) };
    try {
      localStorage.setItem(`${this.prefix}${this.tab}:${image.id}`, JSON.stringify(draft));
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
      if (tab === this.tab || held.has(this.prefix + tab) || !this.entries.has(Number(id))) continue;
      const draft = JSON.parse(localStorage.getItem(name));
      const image = await this.load(Number(id));
      image.revision = draft.revision;
      this.changes.push({ id: image.id, words: image.words });
      this.#set(image, draft.words.map(withKey));
      localStorage.removeItem(name);
      count += 1;
    }
    return count;
  }
}
