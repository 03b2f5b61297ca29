// panels: events, and the tables about commands, clients, slow requests, keys, and slotway itself.

const UNREAD_MUCH = 16 << 20;

const panels = {};
const time = (seconds) => clock(seconds, serverNow());

const CLIENT_COLUMNS = [
  { title: 'Client', text: (c) => c.address, sort: (c) => c.address },
  number('Unread', (c) => bytes(c.output_bytes), { figure: 'output_bytes', sort: (c) => c.output_bytes,
    mark: (c) => (c.output_bytes > UNREAD_MUCH ? 'bad' : quiet(c.output_bytes)) }),
  number('Requests/s', (c) => count(c.rate), { figure: 'rate', sort: (c) => c.rate, mark: (c) => quiet(c.rate) }),
  number('In flight', (c) => count(c.in_flight), { figure: 'in_flight', sort: (c) => c.in_flight, mark: (c) => quiet(c.in_flight) }),
  number('Waiting', (c) => count(c.waiting), { figure: 'waiting', sort: (c) => c.waiting, mark: (c) => (c.waiting ? 'bad' : 'zero') }),
  { title: 'Last', text: (c) => c.command || MISSING, class: 'key' },
  { title: 'Name', text: (c) => c.name || MISSING, sort: (c) => c.name, class: 'key' },
  { title: 'Library', text: (c) => c.library || MISSING, sort: (c) => c.library, class: 'key' },
  number('Requests', (c) => count(c.requests), { figure: 'requests', sort: (c) => c.requests }),
  number('Idle', (c) => duration(c.idle_s), { figure: 'idle_s', sort: (c) => c.idle_s, mark: (c) => quiet(c.idle_s) }),
  number('Connected', (c) => duration(c.age_s), { figure: 'age_s', sort: (c) => c.age_s }),
  { title: 'Close', fill: fillClose, class: 'close' },
];

function fillClose(cell, client) {
  const { allowed } = model.snapshot.actions;
  if (allowed && !cell.firstChild) {
    cell.append(element('button', { type: 'button', onclick: () => closeClient(cell.client) }, 'Close'));
  }
  cell.client = client;
  if (cell.firstChild) {
    setAttribute(cell.firstChild, 'aria-label', `Close client ${client.address}`);
    show(cell.firstChild, allowed);
  }
}

function fillDuration(cell, slow) {
  if (!cell.firstChild) {
    cell.append(element('span'), element('span', { class: 'split', 'aria-hidden': 'true' },
      element('span', { class: 'inside' }), element('span', { class: 'node' })));
  }
  const [text, bar] = cell.children;
  setText(text, latency(slow.duration_us));
  bar.children[0].style.flexGrow = slow.inside_us || 0;
  bar.children[1].style.flexGrow = slow.node_us || 0;
}

