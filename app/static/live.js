// A map that shows what changes: it listens to server-sent events, and loads just those tiles again.
const SOURCE = "flagstone";
const GRID = "WebMercatorQuad";
const GATHER_MS = 40; // changes that come close together are one
const MOST_GATHERED = 20000; // ranges: a page in the background looks at them seldom
const DEEPER = 2; // zooms below the map's own of which tiles may be shown
const AGAIN_MS = 5000; // until a stream that was refused is asked for again
const WORDS = {
  live: "Live: changes are shown as they happen.",
  partly: "Live, but not every layer tells of its changes.",
  none: "Changes are not told here: reload to see them.",
  broken: "Not live at the moment.",
};

// The tiles in view, by `z/x/y`, that lie in one of the ranges [zoom, first and last column, first and last row].
function touched(ranges, deepest, inView) {
  const byZoom = new Map();
  for (const [z, ...range] of ranges) {
    if (z <= deepest) byZoom.set(z, [...(byZoom.get(z) ?? []), range]);
  }
  const found = [];
  for (const [z, these] of byZoom) {
    for (const name of new Set(inView(z))) {
      const [, x, y] = name.split("/").map(Number);
      if (these.some(([left, right, top, bottom]) => left <= x && x <= right && top <= y && y <= bottom)) found.push({ z, x, y });
    }
  }
  return found;
}

// `inView(zoom)` gives the tiles in view; `sign` is the element that says whether the map is live.
export function connectEvents(map, address, inView, sign) {
  let everything = false;
  let ranges = [];
  let timer;
  let last = "";

  function refresh() {
    timer = undefined;
    if (!map.getSource(SOURCE)) return gather(); // the style is not there yet
    if (everything) {
      map.refreshTiles(SOURCE);
    } else {
      const tiles = touched(ranges, Math.floor(map.getZoom()) + DEEPER, inView);
      if (tiles.length > 0) map.refreshTiles(SOURCE, tiles);
    }
    everything = false;
    ranges = [];
  }

  function gather() {
    if (ranges.length > MOST_GATHERED) everything = true;
    if (everything) ranges = [];
    timer ??= setTimeout(refresh, GATHER_MS);
  }

  function heardAll(event) {
    last = event.lastEventId;
    everything = true;
    gather();
  }

  function heard(event) {
    last = event.lastEventId;
    const change = JSON.parse(event.data);
    if (change.tiles === null || change.grid !== GRID) everything = true;
    else ranges = ranges.concat(change.tiles);
    gather();
  }

  function begin() {
    const stream = new EventSource(last ? `${address}&since=${encodeURIComponent(last)}` : address);
    stream.addEventListener("listening", (event) => {
      last ||= event.lastEventId;
      const layers = JSON.parse(event.data).layers;
      const followed = layers.filter((layer) => layer.followed).length;
      sign.textContent = followed === 0 ? WORDS.none : followed < layers.length ? WORDS.partly : WORDS.live;
    });
    stream.addEventListener("change", heard);
    stream.addEventListener("all", heardAll);
    stream.addEventListener("error", () => {
      sign.textContent = WORDS.broken;
      if (stream.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
      setTimeout(begin, AGAIN_MS);
    });
  }

  begin();
}
