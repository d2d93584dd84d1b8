// multiwave web push: the script of a page. Serve it from your own site, such as /multiwave-push.js.
//
//   multiwavePush.button("#push", {token, worker})   a button that turns pushes on and off in this browser
//   multiwavePush.subscribe({token, worker})         after a click: asks the visitor, subscribes, tells multiwave
//   multiwavePush.unsubscribe({worker})              ends it in this browser
//   multiwavePush.state({worker})                    "on", "off", "blocked" or "unsupported"
//
// token: the customer's, from your server (multiwave push-token). worker: where your site serves the service worker.
(() => {
  "use strict";
  const SERVER = @@server@@;
  const WORKER = "/multiwave-push-worker.js";
  const DAY = 24 * 3600 * 1000;
  const KEPT = "multiwave-push";
  const KEPT_AT = "/multiwave-push/subscription"; // a name in the cache of this site, never asked of it

  const supported = () =>
    "serviceWorker" in navigator && "PushManager" in window && "Notification" in window && "caches" in window;

  async function post(path, said) {
    const answer = await fetch(`${SERVER}/push/${path}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(said),
      credentials: "omit",
    });
    if (!answer.ok) throw new Error(`multiwave answered ${answer.status}: ${(await answer.text()).trim()}`);
    return answer.json();
  }

  async function serverKey() {
    const answer = await fetch(`${SERVER}/push/key`, { credentials: "omit" });
    if (!answer.ok) throw new Error((await answer.text()).trim());
    const text = (await answer.text()).trim().replace(/-/g, "+").replace(/_/g, "/");
    return Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
  }

  const sameKey = (held, wanted) =>
    Boolean(held) && held.byteLength === wanted.length && new Uint8Array(held).every((one, at) => one === wanted[at]);

  // What the worker needs when the browser changes the subscription by itself: what it was, and multiwave's proof of it.
  async function remember(endpoint, proof) {
    const kept = await caches.open(KEPT);
    if (endpoint) await kept.put(KEPT_AT, new Response(JSON.stringify({ endpoint, proof })));
    else await kept.delete(KEPT_AT);
  }

  async function remembered() {
    const found = await (await caches.open(KEPT)).match(KEPT_AT);
    return found ? found.json() : {};
  }

  async function registered(worker) {
    const registration = await navigator.serviceWorker.register(worker || WORKER);
    const starting = registration.installing || registration.waiting;
    if (!registration.active && starting) {
      await new Promise((done) => {
        const look = () => starting.state === "activated" && done();
        starting.addEventListener("statechange", look);
        look();
      });
    }
    return registration;
  }

  async function current(worker) {
    const registration = await navigator.serviceWorker.getRegistration(worker || WORKER);
    return registration ? registration.pushManager.getSubscription() : null;
  }

  async function tell(token, subscription, visit = false) {
    const { endpoint: old, proof } = await remembered();
    const said = subscription.toJSON();
    if (old && old !== subscription.endpoint) await post("renew", { old, proof, subscription: said }).catch(() => {});
    const answer = await post("subscribe", { token, subscription: said, visit });
    await remember(subscription.endpoint, answer.proof);
    localStorage.setItem(KEPT, String(Date.now()));
  }

  async function subscribe({ token, worker } = {}) {
    if (!supported()) throw new Error("this browser has no web push");
    if ((await Notification.requestPermission()) !== "granted") throw new Error("notifications are not allowed here");
    const [registration, key] = await Promise.all([registered(worker), serverKey()]);
    let held = await registration.pushManager.getSubscription();
    if (held && !sameKey(held.options.applicationServerKey, key)) {
      await held.unsubscribe(); // it was made with another key, and nothing of ours would reach it
      held = null;
    }
    held = held || (await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key }));
    try {
      await tell(token, held);
    } catch (error) {
      await held.unsubscribe(); // nothing would come, and the button would say that it is on
      throw error;
    }
    return held;
  }

  async function unsubscribe({ worker } = {}) {
    const held = await current(worker);
    if (!held) return;
    const { endpoint, proof } = await remembered();
    if (endpoint === held.endpoint) await post("unsubscribe", { endpoint, proof }).catch(() => {});
    await held.unsubscribe(); // the push service says so, should multiwave not have been told
    await remember(null);
    localStorage.removeItem(KEPT);
  }

  async function state({ worker } = {}) {
    if (!supported()) return "unsupported";
    if (Notification.permission === "denied") return "blocked";
    return Notification.permission === "granted" && (await current(worker)) ? "on" : "off";
  }

  // Once a day a visit says anew whose browser this is: whoever used it last is meant. It is no new yes.
  async function refresh({ token, worker } = {}) {
    if (!token || (await state({ worker })) !== "on") return;
    if (Date.now() - Number(localStorage.getItem(KEPT) || 0) >= DAY) await tell(token, await current(worker), true);
  }

  const LABELS = {
    on: "Notifications are on. Turn off",
    off: "Turn notifications on",
    blocked: "Notifications are blocked in this browser's settings",
    unsupported: "This browser has no notifications",
  };

  function button(where, options = {}) {
    const shown = typeof where === "string" ? document.querySelector(where) : where;
    const labels = { ...LABELS, ...options.labels };
    const paint = async () => {
      const now = await state(options);
      shown.textContent = labels[now];
      shown.disabled = now === "blocked" || now === "unsupported";
      shown.dataset.state = now;
      shown.hidden = false;
    };
    shown.addEventListener("click", async () => {
      shown.disabled = true;
      try {
        await (shown.dataset.state === "on" ? unsubscribe(options) : subscribe(options));
      } catch (error) {
        shown.dispatchEvent(new CustomEvent("multiwave-push-error", { detail: error, bubbles: true }));
      }
      await paint();
      shown.dispatchEvent(new CustomEvent("multiwave-push", { detail: shown.dataset.state, bubbles: true }));
    });
    refresh(options).catch(() => {});
    return paint();
  }

  window.multiwavePush = { button, subscribe, unsubscribe, state, refresh };
})();
