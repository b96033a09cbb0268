// Live progress of jobs. Numbers are updated in place; for anything else the page is fetched again.

const POLL_INTERVAL = 15_000; // milliseconds between two polls if the stream is rejected
const REDRAW_INTERVAL = 1_500; // milliseconds between two fetches of the page

/** Calls `onEvent(job)` for each event of the stream. If it is rejected, calls `poll` every 15 seconds instead. */
export function follow(address, onEvent, poll) {
  const stream = new EventSource(address);
  stream.addEventListener("job", (event) => onEvent(JSON.parse(event.data)));
  stream.addEventListener("error", () => {
    // The browser reopens an interrupted stream by itself; a rejected one stays closed.
    if (stream.readyState === EventSource.CLOSED) setInterval(poll, POLL_INTERVAL);
  });
  return stream;
}

/** Shows the progress of a job in the elements below `root`. */
export function showProgress(root, job) {
  const update = (name, change) => root.querySelectorAll(`[data-live=${name}]`).forEach(change);
  update("progress", (bar) => (bar.value = job.progress));
  update("percent", (text) => (text.textContent = `${job.progress} %`));
  update("message", (text) => text.textContent !== job.message && (text.textContent = job.message));
}

/** Returns a function that fetches this page and passes it to `apply`: at once, but at most every 1.5 seconds. */
export function redrawing(apply) {
  let wanted = false;
  let busy = false;
  return async function redraw() {
    wanted = true;
    if (busy) return;
    busy = true;
    while (wanted) {
      wanted = false;
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
      if (answer?.ok && !answer.redirected) apply(new DOMParser().parseFromString(await answer.text(), "text/html"));
      await new Promise((resolve) => setTimeout(resolve, REDRAW_INTERVAL));
    }
    busy = false;
  };
}
