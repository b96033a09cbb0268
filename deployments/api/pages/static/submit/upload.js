// Uploads files directly to the storage, in parts. If the browser cannot reach it, the old form endpoint receives them.

import { ApiError, post, send } from "./api.js";

const MAX_ATTEMPTS = 3; // for one part: a connection may break
const RETRY_DELAY = 1000; // milliseconds before the second attempt, then twice as long

/** The browser cannot reach the storage, or may not read its responses. */
class StorageUnreachable extends Error {}

export class Uploader {
  #sources = new Map(); // locations by stored file: no file is sent twice
  #sent = new Map(); // bytes by file
  #total = 0;
  #onProgress;

  constructor(onProgress) {
    this.#onProgress = onProgress;
  }

  /** Send a draft; resolves to the job's id. Throws ApiError, TypeError (no connection) or AbortError. */
  async submit(draft, { options, displayName, key }, signal) {
    const files = [draft.video.file, ...draft.usedAudio.map((item) => item.file)];
    this.#begin(files);
    const kinds = new Map(files.map((file, index) => [file, index ? "audio/wav" : "video/mp4"]));
    const headers = { "Idempotency-Key": key };
    try {
      for (const [file, kind] of kinds) {
        if (!this.#sources.has(file)) this.#sources.set(file, await this.#store(file, typeOf(file, kind), signal));
      }
    } catch (error) {
      if (!(error instanceof StorageUnreachable)) throw error;
      return this.#asForm(draft, options, displayName, headers, signal);
    }
    const request = draft.request(options, displayName, (file) => this.#sources.get(file));
    return (await post("/api/v1/jobs", request, { signal, headers })).job_id;
  }

  #begin(files) {
    this.#total = files.reduce((sum, file) => sum + file.size, 0);
    this.#sent = new Map(files.map((file) => [file, this.#sources.has(file) ? file.size : 0]));
    this.#report();
  }

  #report() {
    const sent = [...this.#sent.values()].reduce((sum, bytes) => sum + bytes, 0);
    this.#onProgress(this.#total ? Math.min(1, sent / this.#total) : 0);
  }

  async #store(file, type, signal) {
    const plan = await post(
      "/api/v1/uploads",
      { file_name: file.name, size: file.size, content_type: type },
      { signal },
    );
    const etags = [];
    for (const [index, url] of plan.parts.entries()) {
      const start = index * plan.part_size;
      etags.push(await this.#part(file, start, file.slice(start, start + plan.part_size), url, signal));
    }
    const path = `/api/v1/uploads/${encodeURIComponent(plan.upload_id)}/complete`;
    return (await post(path, { etags }, { signal })).source;
  }

  async #part(file, start, bytes, url, signal) {
    const onProgress = (sent) => {
      this.#sent.set(file, start + Math.min(sent, bytes.size));
      this.#report();
    };
    for (let attempt = 1; ; attempt += 1) {
      try {
        const answer = await send("PUT", url, bytes, { signal, onProgress });
        const etag = answer.status < 300 && answer.getResponseHeader("ETag");
        if (etag) return etag;
        if (answer.status < 500) throw new StorageUnreachable(`the storage returned ${answer.status}`);
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
      }
      if (attempt === MAX_ATTEMPTS) throw new StorageUnreachable("the storage cannot be reached");
      await new Promise((resolve) => setTimeout(resolve, RETRY_DELAY * attempt));
    }
  }

  /** Send the form of the old clients. The names of audio files are the refIds of the segments. */
  async #asForm(draft, options, displayName, headers, signal) {
    const request = draft.request(options, displayName);
    const form = new FormData();
    form.append("segments_data", JSON.stringify(request.segments));
    form.append("effects", JSON.stringify(request.effects));
    form.append("speech", draft.speech);
    if (request.text_removal) form.append("text_removal", request.text_removal);
    form.append("options", JSON.stringify(request.options));
    if (displayName) form.append("display_name", displayName);
    form.append("file", draft.video.file);
    for (const item of draft.usedAudio) form.append("audio_files", item.file, item.refId);
    const onProgress = (sent) => this.#onProgress(Math.min(1, sent / this.#total));
    const answer = await send("POST", "/api/v1/video-editors/pro-sync-process", form, { signal, headers, onProgress });
    const found = JSON.parse(answer.responseText || "null");
    if (answer.status >= 300) throw new ApiError(answer.status, { ...found, problems: found?.problems?.map(inOurNames) });
    return found.job_id;
  }
}

/** Convert that endpoint's field names to ours. */
function inOurNames({ field, message }) {
  const names = { file: "video", audio_files: "audio", segments_data: "segments" };
  return { field: field.replace(/^(file|audio_files|segments_data)\b/, (name) => names[name]), message };
}

/** Browsers have no type for some files; the storage requires one, and the job checks the content anyway. */
function typeOf(file, kind) {
  return /^(video|audio)\//.test(file.type) ? file.type : kind;
}
