// The position of the picture on the screen, and rectangles in fractions of it. Independent of the page.

const MIN_SIDE = 0.01; // of the picture's side: smaller areas cannot be dragged; the server accepts 0.001

/** The rectangle (pixels) of a picture in a box that shows all of it, with bars at two sides. */
export function shown(box, picture) {
  const scale = Math.min(box.width / picture.width, box.height / picture.height);
  const width = picture.width * scale;
  const height = picture.height * scale;
  return { left: (box.width - width) / 2, top: (box.height - height) / 2, width, height };
}

/** A point of the screen as fractions of the rectangle, clamped to it. */
export function fractionAt(clientX, clientY, bounds) {
  return {
    x: clamp((clientX - bounds.left) / bounds.width, 0, 1),
    y: clamp((clientY - bounds.top) / bounds.height, 0, 1),
  };
}

/** The rectangle between two corners. */
export function between(a, b) {
  return rounded({ x: Math.min(a.x, b.x), y: Math.min(a.y, b.y), w: Math.abs(a.x - b.x), h: Math.abs(a.y - b.y) });
}

export function isLargeEnough(rect) {
  return rect.w >= MIN_SIDE && rect.h >= MIN_SIDE;
}

/** Moved, but not beyond an edge of the picture. */
export function moved(rect, dx, dy) {
  return rounded({ ...rect, x: clamp(rect.x + dx, 0, 1 - rect.w), y: clamp(rect.y + dy, 0, 1 - rect.h) });
}

/** One corner (`nw`, `ne`, `sw`, `se`) moved; the opposite one stays, and the rectangle never flips. */
export function resized(rect, grip, dx, dy) {
  let { x: left, y: top } = rect;
  let right = left + rect.w;
  let bottom = top + rect.h;
  if (grip.includes("w")) left = clamp(left + dx, 0, right - MIN_SIDE);
  else right = clamp(right + dx, left + MIN_SIDE, 1);
  if (grip.includes("n")) top = clamp(top + dy, 0, bottom - MIN_SIDE);
  else bottom = clamp(bottom + dy, top + MIN_SIDE, 1);
  return rounded({ x: left, y: top, w: right - left, h: bottom - top });
}

export function clamp(value, least, most) {
  return Math.min(Math.max(value, least), most);
}

/** Four decimals, as sent to the vendor; rounding never exceeds the edge. */
function rounded({ x, y, w, h }) {
  const left = round(x);
  const top = round(y);
  return { x: left, y: top, w: Math.min(round(w), round(1 - left)), h: Math.min(round(h), round(1 - top)) };
}

function round(value) {
  return Math.round(value * 10_000) / 10_000;
}
