// What the browser knows about a file. A file that it cannot play may be valid: the server decides.

const TIMEOUT = 10_000; // milliseconds

/** Seconds; 0 if unknown. */
export function durationOf(url, kind) {
  const element = document.createElement(kind);
  element.preload = "metadata";
  return new Promise((resolve) => {
    const end = () => resolve(Number.isFinite(element.duration) ? element.duration : 0);
    element.addEventListener("loadedmetadata", end, { once: true });
    element.addEventListener("error", () => resolve(0), { once: true });
    setTimeout(() => resolve(0), TIMEOUT);
    element.src = url;
  });
}

/** Load the file into the page's player; resolves to {duration, width, height}, all 0 if it cannot be played. */
export function load(video, url) {
  return new Promise((resolve) => {
    const end = (found) => {
      video.removeEventListener("loadedmetadata", good);
      video.removeEventListener("error", bad);
      resolve(found);
    };
    const good = () => {
      const { duration, videoWidth: width, videoHeight: height } = video;
      end(Number.isFinite(duration) && width ? { duration, width, height } : NOTHING);
    };
    const bad = () => end(NOTHING);
    video.addEventListener("loadedmetadata", good);
    video.addEventListener("error", bad);
    video.src = url;
  });
}

const NOTHING = { duration: 0, width: 0, height: 0 };
