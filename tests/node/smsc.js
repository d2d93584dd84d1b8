// An SMSC for the tests, by the npm package smpp. It is told what to do on stdin and tells what it saw on stdout,
// a line of JSON each:
//   > {"do": "rules", "rules": [RULE, ...]}    faults from now on; the count of submit_sm begins anew with them
//   > {"do": "deliver", "deliver": {...}}      a deliver_sm to every receiver bound now
//   > {"do": "drop"}                           every connection is cut
//   > {"do": "ask"} {"do": "odd"}              an enquire_link, or requests nobody expects, to every session
//   > {"do": "stop"}                           no further connection is taken, those there are cut
//   < {"saw": "listening", "port": 1}  {"saw": "bind", ...}  {"saw": "submit", ...}  {"saw": "accepted", ...}
//     {"saw": "delivered", "status": 0}  {"saw": "unbind"}  {"saw": "enquire"}  {"saw": "closed"}  {"saw": "done"}
// A RULE is {"at": [2], "from": 5, "to": "1512...", "fault": FAULT, ...}; the first that fits a submit_sm counts. FAULT:
//   status (with "status"), accept_then_drop, drop, accept_then_hang, hang, slow (with "ms"), no_id, nack,
//   wrong_answer, garbage, half, accept_then_unbind.
// Of binds: {"bind": "transmitter", "system_id": "x", "status": 14} or {"bind": ..., "fault": "hang"}.
// Accepted texts get receipts by rules {"receipt": "tlv" | "text", "stat": "DELIVRD", "early": true}, and ids in
// hexadecimal by a rule {"hex": true}.
'use strict';
const fs = require('fs');
const readline = require('readline');
const smpp = require('smpp');

let rules = [], submits = 0, open = 0, ids = 1000;
const bound = new Map(), names = new WeakMap(); // session -> kind of its bind, its system_id

const tell = (line) => fs.writeSync(1, JSON.stringify(line) + '\n');
const STATES = { ENROUTE: 1, DELIVRD: 2, EXPIRED: 3, DELETED: 4, UNDELIV: 5, ACCEPTD: 6, UNKNOWN: 7, REJECTD: 8 };

function fits(rule, number, pdu) {
  if (rule.bind || rule.receipt) return false;
  if (rule.at && !rule.at.includes(number)) return false;
  if (rule.from && number < rule.from) return false;
  return !rule.to || rule.to === pdu.destination_addr;
}

function deliver(fields) {
  const asked = { ...fields };
  for (const name of ['short_message', 'message_payload']) {
    if (typeof asked[name] === 'string') asked[name] = Buffer.from(asked[name], 'hex');
  }
  let receivers = 0;
  for (const [session, kind] of bound) {
    if (kind === 'transmitter') continue;
    receivers += 1;
    session.deliver_sm(asked, (answer) => tell({ saw: 'delivered', status: answer.command_status }));
  }
  return receivers;
}

function receipt(rule, id, pdu) {
  const stat = rule.stat || 'DELIVRD';
  const named = rule.decimal ? String(parseInt(id, 16)) : id;
  const dates = 'submit date:2612010900 done date:2612010901';
  const text = `id:${named} sub:001 dlvrd:001 ${dates} stat:${stat} err:000 text:Hello`;
  const ends = { source_addr: pdu.destination_addr, source_addr_ton: 1, destination_addr: pdu.source_addr };
  const fields = { ...ends, esm_class: 4 };
  fields.short_message = Buffer.from(rule.receipt === 'text' ? text : 'seen').toString('hex');
  if (rule.receipt === 'tlv') Object.assign(fields, { receipted_message_id: id, message_state: STATES[stat] });
  deliver(fields);
}

function take(session, pdu, faulty) {
  const id = faulty.hex ? (0xab0000 + ids++).toString(16).toUpperCase() : `m${ids++}`;
  const content = pdu.message_payload || pdu.short_message || {};
  const udh = content.udh ? content.udh.map((one) => one.toString('hex')) : null;
  tell({ saw: 'accepted', id, by: names.get(session), to: pdu.destination_addr, text: content.message, udh,
    source: pdu.source_addr,
    source_ton: pdu.source_addr_ton, source_npi: pdu.source_addr_npi, ton: pdu.dest_addr_ton, npi: pdu.dest_addr_npi,
    coding: pdu.data_coding, esm_class: pdu.esm_class, registered: pdu.registered_delivery,
    service_type: pdu.service_type, until: pdu.validity_period, payload: Boolean(pdu.message_payload) });
  return id;
}

