// Plays both videos in sync: the source follows the result.
//
// Lip-sync may have changed the length of segments. Each piece [source start, source end, result start, result end]
// (seconds) maps a part of the source to the result; the source plays slower or faster there.

const MAX_DRIFT = 0.12; // seconds between the two before the source jumps; less is not visible

export function compare() {
  const before = document.getElementById("before");
  const after = document.getElementById("after");
  if (!before || !after) return;
  const pieces = JSON.parse(document.getElementById("compare").dataset.pieces ?? "[]");
  const both = document.getElementById("both");
  document.getElementById("compare-keys").hidden = false;
  before.controls = false;
  before.muted = true;

  const follow = () => {
    const { time, rate } = sourceAt(after.currentTime, pieces);
    before.playbackRate = Math.min(Math.max(rate * after.playbackRate, 0.0625), 16);
    if (Math.abs(before.currentTime - time) > (after.paused ? 0.01 : MAX_DRIFT)) before.currentTime = time;
    if (after.paused || rate === 0 || time >= before.duration) before.pause();
    else if (before.paused) before.play().catch(() => {}); // the browser may forbid playing without a click
  };
  for (const kind of ["play", "pause", "seeked", "timeupdate", "ratechange", "ended"]) after.addEventListener(kind, follow);
  for (const kind of ["play", "pause", "ended"]) {
    after.addEventListener(kind, () => (both.textContent = after.paused ? "Play both" : "Pause both"));
  }
  both.addEventListener("click", () => (after.paused ? after.play() : after.pause()));
  document.getElementById("hear-before").addEventListener("change", (event) => {
    before.muted = !event.target.checked;
    after.muted = event.target.checked;
  });
}

/** The source time that the result shows at `time`, and the playback rate of the source there. */
export function sourceAt(time, pieces) {
  const piece = pieces.find(([, , start, end]) => Math.min(start, end) <= time && time < Math.max(start, end));
  if (!piece) return { time, rate: 1 };
  const [sourceStart, sourceEnd, start, end] = piece;
  const rate = (sourceEnd - sourceStart) / (end - start);
  return { time: sourceStart + (time - start) * rate, rate: Math.max(0, rate) };
}
