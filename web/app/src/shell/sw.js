//! The service worker: keeps the files of the app, so that it opens without a network. Never an answer of the server.
//!
//! The build puts `FILES` (paths with a leading slash) and `VERSION` (a hash of their bytes) in front of this text.
//! Invariants: a page sees files of one version only; a new version waits until no page is open or the user asks for it;
//! requests below /v1 and requests to other origins are left to the browser.

/* global FILES, VERSION */

const PREFIX = "tenon-shell-";
const CACHE = `${PREFIX}${VERSION}`;
/** Addresses that show the app: others that the server knows are not answered from here. */
const PAGE = /^\/(?:index\.html|setup|join|demo|admin)?(?:\/.*)?$/;
const KEPT = new Set(FILES);

self.addEventListener("install", (event) => {
  const keep = async () => {
    const cache = await caches.open(CACHE);
    await cache.addAll(FILES.map((path) => new Request(path, { cache: "reload" })));
  };
  event.waitUntil(keep());
});

self.addEventListener("activate", (event) => {
  const drop = async () => {
    const names = await caches.keys();
    await Promise.all(names.filter((name) => name.startsWith(PREFIX) && name !== CACHE).map((name) => caches.delete(name)));
    await self.clients.claim();
  };
  event.waitUntil(drop());
});

self.addEventListener("message", (event) => {
  if (event.data === "take over") void self.skipWaiting();
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin || url.pathname.startsWith("/v1/")) return;
  const isPage = request.mode === "navigate" && PAGE.test(url.pathname);
  const path = isPage ? "/index.html" : url.pathname;
  if (KEPT.has(path)) event.respondWith(fromCache(path, request));
});

/** The kept file; the server's if the browser has dropped it. */
async function fromCache(path, request) {
  const cache = await caches.open(CACHE);
  const held = await cache.match(path);
  return held ?? fetch(request);
}
