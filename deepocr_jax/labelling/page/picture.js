// The image with its boxes: zoom, pan, and boxes that are moved, resized, turned and drawn.

import { between, fromFrame, moved, resized, turned } from "./geometry.js";

const SVG = "http://www.w3.org/2000/svg";
const HANDLE_PX = 7, STEM_PX = 26, SLACK_PX = 3, MARGIN_PX = 24, LEAST_PX = 3;
const SIDES = [[-1, -1], [0, -1], [1, -1], [1, 0], [1, 1], [0, 1], [-1, 1], [-1, 0]];

function svg(name, attributes, parent) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent?.append(element);
  return element;
}

export class Picture {
  // does: select(key), change(key, box), draw(box), mode(drawing).
  constructor(section, does) {
    this.section = section;
    this.boxes = section.querySelector("svg");
    this.does = does;
    this.layer = svg("g", {}, this.boxes);
    this.view = { scale: 1, x: 0, y: 0 };
    this.words = [];
    this.current = null;
    this.drag = null;
    this.drawing = false;
    this.boxes.addEventListener("pointerdown", (event) => this.#down(event));
    this.boxes.addEventListener("pointermove", (event) => this.#move(event));
    this.boxes.addEventListener("pointerup", (event) => this.#up(event));
    this.boxes.addEventListener("pointercancel", () => this.#drop());
    this.boxes.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    this.fitted = true; // Whether the view is that of the whole image.
    new ResizeObserver(() => this.fitted && this.fit()).observe(section);
  }

  // Shows another image, an element that has been loaded.
  show(image) {
    const alike = this.image?.naturalWidth === image.naturalWidth && this.image?.naturalHeight === image.naturalHeight;
    this.image?.remove();
    this.image = image;
    this.section.prepend(image);
    // Who has zoomed into a page looks at the next one alike.
    if (this.fitted || !alike) this.fit();
    else this.#look(this.view.scale, this.view.x, this.view.y);
  }

  clear() {
    this.image?.remove();
    this.image = null;
    this.render([], null);
  }

  render(words, current) {
    this.words = words.filter((word) => word.box);
    this.current = current;
    this.#paint();
  }

  setDrawing(drawing) {
    this.drawing = drawing;
    this.boxes.classList.toggle("drawing", drawing);
    this.does.mode(drawing);
  }

  // --- the view ---

  fit() {
    if (!this.image) return;
    const { clientWidth: width, clientHeight: height } = this.section;
    const { naturalWidth, naturalHeight } = this.image;
    const scale = Math.min((width - 2 * MARGIN_PX) / naturalWidth, (height - 2 * MARGIN_PX) / naturalHeight, 8);
    this.#look(scale, (width - scale * naturalWidth) / 2, (height - scale * naturalHeight) / 2);
    this.fitted = true;
  }

  // Zooms around a point of the screen, or around the current box, or the middle.
  zoom(factor, at) {
    const { clientWidth, clientHeight } = this.section;
    const box = this.words.find((word) => word.key === this.current)?.box;
    const { x, y } = at ?? (box ? this.#onScreen(box) : { x: clientWidth / 2, y: clientHeight / 2 });
    const scale = Math.min(Math.max(this.view.scale * factor, 0.02), 40);
    const ratio = scale / this.view.scale;
    this.#look(scale, x - (x - this.view.x) * ratio, y - (y - this.view.y) * ratio);
    if (box && !at) this.reveal(box);
  }

  #onScreen([row, col]) {
    const { scale, x, y } = this.view;
    return { x: x + scale * (col + 0.5), y: y + scale * (row + 0.5) };
  }

  // Moves the view so that a box lies in it.
  reveal(box) {
    const { scale } = this.view;
    const centre = this.#onScreen(box);
    const { clientWidth: width, clientHeight: height } = this.section;
    const reach = Math.min(scale * box[3], width / 3);
    const seen = centre.x > reach && centre.x < width - reach && centre.y > 40 && centre.y < height - 40;
    if (!seen) this.#look(scale, this.view.x + width / 2 - centre.x, this.view.y + height / 2 - centre.y);
  }

  #look(scale, x, y) {
    this.view = { scale, x, y };
    this.fitted = false;
    if (!this.image) return;
    this.image.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
    this.image.classList.toggle("near", scale > 8);
    // Pixel-centred: the centre of the first pixel is (0, 0).
    this.layer.setAttribute("transform", `translate(${x} ${y}) scale(${scale}) translate(.5 .5)`);
    this.#paint();
  }

  #point(event) {
    const bounds = this.boxes.getBoundingClientRect();
    const { scale, x, y } = this.view;
    return {
      row: (event.clientY - bounds.top - y) / scale - 0.5,
      col: (event.clientX - bounds.left - x) / scale - 0.5,
    };
  }

  // --- painting ---

  #paint() {
    const groups = this.words.map((word) => this.#paintBox(word));
    const current = groups.findIndex((_, i) => this.words[i].key === this.current);
    if (current >= 0) groups.push(...groups.splice(current, 1)); // On top of the others.
    if (this.drag?.kind === "draw" && this.drag.box) {
      groups.push(this.#paintBox({ key: "", box: this.drag.box, checked: false, doubtful: false }));
    }
    this.layer.replaceChildren(...groups);
  }

  #paintBox(word) {
    const box = this.drag?.key === word.key && this.drag.box ? this.drag.box : word.box;
    const [row, col, phi, length1, length2] = box;
    const isCurrent = word.key === this.current;
    const kind = word.checked ? "done" : word.doubtful ? "doubt" : "";
    const degrees = (-phi * 180) / Math.PI;
    const group = svg("g", {
      class: `box ${kind} ${isCurrent ? "current" : ""}`,
      transform: `translate(${col} ${row}) rotate(${degrees})`,
    });
    // Thin lines where the words are small, so that they can still be read.
    const height = 2 * length2 * this.view.scale;
    const width = (most) => Math.min(most, Math.max(most / 2, (most * height) / 24));
    svg("rect", {
      x: -length1, y: -length2, width: 2 * length1, height: 2 * length2,
      "stroke-width": width(isCurrent ? 2.5 : 1.5), "data-key": word.key,
    }, group);
    svg("line", { x1: -length1, y1: -length2, x2: -length1, y2: length2, "stroke-width": width(3) }, group);
    if (isCurrent) this.#paintHandles(group, length1, length2);
    return group;
  }

  #paintHandles(group, length1, length2) {
    const size = HANDLE_PX / this.view.scale, stem = STEM_PX / this.view.scale;
    svg("line", { class: "stem", x1: length1, y1: 0, x2: length1 + stem, y2: 0 }, group);
    for (const [u, v] of SIDES) {
      // The middle of a short side would hide the corners.
      if ((u === 0 && 2 * length1 < 8 * size) || (v === 0 && 2 * length2 < 5 * size)) continue;
      // Outside of the box, so that its word stays visible.
      svg("rect", {
        class: "handle", x: u * (length1 + size / 2) - size / 2, y: v * (length2 + size / 2) - size / 2,
        width: size, height: size, "data-sides": `${u} ${v}`,
      }, group);
    }
    svg("circle", { class: "handle", cx: length1 + stem, cy: 0, r: size * 0.65, "data-turn": "1" }, group);
  }

  // New boxes have the direction of the word next to them.
  #directionNear(point) {
    const far = ({ box }) => Math.hypot(box[0] - point.row, box[1] - point.col);
    const nearest = this.words.reduce((best, word) => (best && far(best) <= far(word) ? best : word), null);
    return nearest ? nearest.box[2] : 0;
  }

