// ribbon: slots 0 to 16383 as one band. Colour: the master; brightness: load; red: nobody serves
// them; striped: on the move. Pointing, or the arrow keys, tell about a range.

const SLOTS = 16384;
const SLOTS_PER_LOAD = 64;
const LEGEND_SHOWN = 12;
const MIN_TROUBLE_WIDTH = 3; // pixels: a single slot must be seen
const PALETTE = 10; // --master-0 …

const ribbon = { colors: new Map(), owners: [], selected: null, hovered: null };

// A master keeps its colour for as long as the page is open; one that takes over slots from a
// master that left gets that one's.
function assignColors() {
  const masters = model.snapshot.shards
    .filter((shard) => shard.master && shard.slots > 0)
    .map((shard) => shard.master);
  const owners = ownersNow();
  for (const id of masters) {
    if (ribbon.colors.has(id)) continue;
    const before = ribbon.owners[owners.indexOf(id)];
    const inherited = before && !masters.includes(before) ? ribbon.colors.get(before) : undefined;
    ribbon.colors.set(id, inherited ?? freeColor(masters));
  }
  ribbon.owners = owners;
}

function freeColor(masters) {
  const used = new Map();
  for (const id of masters) {
    if (!ribbon.colors.has(id)) continue;
    const color = ribbon.colors.get(id);
    used.set(color, (used.get(color) || 0) + 1);
  }
  let best = 0;
  for (let color = 0; color < PALETTE; color++) {
    if ((used.get(color) || 0) < (used.get(best) || 0)) best = color;
  }
  return best;
}

// The owner of the middle of each 64 slots.
function ownersNow() {
  const owners = [];
  const { ranges } = model.snapshot.slots;
  for (let slot = SLOTS_PER_LOAD / 2, i = 0; slot < SLOTS; slot += SLOTS_PER_LOAD) {
    while (i < ranges.length - 1 && ranges[i].last < slot) i++;
    owners.push(ranges[i]?.owner);
  }
  return owners;
}

function masterColor(id) {
  return ribbon.colors.has(id) ? `--master-${ribbon.colors.get(id)}` : '--master-none';
}

function makeRibbon() {
  const canvas = byId('ribbon');
  canvas.addEventListener('pointermove', (event) => hover(slotAt(event)));
  canvas.addEventListener('pointerleave', () => hover(null));
  canvas.addEventListener('click', (event) => {
    const row = nodeRow(rangeOf(slotAt(event))?.owner);
    row?.scrollIntoView({ block: 'nearest' });
  });
  canvas.addEventListener('keydown', ribbonKey);
  canvas.addEventListener('focus', () => drawTip());
  canvas.addEventListener('blur', () => drawTip());
  new ResizeObserver(() => model.snapshot && drawBand()).observe(canvas);
}

function slotAt(event) {
  const box = byId('ribbon').getBoundingClientRect();
  return Math.min(
    SLOTS - 1,
    Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * SLOTS)),
  );
}

function rangeOf(slot) {
  return model.snapshot.slots.ranges.find((range) => range.first <= slot && slot <= range.last);
}

function hover(slot) {
  ribbon.hovered = slot;
  drawTip();
}

function ribbonGoTo(slot) {
  ribbon.selected = slot;
  drawTip();
}

function ribbonKey(event) {
  const { ranges } = model.snapshot.slots;
  const at = ranges.indexOf(rangeOf(ribbon.selected ?? 0));
  const to = {
    ArrowRight: at + 1,
    ArrowLeft: at - 1,
    ArrowUp: at + 1,
    ArrowDown: at - 1,
    Home: 0,
    End: ranges.length - 1,
  }[event.key];
  if (to === undefined || !ranges.length) return;
  event.preventDefault();
  ribbonGoTo(ranges[Math.min(ranges.length - 1, Math.max(0, to))].first);
}

