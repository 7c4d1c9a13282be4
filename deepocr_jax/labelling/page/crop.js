// The current word, cut out and upright, as large as it goes.

const MARGIN = 0.35; // Of the box's height, on every side.

export function paintCrop(canvas, image, box) {
  const context = canvas.getContext("2d");
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  if (!image) return;
  const whole = [(image.naturalHeight - 1) / 2, (image.naturalWidth - 1) / 2, 0, image.naturalWidth / 2, image.naturalHeight / 2];
  const [row, col, phi, length1, length2] = box ?? whole;
  const margin = box ? 2 * length2 * MARGIN : 0;
  const scale = Math.min(canvas.width / (2 * (length1 + margin)), canvas.height / (2 * (length2 + margin)));
  context.translate(canvas.width / 2, canvas.height / 2);
  context.scale(scale, scale);
  context.save();
  // What lies further away would only distract.
  context.beginPath();
  context.rect(-length1 - margin, -length2 - margin, 2 * (length1 + margin), 2 * (length2 + margin));
  context.clip();
  context.rotate(phi);
  context.imageSmoothingQuality = "high";
  context.drawImage(image, -col - 0.5, -row - 0.5);
  context.restore();
  if (!box) return;
  // Blue within white, to be seen on any ground.
  for (const [colour, width] of [["#ffffffc0", 4], ["#1f5fbf", 2]]) {
    context.strokeStyle = colour;
    context.lineWidth = width / scale;
    context.strokeRect(-length1, -length2, 2 * length1, 2 * length2);
  }
}
