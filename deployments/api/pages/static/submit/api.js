// Requests to our own server. The cookie says who asks; everything goes as JSON.

/** What the server refused: `problems` lists {field, message} where the request itself is at fault. */
export class ApiError extends Error {
  constructor(status, body) {
    const message = body?.problems?.length ? "Nothing was started: some of it has to be mended first." : body?.detail;
    super(SENTENCES[status] ?? message ?? body?.title ?? `The server answered with an error (${status}).`);
    this.status = status;
    this.problems = body?.problems ?? [];
  }
}

const SENTENCES = {
  401: "You are not signed in any more. Sign in again in another tab, then send from here.",
  413: "The server does not take files or requests of this size.",
  429: "Too many requests at once. Wait a minute, then send again: nothing is lost here.",
  503: "The service is not available for the moment. Wait a minute, then send again: nothing is lost here.",
};

/** Raises ApiError, or TypeError where there is no connection. */
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

/** Sends bytes or a form; `onProgress` gets the number of bytes that went out. Gives the finished XMLHttpRequest. */
export function send(method, url, body, { signal, headers = {}, onProgress }) {
  const request = new XMLHttpRequest(); // fetch tells nothing of how far it is
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
