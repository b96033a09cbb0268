// Requests to our own server: JSON, authenticated by the cookie.

/** A rejected request. `problems` lists {field, message} if the request is invalid. */
export class ApiError extends Error {
  constructor(status, body) {
    const message = body?.problems?.length ? "Nothing was started. Correct the listed problems, then send again." : body?.detail;
    super(SENTENCES[status] ?? message ?? body?.title ?? `The server answered with an error (${status}).`);
    this.status = status;
    this.problems = body?.problems ?? [];
  }
}

const SENTENCES = {
  401: "You are not signed in any more. Sign in again in another tab, then send from here.",
  413: "The file or the request is too large for the server.",
  429: "Too many requests. Wait a minute, then send again; your input is kept.",
  503: "The service is temporarily unavailable. Wait a minute, then send again; your input is kept.",
};

/** Throws ApiError, or TypeError without a connection. */
export async function post(path, body, { signal, headers } = {}) {
  const answer = await fetch(path, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "Content-Type": "application/json", Accept: "application/json", ...headers },
    signal,
  });
  const found = await answer.json().catch(() => null);
  if (!answer.ok) throw new ApiError(answer.status, found);
  return found;
}

/** Sends bytes or a form; `onProgress` gets the number of bytes sent. Resolves to the finished XMLHttpRequest. */
export function send(method, url, body, { signal, headers = {}, onProgress }) {
  const request = new XMLHttpRequest(); // fetch reports no upload progress
  return new Promise((resolve, reject) => {
    request.open(method, url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", (event) => onProgress(event.loaded));
    request.addEventListener("load", () => resolve(request));
    request.addEventListener("error", () => reject(new TypeError("no connection")));
    request.addEventListener("abort", () => reject(new DOMException("stopped", "AbortError")));
    signal.addEventListener("abort", () => request.abort());
    signal.throwIfAborted();
    request.send(body);
  });
}
