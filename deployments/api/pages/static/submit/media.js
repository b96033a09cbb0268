// What the browser itself can tell of a file. Where it cannot play one, that is no fault of the file: the server decides.

const PATIENCE = 10_000; // milliseconds

/** Seconds; 0 where the browser cannot tell. */
export function durationOf(url, kind) {
  const element = document.createElement(kind);
  element.preload = "metadata";
  return new Promise((resolve) => {
    const end = () => resolve(Number.isFinite(element.duration) ? element.duration : 0);
    element.addEventListener("loadedmetadata", end, { once: true });
    element.addEventListener("error", () => resolve(0), { once: true });
    setTimeout(() => resolve(0), PATIENCE);
    element.src = url;
  });
}

/** Show the file in the page's player; gives {duration, width, height}, all 0 where the browser cannot. */
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
