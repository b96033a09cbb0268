// Files go straight to the storage, in parts. Where the browser does not reach it, the old form endpoint takes them.

import { ApiError, post, send } from "./api.js";

const TRIES = 3; // for one part: a connection may break
const PAUSE = 1000; // milliseconds before the second try, then twice as long

/** The browser does not reach the storage, or may not see its answers. */
class NoWay extends Error {}

export class Courier {
  #sources = new Map(); // of files that are in storage already: nothing is sent twice
  #sent = new Map(); // bytes by file
  #total = 0;
  #onProgress;

  constructor(onProgress) {
    this.#onProgress = onProgress;
  }

  /** Send a draft; gives the job's id. Raises ApiError, TypeError (no connection) or AbortError. */
  async deliver(draft, { options, displayName, key }, signal) {
    const files = [draft.video.file, ...draft.audio.map((item) => item.file)];
    this.#begin(files);
    const kinds = new Map(files.map((file, index) => [file, index ? "audio/wav" : "video/mp4"]));
    const headers = { "Idempotency-Key": key };
    try {
      for (const [file, kind] of kinds) {
        if (!this.#sources.has(file)) this.#sources.set(file, await this.#store(file, typeOf(file, kind), signal));
      }
    } catch (error) {
      if (!(error instanceof NoWay)) throw error;
      return this.#asForm(draft, options, displayName, headers, signal);
    }
    const request = draft.request(options, displayName, (file) => this.#sources.get(file));
    return (await post("/api/v1/jobs", request, { signal, headers })).job_id;
  }

  #begin(files) {
    this.#total = files.reduce((sum, file) => sum + file.size, 0);
    this.#sent = new Map(files.map((file) => [file, this.#sources.has(file) ? file.size : 0]));
    this.#tell();
  }

  #tell() {
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
      this.#tell();
    };
    for (let attempt = 1; ; attempt += 1) {
      try {
        const answer = await send("PUT", url, bytes, { signal, onProgress });
        const etag = answer.status < 300 && answer.getResponseHeader("ETag");
        if (etag) return etag;
        if (answer.status < 500) throw new NoWay(`the storage answered ${answer.status}`);
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
      }
      if (attempt === TRIES) throw new NoWay("the storage cannot be reached");
      await new Promise((resolve) => setTimeout(resolve, PAUSE * attempt));
    }
  }

  /** As clients without a browser send it. The names of sound files say which one a segment asks for. */
  async #asForm(draft, options, displayName, headers, signal) {
    const request = draft.request(options, displayName);
    const form = new FormData();
    form.append("segments_data", JSON.stringify(request.segments));
    form.append("effects", JSON.stringify(request.effects));
    form.append("options", JSON.stringify(request.options));
    if (displayName) form.append("display_name", displayName);
    form.append("file", draft.video.file);
    for (const item of draft.audio) form.append("audio_files", item.file, item.refId);
    const onProgress = (sent) => this.#onProgress(Math.min(1, sent / this.#total));
    const answer = await send("POST", "/api/v1/video-editors/pro-sync-process", form, { signal, headers, onProgress });
    const found = JSON.parse(answer.responseText || "null");
    if (answer.status >= 300) throw new ApiError(answer.status, { ...found, problems: found?.problems?.map(inOurNames) });
    return found.job_id;
  }
}

/** That endpoint's fields have names of their own. */
function inOurNames({ field, message }) {
  const names = { file: "video", audio_files: "audio", segments_data: "segments" };
  return { field: field.replace(/^(file|audio_files|segments_data)\b/, (name) => names[name]), message };
}

/** Browsers know no type for some files; the storage wants one, and the job looks at the contents anyway. */
function typeOf(file, kind) {
  return /^(video|audio)\//.test(file.type) ? file.type : kind;
}