  // --- the mouse ---

  #down(event) {
    if (!this.image || (event.button !== 0 && event.button !== 1)) return;
    this.boxes.setPointerCapture(event.pointerId);
    const { key, sides, turn } = event.target.dataset;
    const start = this.#point(event);
    const at = { x: event.clientX, y: event.clientY };
    const word = this.words.find((w) => w.key === this.current);
    const draws = this.drawing || event.shiftKey;
    if (event.button === 1) this.drag = { kind: "pan", at, view: this.view };
    else if (sides) this.drag = { kind: "resize", key: word.key, from: word.box, sides: sides.split(" ").map(Number) };
    else if (turn) this.drag = { kind: "turn", key: word.key, from: word.box };
    else if (draws) this.drag = { kind: "draw", phi: this.#directionNear(start) };
    else if (key) {
      this.does.select(Number(key));
      const picked = this.words.find((w) => w.key === Number(key));
      this.drag = picked && { kind: "move", key: picked.key, from: picked.box };
    } else this.drag = { kind: "pan", view: this.view };
    if (this.drag) Object.assign(this.drag, { start, at, box: null });
  }

  #move(event) {
    const drag = this.drag;
    if (!drag) return;
    if (Math.hypot(event.clientX - drag.at.x, event.clientY - drag.at.y) >= SLACK_PX) drag.far = true;
    if (!drag.far) return;
    const point = this.#point(event);
    if (drag.kind === "pan") {
      const { scale, x, y } = drag.view;
      this.#look(scale, x + event.clientX - drag.at.x, y + event.clientY - drag.at.y);
      return;
    }
    if (drag.kind === "move") drag.box = moved(drag.from, drag.start, point);
    if (drag.kind === "resize") {
      // The handle stays where it was taken hold of.
      const handle = fromFrame(drag.from, drag.sides[0] * drag.from[3], drag.sides[1] * drag.from[4]);
      const target = { row: handle.row + point.row - drag.start.row, col: handle.col + point.col - drag.start.col };
      drag.box = resized(drag.from, ...drag.sides, target);
    }
    if (drag.kind === "turn") drag.box = turned(drag.from, point);
    if (drag.kind === "draw") drag.box = between(drag.start, point, drag.phi);
    this.#paint();
  }

  #up(event) {
    this.#move(event);
    const drag = this.drag;
    this.drag = null;
    if (!drag) return;
    if (drag.kind === "draw") {
      this.setDrawing(false);
      if (drag.box && Math.min(drag.box[3], drag.box[4]) * 2 >= LEAST_PX) this.does.draw(drag.box);
    } else if (drag.box) this.does.change(drag.key, drag.box);
    this.#paint();
  }

  #drop() {
    this.drag = null;
    this.#paint();
  }

  #wheel(event) {
    event.preventDefault();
    const bounds = this.boxes.getBoundingClientRect();
    const at = { x: event.clientX - bounds.left, y: event.clientY - bounds.top };
    this.zoom(Math.exp(-Math.sign(event.deltaY) * Math.min(Math.abs(event.deltaY), 100) / 400), at);
  }
}
