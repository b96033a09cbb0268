// News of jobs as they come. Numbers are put where the page shows them; anything else the server draws anew.

const EVERY = 15_000; // milliseconds between two looks where the stream is refused

/** Calls `told(news)` for each event of the stream. Where it is refused, `otherwise` is called every few seconds. */
export function follow(address, told, otherwise) {
  const stream = new EventSource(address);
  stream.addEventListener("job", (event) => told(JSON.parse(event.data), stream));
  stream.addEventListener("error", () => {
    // A stream that broke off is opened again by the browser itself; one that was refused is closed for good.
    if (stream.readyState === EventSource.CLOSED) setInterval(otherwise, EVERY);
  });
}

/** What the news call the state; `parked` is one of its own to people. */
export function toneOf(news) {
  return news.parked && news.status === "processing" ? "parked" : news.status;
}

/** Shows how far a job is, below `root`. */
export function showProgress(root, news) {
  const put = (name, change) => root.querySelectorAll(`[data-live=${name}]`).forEach(change);
  put("progress", (bar) => (bar.value = news.progress));
  put("percent", (text) => (text.textContent = `${news.progress} %`));
  put("message", (text) => text.textContent !== news.message && (text.textContent = news.message));
}

/** This page, as the server draws it now; null where it does not answer. */
export async function drawnAnew() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
  return answer?.ok ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
}