function loadOf(range) {
  const { load } = model.snapshot.slots;
  let sum = 0;
  for (let i = 0; i < load.length; i++) {
    const first = Math.max(range.first, i * SLOTS_PER_LOAD);
    const last = Math.min(range.last, (i + 1) * SLOTS_PER_LOAD - 1);
    if (first <= last) sum += (load[i] * (last - first + 1)) / SLOTS_PER_LOAD;
  }
  return sum;
}

const slotsText = ({ first, last }) =>
  first === last ? `slot ${first}` : `slots ${first}–${last}`;

// What is to be told about a slot: lines of text.
function tell(slot) {
  const range = rangeOf(slot);
  if (!range) return [];
  const lines = [`${slotsText(range)}`];
  if (range.state === 'uncovered') {
    lines.push(
      range.since
        ? `without a master for ${duration(serverNow() - range.since)}`
        : 'without a master',
    );
    if (range.owner) lines.push(`last: ${nodeName(range.owner)}`);
  } else {
    lines.push(`master ${nodeName(range.owner)}`);
    if (range.state === 'migrating') lines.push('being moved to another master');
  }
  lines.push(`${count(loadOf(range))} requests/s in this range`);
  const load = model.snapshot.slots.load[Math.floor(slot / SLOTS_PER_LOAD)];
  const from = Math.floor(slot / SLOTS_PER_LOAD) * SLOTS_PER_LOAD;
  if (range.last - range.first >= SLOTS_PER_LOAD && load !== undefined) {
    lines.push(`${count(load)}/s of it in slots ${from}–${from + SLOTS_PER_LOAD - 1}`);
  }
  return lines;
}

function drawTip() {
  const canvas = byId('ribbon');
  const focused = document.activeElement === canvas;
  const slot = ribbon.hovered ?? (focused ? (ribbon.selected ?? 0) : null);
  const spoken = ribbon.selected ?? 0;
  setAttribute(canvas, 'aria-valuenow', spoken);
  setAttribute(canvas, 'aria-valuetext', tell(spoken).join(', '));
  const tip = byId('ribbon-tip');
  show(tip, slot !== null);
  show(byId('ribbon-cursor'), slot !== null);
  if (slot === null) return;
  const lines = tell(slot);
  updateChildren(
    tip,
    lines.map((text, index) => ({ text, index })),
    (line) => line.index,
    () => element('p'),
    (line, { text }) => setText(line, text),
  );
  const range = ribbon.hovered === null ? rangeOf(slot) : null;
  const middle = range ? (range.first + range.last + 1) / 2 : slot + 0.5;
  const x = (middle / SLOTS) * canvas.clientWidth;
  byId('ribbon-cursor').style.left = `${x}px`;
  const rightmost = canvas.clientWidth - tip.offsetWidth;
  tip.style.left = `${Math.max(0, Math.min(rightmost, x - tip.offsetWidth / 2))}px`;
}

function drawBand() {
  const canvas = byId('ribbon');
  const scale = window.devicePixelRatio || 1;
  const width = Math.round(canvas.clientWidth * scale);
  const height = Math.round(canvas.clientHeight * scale);
  if (!width) return;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext('2d');
  context.clearRect(0, 0, width, height);
  const band = { context, scale, width, height, x: (slot) => (slot / SLOTS) * width };
  const { ranges } = model.snapshot.slots;
  for (const range of ranges) drawRange(band, range);
  for (const range of ranges)
    if (range.state === 'migrating') drawTrouble(band, range, stripes(band));
  for (const range of ranges) {
    if (range.state === 'uncovered') drawTrouble(band, range, colorOf('--uncovered'));
  }
}

