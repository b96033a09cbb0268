// The video with its areas: drawn, moved and resized in fractions of the picture, at any size on the screen.

import { draggable, steps } from "./drag.js";
import { between, fractionAt, isLargeEnough, moved, resized, shown } from "./geometry.js";
import { fromTemplate, keyed } from "./keyed.js";

const STEP = 0.005; // of the picture: one press of an arrow key
const KINDS = { erasure: "Erase all", text: "Erase text", protection: "Protect" };

export class Picture {
  #draft;
  #video;
  #canvas;
  #drawButton;
  #show;

  constructor(draft, video, canvas, drawButton) {
    this.#draft = draft;
    this.#video = video;
    this.#canvas = canvas;
    this.#drawButton = drawButton;
    this.#show = keyed(canvas, (area) => this.#made(area), (element, area, index) => this.#shown(element, area, index));
    new ResizeObserver(() => this.#place()).observe(video);
    for (const kind of ["loadedmetadata", "resize"]) video.addEventListener(kind, () => this.#place());
    for (const kind of ["timeupdate", "seeked"]) video.addEventListener(kind, () => this.draw());
    draft.addEventListener("change", () => this.draw());
    drawButton.addEventListener("click", () => this.#drawing(!this.#isDrawing));
    draggable(canvas, (event) => this.#begin(event));
  }

  draw() {
    this.#show(this.#draft.areas);
  }

  /** Place the canvas exactly over the picture, so that fractions of both are the same. */
  #place() {
    const { videoWidth: width, videoHeight: height } = this.#video;
    this.#canvas.hidden = !width;
    if (!width) return;
    const place = shown({ width: this.#video.clientWidth, height: this.#video.clientHeight }, { width, height });
    for (const [side, pixels] of Object.entries(place)) this.#canvas.style[side] = `${pixels}px`;
  }

  get #isDrawing() {
    return this.#drawButton.getAttribute("aria-pressed") === "true";
  }

  #drawing(on) {
    this.#drawButton.setAttribute("aria-pressed", String(on));
    this.#canvas.classList.toggle("drawing", on);
    if (on) this.#video.pause();
  }

  /** Draw a new area. A finger draws only after "Draw an area": otherwise it scrolls the page. */
  #begin(event) {
    if (event.pointerType !== "mouse" && !this.#isDrawing) return null;
    const bounds = this.#canvas.getBoundingClientRect();
    const corner = fractionAt(event.clientX, event.clientY, bounds);
    let area = null;
    return {
      move: (_dx, _dy, now) => {
        const rect = between(corner, fractionAt(now.clientX, now.clientY, bounds));
        if (area) this.#draft.update(area, rect);
        else if (isLargeEnough(rect)) area = this.#draft.addArea(rect, this.#video.currentTime);
      },
      done: () => {
        if (!area) this.#draft.select(null);
        else if (!isLargeEnough(area)) this.#draft.remove(area);
        this.#drawing(false);
      },
    };
  }

  /** An area in the middle, to be moved by keys or numbers instead of drawing. */
  addInTheMiddle() {
    const area = this.#draft.addArea({ x: 0.3, y: 0.4, w: 0.4, h: 0.2 }, this.#video.currentTime);
    this.#canvas.querySelector(`[data-key="${area.key}"]`)?.focus();
    return area;
  }

  #made(area) {
    const element = fromTemplate("area-box");
    element.dataset.key = area.key;
    element.addEventListener("focus", () => this.#draft.select(area));
    element.addEventListener("keydown", (event) => this.#key(event, area));
    draggable(element, (event) => {
      element.focus({ preventScroll: true });
      const { width, height } = this.#canvas.getBoundingClientRect();
      const before = { ...area };
      const grip = event.target.closest("[data-grip]")?.dataset.grip;
      return {
        move: (dx, dy) => {
          const [x, y] = [dx / width, dy / height];
          this.#draft.update(area, grip ? resized(before, grip, x, y) : rectOf(moved(before, x, y)));
        },
      };
    });
    return element;
  }

  #key(event, area) {
    if (event.key === "Delete" || event.key === "Backspace") {
      event.preventDefault();
      this.#draft.remove(area);
      return;
    }
    const step = steps(event);
    if (!step) return;
    event.preventDefault();
    const [dx, dy] = step.map((count) => count * STEP);
    this.#draft.update(area, event.altKey || event.ctrlKey ? resized(area, "se", dx, dy) : rectOf(moved(area, dx, dy)));
  }

  #shown(element, area, index) {
    const now = this.#video.currentTime;
    const seen = area.start <= now && now < area.end;
    element.className = `area ${area.kind}`;
    element.classList.toggle("inactive", !seen);
    element.classList.toggle("selected", this.#draft.selected === area);
    for (const [side, share] of Object.entries({ left: area.x, top: area.y, width: area.w, height: area.h })) {
      element.style[side] = `${share * 100}%`;
    }
    element.querySelector(".tag").textContent = `${index + 1} ${KINDS[area.kind]}`;
    const where = `${percent(area.x)} from the left, ${percent(area.y)} from the top, ${percent(area.w)} by ${percent(area.h)}`;
    element.setAttribute("aria-label", `Area ${index + 1}: ${KINDS[area.kind]}, ${where}. Arrow keys move it, with Alt they resize it, Delete removes it.`);
  }
}

function rectOf({ x, y, w, h }) {
  return { x, y, w, h };
}

function percent(share) {
  return `${Math.round(share * 100)} %`;
}
