// A job's page: live progress, and both videos in sync.

import { compare } from "./compare.js";
import { follow, redrawing, showProgress } from "./live.js";
import { localTimes } from "./times.js";

const REDRAWN = ["slides", "steps", "costs", "facts"];

localTimes();
compare();

const status = document.getElementById("status");
const redraw = redrawing((page) => {
  if (page.getElementById("status").dataset.tone !== status.dataset.tone) {
    stream.close();
    location.replace(location.pathname); // other content and actions
    return;
  }
  for (const id of REDRAWN) {
    const [old, fresh] = [document.getElementById(id), page.getElementById(id)];
    if (old && fresh && !old.isEqualNode(fresh)) old.replaceWith(fresh); // unchanged pictures are not reloaded
  }
  localTimes();
});
const stream = status.dataset.stream && follow(status.dataset.stream, onEvent, redraw);

const pollPicture = redrawing((page) => {
  const fresh = page.getElementById("picture");
  document.getElementById("picture").replaceWith(fresh ?? "");
  if (fresh?.dataset.picture === "soon") pollPicture();
});
if (document.getElementById("picture")?.dataset.picture === "soon") pollPicture();

function onEvent(job) {
  showProgress(status, job);
  redraw();
}
