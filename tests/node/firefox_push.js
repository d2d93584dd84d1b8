// A real Firefox for a test: subscribes with a page's button, tells what is shown, clicks on it, ends the subscription.
//   node firefox_push.js FIREFOX PAGE PUSH_SERVICE
// It reads a word a line, and answers each with a line of JSON; it ends with its input.
"use strict";
const puppeteer = require("puppeteer-core");
const readline = require("node:readline");

const [executablePath, page, service] = process.argv.slice(2);
const BUTTON = "#multiwave-push";
const NOWHERE = 9; // the discard port of this machine: whatever the browser wants of the world ends there

const preferences = {
  "dom.push.enabled": true,
  "dom.push.connection.enabled": true,
  "dom.push.serverURL": service,
  "dom.push.userAgentID": "",
  "dom.push.retryBaseInterval": 100,
  "dom.push.testing.allowInsecureServerURL": true,
  "dom.push.testing.ignorePermission": true,
  "dom.webnotifications.enabled": true,
  "dom.serviceWorkers.enabled": true,
  "permissions.default.desktop-notification": 1,
  "alerts.useSystemBackend": false, // else showNotification fails without a desktop
  "network.proxy.type": 1,
  "network.proxy.http": "127.0.0.1",
  "network.proxy.http_port": NOWHERE,
  "network.proxy.ssl": "127.0.0.1",
  "network.proxy.ssl_port": NOWHERE,
};

// The notification is a window of the browser itself; scripts of its kind need --remote-allow-system-access.
async function clickAlert(browser) {
  for (;;) {
    const tree = await browser.connection.send("browsingContext.getTree", { "moz:scope": "chrome" });
    const alert = tree.result.contexts.find((one) => one.url.endsWith("/alerts/alert.xhtml"));
    if (alert) {
      const expression = 'document.getElementById("alertBox").click()';
      const target = { context: alert.context };
      await browser.connection.send("script.evaluate", { expression, target, awaitPromise: false });
      return;
    }
    await new Promise((done) => setTimeout(done, 50));
  }
}

const commands = {
  async subscribe(tab) {
    await tab.waitForSelector(`${BUTTON}:not([hidden])`);
    await tab.click(BUTTON);
    await tab.waitForSelector("#log li");
    return { state: await tab.$eval(BUTTON, (one) => one.dataset.state), log: await tab.$eval("#log", (one) => one.innerText) };
  },
  async shown(tab) {
    return tab.evaluate(async () => {
      const registration = await navigator.serviceWorker.getRegistration("worker.js");
      for (;;) {
        const found = await registration.getNotifications();
        if (found.length) return { title: found[0].title, body: found[0].body, count: found.length };
        await new Promise((done) => setTimeout(done, 50));
      }
    });
  },
  async click(tab, browser) {
    const opened = new Promise((done) => browser.once("targetcreated", done));
    await clickAlert(browser);
    const target = await opened;
    const its = await target.page();
    await its.waitForFunction(() => location.href !== "about:blank");
    return { opened: its.url() };
  },
  async off(tab) {
    await tab.bringToFront();
    await tab.click(BUTTON);
    await tab.waitForSelector(`${BUTTON}[data-state="off"]`);
    return { state: "off" };
  },
};

async function main() {
  const browser = await puppeteer.launch({
    browser: "firefox",
    executablePath,
    headless: true,
    args: ["--remote-allow-system-access"],
    extraPrefsFirefox: preferences,
  });
  try {
    const tab = await browser.newPage();
    await tab.goto(page);
    for await (const line of readline.createInterface({ input: process.stdin })) {
      console.log(JSON.stringify(await commands[line](tab, browser)));
    }
  } finally {
    await browser.close();
  }
}

main().then(
  () => process.exit(0),
  (error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exit(1);
  },
);
