// Keeps the page for when there is no network: every file by its name, which has its digest.

// One host may have several playgrounds, each below an address of its own, and all see all caches.
const OURS = `coracle ${self.registration.scope} `;
const CACHE = `${OURS}{{version}}`;
const FILES = ["{{files}}"];

self.addEventListener("install", (event) => {
  const fill = async () => {
    const cache = await caches.open(CACHE);
    const files = ["./", ...FILES.filter((name) => name !== "index.html")];
    await cache.addAll(files.map(request));
    await self.skipWaiting();
  };
  event.waitUntil(fill());
});

/** What has no digest in its name may be an older one in the browser's own cache: it is asked for. */
function request(name) {
  return new Request(name, { cache: /-\w{8,}\.\w+$/.test(name) ? "default" : "reload" });
}

self.addEventListener("activate", (event) => {
  const tidy = async () => {
    const names = await caches.keys();
    const old = names.filter((name) => name.startsWith(OURS) && name !== CACHE);
    // Oldest first. The last one stays: a tab that was opened with it may still ask for its files.
    await Promise.all(old.slice(0, -1).map((name) => caches.delete(name)));
    await self.clients.claim();
  };
  event.waitUntil(tidy());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || new URL(request.url).origin !== self.location.origin) return;
  const answer = async () => {
    // What has a digest in its name never changes; the page itself is asked for first.
    if (request.mode !== "navigate") return (await kept(request)) ?? fetch(request);
    try {
      return await fetch(request);
    } catch {
      return (await kept("./")) ?? Response.error();
    }
  };
  event.respondWith(answer());
});

/** What is kept of this version, or else of the one before; nothing where the cache is refused. */
async function kept(request) {
  try {
    const cache = await caches.open(CACHE);
    return (await cache.match(request)) ?? (await caches.match(request));
  } catch {
    return undefined;
  }
}
