// nodes: a row for each node, masters with their replicas below them, in HAProxy's colours.

const STATE_TEXT = {
  up: 'up',
  'going-down': 'going down',
  down: 'down',
  drain: 'drain',
  loading: 'loading',
  busy: 'busy',
  lagging: 'lagging',
};
const ERROR_CLASSES = [
  ['redirects', 'moved', 'MOVED and ASK'],
  ['refused', 'refused', 'TRYAGAIN, CLUSTERDOWN, LOADING, MASTERDOWN, READONLY'],
  ['lost', 'lost', 'their connection was lost'],
  ['replied', 'replied', 'other error replies'],
];

const NODES_SHOWN = 30;

let nodesTable = null;
const trouble = new Map();

const ageOf = (since) => (since ? age(serverNow() - since) : '');
const isMaster = (node) => node.role === 'master';

const rangeText = ([first, last]) => (first === last ? `${first}` : `${first}–${last}`);

function fillSlots(cell, node) {
  const ranges = model.snapshot.shards.find((one) => one.master === node.id)?.ranges || [];
  const more = ranges.length > 1 ? ` +${ranges.length - 1}` : '';
  setText(cell, ranges.length ? rangeText(ranges[0]) + more : isMaster(node) ? 'none' : '');
  setAttribute(cell, 'title', more ? ranges.map(rangeText).join(', ') : null);
}

function fillState(cell, node) {
  if (!cell.firstChild)
    cell.append(element('span', { class: 'state' }), element('span', { class: 'since' }));
  const [chip, since] = cell.children;
  setAttribute(chip, 'data-state', node.state);
  setAttribute(chip, 'data-role', node.role);
  setText(chip, STATE_TEXT[node.state] || node.state);
  setText(since, ageOf(node.state_since));
  setAttribute(since, 'title', node.state_since ? `since ${clock(node.state_since)}` : null);
}

function fillName(cell, node) {
  if (!cell.firstChild) {
    cell.append(
      element('span', { class: 'swatch' }),
      element('span', { class: 'name' }),
      element('button', {
        type: 'button',
        class: 'open',
        'aria-label': 'All figures',
        'aria-expanded': 'false',
        onclick: (event) => {
          const open = event.currentTarget.closest('tr').classList.toggle('opened');
          event.currentTarget.setAttribute('aria-expanded', String(open));
        },
      }),
    );
  }
  const [swatch, name] = cell.children;
  const serves = isMaster(node) && node.slots > 0;
  swatch.style.background = serves ? `var(${masterColor(node.id)})` : 'transparent';
  setText(name, nodeName(node.id));
  setAttribute(name, 'title', `${node.address}, id ${node.id}`);
}

function fillRole(cell, node) {
  if (!cell.firstChild) cell.append(element('span'), element('span', { class: 'since' }));
  const [role, since] = cell.children;
  setText(role, node.role);
  setText(since, ageOf(node.role_since));
  setAttribute(since, 'title', node.role_since ? `since ${clock(node.role_since)}` : null);
}

function fillMemory(cell, node) {
  if (!cell.firstChild)
    cell.append(
      element('span'),
      element('meter', { min: 0, max: 1, high: 0.9, low: 0.8, optimum: 0 }),
    );
  const [text, meter] = cell.children;
  const { memory_used_bytes: used, memory_limit_bytes: limit } = node;
  setText(text, limit ? `${bytes(used)} / ${bytes(limit)}` : bytes(used));
  show(meter, Boolean(limit));
  if (limit) {
    meter.value = used / limit;
    setAttribute(meter, 'aria-label', `${percent(used / limit)} of its limit`);
  }
}

function errorsText(node) {
  return (
    ERROR_CLASSES.filter(([name]) => node.errors[name])
      .map(([name, text]) => `${count(node.errors[name])} ${text}`)
      .join(', ') || '0'
  );
}

function waitingText(node) {
  if (!node.waiting) return '0';
  return `${count(node.waiting)} (${latency(node.waiting_oldest_ms * 1000)})`;
}

// "2 · 3/1,000": shared, and leased of how many there may be.
function fillConnections(cell, { connections: c }) {
  const bulk = c.bulk ? ` + ${c.bulk}` : '';
  setText(cell, `${c.shared}${bulk} · ${exactly(c.leased)}/${count(c.limit)}`);
  setAttribute(
    cell,
    'title',
    `${c.shared} shared, ${c.bulk} for large values, ${c.leased} leased to single clients, ` +
      `of which there may be ${exactly(c.limit)}`,
  );
}

