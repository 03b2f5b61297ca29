// The operators' page as a browser shows it: what is wrong, where, and that it moves.
'use strict';
const assert = require('assert');
const net = require('net');
const {
  cluster,
  eventually,
  firstPort,
  Load,
  password,
  redis,
  slack,
  slotOwners,
  Slotway,
  startBrowser,
} = require('./support.js');

const LIMIT_MS = 150000;

const slotway = new Slotway();
const problems = []; // what the browser complained about, and requests to anybody else
let browser;
let page;
let expectingLoss = false;

const text = (selector) => page.textContent(selector);
const severity = () => page.getAttribute('#verdict', 'data-severity');
const figure = async (card) =>
  (await page.textContent(`#cards article:has(h3:text-is("${card}")) .value`))
    .replace(/[,\s\u202f]/g, '')
    .replace(/k$/, 'e3')
    .replace(/M$/, 'e6');
const nodeRow = (port) =>
  page.locator('#nodes tbody tr', { has: page.locator(`.name:text-is("127.0.0.1:${port}")`) });

function watch(target) {
  target.on('pageerror', (error) => problems.push(error.stack));
  target.on('console', (message) => {
    const lost = expectingLoss && /Failed to load resource|net::ERR/.test(message.text());
    if (['error', 'warning'].includes(message.type()) && !lost) problems.push(message.text());
  });
  target.on('request', (request) => {
    if (new URL(request.url()).origin !== slotway.url) problems.push(`request to ${request.url()}`);
  });
}

async function openPage(options = {}) {
  const context = await browser.newContext({
    viewport: { width: 1440, height: 900 },
    httpCredentials: { username: 'admin', password },
    ...options,
  });
  const opened = await context.newPage();
  opened.setDefaultTimeout(10000 * slack);
  watch(opened);
  await opened.goto(slotway.url);
  return opened;
}

async function asksForAPassword() {
  const context = await browser.newContext();
  const stranger = await context.newPage();
  const answer = await stranger.goto(slotway.url).catch(() => null);
  assert.ok(answer === null || answer.status() === 401);
  await context.close();
  page = await openPage();
  await page.waitForSelector('#page:not([hidden])');
  await eventually('live', async () => (await text('#link')) === 'live');
}

async function allIsWell() {
  await eventually('not critical', async () => ['ok', 'warning'].includes(await severity()));
  assert.ok((await text('#verdict-text')).length > 5);
  assert.match(await text('#slots-summary'), /all served by 3 masters/);
  assert.strictEqual(await page.locator('#nodes tbody tr').count(), 6);
  for (const { port } of slotOwners()) {
    assert.strictEqual(await nodeRow(port).locator('.state').textContent(), 'up');
  }
  assert.match(await text('#whose'), new RegExp(`:${slotway.port}$`));
}

// The colour of the ribbon at a slot, as "r,g,b". Read from a copy: the browser complains about pages
// that read their own canvas often.
function colorAt(slot) {
  return page.evaluate((at) => {
    const ribbon = document.getElementById('ribbon');
    const x = Math.floor(((at + 0.5) / 16384) * ribbon.width);
    const copy = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    copy.drawImage(ribbon, x, 5, 1, 1, 0, 0, 1, 1);
    return [...copy.getImageData(0, 0, 1, 1).data.slice(0, 3)].join();
  }, slot);
}

async function pointAt(first, last) {
  const { width } = await page.locator('#ribbon').boundingBox();
  await page.hover('#ribbon', { position: { x: ((first + last + 1) / 2 / 16384) * width, y: 5 } });
}

