// Dragging with a mouse, a finger or a pen.

/**
 * Calls `begin(event)` when `target` is pressed. It returns an object with `move(dx, dy, event)` and `done(event)`, or
 * null if nothing is to be dragged. `dx` and `dy` are pixels since the press.
 */
export function draggable(target, begin) {
  target.addEventListener("pointerdown", (down) => {
    if (down.button !== 0) return;
    const drag = begin(down);
    if (!drag) return;
    down.preventDefault(); // no text selection
    down.stopPropagation(); // elements below must not react
    target.setPointerCapture(down.pointerId);
    const move = (event) => drag.move(event.clientX - down.clientX, event.clientY - down.clientY, event);
    const end = (event) => {
      target.removeEventListener("pointermove", move);
      target.removeEventListener("pointerup", end);
      target.removeEventListener("pointercancel", end);
      drag.done?.(event);
    };
    target.addEventListener("pointermove", move);
    target.addEventListener("pointerup", end);
    target.addEventListener("pointercancel", end);
  });
}

/** The steps of an arrow key as [x, y]: 1, with Shift 10; null for other keys. */
export function steps(event) {
  const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  return way ? way.map((step) => step * (event.shiftKey ? 10 : 1)) : null;
}
