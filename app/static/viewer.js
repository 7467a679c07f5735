// The map of one layer or a composite. `window.flagstoneMap` is the MapLibre map, for the console and for tests.
import { connectEvents } from "./live.js";
import { MapLibreMap, NavigationControl, Popup, ScaleControl, addProtocol } from "../vendor/maplibre-gl/maplibre-gl.mjs";

const MOST_SHOWN = 10; // features of one click
const REACH = 4; // pixels around the click
const BRIEF_MS = 5000; // how long an answer to a button is shown
const MOST_KNOWN = 4000; // tiles of which it is remembered how they were made
// What `Flagstone-Tile` says of tiles in view, the worst first.
const SENTENCES = {
  limited: "tiles in view hold more features than their limit: not all are shown. Zoom in to see more.",
  sampled: "tiles in view show one feature of each cell. Zoom in to see more.",
  overview: "tiles in view are of the layer's overview: what is too small to see is one feature of each cell.",
};
const facts = JSON.parse(document.getElementById("facts").textContent);
const notice = document.getElementById("notice");
const made = new Map(); // how the tiles were made, by `z/x/y`

// What there is to say, the most urgent first; the notice shows the first that is not empty.
const told = { brief: "", failure: "", cut: "" };
let briefEnds;

function say(kind, text) {
  told[kind] = text;
  const shown = told.brief || told.failure || told.cut;
  if (notice.textContent !== shown) notice.textContent = shown;
}

function sayBriefly(text) {
  say("brief", text);
  clearTimeout(briefEnds);
  briefEnds = setTimeout(() => say("brief", ""), BRIEF_MS);
}

// A map loads tiles in batches, each of which ends when the map is idle. What made a tile fail is told until a batch
// brings tiles and no failure: one good tile beside a bad one does not fill the hole.
const batch = { arrived: false, failed: false };

function tellFailure(error) {
  batch.failed = true;
  say("failure", error?.message || "A tile could not be loaded.");
}

function endBatch() {
  if (batch.arrived && !batch.failed) say("failure", "");
  batch.arrived = batch.failed = false;
}

// MapLibre shows no response headers to the page, so the page fetches the tiles and reads `Flagstone-Tile` itself.
async function fetchTile({ url }, { signal }) {
  // What lies under a version may be older than the change that a live map was just told of.
  const response = await fetch(url.replace("flagstone-", ""), { signal, cache: facts.events ? "no-cache" : "default" });
  if (!response.ok) throw new Error(await reason(response));
  batch.arrived = true;
  remember(url, response.headers.get("Flagstone-Tile"));
  if (response.status === 204) return { data: new ArrayBuffer(0) };
  return {
    data: await response.arrayBuffer(),
    // What tells of its changes is loaded again when it changes, not when time has passed.
    ...(isToldOf(response) ? {} : { cacheControl: response.headers.get("Cache-Control"), expires: response.headers.get("Expires") }),
  };
}

function isToldOf(response) {
  return Boolean(facts.events) && /\bmax-age=0\b/.test(response.headers.get("Cache-Control") ?? "");
}

function remember(url, said) {
  const name = /\/(\d+\/\d+\/\d+)(?:\.\w+)?(?:\?|$)/.exec(url)?.[1];
  const how = said?.split(";")[0];
  if (name === undefined || how === undefined) return;
  made.delete(name);
  made.set(name, how);
  if (made.size > MOST_KNOWN) made.delete(made.keys().next().value);
}

// The tiles of a zoom that the map shows; west of -180 and east of 180 they come round.
function* tilesInView(map, zoom) {
  const size = 2 ** zoom;
  const bounds = map.getBounds();
  const column = (longitude) => Math.floor(((longitude + 180) / 360) * size);
  const row = (latitude) => {
    const y = (1 - Math.asinh(Math.tan((latitude * Math.PI) / 180)) / Math.PI) / 2;
    return Math.min(Math.max(Math.floor(y * size), 0), size - 1);
  };
  const first = column(bounds.getWest());
  const last = Math.min(column(bounds.getEast()), first + size - 1);
  for (let x = first; x <= last; x++) {
    for (let y = row(bounds.getNorth()); y <= row(bounds.getSouth()); y++) yield `${zoom}/${((x % size) + size) % size}/${y}`;
  }
}