async function ribbonIsRight() {
  const owners = slotOwners();
  const colors = new Map();
  for (const { first, last, port } of owners) {
    await pointAt(first, last);
    const lines = await page.locator('#ribbon-tip p').allTextContents();
    assert.strictEqual(lines[0], `slots ${first}–${last}`);
    assert.strictEqual(lines[1], `master 127.0.0.1:${port}`);
    colors.set(port, await colorAt((first + last) >> 1));
  }
  await page.mouse.move(0, 0);
  assert.strictEqual(new Set(colors.values()).size, 3, `colours ${[...colors.values()].join(' ')}`);
  await page.focus('#ribbon');
  await page.keyboard.press('Home');
  await page.keyboard.press('ArrowRight');
  assert.match(
    await page.getAttribute('#ribbon', 'aria-valuetext'),
    new RegExp(`^slots ${owners[1].first}–${owners[1].last}, master 127.0.0.1:${owners[1].port}`),
  );
  await page.evaluate(() => document.activeElement.blur());
}

// What a node itself says how often it executed EXISTS.
function executedBy(port) {
  const calls = /cmdstat_exists:calls=(\d+)/.exec(redis(port, 'info', 'commandstats'));
  return calls ? Number(calls[1]) : 0;
}

async function requestsByPort() {
  const { nodes } = await slotway.stats();
  return new Map(nodes.map((node) => [Number(node.address.split(':')[1]), node.requests]));
}

async function figuresMove() {
  const before = (await slotway.stats()).totals.commands;
  const ports = slotOwners().map(({ port }) => port);
  const executed = ports.map(executedBy);
  const counted = await requestsByPort();
  const load = new Load(slotway.port);
  await eventually('requests are counted', async () => Number(await figure('Requests')) > 100);
  await eventually('latency is known', async () =>
    /µs|ms/.test(await figure('Latency at the nodes')),
  );
  await eventually('the command is listed', async () =>
    (await page.locator('#commands tbody th').allTextContents()).includes('exists'),
  );
  await eventually(
    'the client is listed',
    async () => (await page.locator('#clients tbody tr').count()) >= 1,
  );
  await eventually('each master works', async () => {
    const rates = await Promise.all(
      slotOwners().map(({ port }) =>
        nodeRow(port).locator('td[data-label="Requests/s"]').textContent(),
      ),
    );
    return rates.every((rate) => rate !== '0');
  });
  const replies = await load.stop();
  await eventually(
    'every request is counted, and none twice',
    async () => (await slotway.stats()).totals.commands - before === replies,
  );
  const now = await requestsByPort();
  ports.forEach((port, i) => {
    const itself = executedBy(port) - executed[i];
    assert.ok(itself > 0);
    assert.strictEqual(now.get(port) - counted.get(port), itself, `node ${port}`);
  });
}

async function chartsTellAboutThePast() {
  await page.focus('.chart');
  await page.keyboard.press('ArrowLeft');
  await page.keyboard.press('ArrowLeft');
  assert.strictEqual(await text('#numbers-title'), 'Then');
  assert.match(
    await page.getAttribute('.chart', 'aria-valuetext'),
    /^\d\d:\d\d:\d\d: requests per second/,
  );
  await page.keyboard.press('Escape');
  assert.strictEqual(await text('#numbers-title'), 'Now');
}

async function clientsNamesAreText() {
  const name = '<img/src=x>&amp;<b>bold</b>';
  const socket = net.connect(slotway.port, '127.0.0.1');
  socket.write(`CLIENT SETNAME ${name}\r\n`);
  socket.on('data', () => {});
  socket.on('error', () => {});
  const ping = setInterval(() => socket.write('PING\r\n'), 50);
  const row = page.locator('#clients tbody tr', { has: page.locator(`td:text-is("${name}")`) });
  await eventually('the client is shown', async () => (await row.count()) === 1);
  assert.strictEqual(await page.locator('#clients img, #clients b').count(), 0);

  // An operator closes it.
  await row.locator('button:text-is("Close")').click();
  await page.click('#question-yes');
  await eventually('it is closed', () => socket.closed);
  clearInterval(ping);
  await eventually('it is said', async () => /closed/.test(await text('#answer')));
  await eventually('it is an event', async () =>
    (await page.locator('#events-list li').allTextContents()).some((line) => /action/.test(line)),
  );
}

