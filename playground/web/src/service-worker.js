// Keeps the page for when there is no network: every file by its name, which has its digest.

const CACHE = "coracle-{{version}}";
const FILES = ["{{files}}"];

self.addEventListener("install", (event) => {
  const fill = async () => {
    const cache = await caches.open(CACHE);
    await cache.addAll(["./", ...FILES.filter((name) => name !== "index.html")]);
    await self.skipWaiting();
  };
  event.waitUntil(fill());
});

self.addEventListener("activate", (event) => {
  const tidy = async () => {
    const names = await caches.keys();
    const old = names.filter((name) => name.startsWith("coracle-") && name !== CACHE);
    await Promise.all(old.map((name) => caches.delete(name)));
    await self.clients.claim();
  };
  event.waitUntil(tidy());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || new URL(request.url).origin !== self.location.origin) return;
  const answer = async () => {
    // What has a digest in its name never changes; the page itself is asked for first.
    const cache = await caches.open(CACHE);
    if (request.mode === "navigate") {
      try {
        return await fetch(request);
      } catch {
        return (await cache.match("./")) ?? Response.error();
      }
    }
    return (await cache.match(request)) ?? fetch(request);
  };
  event.respondWith(answer());
});
