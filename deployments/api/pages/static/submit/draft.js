// The job while it is edited. Views listen for "change" and redraw.

import { gap, hundredths } from "./spans.js";

export const PLACEHOLDER = "s3://not-uploaded-yet/"; // replaces the location of a file that is not uploaded yet

let lastKey = 0;

export class Draft extends EventTarget {
  video = null; // {file, url, duration, width, height}; the last three are 0 where the browser cannot play it
  audio = []; // {key, refId, file, url, duration}
  segments = []; // {key, start, end, refId, audioFrom, audioUntil, label}
  areas = []; // {key, kind, x, y, w, h, start, end, label}
  speech = "segments"; // which part gets new speech: "segments", "whole_video" (one audio file) or "none"
  wholeFrame = false; // text is removed from the whole picture, except in areas of kind protection
  selected = null; // one of the segments or areas
  edited = false;

  get duration() {
    return this.video?.duration ?? 0;
  }

  /** What is sent: files and segments that were added before another kind of speech was chosen stay in the draft. */
  get usedAudio() {
    return this.speech === "none" ? [] : this.audio;
  }

  get usedSegments() {
    return this.speech === "segments" ? this.segments : [];
  }

  changed() {
    this.edited = true;
    this.dispatchEvent(new Event("change"));
  }

  select(item) {
    if (this.selected === item) return;
    this.selected = item;
    this.dispatchEvent(new Event("change"));
  }

  /** Set fields of a segment, an area or an audio file. */
  update(item, fields) {
    Object.assign(item, fields);
    this.changed();
  }

  addAudio(file, url, duration) {
    const used = new Set(this.audio.map((item) => item.refId));
    let number = 1;
    while (used.has(`audio-${number}`)) number += 1;
    this.audio.push({ key: (lastKey += 1), refId: `audio-${number}`, file, url, duration });
    for (const segment of this.segments) segment.refId ||= `audio-${number}`;
    this.changed();
  }

  /** Also removes it from its segments, which then need another one. */
  removeAudio(item) {
    this.audio = this.audio.filter((other) => other !== item);
    for (const segment of this.segments) if (segment.refId === item.refId) segment.refId = "";
    this.changed();
  }

  /** In the first free time from `start` on, as long as its audio or until `end`; null if no time is free. */
  addSegment(start, end = null) {
    const free = this.duration ? gap(start, this.segments, this.duration) : { from: start, until: start + 2 };
    if (!free) return null;
    const used = new Set(this.segments.map((item) => item.refId));
    const audio = this.audio.find((item) => !used.has(item.refId)) ?? this.audio[0];
    const wanted = end ?? free.from + (audio?.duration || 2);
    return this.#add(this.segments, {
      start: hundredths(free.from),
      end: hundredths(Math.min(wanted, free.until)),
      refId: audio?.refId ?? "",
      audioFrom: null,
      audioUntil: null,
      label: "",
    });
  }

  addArea(rect, start) {
    const end = hundredths(this.duration || start + 2);
    return this.#add(this.areas, { kind: "erasure", ...rect, start: hundredths(Math.min(start, end)), end, label: "" });
  }

  remove(item) {
    this.segments = this.segments.filter((other) => other !== item);
    this.areas = this.areas.filter((other) => other !== item);
    if (this.selected === item) this.selected = null;
    this.changed();
  }

  #add(list, fields) {
    const item = { key: (lastKey += 1), ...fields };
    list.push(item);
    this.selected = item;
    this.changed();
    return item;
  }

  /** The API's request; `sourceOf` returns a file's location. */
  request(options, displayName, sourceOf = (file) => PLACEHOLDER + encodeURIComponent(file.name || "file")) {
    return {
      video: sourceOf(this.video.file),
      audio: this.usedAudio.map((item) => ({ refId: item.refId, source: sourceOf(item.file) })),
      segments: this.usedSegments.map((item) => ({
        startTime: item.start,
        endTime: item.end,
        audioInput: { refId: item.refId, ...given({ startTime: item.audioFrom, endTime: item.audioUntil }) },
        ...labelled(item),
      })),
      effects: this.areas.map(({ kind, x, y, w, h, start, end, label }) => ({ kind, x, y, w, h, start, end, ...labelled({ label }) })),
      ...(this.wholeFrame ? { text_removal: "whole_frame" } : {}),
      options,
      ...(displayName ? { display_name: displayName } : {}),
    };
  }

  /** The facts that the browser knows about the files: the server validates the request with them before an upload. */
  facts() {
    const { file, duration, width, height } = this.video;
    return {
      video: duration ? { name: file.name, size: file.size, duration, width, height } : null,
      audio: Object.fromEntries(
        this.usedAudio
          .filter((item) => item.duration)
          .map((item) => [item.refId, { name: item.file.name, size: item.file.size, duration: item.duration }]),
      ),
    };
  }
}

function given(fields) {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
}

function labelled({ label }) {
  return label ? { label } : {};
}