async function aKilledMasterIsRed() {
  const [victim, ...others] = slotOwners();
  const index = victim.port - firstPort;
  const load = new Load(slotway.port);
  const start = Date.now();
  cluster('kill', String(index));
  await page.waitForSelector('#verdict[data-severity="critical"]', { timeout: 2000 * slack });
  console.log(`red after ${Date.now() - start} ms`);
  const slot = (victim.first + victim.last) >> 1;
  await eventually('its slots are red', async () => {
    const [red, green, blue] = (await colorAt(slot)).split(',').map(Number);
    return red > 180 && green < 80 && blue < 80;
  });
  assert.strictEqual(await nodeRow(victim.port).locator('.state').textContent(), 'down');
  assert.match(await page.title(), /^✖/);
  await page.click('#verdict-since .where:text-is("Show slots")');
  assert.strictEqual(await page.evaluate(() => document.activeElement.id), 'ribbon');
  await page.getByRole('button', { name: `Show node 127.0.0.1:${victim.port}` }).click();
  assert.match(
    await page.evaluate(() => document.activeElement.textContent),
    new RegExp(`^127.0.0.1:${victim.port}`),
  );
  await eventually('requests wait', async () => Number(await figure('Waiting requests')) > 0);

  await eventually('another is master', async () => (await severity()) !== 'critical');
  console.log(`no longer red after ${Date.now() - start} ms`);
  assert.match(await text('#slots-summary'), /all served by 3 masters/);
  const owners = slotOwners(others[0].port).filter(({ port }) => port !== victim.port);
  assert.strictEqual(owners.length, 3);
  await ribbonTells(owners.find(({ first }) => first === victim.first));
  cluster('restart', String(index));
  await eventually('all is well again', async () => (await severity()) === 'ok', 30000);
  await load.stop();
  const events = (await page.locator('#events-list li').allTextContents()).join('\n');
  assert.match(events, new RegExp(`node.*127.0.0.1:${victim.port}`));
  assert.match(events, /failover/);
}

async function ribbonTells({ first, last, port }) {
  await eventually('the ribbon tells the new master', async () => {
    await pointAt(first, last);
    return (await text('#ribbon-tip')).includes(`master 127.0.0.1:${port}`);
  });
  await page.mouse.move(0, 0);
}

async function actionsAct() {
  await page.click('#action-refresh');
  await page.waitForSelector('#answer[data-good="yes"]');
  await page.click('#action-drain');
  await page.click('#question-yes');
  await page.waitForSelector('#action-resume:visible');
  assert.strictEqual((await fetch(`${slotway.url}/readyz`)).status, 503);
  await page.click('#action-resume');
  await page.waitForSelector('#action-drain:visible');
  await eventually(
    'it is ready',
    async () => (await fetch(`${slotway.url}/readyz`)).status === 200,
  );
  assert.strictEqual(redis(slotway.port, 'ping'), 'PONG');
}

async function saysWhenSlotwayIsGone() {
  expectingLoss = true;
  await slotway.stop();
  await page.waitForSelector('#gone:visible');
  assert.match(await text('#gone'), /does not answer/);
  assert.match(await page.title(), /gone/);
  await slotway.start();
  await page.waitForSelector('#gone', { state: 'hidden' });
  await eventually('live', async () => (await text('#link')) === 'live');
  await eventually('all is well', async () => (await severity()) === 'ok');
  expectingLoss = false;
}