const TABLES = [
  {
    section: 'slowlog', caption: 'Slow requests, newest first', keyOf: (s) => s.id,
    empty: 'None was slow.', rows: (s) => s.slowlog.list,
    summary: (s) => (s.slowlog.total ? `${exactly(s.slowlog.total)} so far` : ''),
    columns: [
      { title: 'Time', text: (s) => time(s.at) },
      number('Took', null, { fill: fillDuration, sort: (s) => s.duration_us }),
      number('In slotway', (s) => latency(s.inside_us), { sort: (s) => s.inside_us,
        mark: (s) => (s.inside_us > s.node_us ? 'bad' : ''), help: 'waiting in slotway' }),
      number('At the node', (s) => latency(s.node_us), { sort: (s) => s.node_us }),
      { title: 'Command', text: (s) => s.command, class: 'key' },
      { title: 'Node', text: (s) => nodeName(s.node) },
      { title: 'Client', text: (s) => (s.name ? `${s.name} (${s.client})` : s.client) },
    ],
  },
  {
    section: 'commands', scope: 'command', caption: 'Commands', keyOf: (c) => c.name, sortBy: 1,
    empty: 'No command has come yet.', rows: (s) => s.commands.list,
    summary: (s) => (s.commands.total ? `${exactly(s.commands.total)} in use` : ''),
    columns: [
      { title: 'Command', text: (c) => c.name.replace('|', ' '), sort: (c) => c.name, class: 'key' },
      number('Calls/s', (c) => count(c.calls_rate), { figure: 'calls_rate', sort: (c) => c.calls_rate, mark: (c) => quiet(c.calls_rate) }),
      number('Calls', (c) => count(c.calls), { figure: 'calls', sort: (c) => c.calls }),
      number('p50', (c) => latency(c.latency?.p50_us), { figure: 'latency', sort: (c) => c.latency?.p50_us }),
      number('p99', (c) => latency(c.latency?.p99_us), { figure: 'latency', sort: (c) => c.latency?.p99_us }),
      number('p99.9', (c) => latency(c.latency?.p999_us), { figure: 'latency', sort: (c) => c.latency?.p999_us }),
      number('Errors', (c) => count(c.errors), { figure: 'errors', sort: (c) => c.errors, mark: (c) => quiet(c.errors) }),
    ],
  },
  {
    section: 'clients', scope: 'client', caption: 'Clients with most requests or unread replies', keyOf: (c) => c.id,
    empty: 'No client is connected.', columns: CLIENT_COLUMNS,
    rows: ({ clients: { by_output: unread, by_rate: busy } }) => [...unread,
      ...busy.filter((client) => !unread.some((other) => other.id === client.id))],
    summary: (s, rows) => (s.clients.total > rows.length
      ? `${rows.length} of ${exactly(s.clients.total)}: most unread replies, most requests`
      : plural(s.clients.total, 'client')),
  },
  {
    section: 'hot-keys', caption: 'Hot keys', keyOf: (k) => k.key,
    empty: 'No key stands out.', rows: hotKeys,
    summary: (s) => (s.hot_keys.sampled
      ? `estimated from ${plural(s.hot_keys.sampled, 'sample')} of the last ${duration(s.hot_keys.window_s)}` : ''),
    columns: [
      { title: 'Key', text: (k) => k.key, sort: (k) => k.key, class: 'key' },
      number('Requests/s', (k) => count(k.rate), { sort: (k) => k.rate }),
      number('Share', (k) => percent(k.share), { sort: (k) => k.share }),
      number('Bytes/s', (k) => bytes(k.bytes_rate), { sort: (k) => k.bytes_rate }),
      number('Share', (k) => percent(k.bytes_share), { sort: (k) => k.bytes_share, help: 'of all bytes' }),
      number('Slot', (k) => String(k.slot), { sort: (k) => k.slot }),
      { title: 'Node', text: (k) => nodeName(k.node) },
    ],
  },
  {
    section: 'big-values', caption: 'Big values, newest first',
    keyOf: (v) => [v.at, v.client, v.key, v.direction].join(' '),
    empty: 'None was seen.', rows: (s) => s.big_values.list,
    summary: (s) => (s.big_values.total ? `${exactly(s.big_values.total)} so far` : ''),
    columns: [
      { title: 'Time', text: (v) => time(v.at), sort: (v) => v.at },
      number('Size', (v) => bytes(v.bytes), { sort: (v) => v.bytes }),
      { title: 'Command', text: (v) => `${v.command} (${v.direction})` },
      { title: 'Key', text: (v) => v.key, class: 'key' },
      { title: 'Node', text: (v) => nodeName(v.node) },
      { title: 'Client', text: (v) => v.client },
    ],
  },
  {
    section: 'cross-slot', caption: 'Refused because of keys in several slots, newest first',
    keyOf: (c) => [c.client, c.command].join(' '),
    empty: 'None was refused.', rows: (s) => s.cross_slot.list,
    summary: (s) => [s.cross_slot.total ? `${exactly(s.cross_slot.total)} refused` : '',
      s.cross_slot.split ? `${count(s.cross_slot.split)} split over slots and served` : '']
      .filter(Boolean).join(' · '),
    columns: [
      { title: 'Time', text: (c) => time(c.at) },
      number('Times', (c) => exactly(c.count), { sort: (c) => c.count }),
      { title: 'Command', text: (c) => c.command, class: 'key' },
      { title: 'What to change', text: (c) => c.advice, class: 'wrap' },
      { title: 'Client', text: (c) => (c.name ? `${c.name} (${c.client})` : c.client) },
    ],
  },
  {
    section: 'workers', scope: 'worker', caption: 'Workers', keyOf: (w) => w.id, rows: (s) => s.workers, shown: 64,
    columns: [
      { title: 'Worker', text: (w) => String(w.id) },
      number('Load', (w) => percent(w.load), { figure: 'load', mark: (w) => (w.load > 0.9 ? 'bad' : '') }),
      number('Clients', (w) => count(w.clients), { figure: 'clients' }),
      number('Requests/s', (w) => count(w.requests_rate), { figure: 'requests_rate', mark: (w) => quiet(w.requests_rate) }),
      number('In flight', (w) => count(w.in_flight), { figure: 'in_flight', mark: (w) => quiet(w.in_flight) }),
      number('Waiting', (w) => count(w.waiting), { figure: 'waiting', mark: (w) => (w.waiting ? 'bad' : 'zero') }),
      number('Turn p99', (w) => latency(w.turn_p99_us), { figure: 'turn_p99_us' }),
      number('To nodes', (w) => count(w.backends), { figure: 'backends' }),
      number('Buffers', (w) => bytes(w.chunks_bytes), { figure: 'chunks_bytes' }),
    ],
  },
];

function hotKeys(snapshot) {
  const rows = new Map(snapshot.hot_keys.by_rate.map((hot) => [hot.key, hot]));
  for (const { share, ...hot } of snapshot.hot_keys.by_bytes) {
    rows.set(hot.key, { ...hot, ...rows.get(hot.key), bytes_rate: hot.bytes_rate, bytes_share: share });
  }
  return [...rows.values()];
}

