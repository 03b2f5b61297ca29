// cards: the numbers that matter with their history, drawn by dygraphs. All charts share one time
// axis; pointing at one (or the arrow keys in it) shows the figures of that moment in all.

const SPANS = [
  { name: '5 min', seconds: 300, history: 'second', grid: 60 },
  { name: '10 min', seconds: 600, history: 'second', grid: 120 },
  { name: '24 h', seconds: 86400, history: 'minute', grid: 14400 },
];

const latencySeries = (where) => [
  { name: `${where}_p50_us`, title: 'p50', color: '--line-1' },
  { name: `${where}_p99_us`, title: 'p99', color: '--line-2' },
  { name: `${where}_p999_us`, title: 'p99.9', color: '--line-3' },
];

const CARDS = [
  {
    title: 'Requests',
    unit: '/s',
    text: count,
    area: true,
    least: 10,
    series: [{ name: 'requests_rate', title: 'requests per second', color: '--line-1' }],
    also: (now) => `${bytes(now.bytes_in_rate)}/s in, ${bytes(now.bytes_out_rate)}/s out`,
  },
  {
    title: 'Latency inside slotway',
    text: latency,
    log: true,
    series: latencySeries('inside'),
    also: (now) => (now.waiting ? 'waiting for a failover included' : ''),
  },
  {
    title: 'Latency at the nodes',
    text: latency,
    log: true,
    series: latencySeries('node'),
    also: (now) => `${count(now.in_flight)} in flight`,
  },
  {
    title: 'Errors',
    unit: '/s',
    text: count,
    area: true,
    least: 1,
    bad: true,
    series: [{ name: 'errors_rate', title: 'errors per second', color: '--line-bad' }],
    also: (now) => (now.redirects_rate ? `${count(now.redirects_rate)}/s redirects absorbed` : ''),
  },
  {
    title: 'Clients',
    text: count,
    area: true,
    least: 5,
    series: [{ name: 'clients', title: 'clients', color: '--line-1' }],
    also: () => `of ${exactly(model.snapshot.proxy.clients_limit)} allowed`,
  },
  {
    title: 'Waiting requests',
    text: count,
    area: true,
    least: 5,
    bad: true,
    series: [{ name: 'waiting', title: 'waiting requests', color: '--line-bad' }],
    also: (now) => (now.waiting ? `the oldest for ${latency(now.waiting_oldest_ms * 1000)}` : ''),
  },
];

const charts = { span: SPANS[0], cards: [], times: [], pointed: null };

function makeCards() {
  // Its legend needs styles that the page's security policy forbids, and we have a better place.
  Dygraph.PLUGINS = Dygraph.PLUGINS.filter((plugin) => plugin !== Dygraph.Plugins.Legend);
  for (const span of SPANS) {
    byId('spans').append(
      element(
        'button',
        {
          type: 'button',
          'aria-pressed': String(span === charts.span),
          onclick: (event) => {
            charts.span = span;
            for (const button of byId('spans').children) {
              setAttribute(button, 'aria-pressed', String(button === event.currentTarget));
            }
            pointAt(null);
            drawCards();
          },
        },
        span.name,
      ),
    );
  }
  charts.cards = CARDS.map(makeCard);
}

function makeCard(card) {
  const values = card.series.map(() => element('span', { class: 'value' }));
  const figures = element('p', { class: card.series.length > 1 ? 'figures several' : 'figures' });
  card.series.forEach((series, index) =>
    figures.append(
      element(
        'span',
        { class: 'figure' },
        card.series.length > 1 && element('span', { class: `key series-${index}` }, series.title),
        values[index],
        card.unit && element('span', { class: 'unit' }, card.unit),
      ),
    ),
  );
  const also = element('p', { class: 'also' });
  const chart = element('div', {
    class: 'chart',
    tabindex: 0,
    role: 'slider',
    'aria-valuemin': 0,
    'aria-label': `${card.title}, history`,
    onkeydown: (event) => stepThrough(event, made),
  });
  const made = { card, values, also, chart, graph: null };
  made.article = element(
    'article',
    { class: card.series.length > 1 ? 'broad' : null },
    element('h3', {}, card.title),
    figures,
    also,
    chart,
  );
  byId('cards').append(made.article);
  return made;
}

