// Where the picture is on the screen, and rectangles in fractions of it. Nothing here knows a page.

const SMALLEST = 0.01; // of the picture's side: less cannot be grabbed; the server takes 0.001

/** The rectangle (pixels) that a picture fills in a box which shows all of it, with bars at two sides. */
export function shown(box, picture) {
  const scale = Math.min(box.width / picture.width, box.height / picture.height);
  const width = picture.width * scale;
  const height = picture.height * scale;
  return { left: (box.width - width) / 2, top: (box.height - height) / 2, width, height };
}

/** A point of the screen as fractions of the rectangle, kept inside of it. */
export function fractionAt(clientX, clientY, bounds) {
  return {
    x: clamp((clientX - bounds.left) / bounds.width, 0, 1),
    y: clamp((clientY - bounds.top) / bounds.height, 0, 1),
  };
}

/** The rectangle between two corners. */
export function between(a, b) {
  return neat({ x: Math.min(a.x, b.x), y: Math.min(a.y, b.y), w: Math.abs(a.x - b.x), h: Math.abs(a.y - b.y) });
}

export function isLargeEnough(rect) {
  return rect.w >= SMALLEST && rect.h >= SMALLEST;
}

/** Moved, but not over an edge of the picture. */
export function moved(rect, dx, dy) {
  return neat({ ...rect, x: clamp(rect.x + dx, 0, 1 - rect.w), y: clamp(rect.y + dy, 0, 1 - rect.h) });
}

/** One corner (`nw`, `ne`, `sw`, `se`) pulled; the opposite one stays, and the rectangle never turns over. */
export function resized(rect, grip, dx, dy) {
  let { x: left, y: top } = rect;
  let right = left + rect.w;
  let bottom = top + rect.h;
  if (grip.includes("w")) left = clamp(left + dx, 0, right - SMALLEST);
  else right = clamp(right + dx, left + SMALLEST, 1);
  if (grip.includes("n")) top = clamp(top + dy, 0, bottom - SMALLEST);
  else bottom = clamp(bottom + dy, top + SMALLEST, 1);
  return neat({ x: left, y: top, w: right - left, h: bottom - top });
}

export function clamp(value, least, most) {
  return Math.min(Math.max(value, least), most);
}

/** Four decimals, as the vendor gets them; and never over the edge by a rounding. */
function neat({ x, y, w, h }) {
  const left = round(x);
  const top = round(y);
  return { x: left, y: top, w: Math.min(round(w), round(1 - left)), h: Math.min(round(h), round(1 - top)) };
}

function round(value) {
  return Math.round(value * 10_000) / 10_000;
}
