// The service worker against a browser of our own making: what it does where a real one cannot be made to fail.
//   node worker_cases.js WORKER     prints what became of each case as JSON
"use strict";
const fs = require("node:fs");
const vm = require("node:vm");

const source = fs.readFileSync(process.argv[2], "utf8");

function browser({ showFails = false, windows = [], kept = null, answer = 202 } = {}) {
  const done = { shown: [], beacons: [], opened: [], focused: [], kept };
  const handlers = {};
  const held = { endpoint: "https://fcm.googleapis.com/new", toJSON: () => ({ endpoint: "https://fcm.googleapis.com/new" }) };
  const self = {
    location: { host: "www.example.com" },
    addEventListener: (name, handler) => (handlers[name] = handler),
    skipWaiting: () => {},
    registration: {
      scope: "https://www.example.com/",
      pushManager: { subscribe: async () => held },
      showNotification: async (title, options) => {
        if (showFails) throw new TypeError("no permission");
        done.shown.push({ title, body: options.body, tag: options.tag });
      },
    },
    clients: {
      claim: async () => {},
      matchAll: async () => windows.map((url) => ({ url, focus: async () => done.focused.push(url) })),
      openWindow: async (url) => done.opened.push(url),
    },
  };
  const caches = {
    open: async () => ({
      match: async () => (done.kept ? new Response(JSON.stringify(done.kept)) : undefined),
      put: async (_, response) => (done.kept = await response.json()),
    }),
  };
  const fetch = async (url, options = {}) => {
    if (url.endsWith("/push/key")) return new Response("BA", { status: 200 });
    done.beacons.push({ url, keepalive: options.keepalive === true, said: JSON.parse(options.body) });
    if (answer === "offline") throw new TypeError("offline");
    return new Response(JSON.stringify({ proof: "new proof" }), { status: answer });
  };
  vm.runInNewContext(source, { self, caches, fetch, URL, Response, Uint8Array, atob, JSON, Object, Promise });
  done.fire = async (name, event) => {
    const waits = [];
    handlers[name]({ waitUntil: (one) => waits.push(one), ...event });
    await Promise.all(waits);
    delete done.fire;
    return done;
  };
  return done;
}

const data = (said) => ({ json: () => JSON.parse(said) });
const push = { title: "Hello", body: "You", token: "T", tag: "tag", url: "/offer", beacon: "https://go.example.com/push/beacon" };
const clicked = (said) => ({ notification: { data: said, close: () => {} } });

async function main() {
  const old = { endpoint: "https://fcm.googleapis.com/old", proof: "proof" };
  console.log(
    JSON.stringify({
      shown: await browser().fire("push", { data: data(JSON.stringify(push)) }),
      "not shown": await browser({ showFails: true }).fire("push", { data: data(JSON.stringify(push)) }),
      offline: await browser({ answer: "offline" }).fire("push", { data: data(JSON.stringify(push)) }),
      "no JSON": await browser().fire("push", { data: data("oops") }),
      empty: await browser().fire("push", { data: null }),
      click: await browser().fire("notificationclick", clicked(push)),
      "click, already open": await browser({ windows: ["https://www.example.com/offer"] }).fire("notificationclick", clicked(push)),
      "click on a script": await browser().fire("notificationclick", clicked({ ...push, url: "javascript:alert(1)" })),
      "click without address": await browser().fire("notificationclick", clicked({ token: "T" })),
      dismissed: await browser().fire("notificationclose", clicked(push)),
      renewed: await browser({ kept: old }).fire("pushsubscriptionchange", {}),
      "renewal refused": await browser({ kept: old, answer: 503 }).fire("pushsubscriptionchange", {}),
      "renewal of nobody": await browser().fire("pushsubscriptionchange", {}),
    }),
  );
}

main();