function submit(session, pdu) {
  const number = ++submits;
  const rule = rules.find((one) => fits(one, number, pdu)) || {};
  open += 1;
  tell({ saw: 'submit', number, open });
  const say = (more) => { open -= 1; session.send(pdu.response(more || {})); };
  const accept = () => take(session, pdu, rules.find((one) => one.hex) || {});
  switch (rule.fault) {
    case 'status': return say({ command_status: rule.status });
    case 'drop': return session.destroy();
    case 'accept_then_drop': accept(); return session.destroy();
    case 'accept_then_unbind': { const id = accept(); session.unbind(); return say({ message_id: id }); }
    case 'hang': return undefined;
    case 'accept_then_hang': accept(); return undefined;
    case 'slow': return setTimeout(() => say({ message_id: accept() }), rule.ms);
    case 'no_id': accept(); return say({ message_id: '' });
    case 'nack': return session.send(new smpp.PDU('generic_nack',
      { command_status: rule.status, sequence_number: pdu.sequence_number }));
    case 'wrong_answer': accept(); return session.send(new smpp.PDU('enquire_link_resp',
      { sequence_number: pdu.sequence_number }));
    case 'garbage': accept(); return session.socket.write(Buffer.alloc(64, 0xff));
    case 'half': accept(); return session.socket.write(pdu.response().toBuffer().subarray(0, 10),
      () => session.destroy());
    default:
  }
  const id = accept();
  const wanted = rules.filter((one) => one.receipt);
  wanted.filter((one) => one.early).forEach((one) => receipt(one, id, pdu));
  say({ message_id: id });
  wanted.filter((one) => !one.early).forEach((one) => receipt(one, id, pdu));
  return undefined;
}

function met(session) {
  for (const kind of ['transmitter', 'receiver', 'transceiver']) {
    session.on(`bind_${kind}`, (pdu) => {
      const rule = rules.find((one) => one.bind === kind && (one.system_id || pdu.system_id) === pdu.system_id) || {};
      tell({ saw: 'bind', kind, system_id: pdu.system_id, password: pdu.password, system_type: pdu.system_type });
      if (rule.fault === 'hang') return;
      session.send(pdu.response(rule.status ? { command_status: rule.status } : { system_id: 'tests' }));
      if (rule.status) return;
      bound.set(session, kind);
      names.set(session, pdu.system_id);
      tell({ saw: 'bound', kind });
    });
  }
  session.on('submit_sm', (pdu) => submit(session, pdu));
  session.on('unbind', (pdu) => { tell({ saw: 'unbind' }); session.send(pdu.response()); session.close(); });
  session.on('enquire_link', (pdu) => { tell({ saw: 'enquire' }); session.send(pdu.response()); });
  session.on('close', () => { bound.delete(session); tell({ saw: 'closed' }); });
  session.on('error', () => {});
}

const [cert, key] = process.argv.slice(2);
const server = smpp.createServer(cert ? { cert: fs.readFileSync(cert), key: fs.readFileSync(key) } : {}, met);
server.on('error', (error) => { tell({ saw: 'error', why: error.code }); process.exit(1); });
server.listen(0, '127.0.0.1', () => tell({ saw: 'listening', port: server.address().port }));

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const asked = JSON.parse(line);
  let count = 0;
  if (asked.do === 'rules') { rules = asked.rules; submits = 0; open = 0; }
  if (asked.do === 'deliver') count = deliver(asked.deliver);
  for (const session of asked.do === 'ask' ? bound.keys() : []) {
    count += 1;
    session.enquire_link(() => tell({ saw: 'alive' }));
  }
  for (const session of asked.do === 'odd' ? bound.keys() : []) {
    for (const to of ['alert_notification', 'outbind', 'data_sm', 'query_sm', 'deliver_sm']) {
      session[to]({}, (pdu) => tell({ saw: 'answer', to, command: pdu.command, status: pdu.command_status }));
    }
  }
  if (asked.do === 'stop') server.close();
  if (asked.do === 'drop' || asked.do === 'stop') for (const session of [...server.sessions]) session.destroy();
  tell({ saw: 'done', count });
}).on('close', () => process.exit(0));
