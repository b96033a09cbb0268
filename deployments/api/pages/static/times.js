// Times come as UTC, which is right everywhere; here they become the reader's own.

const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export function localTimes() {
  for (const time of document.querySelectorAll("time:not([title])")) {
    time.title = time.textContent;
    time.textContent = FULL.format(new Date(time.dateTime));
  }
}
