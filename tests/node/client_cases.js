// The script of a page against a browser of our own making: what it does when multiwave does not answer.
//   node client_cases.js CLIENT     prints what became of each case as JSON
"use strict";
const fs = require("node:fs");
const vm = require("node:vm");

const source = fs.readFileSync(process.argv[2], "utf8");
const ENDPOINT = "https://fcm.googleapis.com/one";

function browser(answer, subscribed) {
  const done = { asked: [], subscribed, kept: subscribed ? { endpoint: ENDPOINT, proof: "proof" } : null };
  const held = {
    endpoint: ENDPOINT,
    toJSON: () => ({ endpoint: ENDPOINT }),
    unsubscribe: async () => (done.subscribed = false),
  };
  const pushManager = {
    getSubscription: async () => (done.subscribed ? held : null),
    subscribe: async () => ((done.subscribed = true), held),
  };
  const registration = { active: {}, pushManager };
  const serviceWorker = { register: async () => registration, getRegistration: async () => registration };
  const Notification = { permission: "granted", requestPermission: async () => "granted" };
  const caches = {
    open: async () => ({
      match: async () => (done.kept ? new Response(JSON.stringify(done.kept)) : undefined),
      put: async (_, response) => (done.kept = await response.json()),
      delete: async () => (done.kept = null),
    }),
  };
  const fetch = async (url, options) => {
    if (url.endsWith("/push/key")) return new Response("BA", { status: 200 });
    done.asked.push({ url, said: JSON.parse(options.body) });
    if (answer === "offline") throw new TypeError("offline");
    return new Response(JSON.stringify({ proof: "proof" }), { status: answer });
  };
  const window = { PushManager: {}, Notification, caches };
  const localStorage = { setItem: () => {}, removeItem: () => {} };
  const given = { window, navigator: { serviceWorker }, Notification, caches, fetch, localStorage, Response };
  vm.runInNewContext(source, { ...given, Uint8Array, atob, JSON, Error, Boolean, Date, String, Promise });
  return { done, push: window.multiwavePush };
}

async function pressed(act, answer) {
  const { done, push } = browser(answer, act === "unsubscribe");
  await push[act]({ token: "T" }).catch((error) => (done.error = error.message));
  return { ...done, state: await push.state({}) };
}

async function main() {
  const cases = {};
  for (const act of ["subscribe", "unsubscribe"])
    for (const answer of [202, 403, 503, "offline"]) cases[`${act} ${answer}`] = await pressed(act, answer);
  console.log(JSON.stringify(cases));
}

main();
