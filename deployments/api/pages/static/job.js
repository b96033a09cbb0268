// A job's page: its progress as it comes, and both videos in step.

import { compare } from "./compare.js";
import { follow, redrawing, showProgress } from "./live.js";
import { localTimes } from "./times.js";

const REDRAWN = ["slides", "steps", "costs", "facts"];

localTimes();
compare();

const standing = document.getElementById("standing");
const redraw = redrawing((page) => {
  if (page.getElementById("standing").dataset.tone !== standing.dataset.tone) {
    stream.close();
    location.replace(location.pathname); // what there is to see and to do has changed
    return;
  }
  for (const id of REDRAWN) {
    const [old, fresh] = [document.getElementById(id), page.getElementById(id)];
    if (old && fresh && !old.isEqualNode(fresh)) old.replaceWith(fresh); // pictures that stay are not loaded again
  }
  localTimes();
});
const stream = standing.dataset.stream && follow(standing.dataset.stream, onEvent, redraw);

const look = redrawing((page) => {
  const fresh = page.getElementById("picture");
  document.getElementById("picture").replaceWith(fresh ?? "");
  if (fresh?.dataset.picture === "soon") look();
});
if (document.getElementById("picture")?.dataset.picture === "soon") look();

function onEvent(news) {
  showProgress(standing, news);
  redraw();
}