function colorOf(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function colorsOf(card) {
  return card.series.map((series) => colorOf(series.color));
}

// The next of 1, 2, 3, 4, 5, 6, 8, 10 … that is not below the value.
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 3, 4, 5, 6, 8, 10].find((step) => step * power >= value * 0.9999) * power;
}

function valueRange(card, rows, from) {
  let low = Infinity;
  let high = card.least || 0;
  for (const row of rows) {
    if (row[0] < from) continue;
    for (let i = 1; i < row.length; i++) {
      if (row[i] === null) continue;
      high = Math.max(high, row[i]);
      if (row[i] > 0) low = Math.min(low, row[i]);
    }
  }
  if (!card.log) return [0, roundUp(high * 1.05)];
  if (low === Infinity) [low, high] = [10, 1000];
  const floor = 10 ** Math.floor(Math.log10(low));
  return [floor, Math.max(floor * 100, 10 ** Math.ceil(Math.log10(high * 1.0001)))];
}

function ticksOf(card, low, high) {
  const tick = (value) => ({
    v: Math.min(value, high * 0.9999), // dygraphs leaves one out that is at the very top
    label: value ? card.text(value) : '0',
  });
  if (!card.log) return [low, high / 2, high].map(tick);
  const decades = Math.round(Math.log10(high / low));
  const each = Math.ceil(decades / 3);
  const ticks = [];
  for (let i = 0; i <= decades; i += each) {
    ticks.push(tick(low * 10 ** i));
  }
  return ticks;
}

function timeTicks(low, high) {
  const every = charts.span.grid * 1000;
  const midnight = new Date(high).setHours(0, 0, 0, 0);
  const ticks = [];
  const room = (high - low) / 10; // a label needs it on both sides
  for (let at = midnight + Math.ceil((low - midnight) / every) * every; at <= high; at += every) {
    const date = new Date(at);
    const text = `${twoDigits(date.getHours())}:${twoDigits(date.getMinutes())}`;
    const labelled = at - low > room && high - at > room && ((at - midnight) / every) % 2 === 0;
    ticks.push({ v: at, label: labelled ? text : '' });
  }
  return ticks;
}

// Failovers and the like, as lines through every chart; the critical ones on top. Faint, because
// trouble comes in bursts that must not hide the figures.
function drawEventLines(context, area, graph) {
  context.globalAlpha = 0.5;
  for (const severity of ['warning', 'critical']) {
    context.fillStyle = colorOf(`--event-${severity}`);
    for (const event of model.events) {
      if (event.severity !== severity) continue;
      const x = Math.round(graph.toDomXCoord(event.at * 1000));
      if (x >= area.x && x <= area.x + area.w) context.fillRect(x, area.y, 1, area.h);
    }
  }
  context.globalAlpha = 1;
}

function optionsOf(made, rows, window) {
  const [low, high] = valueRange(made.card, rows, window[0]);
  return {
    file: rows,
    dateWindow: window,
    valueRange: [low, high],
    axes: {
      x: { ticker: timeTicks },
      y: { ticker: () => ticksOf(made.card, low, high) },
    },
  };
}

function makeGraph(made, options) {
  const { card } = made;
  const em = parseFloat(getComputedStyle(document.documentElement).fontSize);
  return new Dygraph(made.chart, options.file, {
    ...options,
    ...look(card),
    labels: ['time', ...card.series.map((series) => series.title)],
    logscale: Boolean(card.log),
    fillGraph: Boolean(card.area),
    fillAlpha: 0.14,
    strokeWidth: 1.4,
    axisLabelFontSize: Math.round(0.72 * em),
    axisLabelWidth: Math.round(3.1 * em),
    xAxisHeight: Math.round(em),
    axisTickSize: 0,
    axisLineWidth: 0.5,
    gridLineWidth: 0.5,
    rightGap: 2,
    highlightCircleSize: 3,
    interactionModel: {},
    underlayCallback: drawEventLines,
    highlightCallback: (event, x) => pointAt(x),
    unhighlightCallback: () => pointAt(null),
  });
}

