// panels: events, and the tables about commands, clients, slow requests, keys, and slotway itself.

const UNREAD_MUCH = 16 << 20;
const BUSY = 0.9;

const panels = {};
const time = (seconds) => clock(seconds, serverNow());

const CLIENT_COLUMNS = [
  { title: 'Client', text: (c) => c.address, sort: (c) => c.address },
  { title: 'Name', text: (c) => c.name || MISSING, sort: (c) => c.name, class: 'key' },
  field('Unread', 'output_bytes', bytes, {
    mark: (c) => (c.output_bytes > UNREAD_MUCH ? 'bad' : quiet(c.output_bytes)),
  }),
  field('Requests/s', 'rate'),
  field('In flight', 'in_flight'),
  alarm('Waiting', 'waiting'),
  { title: 'Last', text: (c) => c.command || MISSING, class: 'key' },
  { title: 'Library', text: (c) => c.library || MISSING, sort: (c) => c.library, class: 'key' },
  field('Requests', 'requests'),
  field('Idle', 'idle_s', duration),
  field('Connected', 'age_s', duration),
  { title: 'Close', fill: fillClose, class: 'close' },
];

function fillClose(cell, client) {
  const { allowed } = model.snapshot.actions;
  if (allowed && !cell.firstChild) {
    cell.append(
      element('button', { type: 'button', onclick: () => closeClient(cell.client) }, 'Close'),
    );
  }
  cell.client = client;
  if (cell.firstChild) {
    setAttribute(cell.firstChild, 'aria-label', `Close client ${client.address}`);
    show(cell.firstChild, allowed);
  }
}

function fillDuration(cell, slow) {
  if (!cell.firstChild) {
    cell.append(
      element('span'),
      element(
        'span',
        { class: 'split', 'aria-hidden': 'true' },
        element('span', { class: 'inside' }),
        element('span', { class: 'node' }),
      ),
    );
  }
  const [text, bar] = cell.children;
  setText(text, latency(slow.duration_us));
  bar.children[0].style.flexGrow = slow.inside_us || 0;
  bar.children[1].style.flexGrow = slow.node_us || 0;
}

// Who asked: the name that a client gave itself, if it did.
const whoAsked = (row) => (row.name ? `${row.name} (${row.client})` : row.client);
const soFar = (total) => (total ? `${exactly(total)} so far` : '');

const TABLES = [
  {
    section: 'slowlog',
    caption: 'Slow requests, newest first',
    keyOf: (s) => s.id,
    empty: 'None was slow.',
    rows: (s) => s.slowlog.list,
    summary: (s) => soFar(s.slowlog.total),
    columns: [
      { title: 'Time', text: (s) => time(s.at) },
      field('Took', 'duration_us', latency, { fill: fillDuration, mark: null }),
      { title: 'Command', text: (s) => s.command, class: 'key' },
      field('In slotway', 'inside_us', latency, {
        mark: (s) => (s.inside_us > s.node_us ? 'bad' : ''),
        help: 'waiting in slotway',
      }),
      field('At the node', 'node_us', latency),
      { title: 'Node', text: (s) => nodeName(s.node) },
      { title: 'Client', text: whoAsked },
    ],
  },
  {
    section: 'commands',
    scope: 'command',
    caption: 'Commands',
    keyOf: (c) => c.name,
    sortBy: 1,
    empty: 'No command has come yet.',
    rows: (s) => s.commands.list,
    summary: (s) => (s.commands.total ? `${exactly(s.commands.total)} in use` : ''),
    columns: [
      {
        title: 'Command',
        text: (c) => c.name.replace('|', ' '),
        sort: (c) => c.name,
        class: 'key',
      },
      field('Calls/s', 'calls_rate'),
      field('Calls', 'calls'),
      percentile('p50', 'p50_us'),
      percentile('p99', 'p99_us'),
      percentile('p99.9', 'p999_us'),
      field('Errors', 'errors'),
    ],
  },
  {
    section: 'clients',
    scope: 'client',
    caption: 'Clients with most requests or unread replies',
    keyOf: (c) => c.id,
    empty: 'No client is connected.',
    rows: ({ clients: { by_output: unread, by_rate: busy } }) => [
      ...unread,
      ...busy.filter((client) => !unread.some((other) => other.id === client.id)),
    ],
    summary: (s, rows) =>
      s.clients.total > rows.length
        ? `${rows.length} of ${exactly(s.clients.total)}: most unread replies, most requests`
        : plural(s.clients.total, 'client'),
    columns: CLIENT_COLUMNS,
  },
  {
    section: 'hot-keys',
    caption: 'Hot keys',
    keyOf: (k) => k.key,
    empty: 'No key stands out.',
    rows: hotKeys,
    summary: ({ hot_keys: hot }) =>
      hot.sampled
        ? `of the last ${duration(hot.window_s)}, estimated from ${count(hot.sampled)} samples so far`
        : '',
    columns: [
      { title: 'Key', text: (k) => k.key, sort: (k) => k.key, class: 'key' },
      field('Requests/s', 'rate'),
      field('Share', 'share', percent, { help: 'of all requests' }),
      field('Bytes/s', 'bytes_rate', bytes),
      field('Share', 'bytes_share', percent, { help: 'of all bytes' }),
      field('Slot', 'slot', String, { mark: null }),
      { title: 'Node', text: (k) => nodeName(k.node) },
    ],
  },
  {
    section: 'big-values',
    caption: 'Big values, newest first',
    keyOf: (v) => [v.at, v.client, v.key, v.direction].join(' '),
    empty: 'None was seen.',
    rows: (s) => s.big_values.list,
    summary: (s) => soFar(s.big_values.total),
    columns: [
      { title: 'Time', text: (v) => time(v.at), sort: (v) => v.at },
      field('Size', 'bytes', bytes),
      { title: 'Command', text: (v) => `${v.command} (${v.direction})` },
      { title: 'Key', text: (v) => v.key, class: 'key' },
      { title: 'Node', text: (v) => nodeName(v.node) },
      { title: 'Client', text: whoAsked },
    ],
  },
  {
    section: 'cross-slot',
    caption: 'Refused because of keys in several slots, newest first',
    keyOf: (c) => [c.client, c.command].join(' '),
    empty: 'None was refused.',
    rows: (s) => s.cross_slot.list,
    summary: ({ cross_slot: { total, split } }) =>
      [
        total ? `${exactly(total)} refused` : '',
        split ? `${count(split)} split over slots and served` : '',
      ]
        .filter(Boolean)
        .join(' · '),
    columns: [
      { title: 'Time', text: (c) => time(c.at) },
      field('Times', 'count', exactly),
      { title: 'Command', text: (c) => c.command, class: 'key' },
      { title: 'What to change', text: (c) => c.advice, class: 'wrap' },
      { title: 'Client', text: whoAsked },
    ],
  },
  {
    section: 'workers',
    scope: 'worker',
    caption: 'Workers',
    keyOf: (w) => w.id,
    shown: 64,
    rows: (s) => s.workers,
    columns: [
      { title: 'Worker', text: (w) => String(w.id) },
      field('Load', 'load', percent, { mark: (w) => (w.load > BUSY ? 'bad' : '') }),
      field('Clients', 'clients'),
      field('Requests/s', 'requests_rate'),
      field('In flight', 'in_flight'),
      alarm('Waiting', 'waiting'),
      field('Turn p99', 'turn_p99_us', latency),
      field('To nodes', 'backends'),
      field('Buffers', 'chunks_bytes', bytes),
    ],
  },
];

