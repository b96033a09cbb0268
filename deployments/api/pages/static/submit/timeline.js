// The timeline: a ruler that seeks, a lane of segments and a lane of areas. Edges are dragged or moved with arrow keys.

import { draggable, steps } from "./drag.js";
import { clamp } from "./geometry.js";
import { fromTemplate, keyed } from "./keyed.js";
import { clock, hundredths, pulled, room, MIN_LENGTH, shifted, stacked, tick } from "./spans.js";

const STEP = 0.1; // seconds: one press of an arrow key
const LANE = 44; // pixels: one row of a lane
const MARK = 64; // pixels between two marks of the ruler, at least

export class Timeline {
  #draft;
  #video;
  #root;
  #ruler;
  #inner;
  #lanes;
  #zoom = 1;

  constructor(draft, video, root) {
    this.#draft = draft;
    this.#video = video;
    this.#root = root;
    this.#inner = root.querySelector(".inner");
    this.#ruler = root.querySelector(".ruler");
    this.#lanes = [
      this.#lane(root.querySelector("#segment-lane"), () => draft.segments, "Segment"),
      this.#lane(root.querySelector("#area-lane"), () => draft.areas, "Area"),
    ];
    draggable(root.querySelector("#segment-lane"), (event) => this.#newSegment(event));
    draggable(this.#ruler, (event) => {
      this.#ruler.focus({ preventScroll: true });
      this.#seek(this.#timeAt(event));
      return { move: (_dx, _dy, now) => this.#seek(this.#timeAt(now)) };
    });
    this.#ruler.addEventListener("keydown", (event) => this.#rulerKey(event));
    for (const kind of ["timeupdate", "seeked", "seeking"]) video.addEventListener(kind, () => this.#now());
    draft.addEventListener("change", () => this.draw());
    new ResizeObserver(() => this.#marks()).observe(this.#inner);
  }

  draw() {
    this.#root.hidden = !this.#draft.duration;
    if (this.#root.hidden) return;
    for (const draw of this.#lanes) draw();
    this.#now();
  }

  /** 1 shows all of it; 4 a quarter. */
  zoom(factor) {
    this.#zoom = clamp(this.#zoom * factor, 1, 32);
    this.#inner.style.width = `${this.#zoom * 100}%`;
    this.#marks();
    const lanes = this.#inner.parentElement;
    lanes.scrollLeft = (this.#video.currentTime / this.#draft.duration) * this.#inner.clientWidth - lanes.clientWidth / 2;
  }

  #timeAt(event) {
    const { left, width } = this.#inner.getBoundingClientRect();
    return clamp(((event.clientX - left) / width) * this.#draft.duration, 0, this.#draft.duration);
  }

  #secondsOf(pixels) {
    return (pixels / this.#inner.getBoundingClientRect().width) * this.#draft.duration;
  }

  #percent(seconds) {
    return `${(seconds / this.#draft.duration) * 100}%`;
  }

  #seek(time) {
    this.#video.currentTime = time;
  }

  #rulerKey(event) {
    const step = steps(event);
    const jump = { Home: 0, End: this.#draft.duration }[event.key];
    if (!step && jump === undefined) return;
    event.preventDefault();
    this.#seek(jump ?? clamp(this.#video.currentTime + (step[0] - step[1]) * STEP, 0, this.#draft.duration));
  }

  #now() {
    if (!this.#draft.duration) return;
    const now = this.#video.currentTime;
    this.#root.querySelector(".playhead").style.left = this.#percent(now);
    this.#ruler.setAttribute("aria-valuemax", this.#draft.duration.toFixed(2));
    this.#ruler.setAttribute("aria-valuenow", now.toFixed(2));
    this.#ruler.setAttribute("aria-valuetext", `${now.toFixed(2)} seconds`);
  }

  #marks() {
    const duration = this.#draft.duration;
    if (!duration) return;
    const step = tick(duration, this.#inner.clientWidth / MARK);
    const marks = [];
    for (let index = 0; index * step <= duration; index += 1) {
      const mark = document.createElement("i");
      const name = document.createElement("span");
      mark.style.left = this.#percent(index * step);
      name.textContent = step < 1 ? `${(index * step).toFixed(1)}` : clock(index * step).slice(0, -3);
      mark.append(name);
      marks.push(mark);
    }
    this.#ruler.replaceChildren(...marks);
  }

  #lane(container, items, word) {
    const show = keyed(
      container,
      (item) => this.#span(item),
      (element, item, index) => this.#shown(element, item, `${word} ${index + 1}`, item.refId ?? ""),
    );
    return () => {
      const rows = stacked(items());
      show(items());
      for (const [item, row] of rows) {
        container.querySelector(`[data-key="${item.key}"]`).style.top = `${row * LANE + 4}px`;
      }
      container.style.height = `${Math.max(1, ...[...rows.values()].map((row) => row + 1)) * LANE}px`;
      container.querySelector(".hint").hidden = items().length > 0;
    };
  }

  #limits(item) {
    const isSegment = this.#draft.segments.includes(item);
    return isSegment ? room(item, this.#draft.segments, this.#draft.duration) : { from: 0, until: this.#draft.duration };
  }

  #span(item) {
    const element = fromTemplate("span");
    element.dataset.key = item.key;
    draggable(element, (event) => {
      const edge = event.target.closest("[data-edge]")?.dataset.edge;
      const before = { start: item.start, end: item.end };
      const { from, until } = this.#limits(item);
      this.#draft.select(item);
      if (edge) element.querySelector(`[data-edge=${edge}]`).focus({ preventScroll: true });
      return {
        move: (dx) => {
          const by = this.#secondsOf(dx);
          this.#draft.update(item, edge ? pulled(before, edge, before[edge] + by, from, until) : shifted(before, by, from, until));
          this.#seek(edge === "end" ? item.end : item.start);
        },
      };
    });
    element.addEventListener("keydown", (event) => this.#edgeKey(event, item));
    element.addEventListener("focusin", () => this.#draft.select(item));
    return element;
  }

  #edgeKey(event, item) {
    if (event.key === "Delete" || event.key === "Backspace") {
      event.preventDefault();
      this.#draft.remove(item);
      this.#ruler.focus();
      return;
    }
    const step = steps(event);
    if (!step) return;
    event.preventDefault();
    const edge = event.target.dataset.edge;
    const { from, until } = this.#limits(item);
    this.#draft.update(item, pulled(item, edge, item[edge] + (step[0] - step[1]) * STEP, from, until));
    this.#seek(item[edge]);
  }

  /** Dragging over free time of the lane marks a segment. */
  #newSegment(event) {
    if (event.pointerType !== "mouse" || !this.#draft.duration) return null;
    const from = this.#timeAt(event);
    let made = null;
    let limits = null;
    return {
      move: (_dx, _dy, now) => {
        const [start, end] = [from, this.#timeAt(now)].sort((a, b) => a - b);
        if (!made && end - start >= MIN_LENGTH) {
          made = this.#draft.addSegment(start, end);
          limits = made && this.#limits(made);
        }
        if (made) this.#draft.update(made, clipped(start, end, limits));
      },
      done: () => made || this.#seek(from),
    };
  }

  #shown(element, item, name, audio) {
    element.className = `span ${item.kind ?? ""}`;
    element.classList.toggle("selected", this.#draft.selected === item);
    element.style.left = this.#percent(item.start);
    element.style.width = this.#percent(Math.max(0, item.end - item.start));
    element.querySelector(".tag").textContent = item.label || [name, audio].filter(Boolean).join(" · ");
    for (const handle of element.querySelectorAll("[data-edge]")) {
      const edge = handle.dataset.edge;
      handle.setAttribute("aria-label", `${name}, ${edge}`);
      handle.setAttribute("aria-valuemax", this.#draft.duration.toFixed(2));
      handle.setAttribute("aria-valuenow", item[edge]);
      handle.setAttribute("aria-valuetext", `${item[edge]} seconds`);
    }
  }
}

function clipped(start, end, { from, until }) {
  const left = hundredths(clamp(start, from, until - MIN_LENGTH));
  return pulled({ start: left, end: until }, "end", clamp(end, from, until), from, until);
}