// Each 64 slots as bright as they are busy, compared with the busiest.
function drawRange({ context, scale, height, x }, range) {
  const { load } = model.snapshot.slots;
  const most = Math.max(...load);
  context.fillStyle = colorOf(masterColor(range.owner));
  for (let slot = range.first; slot <= range.last;) {
    const index = Math.floor(slot / SLOTS_PER_LOAD);
    const next = Math.min(range.last + 1, (index + 1) * SLOTS_PER_LOAD);
    context.globalAlpha = most > 0 ? 0.3 + 0.7 * Math.sqrt(load[index] / most) : 0.55;
    const left = Math.round(x(slot));
    context.fillRect(left, 0, Math.round(x(next)) - left, height);
    slot = next;
  }
  context.globalAlpha = 1;
  if (range.first > 0 && rangeOf(range.first - 1)?.owner !== range.owner) {
    context.clearRect(Math.round(x(range.first)), 0, Math.max(1, Math.round(scale)), height);
  }
}

function drawTrouble({ context, scale, width, height, x }, range, style) {
  const least = MIN_TROUBLE_WIDTH * scale;
  const wide = Math.max(least, x(range.last + 1) - x(range.first));
  const left = Math.min(width - wide, Math.max(0, (x(range.first) + x(range.last + 1) - wide) / 2));
  context.fillStyle = style;
  context.fillRect(left, 0, wide, height);
}

function stripes({ context, scale }) {
  const size = Math.round(6 * scale);
  const tile = document.createElement('canvas');
  Object.assign(tile, { width: size, height: size });
  const pen = tile.getContext('2d');
  pen.strokeStyle = colorOf('--stripe');
  pen.lineWidth = size / 3;
  pen.beginPath();
  for (const shift of [-size, 0, size]) {
    pen.moveTo(shift - 1, size + 1);
    pen.lineTo(shift + size + 1, -1);
  }
  pen.stroke();
  return context.createPattern(tile, 'repeat');
}

function drawLegend() {
  const { shards } = model.snapshot;
  const shown = shards.filter((shard) => shard.slots > 0).slice(0, LEGEND_SHOWN);
  const total = shards.reduce((sum, shard) => sum + (shard.requests_rate || 0), 0);
  const list = byId('ribbon-legend');
  updateChildren(
    list,
    shown,
    (shard) => shard.master,
    () =>
      element(
        'li',
        {},
        element('span', { class: 'swatch' }),
        element('span', { class: 'name' }),
        element('span', { class: 'also' }),
      ),
    (line, shard) => {
      const [swatch, name, also] = line.children;
      swatch.style.background = `var(${masterColor(shard.master)})`;
      setText(name, nodeName(shard.master));
      setAttribute(line, 'data-state', shard.state === 'ok' ? null : shard.state);
      setText(
        also,
        [
          shard.state === 'ok' ? '' : shard.state.replace('-', ' '),
          plural(shard.slots, 'slot'),
          total ? `${percent(shard.requests_rate / total)} of requests` : '',
        ]
          .filter(Boolean)
          .join(', '),
      );
    },
  );
  const left = shards.filter((shard) => shard.slots > 0).length - shown.length;
  setAttribute(list, 'data-more', left > 0 ? `and ${plural(left, 'more master')}` : null);
}

function drawRibbon() {
  const { cluster, shards, slots } = model.snapshot;
  const serving = shards.filter((shard) => shard.slots > 0).length;
  assignColors();
  drawBand();
  drawTip();
  drawLegend();
  const moving = slots.ranges
    .filter((range) => range.state === 'migrating')
    .reduce((sum, range) => sum + range.last - range.first + 1, 0);
  const missing = SLOTS - cluster.slots_covered;
  setAttribute(byId('slots-summary'), 'class', missing ? 'bad' : null);
  setText(
    byId('slots-summary'),
    [
      missing
        ? `${plural(missing, 'slot')} without a master`
        : `all served by ${plural(serving, 'master')}`,
      moving ? `${plural(moving, 'slot')} on the move` : '',
      cluster.changed
        ? `map changed ${duration(serverNow() - cluster.changed)} ago, epoch ${cluster.epoch}`
        : 'no node has answered yet',
    ]
      .filter(Boolean)
      .join(' · '),
  );
}
