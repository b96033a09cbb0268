// Ranges of time: moving them and pulling at their edges. Seconds; nothing here knows a page.

import { clamp } from "./geometry.js";

export const SHORTEST = 0.1; // the least that an edge can be dragged to; what may be sent, the server says

/** The same length elsewhere, between `from` and `until`. */
export function shifted(span, seconds, from, until) {
  const length = span.end - span.start;
  const start = hundredths(clamp(span.start + seconds, from, Math.max(from, until - length)));
  return { start, end: hundredths(start + length) };
}

/** One edge (`start` or `end`) at another time. */
export function pulled(span, edge, time, from, until) {
  if (edge === "start") return { start: hundredths(clamp(time, from, span.end - SHORTEST)), end: span.end };
  return { start: span.start, end: hundredths(clamp(time, span.start + SHORTEST, until)) };
}

/** How far a segment may reach: to its neighbours, or the video's ends. */
export function room(span, all, duration) {
  const others = all.filter((other) => other !== span);
  const ends = others.filter((other) => other.end <= span.start + 0.001).map((other) => other.end);
  const starts = others.filter((other) => other.start >= span.end - 0.001).map((other) => other.start);
  return { from: Math.max(0, ...ends), until: Math.min(duration, ...starts) };
}

/** The first gap of the video at or behind a time that is free of segments; null where there is none. */
export function gap(time, all, duration) {
  let from = time;
  for (const span of [...all].sort((a, b) => a.start - b.start)) {
    if (span.end <= from) continue;
    if (span.start - from >= SHORTEST) return { from, until: span.start };
    from = Math.max(from, span.end);
  }
  return duration - from >= SHORTEST ? { from, until: duration } : null;
}

/** Rows for spans that overlap, so that each can be seen: the index of its row for each of them. */
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