function look(card) {
  return {
    colors: colorsOf(card),
    axisLineColor: colorOf('--rule'),
    gridLineColor: colorOf('--grid'),
  };
}

function drawCards() {
  const { history: name, seconds } = charts.span;
  const history = model.history[name];
  const length = Math.max(0, ...Object.values(history.series).map((values) => values.length));
  const first = history.newest - (length - 1) * history.step;
  charts.times = Array.from({ length }, (_, i) => (first + i * history.step) * 1000);
  const end = name === 'second' ? history.newest : serverNow();
  const window = [(end - seconds) * 1000, end * 1000];
  for (const made of charts.cards) {
    const columns = made.card.series.map((series) => history.series[series.name] || []);
    const rows = charts.times.map((time, i) => [
      time,
      ...columns.map((values) => (made.card.log && !(values[i] > 0) ? null : (values[i] ?? null))),
    ]);
    const options = optionsOf(made, rows, window);
    if (made.graph) made.graph.updateOptions(options);
    else if (length) made.graph = makeGraph(made, options);
  }
  if (charts.pointed !== null) followPointed(window[0]);
  drawFigures();
}

// The moment pointed at stays pointed at while the charts go on, until it leaves them.
function followPointed(from) {
  const every = model.history[charts.span.history].step * 1000;
  const row = Math.round((charts.pointed - charts.times[0]) / every);
  const time = charts.times[row];
  charts.pointed = time >= from ? time : null;
  select();
}

function relookCards() {
  for (const made of charts.cards) made.graph?.updateOptions(look(made.card));
}

// The figures of the moment pointed at, or of now.
function drawFigures() {
  const index = charts.pointed === null ? -1 : charts.times.indexOf(charts.pointed);
  const history = model.history[charts.span.history];
  const past = index >= 0;
  const figures = past
    ? Object.fromEntries(
        Object.entries(history.series).map(([name, values]) => [name, values[index]]),
      )
    : model.snapshot.now;
  const when = past ? clock(charts.pointed / 1000, serverNow()) : '';
  setText(byId('numbers-title'), past ? 'Then' : 'Now');
  setText(
    byId('pointed'),
    past ? `${when}, ${duration(serverNow() - charts.pointed / 1000)} ago` : '',
  );
  for (const made of charts.cards) {
    const { card } = made;
    const texts = card.series.map((series) => card.text(figures[series.name]));
    texts.forEach((text, i) => {
      setText(made.values[i], text);
      setAttribute(made.values[i], 'title', help('now', card.series[i].name));
    });
    setText(made.also, card.also(figures) || '\u00a0');
    setAttribute(
      made.article,
      'data-bad',
      card.bad && figures[card.series[0].name] > 0 ? 'yes' : null,
    );
    setAttribute(made.chart, 'aria-valuemax', Math.max(0, charts.times.length - 1));
    setAttribute(made.chart, 'aria-valuenow', past ? index : Math.max(0, charts.times.length - 1));
    const spoken = card.series.map((series, i) => `${series.title} ${texts[i]}`).join(', ');
    setAttribute(made.chart, 'aria-valuetext', `${past ? when : 'now'}: ${spoken}`);
  }
}

// time in ms, null for now. The charts follow each other.
function pointAt(time) {
  if (charts.pointed === time) return;
  charts.pointed = time;
  select();
  drawFigures();
}

function select() {
  const row = charts.pointed === null ? -1 : charts.times.indexOf(charts.pointed);
  for (const { graph } of charts.cards) {
    if (!graph) continue;
    if (row >= 0) graph.setSelection(row);
    else graph.clearSelection();
  }
}

function stepThrough(event, made) {
  const last = charts.times.length - 1;
  const at = charts.pointed === null ? last : charts.times.indexOf(charts.pointed);
  const to = {
    ArrowLeft: at - 1,
    ArrowRight: at + 1,
    PageUp: at - 30,
    PageDown: at + 30,
    Home: last - charts.span.seconds / model.history[charts.span.history].step,
    End: last,
    Escape: last + 1,
  }[event.key];
  if (to === undefined || last < 0 || !made.graph) return;
  event.preventDefault();
  pointAt(to >= last ? null : charts.times[Math.max(0, to)]);
}