function hotKeys(snapshot) {
  const rows = new Map(snapshot.hot_keys.by_rate.map((hot) => [hot.key, hot]));
  for (const { share, ...hot } of snapshot.hot_keys.by_bytes) {
    rows.set(hot.key, {
      ...hot,
      ...rows.get(hot.key),
      bytes_rate: hot.bytes_rate,
      bytes_share: share,
    });
  }
  return [...rows.values()];
}

function makePanels() {
  for (const table of TABLES) panels[table.section] = makeTable(byId(table.section), table);
  panels.config = makeTable(byId('config-table'), {
    caption: 'Configuration',
    keyOf: (c) => c.name,
    shown: 500,
    columns: [
      { title: 'Directive', text: (c) => c.name, sort: (c) => c.name, class: 'key' },
      { title: 'Value', text: (c) => c.value, class: 'key wrap' },
      {
        title: 'From',
        text: (c) => c.source,
        sort: (c) => c.source,
        mark: (c) => (c.source === 'default' ? 'zero' : ''),
      },
      { title: 'Change', text: (c) => (c.runtime ? 'at run time' : 'with a restart') },
      { title: 'Section', text: (c) => c.section, sort: (c) => c.section },
    ],
  });
  panels.counters = makeTable(byId('counters-table'), {
    caption: 'Counters since the start',
    keyOf: ([name]) => name,
    shown: 500,
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
  return element(
    'li',
    {},
    element('time'),
    element('span', { class: 'severity' }),
    element('span', { class: 'kind' }),
    element('span', { class: 'text' }),
  );
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
    [
      'File descriptors',
      `${count(proxy.descriptors)} of ${count(proxy.descriptors_limit)}`,
      proxy.descriptors > BUSY * proxy.descriptors_limit,
    ],
    [
      'Clients',
      `${count(proxy.clients)} of ${count(proxy.clients_limit)}`,
      proxy.clients > BUSY * proxy.clients_limit,
    ],
    ['Waiting', `${count(now.waiting)} of ${count(proxy.waiting_limit)}`, now.waiting > 0],
    ['Commands known', count(proxy.commands_known)],
    ['Map of slots', `version ${cluster.map_version}, epoch ${cluster.epoch}`],
    [
      'This page',
      `${plural(proxy.http.streams, 'reader')}, ${count(proxy.http.refused)} wrong passwords`,
    ],
    ['Actions', actions.allowed ? 'allowed' : 'off (stats-admin)'],
    ['Configuration', proxy.config_file || 'defaults and flags'],
  ];
}

function drawFacts() {
  updateChildren(
    byId('itself-facts'),
    facts(),
    ([label]) => label,
    () => element('div', {}, element('dt'), element('dd')),
    (line, [label, text, bad]) => {
      setText(line.children[0], label);
      setText(line.children[1], text);
      setAttribute(line, 'data-bad', bad ? 'yes' : null);
    },
  );
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
  show(byId('events-none'), model.events.length === 0);
  show(byId('events-list'), model.events.length > 0);
  updateChildren(byId('events-list'), model.events, (event) => event.id, makeEvent, updateEvent);
  setText(
    byId('events-summary'),
    snapshot.events.total > model.events.length
      ? `the newest ${model.events.length} of ${exactly(snapshot.events.total)}`
      : '',
  );
  byId('clients').classList.toggle('admin', snapshot.actions.allowed);
  drawFacts();
  panels.config.update(model.config);
  const changed = model.config.filter((one) => one.source !== 'default').length;
  const totals = Object.entries(snapshot.totals);
  panels.counters.update(totals);
  setText(byId('counters-summary'), plural(totals.length, 'figure'));
  setText(byId('config-summary'), `${plural(changed, 'directive')} of ${model.config.length} set`);
}
