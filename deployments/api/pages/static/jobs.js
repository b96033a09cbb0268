// The list: one stream for all jobs on the page.

import { follow, redrawing, showProgress } from "./live.js";
import { localTimes } from "./times.js";

localTimes();

const list = document.querySelector("[data-stream]");
const redraw = redrawing((page) => {
  for (const row of [...list.children]) {
    const fresh = page.querySelector(`[data-job="${CSS.escape(row.dataset.job)}"]`);
    if (fresh && fresh.dataset.tone !== row.dataset.tone) replace(row, fresh);
  }
  if (!list.querySelector("[data-active]")) stream.close();
});
const stream = list?.querySelector("[data-active]") && follow(list.dataset.stream, onEvent, redraw);

function onEvent(job) {
  const row = list.querySelector(`[data-job="${CSS.escape(job.job_id)}"]`);
  if (!row) return;
  showProgress(row, job);
  redraw();
}

function replace(row, fresh) {
  const focused = row.contains(document.activeElement);
  row.replaceWith(fresh);
  localTimes();
  if (focused) fresh.querySelector("a").focus();
  document.getElementById("announcement").textContent = `${fresh.querySelector("a").textContent}: ${fresh.querySelector(".state").textContent}`;
}