function makePanels() {
  for (const table of TABLES) panels[table.section] = makeTable(byId(table.section), table);
  panels.config = makeTable(byId('config-table'), {
    caption: 'Configuration', keyOf: (c) => c.name, shown: 500,
    columns: [
      { title: 'Directive', text: (c) => c.name, sort: (c) => c.name, class: 'key' },
      { title: 'Value', text: (c) => c.value, class: 'key wrap' },
      { title: 'From', text: (c) => c.source, sort: (c) => c.source, mark: (c) => (c.source === 'default' ? 'zero' : '') },
      { title: 'Change', text: (c) => (c.runtime ? 'at run time' : 'with a restart') },
      { title: 'Section', text: (c) => c.section, sort: (c) => c.section },
    ],
  });
  panels.counters = makeTable(byId('counters-table'), {
    caption: 'Counters since the start', keyOf: ([name]) => name, shown: 500,
    columns: [
      { title: 'Name', text: ([name]) => name, class: 'key' },
      number('Value', ([, value]) => exactly(value), { mark: ([, value]) => quiet(value) }),
      { title: 'What', text: ([name]) => help('total', name) || '', class: 'wrap' },
    ],
  });
}

function clientRow(id) {
  return panels.clients.reveal(id);
}

function makeEvent() {
  return element('li', {}, element('time'), element('span', { class: 'severity' }),
    element('span', { class: 'kind' }), element('span', { class: 'text' }));
}

function updateEvent(line, event) {
  const [at, severity, kind, text] = line.children;
  setAttribute(line, 'data-severity', event.severity);
  setText(at, time(event.at));
  setAttribute(at, 'datetime', new Date(event.at * 1000).toISOString());
  setAttribute(at, 'title', `${duration(serverNow() - event.at)} ago`);
  setText(severity, event.severity === 'info' ? '' : event.severity);
  setText(kind, event.kind);
  setText(text, event.count > 1 ? `${event.text} (${exactly(event.count)} times)` : event.text);
}

// label, text, bad
function facts() {
  const { proxy, now, actions, cluster } = model.snapshot;
  return [
    ['Version', proxy.version],
    ['State', proxy.state, proxy.state !== 'running'],
    ['Up', `${duration(proxy.uptime_s)}, since ${time(proxy.started)}`],
    ['Process', `${proxy.pid}, ${plural(proxy.threads, 'worker')}`],
    ['CPU', known(now.cpu) ? `${percent(now.cpu)} of a core` : MISSING],
    ['Memory', bytes(proxy.memory_bytes)],
    ['File descriptors', `${count(proxy.descriptors)} of ${count(proxy.descriptors_limit)}`,
      proxy.descriptors > 0.9 * proxy.descriptors_limit],
    ['Clients', `${count(proxy.clients)} of ${count(proxy.clients_limit)}`,
      proxy.clients > 0.9 * proxy.clients_limit],
    ['Waiting', `${count(now.waiting)} of ${count(proxy.waiting_limit)}`, now.waiting > 0],
    ['Commands known', count(proxy.commands_known)],
    ['Map of slots', `version ${cluster.map_version}, epoch ${cluster.epoch}`],
    ['This page', `${plural(proxy.http.streams, 'reader')}, ${count(proxy.http.refused)} wrong passwords`],
    ['Actions', actions.allowed ? 'allowed' : 'off (stats-admin)'],
    ['Configuration', proxy.config_file || 'defaults and flags'],
  ];
}

function drawFacts() {
  updateChildren(byId('itself-facts'), facts(), ([label]) => label,
    () => element('div', {}, element('dt'), element('dd')), (line, [label, text, bad]) => {
      setText(line.children[0], label);
      setText(line.children[1], text);
      setAttribute(line, 'data-bad', bad ? 'yes' : null);
    });
}

function drawPanels() {
  const { snapshot } = model;
  for (const table of TABLES) {
    const rows = table.rows(snapshot);
    panels[table.section].update(rows);
    const section = byId(table.section);
    if (table.summary) setText(section.querySelector('.head p'), table.summary(snapshot, rows));
    if (section.tagName === 'SECTION') section.classList.toggle('nothing', rows.length === 0);
  }
  updateChildren(byId('events-list'), model.events, (event) => event.id, makeEvent, updateEvent);
  setText(byId('events-summary'), snapshot.events.total > model.events.length
    ? `the newest ${model.events.length} of ${exactly(snapshot.events.total)}` : '');
  byId('clients').classList.toggle('admin', snapshot.actions.allowed);
  drawFacts();
  panels.config.update(model.config);
  const changed = model.config.filter((one) => one.source !== 'default').length;
  const totals = Object.entries(snapshot.totals);
  panels.counters.update(totals);
  setText(byId('counters-summary'), plural(totals.length, 'figure'));
  setText(byId('config-summary'), `${plural(changed, 'directive')} of ${model.config.length} set`);
}
