// The rows below the picture: exact numbers for segments and areas, and the audio files.

import { fill, fromTemplate, keyed } from "./keyed.js";

const PERCENT = new Set(["x", "y", "w", "h"]); // shown as percent of the picture, kept as fractions

/** Draws the audio files, segments and areas of the draft whenever they change. */
export function showRows(draft, video) {
  const timed = (item, row) => timeButtons(item, row, draft, video);
  const lists = [
    [rows("audio", draft, audioRow), () => draft.audio],
    [rows("segment", draft, timed, offerAudio), () => draft.segments],
    [rows("area", draft, timed), () => draft.areas],
  ];
  const draw = () => {
    for (const [show, items] of lists) show(items());
  };
  draft.addEventListener("change", draw);
  draw();
}

function rows(kind, draft, prepare, refresh = () => {}) {
  return keyed(
    document.getElementById(`${kind}-rows`),
    (item) => {
      const row = fromTemplate(`${kind}-row`);
      row.querySelector("[data-do=remove]").addEventListener("click", () => {
        const next = row.nextElementSibling ?? row.previousElementSibling;
        kind === "audio" ? draft.removeAudio(item) : draft.remove(item);
        (next?.querySelector("[data-do=remove]") ?? document.getElementById(`add-${kind}`)).focus();
      });
      if (kind !== "audio") row.addEventListener("focusin", () => draft.select(item));
      for (const field of row.querySelectorAll("input, select")) bind(field, item, draft);
      prepare(item, row);
      return row;
    },
    (row, item, index) => {
      row.querySelector("[data-is=number]")?.replaceChildren(String(index + 1));
      row.classList.toggle("selected", draft.selected === item);
      // A problem names its field by this path; the row itself shows problems without a field.
      row.dataset.path = row.dataset.of.replace("#", index);
      row.dataset.name = row.dataset.named.replace("#", index + 1);
      for (const field of row.querySelectorAll("input, select")) {
        field.dataset.path = `${row.dataset.path}.${field.dataset.field}`;
        if (field.dataset.is !== "refId") fill(field, displayed(field.dataset.is, item));
      }
      refresh(item, row, draft);
    },
  );
}

function displayed(name, item) {
  const value = item[name];
  return PERCENT.has(name) ? Math.round(value * 10_000) / 100 : value;
}

/** Input updates the draft; invalid numbers are reset when the field loses the focus. */
function bind(field, item, draft) {
  const name = field.dataset.is;
  field.addEventListener("input", () => {
    if (field.type !== "number") draft.update(item, { [name]: field.value });
    else if (field.value !== "") draft.update(item, { [name]: PERCENT.has(name) ? field.valueAsNumber / 100 : field.valueAsNumber });
    else if (field.dataset.optional !== undefined && !field.validity.badInput) draft.update(item, { [name]: null });
  });
  field.addEventListener("blur", () => name !== "refId" && fill(field, displayed(name, item)));
}

function timeButtons(item, row, draft, video) {
  for (const edge of ["start", "end"]) {
    row.querySelector(`[data-do=${edge}-here]`).addEventListener("click", () => {
      draft.update(item, { [edge]: Math.round(video.currentTime * 100) / 100 });
    });
  }
  row.querySelector("[data-do=show]").addEventListener("click", () => {
    draft.select(item);
    video.currentTime = item.start;
    video.scrollIntoView({ block: "nearest" });
  });
}

function offerAudio(item, row, draft) {
  const choice = row.querySelector("select");
  const names = ["", ...draft.audio.map((audio) => audio.refId)];
  if (names.join() !== [...choice.options].map((option) => option.value).join()) {
    choice.replaceChildren(...names.map((name) => new Option(name ? titleOf(name, draft) : "Choose an audio file", name)));
  }
  choice.value = item.refId;
}

function titleOf(refId, draft) {
  return `${refId} (${draft.audio.find((audio) => audio.refId === refId).file.name})`;
}

function audioRow(item, row) {
  row.querySelector("[data-is=name]").textContent = item.file.name;
  row.querySelector("[data-is=refId]").textContent = item.refId;
  row.querySelector("[data-is=length]").textContent = item.duration ? `${item.duration.toFixed(2)} s` : "length unknown";
  row.querySelector("audio").src = item.url;
}
