// Shows a customer's messages on a page of the site. Add it where they are to appear:
//   <div id="messages"></div>
//   <script src="https://go.example.com/inbox/client.js" data-customer="TOKEN" data-into="#messages" async></script>
// TOKEN is made by your own server for the customer who is logged in. Texts are shown as text, never as HTML.
(function () {
  "use strict";
  var script = document.currentScript;
  var server = new URL(script.src).href.replace(/\/inbox\/client\.js.*$/, "");
  var customer = script.dataset.customer || "";
  var into = document.querySelector(script.dataset.into || "") || script.parentNode;

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
    box.appendChild(element("strong", message.title, "multiwave-title"));
    box.appendChild(element("p", message.body, "multiwave-body"));
    if (message.link) {
      var link = element("a", "\u2192", "multiwave-link");
      link.href = new URL(message.link, server).href;
      link.setAttribute("aria-label", message.title);
      box.appendChild(link);
    }
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
