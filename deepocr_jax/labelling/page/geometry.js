// Rotated boxes [row, col, phi, length1, length2], as the dataset has them: pixel-centred, radians,
// counter-clockwise while rows grow downwards, half lengths. Points are {row, col}.

export function along(phi) {
  return { row: -Math.sin(phi), col: Math.cos(phi) };
}

export function across(phi) {
  return { row: Math.cos(phi), col: Math.sin(phi) };
}

// A point in the frame of a box: u along its reading direction, v downwards from its centre.
export function toFrame(box, point) {
  const [row, col, phi] = box;
  const d = { row: point.row - row, col: point.col - col };
  const a = along(phi), b = across(phi);
  return { u: d.row * a.row + d.col * a.col, v: d.row * b.row + d.col * b.col };
}

export function fromFrame(box, u, v) {
  const [row, col, phi] = box;
  const a = along(phi), b = across(phi);
  return { row: row + u * a.row + v * b.row, col: col + u * a.col + v * b.col };
}

export function moved(box, from, to) {
  const [row, col, ...rest] = box;
  return [row + to.row - from.row, col + to.col - from.col, ...rest];
}

// The box with the sides (-1, 0 or 1) along u and v drawn to a point; the other sides stay.
export function resized(box, sideU, sideV, point) {
  const [, , phi, length1, length2] = box;
  const { u, v } = toFrame(box, point);
  const [u0, u1] = span(length1, sideU, u);
  const [v0, v1] = span(length2, sideV, v);
  const centre = fromFrame(box, (u0 + u1) / 2, (v0 + v1) / 2);
  return [centre.row, centre.col, phi, (u1 - u0) / 2, (v1 - v0) / 2];
}

function span(half, side, at) {
  if (side > 0) return [-half, Math.max(at, 1 - half)];
  if (side < 0) return [Math.min(at, half - 1), half];
  return [-half, half];
}

// The box turned so that its reading direction points to a point.
export function turned(box, point) {
  const [row, col, , length1, length2] = box;
  return [row, col, Math.atan2(row - point.row, point.col - col), length1, length2];
}

// The box with a direction between two opposite corners.
export function between(from, to, phi) {
  const { u, v } = toFrame([from.row, from.col, phi, 0, 0], to);
  const centre = { row: (from.row + to.row) / 2, col: (from.col + to.col) / 2 };
  return [centre.row, centre.col, phi, Math.abs(u) / 2, Math.abs(v) / 2];
}

// What is kept of a box: its centre in the image, hundredths of pixels.
export function tidy(box, width, height) {
  const [row, col, phi, length1, length2] = box;
  const limit = (x, high) => Math.min(Math.max(x, 0), high);
  const round = (x, digits) => Number(x.toFixed(digits));
  return [
    round(limit(row, height - 1), 2), round(limit(col, width - 1), 2), round(phi, 5),
    round(Math.max(length1, 0.5), 2), round(Math.max(length2, 0.5), 2),
  ];
}
