// A job's page: its progress as it comes, and both videos in step.

import { compare } from "./compare.js";
import { drawnAnew, follow, showProgress, toneOf } from "./live.js";
import { localTimes } from "./times.js";

localTimes();
compare();

const standing = document.getElementById("standing");
if (standing.dataset.stream) {
  follow(standing.dataset.stream, told, () => location.reload());
}

function told(news, stream) {
  if (toneOf(news) === standing.dataset.tone) {
    showProgress(standing, news);
    renewSteps();
  } else {
    stream.close();
    location.reload(); // what there is to see and to do has changed
  }
}

async function renewSteps() {
  const page = await drawnAnew();
  for (const id of ["steps", "costs"]) {
    const fresh = page?.getElementById(id);
    if (fresh) document.getElementById(id).replaceWith(fresh);
  }
  localTimes();
}
