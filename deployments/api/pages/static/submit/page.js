// The submit page: edits a draft, validates it, sends it, and opens the page of its job.

import { ApiError, post } from "./api.js";
import { Draft } from "./draft.js";
import { durationOf, load } from "./media.js";
import { Picture } from "./picture.js";
import { showProblems, showTodo } from "./problems.js";
import { showRows } from "./rows.js";
import { clock } from "./spans.js";
import { Timeline } from "./timeline.js";
import { Uploader } from "./upload.js";

const CHECK_AFTER = 400; // milliseconds without a change

const at = (id) => document.getElementById(id);
const draft = new Draft();
const video = at("video");
const picture = new Picture(draft, video, at("canvas"), at("draw-area"));
const timeline = new Timeline(draft, video, at("timeline"));
const progress = at("upload-progress");
const uploader = new Uploader((share) => {
  progress.value = share;
  say(share < 1 ? `Uploading: ${Math.floor(share * 100)} %` : "Uploaded. Starting the job…");
});

let sending = null; // an AbortController during an upload
let checks = 0;
let timer = 0;
let lastKey = { request: "", key: "" };

showRows(draft, video);

// ---- files -----------------------------------------------------------------------------------------------------

at("video-file").addEventListener("change", async (event) => {
  const [file] = event.target.files;
  if (!file) return;
  if (draft.video) URL.revokeObjectURL(draft.video.url);
  const url = URL.createObjectURL(file);
  at("stage").hidden = false;
  const facts = await load(video, url);
  draft.video = { file, url, ...facts };
  at("player").hidden = !facts.duration;
  at("no-player").hidden = Boolean(facts.duration);
  at("video-facts").textContent = facts.duration ? `${clock(facts.duration)}, ${facts.width} × ${facts.height}` : "";
  draft.changed();
  showTime();
});

at("add-audio").addEventListener("change", async (event) => {
  const files = [...event.target.files];
  event.target.value = ""; // the same file may be chosen again
  for (const file of files) {
    const url = URL.createObjectURL(file);
    draft.addAudio(file, url, await durationOf(url, "audio"));
  }
});

// ---- what is done ----------------------------------------------------------------------------------------------

/** Shows what the chosen kind of job needs. Hidden parts keep what was entered. */
function showKind() {
  at("audio-field").hidden = draft.speech === "none";
  at("segments").hidden = draft.speech !== "segments";
  at("segment-lane").hidden = draft.speech !== "segments";
}

for (const choice of document.querySelectorAll("[name=speech]")) {
  choice.addEventListener("change", () => {
    draft.speech = choice.value;
    showKind();
    draft.changed();
  });
}
at("whole-frame").addEventListener("change", (event) => {
  draft.wholeFrame = event.target.checked;
  draft.changed();
});

// ---- the player ------------------------------------------------------------------------------------------------

function showTime() {
  at("time").textContent = `${clock(video.currentTime)} / ${clock(draft.duration)}`;
  at("play").textContent = video.paused ? "Play" : "Pause";
}

for (const kind of ["timeupdate", "seeked", "play", "pause", "ended"]) video.addEventListener(kind, showTime);
at("play").addEventListener("click", () => (video.paused ? video.play() : video.pause()));
for (const button of document.querySelectorAll("[data-seek]")) {
  button.addEventListener("click", () => {
    video.currentTime = Math.max(0, Math.min(draft.duration, video.currentTime + Number(button.dataset.seek)));
  });
}
at("zoom-in").addEventListener("click", () => timeline.zoom(2));
at("zoom-out").addEventListener("click", () => timeline.zoom(0.5));

at("add-segment").addEventListener("click", () => {
  const made = draft.addSegment(video.currentTime) ?? draft.addSegment(0);
  if (!made) say("There is no free time left in the video for another segment.");
});
at("add-area").addEventListener("click", () => picture.addInTheMiddle());

// ---- problems --------------------------------------------------------------------------------------------------