function lagText(node) {
  if (isMaster(node)) return '';
  return node.replication_link === 'down' ? 'link down' : bytes(node.replication_lag_bytes);
}

const NODE_COLUMNS = [
  { title: 'Node', fill: fillName },
  { title: 'State', fill: fillState, class: 'bare state-cell' },
  { title: 'Role', fill: fillRole, class: 'bare' },
  { title: 'Slots', fill: fillSlots, class: 'bare slots' },
  field('Requests/s', 'requests_rate'),
  field('In flight', 'in_flight'),
  { ...alarm('Waiting', 'waiting'), text: waitingText },
  percentile('p50', 'p50_us', { class: 'p50' }),
  percentile('p99', 'p99_us'),
  alarm('Errors/s', 'errors_rate'),
  {
    title: 'Errors so far',
    text: errorsText,
    mark: (node) => (errorsText(node) === '0' ? 'zero' : ''),
    class: 'errors',
    minor: true,
    help: ERROR_CLASSES.map(([, text, what]) => `${text}: ${what}`).join('; '),
  },
  field('From it', 'bytes_in_rate', byteRate, { class: 'flow', minor: true }),
  field('To it', 'bytes_out_rate', byteRate, { class: 'flow', minor: true }),
  {
    title: 'Connections',
    fill: fillConnections,
    number: true,
    class: 'connections',
    mark: ({ connections: c }) => quiet(c.shared + c.bulk + c.leased),
    minor: true,
    help: 'shared ones (+ those for large values) · leased to single clients/of how many there may be',
  },
  {
    ...field('Lag', 'replication_lag_bytes', bytes, { minor: true }),
    text: lagText,
    mark: (node) => (node.replication_link === 'down' ? 'bad' : ''),
  },
  field('Memory', 'memory_used_bytes', bytes, {
    fill: fillMemory,
    class: 'memory',
    minor: true,
    mark: null,
  }),
  field('Keys', 'keys', count, { minor: true }),
  { title: 'Version', text: (node) => node.version || MISSING, minor: true },
];

// Masters in the order of their slots, each followed by its replicas; then who belongs to none.
// Where not all are shown, shards with trouble come first.
function nodesInOrder() {
  const rest = new Map(model.nodes);
  const shards = model.snapshot.shards.map((shard) => {
    const members = [shard.master, ...shard.replicas].map((id) => rest.get(id)).filter(Boolean);
    for (const node of members) rest.delete(node.id);
    return members;
  });
  for (const node of rest.values()) shards.push([node]);
  if (model.nodes.size > NODES_SHOWN) {
    const calm = (members) =>
      Number(members.every((node) => node.state === 'up' && !trouble.has(node.id)));
    shards.sort((a, b) => calm(a) - calm(b));
  }
  return shards.flat();
}

// The severity of the worst finding about each node.
function findTrouble() {
  trouble.clear();
  for (const { severity, where } of model.snapshot.verdict.findings) {
    if (where?.kind === 'node' && !trouble.has(where.node)) trouble.set(where.node, severity);
  }
}

function makeNodes() {
  nodesTable = makeTable(byId('nodes-table'), {
    caption: 'Nodes by shard',
    scope: 'node',
    columns: NODE_COLUMNS,
    keyOf: (node) => node.id,
    shown: NODES_SHOWN,
    empty: 'No node has answered yet.',
    onRow: (line, node) => {
      setAttribute(line, 'data-state', node.state);
      setAttribute(line, 'data-role', node.role);
      setAttribute(line, 'data-finding', trouble.get(node.id));
    },
  });
  byId('nodes').classList.add('stacks');
}

function nodeRow(id) {
  return nodesTable.reveal(id);
}

function drawNodes() {
  const { cluster } = model.snapshot;
  findTrouble();
  nodesTable.update(nodesInOrder());
  const bad = [...model.nodes.values()].filter((node) => node.state !== 'up').length;
  setText(
    byId('nodes-summary'),
    [
      plural(cluster.masters, 'master'),
      plural(cluster.replicas, 'replica'),
      cluster.versions.length ? `Redis ${cluster.versions.join(', ')}` : '',
      bad ? `${bad} not up` : '',
    ]
      .filter(Boolean)
      .join(' · '),
  );
}
