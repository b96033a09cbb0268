// Converts times from UTC to the browser's time zone.

const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export function localTimes() {
  for (const time of document.querySelectorAll("time:not([title])")) {
    time.title = time.textContent;
    time.textContent = FULL.format(new Date(time.dateTime));
  }
}
