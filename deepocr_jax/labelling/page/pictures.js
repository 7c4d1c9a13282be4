// The pixels of the images, few of them at a time.

const KEPT = 3; // The current image, the one before and the one to come.

const elements = new Map();

// An image element, which may still be loading.
export function pictureOf(id) {
  const element = elements.get(id) ?? new Image();
  if (!elements.has(id)) {
    element.alt = "";
    element.draggable = false;
    element.src = `images/${id}/pixels`;
    element.addEventListener("error", () => elements.delete(id));
  }
  // The one that was asked for last goes last.
  elements.delete(id);
  elements.set(id, element);
  if (elements.size > KEPT) elements.delete(elements.keys().next().value);
  return element;
}

export const isLoaded = (element) => element.complete && element.naturalWidth > 0;
