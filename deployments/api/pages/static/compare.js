// Both videos in step: the result leads, the source follows it, moment by moment.
//
// Lip-sync may have changed the length of segments. Each piece [source start, source end, result start, result end]
// (seconds) says which part of the source is seen when in the result; the source plays slower or faster there.

const APART = 0.12; // seconds that the two may be apart before the source jumps: less is not seen

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
    if (Math.abs(before.currentTime - time) > (after.paused ? 0.01 : APART)) before.currentTime = time;
    if (after.paused || rate === 0 || time >= before.duration) before.pause();
    else if (before.paused) before.play().catch(() => {}); // the browser may want to be asked first: then it stands
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

/** The moment of the source that the result shows, and how fast the source goes by there. */
export function sourceAt(time, pieces) {
  const piece = pieces.find(([, , start, end]) => Math.min(start, end) <= time && time < Math.max(start, end));
  if (!piece) return { time, rate: 1 };
  const [sourceStart, sourceEnd, start, end] = piece;
  const rate = (sourceEnd - sourceStart) / (end - start);
  return { time: sourceStart + (time - start) * rate, rate: Math.max(0, rate) };
}
