// Shows a customer's messages on a page of the site. Add it where they are to appear:
//   <div id="messages"></div>
//   <script src="https://go.example.com/inbox/client.js" data-customer="TOKEN" data-into="#messages" async></script>
// TOKEN is made by your own server for the customer who is logged in. Texts are shown as text, never as HTML.
// How it looks is yours to change: whatever your style sheet says of these classes wins.
(function () {
  "use strict";
  var script = document.currentScript;
  var server = new URL(script.src).href.replace(/\/inbox\/client\.js.*$/, "");
  var customer = script.dataset.customer || "";
  var into = document.querySelector(script.dataset.into || "") || script.parentNode;

  var LOOK =
    ":where(.multiwave-message) { position: relative; box-sizing: border-box; margin: 0 0 12px; padding: 14px 48px 14px 16px;" +
    " border: 1px solid rgba(128, 128, 128, .35); border-left: 4px solid #0b5cad; border-radius: 8px; line-height: 1.45; }" +
    ":where(.multiwave-title) { font-weight: 600; }" +
    ":where(.multiwave-link) { color: inherit; text-decoration-color: #0b5cad; text-underline-offset: 3px; }" +
    ":where(.multiwave-body) { margin: 4px 0 0; white-space: pre-line; overflow-wrap: anywhere; }" +
    ":where(.multiwave-close) { position: absolute; top: 6px; right: 6px; width: 36px; height: 36px; border: 0;" +
    " border-radius: 6px; background: none; color: inherit; font: inherit; font-size: 20px; line-height: 1; cursor: pointer; }";
  try {
    var sheet = new CSSStyleSheet(); // a <style> would need the site's Content-Security-Policy to allow it
    sheet.replaceSync(LOOK);
    document.adoptedStyleSheets = document.adoptedStyleSheets.concat(sheet);
  } catch (error) {
    // an old browser: plain, and all there
  }

  function tell(token, event) {
    fetch(server + "/inbox/beacon", {
      method: "POST",
      keepalive: true,
      body: JSON.stringify({ token: token, event: event }),
    }).catch(function () {});
  }

  function element(name, text, className) {
    var made = document.createElement(name);
    made.textContent = text;
    made.className = className;
    return made;
  }

  function whenSeen(box, then) {
    if (!("IntersectionObserver" in window)) {
      then();
      return;
    }
    var watcher = new IntersectionObserver(function (entries) {
      if (entries.some(function (entry) { return entry.isIntersecting; })) {
        watcher.disconnect();
        then();
      }
    });
    watcher.observe(box);
  }

  function show(message) {
    var box = element("section", "", "multiwave-message");
    if (message.language) {
      box.lang = message.language;
    }
    var title = element("strong", message.title, "multiwave-title");
    if (message.link) {
      var link = element("a", "", "multiwave-link");
      link.href = new URL(message.link, server).href;
      link.appendChild(title);
      link.appendChild(document.createTextNode("\u00a0\u2192"));
      box.appendChild(link);
    } else {
      box.appendChild(title);
    }
    box.appendChild(element("p", message.body, "multiwave-body"));
    var close = element("button", "\u00d7", "multiwave-close");
    close.type = "button";
    close.setAttribute("aria-label", "close");
    close.addEventListener("click", function () {
      tell(message.token, "dismissed");
      box.remove();
    });
    box.appendChild(close);
    into.appendChild(box);
    whenSeen(box, function () { tell(message.token, "displayed"); });
    var left = new Date(message.until).getTime() - Date.now();
    if (left < 2000000000) {
      setTimeout(function () { box.remove(); }, Math.max(0, left));
    }
  }

  fetch(server + "/inbox", { headers: { Authorization: "Bearer " + customer }, credentials: "omit" })
    .then(function (answer) { return answer.ok ? answer.json() : { messages: [] }; })
    .then(function (found) { found.messages.forEach(show); })
    .catch(function () {});
})();
