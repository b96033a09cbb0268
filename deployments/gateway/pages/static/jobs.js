// The list: one stream for all jobs on the page.

import { drawnAnew, follow, showProgress, toneOf } from "./live.js";
import { localTimes } from "./times.js";

localTimes();

const list = document.querySelector("[data-stream]");
const rowOf = (page, id) => page.querySelector(`[data-job="${CSS.escape(id)}"]`);

if (list?.querySelector("[data-active]")) {
  follow(
    list.dataset.stream,
    (news) => {
      const row = rowOf(document, news.job_id);
      if (row && row.dataset.tone !== toneOf(news)) renew(news.job_id);
      else if (row) showProgress(row, news);
    },
    () => location.reload(),
  );
}

async function renew(id) {
  const page = await drawnAnew();
  const [old, row] = [rowOf(document, id), page && rowOf(page, id)];
  if (!old || !row) return;
  const focused = old.contains(document.activeElement);
  old.replaceWith(row);
  if (focused) row.querySelector("a").focus();
  localTimes();
  document.getElementById("news").textContent = `${row.querySelector("a").textContent}: ${row.querySelector(".state").textContent}`;
}
