// News of jobs as they come. Numbers are put where the page shows them; anything else the server draws anew.

const EVERY = 15_000; // milliseconds between two looks where the stream is refused
const PAUSE = 1_500; // milliseconds between two drawings

/** Calls `onEvent(job)` for each event of the stream. Where it is refused, `poll` is called every few seconds. */
export function follow(address, onEvent, poll) {
  const stream = new EventSource(address);
  stream.addEventListener("job", (event) => onEvent(JSON.parse(event.data)));
  stream.addEventListener("error", () => {
    // A stream that broke off is opened again by the browser itself; one that was refused is closed for good.
    if (stream.readyState === EventSource.CLOSED) setInterval(poll, EVERY);
  });
  return stream;
}

/** Shows how far a job is, below `root`. */
export function showProgress(root, news) {
  const put = (name, change) => root.querySelectorAll(`[data-live=${name}]`).forEach(change);
  put("progress", (bar) => (bar.value = news.progress));
  put("percent", (text) => (text.textContent = `${news.progress} %`));
  put("message", (text) => text.textContent !== news.message && (text.textContent = news.message));
}

/** A function that has the server draw this page and hands it to `take`: at once, but not faster than every pause. */
export function redrawing(take) {
  let wanted = false;
  let busy = false;
  return async function redraw() {
    wanted = true;
    if (busy) return;
    busy = true;
    while (wanted) {
      wanted = false;
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
      if (answer?.ok && !answer.redirected) take(new DOMParser().parseFromString(await answer.text(), "text/html"));
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
    busy = false;
  };
}
