// Time ranges in seconds: moving them and their edges. Independent of the page.

import { clamp } from "./geometry.js";

export const MIN_LENGTH = 0.1; // the minimum when an edge is dragged; the server has a limit of its own

/** The same length elsewhere, between `from` and `until`. */
export function shifted(span, seconds, from, until) {
  const length = span.end - span.start;
  const start = hundredths(clamp(span.start + seconds, from, Math.max(from, until - length)));
  return { start, end: hundredths(start + length) };
}

/** One edge (`start` or `end`) at another time. */
export function pulled(span, edge, time, from, until) {
  if (edge === "start") return { start: hundredths(clamp(time, from, span.end - MIN_LENGTH)), end: span.end };
  return { start: span.start, end: hundredths(clamp(time, span.start + MIN_LENGTH, until)) };
}

/** The limits of a segment: its neighbours, or the ends of the video. */
export function room(span, all, duration) {
  const others = all.filter((other) => other !== span);
  const ends = others.filter((other) => other.end <= span.start + 0.001).map((other) => other.end);
  const starts = others.filter((other) => other.start >= span.end - 0.001).map((other) => other.start);
  return { from: Math.max(0, ...ends), until: Math.min(duration, ...starts) };
}

/** The first time range without segments from `time` on; null if there is none. */
export function gap(time, all, duration) {
  let from = time;
  for (const span of [...all].sort((a, b) => a.start - b.start)) {
    if (span.end <= from) continue;
    if (span.start - from >= MIN_LENGTH) return { from, until: span.start };
    from = Math.max(from, span.end);
  }
  return duration - from >= MIN_LENGTH ? { from, until: duration } : null;
}

/** The row index of each span, so that overlapping ones are in different rows. */
export function stacked(spans) {
  const ends = [];
  const rows = new Map();
  for (const span of [...spans].sort((a, b) => a.start - b.start)) {
    let row = ends.findIndex((end) => end <= span.start);
    if (row < 0) row = ends.length;
    ends[row] = span.end;
    rows.set(span, row);
  }
  return rows;
}

/** Seconds between two marks of a ruler, so that there are not more than `most` of them. */
export function tick(duration, most) {
  return [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600].find((step) => duration / step <= most) ?? 1800;
}

/** `1:05.20`: as a player shows it. */
export function clock(seconds) {
  const minutes = Math.floor(seconds / 60);
  return `${minutes}:${(seconds - minutes * 60).toFixed(2).padStart(5, "0")}`;
}

export function hundredths(seconds) {
  return Math.round(seconds * 100) / 100;
}
