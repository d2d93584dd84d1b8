// multiwave web push: the service worker. Serve it from the root of your own site, as /multiwave-push-worker.js.
// Where your site has a service worker already, let it begin with importScripts("/multiwave-push-worker.js").
"use strict";

const MULTIWAVE = {
  server: @@server@@,
  kept: "multiwave-push",
  keptAt: "/multiwave-push/subscription",
};

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("push", (event) => event.waitUntil(multiwaveShow(event.data)));
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(multiwaveClicked(event.notification.data || {}));
});
self.addEventListener("notificationclose", (event) => {
  event.waitUntil(multiwaveTell(event.notification.data || {}, "dismissed"));
});
self.addEventListener("pushsubscriptionchange", (event) => event.waitUntil(multiwaveRenew(event)));

// Every push shows something: browsers end the subscription of a site whose pushes are silent.
async function multiwaveShow(data) {
  let said = {};
  try {
    said = (data && data.json()) || {};
  } catch {
    said = {}; // not ours; something is shown all the same
  }
  const options = { body: said.body || "", data: said };
  if (said.tag) Object.assign(options, { tag: said.tag, renotify: true });
  try {
    await self.registration.showNotification(said.title || self.location.host, options);
    await multiwaveTell(said, "shown");
  } catch {
    await multiwaveTell(said, "delivered"); // it came, and could not be shown
  }
}

async function multiwaveClicked(said) {
  // The window first: a browser lets it open only for a moment after the click.
  await Promise.allSettled([multiwaveOpen(said.url), multiwaveTell(said, "clicked")]);
}

async function multiwaveOpen(wanted) {
  let url = new URL(self.registration.scope);
  try {
    url = new URL(wanted || "", self.registration.scope);
  } catch {
    // no address: the site itself
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") return;
  const windows = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const there = windows.find((one) => one.url === url.href);
  if (there) await there.focus();
  else await self.clients.openWindow(url.href);
}

async function multiwaveTell(said, event) {
  if (!said.token) return;
  try {
    await fetch(said.beacon || `${MULTIWAVE.server}/push/beacon`, {
      method: "POST",
      headers: { "Content-Type": "text/plain" }, // a request that needs no preflight outlives the worker
      body: JSON.stringify({ token: said.token, event }),
      credentials: "omit",
      keepalive: true,
    });
  } catch {
    // offline; nothing is lost but the word of it
  }
}

// The browser ended the subscription, or changed it by itself: subscribe again, and say what it was and is.
async function multiwaveRenew(event) {
  const held = event.newSubscription || (await multiwaveSubscribe());
  const cache = await caches.open(MULTIWAVE.kept);
  const found = await cache.match(MULTIWAVE.keptAt);
  if (!held || !found) return; // the next visit says whose it is
  const { endpoint: old, proof } = await found.json();
  if (old === held.endpoint) return;
  const answer = await fetch(`${MULTIWAVE.server}/push/renew`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ old, proof, subscription: held.toJSON() }),
    credentials: "omit",
  });
  if (!answer.ok) return;
  const now = { endpoint: held.endpoint, proof: (await answer.json()).proof };
  await cache.put(MULTIWAVE.keptAt, new Response(JSON.stringify(now)));
}

async function multiwaveSubscribe() {
  const answer = await fetch(`${MULTIWAVE.server}/push/key`, { credentials: "omit" });
  if (!answer.ok) return null;
  const text = (await answer.text()).trim().replace(/-/g, "+").replace(/_/g, "/");
  const applicationServerKey = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
  return self.registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey });
}