const options = () => Object.fromEntries(new FormData(at("options")).entries());
const displayName = () => at("display-name").value.trim();

/** What is missing before the draft can be validated. */
function todo() {
  return [
    draft.video ? null : { field: "video", message: "Choose a video" },
    ...speechTodo(),
    ...draft.usedSegments.map((item, index) =>
      item.refId || !draft.audio.length ? null : { field: `segments[${index}].audioInput.refId`, message: `Choose an audio file for segment ${index + 1}` },
    ),
  ].filter(Boolean);
}

function speechTodo() {
  const audio = draft.audio.length;
  if (draft.speech === "none") {
    const hasRemoval = draft.areas.length || draft.wholeFrame;
    return hasRemoval ? [] : [{ field: "effects", message: "Mark an area, or remove text from the whole picture" }];
  }
  if (draft.speech === "whole_video") {
    if (audio > 1) return [{ field: "audio", message: "Keep one audio file: the speech of the whole video" }];
    return audio ? [] : [{ field: "audio", message: "Add the new speech: one audio file for the whole video" }];
  }
  return [
    audio ? null : { field: "audio", message: "Add the new speech: at least one audio file" },
    draft.segments.length ? null : { field: "segments", message: "Mark at least one segment: the time that gets new speech" },
  ];
}

/** Validate the draft with the server's rules, as far as the browser knows the facts. */
async function check() {
  const number = (checks += 1);
  const missing = todo();
  const problems = missing.length ? [] : await validate();
  if (number !== checks || sending) return; // something has changed since
  if (missing.length) show("Still to do", missing, showTodo);
  else show(problems.length ? "To correct" : "Ready to send", problems, showProblems);
}

async function validate() {
  try {
    const body = { request: draft.request(options(), displayName()), facts: draft.facts() };
    const { problems } = await post("/submit/check", body);
    say("");
    return problems;
  } catch (error) {
    say(explained(error));
    return [];
  }
}

function show(head, problems, list) {
  list(problems, at("problems"));
  at("problem-head").textContent = head;
  at("send").disabled = problems.length > 0;
}

function checkSoon() {
  clearTimeout(timer);
  timer = setTimeout(check, CHECK_AFTER);
}

draft.addEventListener("change", checkSoon);
at("options").addEventListener("change", checkSoon);
at("display-name").addEventListener("input", checkSoon);

// ---- sending ---------------------------------------------------------------------------------------------------

function say(text) {
  at("announcement").textContent = text;
}

function explained(error) {
  if (error instanceof ApiError) return error.message;
  if (error.name === "AbortError") return "Stopped. Nothing was started; uploaded files are kept for the next attempt.";
  return "There is no connection to the server. Try again; uploaded files are kept.";
}

/** The same request keeps its key, so sending it twice, or again after a lost response, creates one job. */
function keyFor(request) {
  const text = JSON.stringify(request) + draft.usedAudio.map((item) => item.key).join() + draft.video.url;
  if (lastKey.request !== text) {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    lastKey = { request: text, key: [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("") };
  }
  return lastKey.key;
}

function busy(on) {
  at("send").disabled = on;
  at("stop").hidden = !on;
  progress.hidden = !on;
  at("form").inert = on;
}

at("send").addEventListener("click", async () => {
  sending = new AbortController();
  busy(true);
  try {
    const key = keyFor(draft.request(options(), displayName()));
    const details = { options: options(), displayName: displayName(), key };
    const jobId = await uploader.submit(draft, details, sending.signal);
    draft.edited = false;
    location.assign(`/jobs/${encodeURIComponent(jobId)}`);
  } catch (error) {
    busy(false);
    say(explained(error));
    if (error instanceof ApiError && error.problems.length) show("To correct", error.problems, showProblems);
    at("send").disabled = false;
  } finally {
    sending = null;
  }
});

at("stop").addEventListener("click", () => sending?.abort());
window.addEventListener("beforeunload", (event) => draft.edited && event.preventDefault());
check();