// Nodes with much to tell, which have been what they are for long: no column is cut off. Events of
// today and of yesterday are one table.
async function fitsOnADesktop() {
  const wide = await openPage();
  await wide.addInitScript(() => {
    const { parse } = JSON;
    JSON.parse = (text) => {
      const read = parse(text);
      for (const node of read.nodes || []) {
        node.state_since = node.role_since = read.time - (47 * 60 + 58) * 60;
        node.errors = { redirects: 2055, refused: 0, lost: 35, replied: 1390 };
        node.memory_used_bytes = 67.9 * 2 ** 20;
        node.memory_limit_bytes = 400 * 2 ** 20;
      }
      return read;
    };
  });
  await wide.reload();
  await wide.waitForSelector('#nodes td .since:text("47")');
  const cut = await wide
    .locator('#nodes .scroll')
    .evaluate((it) => it.scrollWidth - it.clientWidth);
  assert.ok(cut <= 0, `${cut} pixels too wide`);
  const kinds = await wide.evaluate(() => {
    const [first, second] = document.querySelectorAll('#events-list li');
    first.querySelector('time').textContent = '2026-11-21 23:59:07';
    return [first, second].map((line) => line.querySelector('.kind').getBoundingClientRect().x);
  });
  assert.strictEqual(kinds[0], kinds[1]);
  await wide.context().close();
}

async function fitsOnAPhone() {
  const phone = await openPage({ viewport: { width: 360, height: 740 }, colorScheme: 'dark' });
  await phone.waitForSelector('#nodes tbody tr');
  const wide = await phone.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(wide <= 360, `${wide} pixels wide`);
  // A node's figures, all of them, are within its row.
  const row = phone.locator('#nodes tbody tr').first();
  await row.locator('.open').click();
  for (const cell of await row.locator('td').all()) {
    const name = await cell.getAttribute('data-label');
    const cut = await cell.evaluate((it) => it.scrollWidth - it.clientWidth);
    assert.ok(cut <= 0, `${name} is ${cut} pixels too wide`);
    assert.ok(await cell.isVisible(), `${name} is not shown`);
  }
  const ground = await phone.evaluate(() => getComputedStyle(document.body).backgroundColor);
  assert.match(ground, /rgb\((\d|[1-3]\d), /);
  await phone.click('#theme'); // light
  await phone.waitForSelector('html[data-theme="light"]');
  await phone.context().close();
}

async function tellsWithoutJavaScript() {
  const plain = await openPage({ javaScriptEnabled: false });
  assert.ok(await plain.locator('.plain .verdict').textContent());
  assert.match(await plain.locator('.plain pre').textContent(), /127\.0\.0\.1:\d+ +master +up/);
  for (const link of ['/stats.json', '/stats;csv', '/metrics', '/summary']) {
    assert.ok(await plain.locator(`footer a[href="${link}"]`).isVisible());
  }
  await plain.context().close();
}

async function noComplaints() {
  assert.deepStrictEqual(problems, []);
}

const TESTS = [
  asksForAPassword,
  allIsWell,
  ribbonIsRight,
  figuresMove,
  chartsTellAboutThePast,
  clientsNamesAreText,
  aKilledMasterIsRed,
  actionsAct,
  saysWhenSlotwayIsGone,
  fitsOnADesktop,
  fitsOnAPhone,
  tellsWithoutJavaScript,
  noComplaints,
];

async function main() {
  let passed = 0;
  let failed = 0;
  await slotway.start();
  browser = await startBrowser();
  for (const test of TESTS) {
    try {
      const start = Date.now();
      await test();
      console.log(`${test.name}: ${Date.now() - start} ms`);
      passed++;
    } catch (error) {
      failed++;
      console.log(`FAILED ${test.name}\n${error.stack}`);
    }
  }
  await browser.close();
  const status = await slotway.stop();
  if (status !== 0) {
    failed++;
    console.log(`slotway ended with ${status}`);
  }
  if (failed) slotway.showLog();
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
}

// Whatever hangs: nothing is left behind, and what was said so far is seen.
setTimeout(() => {
  slotway.process?.kill('SIGKILL');
  slotway.showLog();
  console.log('FAILED: nothing more happens\n0 passed, 1 failed');
  process.exit(1);
}, LIMIT_MS * slack).unref();

main().catch((error) => {
  console.log(`${error.stack}\n0 passed, 1 failed`);
  slotway.process?.kill('SIGKILL');
  process.exit(1);
});
