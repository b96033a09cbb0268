// The server's problems ({field: "segments[0].endTime", message}), shown at their fields.

/** Lists all problems with links to their fields, and marks the fields. */
export function showProblems(problems, list) {
  unmark();
  list.replaceChildren(...problems.map((problem, index) => entry(problem, `problem-${index}`)));
}

/** Lists what is still missing; it is no error, so no field is marked. */
export function showTodo(problems, list) {
  unmark();
  list.replaceChildren(...problems.map(({ field, message }) => line(placeOf(field), message)));
}

function unmark() {
  for (const note of document.querySelectorAll("p.problem")) note.remove();
  for (const field of document.querySelectorAll("[aria-invalid]")) {
    field.removeAttribute("aria-invalid");
    field.removeAttribute("aria-describedby");
  }
}

function entry({ field, message }, id) {
  const target = placeOf(field);
  const words = inWords(message);
  if (target) mark(target, id, words);
  return line(target, target ? `${nameOf(target)}: ${words}` : words);
}

function line(target, text) {
  const found = document.createElement("li");
  if (!target) {
    found.textContent = text;
    return found;
  }
  const link = document.createElement("button");
  link.type = "button";
  link.className = "link";
  link.textContent = text;
  link.addEventListener("click", () => {
    target.closest("details")?.setAttribute("open", "");
    const focus = target.matches("input, select, button") ? target : target.querySelector("input, select, button") ?? target;
    focus.focus();
    focus.scrollIntoView({ block: "center" });
  });
  found.append(link);
  return found;
}

/** The element of the path, or of the nearest parent path. */
function placeOf(field) {
  for (let path = field; path; path = path.replace(/(^|\.|\[)[^.[]*$/, "")) {
    const found = document.querySelector(`[data-path="${CSS.escape(path)}"]`);
    if (found) return found;
  }
  return null;
}

function nameOf(target) {
  const row = target.closest("[data-name]");
  const own = target.closest("label")?.querySelector(".caption")?.textContent;
  return [row?.dataset.name, target === row ? null : own].filter(Boolean).join(", ");
}

function mark(target, id, words) {
  const note = document.createElement("p");
  note.className = "problem";
  note.id = id;
  note.textContent = words;
  if (target.matches("input, select")) {
    target.setAttribute("aria-invalid", "true");
    target.setAttribute("aria-describedby", id);
    target.closest("label").append(note);
  } else {
    target.append(note);
  }
}

/** Replaces field names by labels that count from 1. */
function inWords(message) {
  const words = { segments: "segment", effects: "area", audio: "audio file" };
  return message.replace(/\b(segments|effects|audio)\[(\d+)\]/g, (_, list, index) => `${words[list]} ${Number(index) + 1}`);
}