function whatWasDone(map, zoom) {
  const hows = [...tilesInView(map, zoom)].map((name) => made.get(name)).filter((how) => how !== undefined);
  for (const [how, sentence] of Object.entries(SENTENCES)) {
    const number = hows.filter((each) => each === how).length;
    if (number > 0) return `${how[0].toUpperCase()}${how.slice(1)}: ${number} of ${hows.length} ${sentence}`;
  }
  return "";
}

async function reason(response) {
  const problem = await response.json().catch(() => ({}));
  return problem.detail || problem.title || `The server answered ${response.status}.`;
}

// Attributes are text that anybody may have written into the database: they never become HTML.
function attributes(features) {
  const box = document.createElement("div");
  box.className = "attributes";
  for (const feature of features) {
    const heading = document.createElement("h2");
    heading.textContent = feature.id === undefined ? feature.sourceLayer : `${feature.sourceLayer} ${feature.id}`;
    const table = document.createElement("table");
    for (const [name, value] of Object.entries(feature.properties)) {
      const row = table.insertRow();
      const head = document.createElement("th");
      head.scope = "row";
      head.textContent = name;
      row.append(head);
      row.insertCell().textContent = String(value);
    }
    box.append(heading, table);
  }
  return box;
}

// A polygon is drawn by two layers and may lie in two tiles: it is named once.
function distinct(features) {
  const byText = new Map(features.map((f) => [JSON.stringify([f.sourceLayer, f.id, f.properties]), f]));
  return [...byText.values()].slice(0, MOST_SHOWN);
}

let popup;

function show(map, point, place) {
  const box = [[point.x - REACH, point.y - REACH], [point.x + REACH, point.y + REACH]];
  const features = distinct(map.queryRenderedFeatures(box));
  if (features.length === 0) return false;
  popup?.remove(); // a click on the map closes the last one by itself, a button does not
  popup = new Popup({ maxWidth: "20rem" }).setLngLat(place).setDOMContent(attributes(features)).addTo(map);
  return true;
}

function connectPanel(map, tilejson) {
  const zoom = document.getElementById("zoom");
  const tellZoom = () => {
    zoom.textContent = map.getZoom().toFixed(1);
    const tileZoom = Math.min(Math.max(Math.floor(map.getZoom()), tilejson.minzoom), tilejson.maxzoom);
    say("cut", whatWasDone(map, tileZoom));
  };
  map.on("move", tellZoom);
  map.on("idle", tellZoom);
  map.on("idle", endBatch);
  map.on("click", (event) => show(map, event.point, event.lngLat));
  map.on("error", (event) => tellFailure(event.error));
  document.getElementById("centre").addEventListener("click", () => {
    const place = map.getCenter();
    if (!show(map, map.project(place), place)) sayBriefly("Nothing is drawn at the centre of the map.");
  });
  for (const box of document.querySelectorAll(".layer input")) {
    box.addEventListener("change", () => {
      for (const layer of map.getStyle().layers.filter((each) => each["source-layer"] === box.value)) {
        map.setLayoutProperty(layer.id, "visibility", box.checked ? "visible" : "none");
      }
    });
  }
}

async function start() {
  const response = await fetch(facts.tilejson);
  if (!response.ok) throw new Error(await reason(response));
  const tilejson = await response.json();
  addProtocol("flagstone-http", fetchTile);
  addProtocol("flagstone-https", fetchTile);
  const map = new MapLibreMap({
    container: "map",
    style: facts.style,
    hash: true,
    // Tiles out of view are not told of changes: they are asked for again.
    ...(facts.events ? { maxTileCacheSize: 0 } : {}),
    bounds: tilejson.bounds,
    fitBoundsOptions: { padding: 24, maxZoom: tilejson.maxzoom },
    attributionControl: { compact: false },
    transformRequest: (url, type) => (type === "Tile" ? { url: `flagstone-${url}` } : undefined),
  });
  window.flagstoneMap = map;
  map.addControl(new NavigationControl(), "top-right");
  map.addControl(new ScaleControl(), "bottom-left");
  connectPanel(map, tilejson);
  if (facts.events) connectEvents(map, facts.events, (zoom) => tilesInView(map, zoom), document.getElementById("live"));
}

const address = document.getElementById("address");
address.addEventListener("focus", () => address.select());
document.getElementById("copy").addEventListener("click", async () => {
  address.select();
  try {
    await navigator.clipboard.writeText(address.value);
  } catch {
    document.execCommand("copy"); // the clipboard's own interface is there for https and localhost only
  }
  sayBriefly("The TileJSON address is copied.");
});
start().catch(tellFailure);
