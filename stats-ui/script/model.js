// model: the newest of everything that slotway said, and its history. Other parts read it.

const SECONDS_KEPT = 600;
const MINUTES_KEPT = 1440;
const EVENTS_KEPT = 200;
const MOST_MISSED = 30; // snapshots; a slow connection gets fewer than one a second

const model = {
  snapshot: null, // as in /stats.json
  nodes: new Map(), // by id
  help: new Map(), // "scope name" to a sentence
  events: [], // newest first
  received: 0, // performance.now() when the snapshot came
  history: { second: emptySeries(1), minute: emptySeries(60) },
};

function emptySeries(step) {
  return { step, newest: 0, series: {} };
}

// The wall clock of slotway's machine, in seconds: ages are right whatever the reader's clock says.
function serverNow() {
  return model.snapshot.time + (performance.now() - model.received) / 1000;
}

function accept(snapshot) {
  model.snapshot = snapshot;
  model.received = performance.now();
  model.nodes = new Map(snapshot.nodes.map((node) => [node.id, node]));
}

// Everything, from /stats.json.
function modelLoad(all) {
  accept(all);
  model.events = all.events.list;
  model.config = all.config;
  model.help = new Map(all.figures.map((f) => [`${f.scope} ${f.name}`, f.help]));
  for (const name of ['second', 'minute']) {
    const { newest, series } = all.history[name];
    model.history[name] = { ...emptySeries(model.history[name].step), newest, series };
  }
}

// One second more, from /events; several if some snapshots were left out, none if it came early.
// The minute's point comes with the second that completes it. next: it is the one that follows, and
// tells about all the time since the last. False: what is missing has to be loaded.
function modelAdd(snapshot, next) {
  const { second, minute } = model.history;
  const seconds = snapshot.second - second.newest;
  const completed = Math.floor(snapshot.time / 60) * 60 - 60;
  const skipped = snapshot.minute && minute.newest && completed !== minute.newest + 60;
  if (seconds < 0 || seconds > MOST_MISSED || skipped) return false;
  accept(snapshot);
  const fresh = new Set(snapshot.events.list.map((event) => event.id));
  model.events = [
    ...snapshot.events.list,
    ...model.events.filter((event) => !fresh.has(event.id)),
  ].slice(0, EVENTS_KEPT);
  if (seconds === 0) replace(second, snapshot.now);
  const between = next ? snapshot.now : {};
  for (let i = 1; i < seconds; i++) append(second, between, SECONDS_KEPT);
  if (seconds > 0) append(second, snapshot.now, SECONDS_KEPT);
  second.newest = snapshot.second;
  if (snapshot.minute) {
    append(minute, snapshot.minute, MINUTES_KEPT);
    minute.newest = completed;
  }
  return true;
}

function append(history, point, kept) {
  for (const [name, values] of Object.entries(history.series)) {
    values.push(point[name] ?? null);
    if (values.length > kept) values.shift();
  }
}

function replace(history, point) {
  for (const [name, values] of Object.entries(history.series)) {
    values[values.length - 1] = point[name] ?? null;
  }
}

function nodeName(id) {
  if (!id) return MISSING;
  const node = model.nodes.get(id);
  if (!node) return `${id.slice(0, 8)}…`;
  return node.hostname
    ? node.hostname + node.address.slice(node.address.lastIndexOf(':'))
    : node.address;
}

function help(scope, name) {
  return model.help.get(`${scope} ${name}`);
}
