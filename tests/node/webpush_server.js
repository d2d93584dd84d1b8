// The server of npm web-push-testing on a free port, in this process (its command line forks); prints the port.
"use strict";
const { PushApiModel } = require("web-push-testing/src/PushApiModel");
const Server = require("web-push-testing/src/server");
const net = require("node:net");

const probe = net.createServer().listen(0, "127.0.0.1", () => {
  const { port } = probe.address();
  probe.close(() => new Server(new PushApiModel(), port).startServer());
});
process.stdin.on("end", () => process.exit(0)).resume();
