// What the page's test needs: the cluster, a slotway, clients, a browser.
'use strict';
const { execFileSync, spawn } = require('child_process');
const fs = require('fs');
const net = require('net');
const path = require('path');
const { chromium } = require('playwright-core');

const root = process.env.SLOTWAY_ROOT;
const [, dir, portText] = /^(.*):(\d+)$/.exec(process.env.SLOTWAY_TEST_CLUSTER);
const firstPort = Number(portText);
const program = process.env.SLOTWAY_BIN || path.join(root, 'build', 'slotway');
const password = 'correct horse';
const slack = Number(process.env.SLOTWAY_TEST_SLACK || 1);

function cluster(...args) {
  return execFileSync(path.join(root, 'deploy', 'local-cluster'), [...args, '--dir', dir], {
    stdio: ['ignore', 'pipe', 'ignore'],
  }).toString();
}

function redis(port, ...args) {
  return execFileSync('redis-cli', ['-p', String(port), ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
    .toString()
    .trimEnd();
}

// [{first, last, port}] as the nodes say it.
function slotOwners(port = firstPort) {
  return redis(port, 'cluster', 'nodes')
    .split('\n')
    .filter((line) => / (myself,)?master - /.test(line))
    .flatMap((line) => {
      const fields = line.split(' ');
      const owner = Number(/:(\d+)@/.exec(fields[1])[1]);
      return fields
        .slice(8)
        .filter((range) => /^\d/.test(range))
        .map((range) => {
          const [first, last = first] = range.split('-').map(Number);
          return { first, last, port: owner };
        });
    })
    .sort((a, b) => a.first - b.first);
}

function freePort() {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

async function eventually(what, condition, ms = 20000) {
  const end = Date.now() + ms * slack;
  let last;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`${what}: not within ${ms * slack} ms; last: ${last}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

class Slotway {
  async start() {
    this.port ??= await freePort();
    this.statsPort ??= await freePort();
    this.log = fs.openSync(path.join(dir, '..', 'slotway.log'), 'a');
    this.process = spawn(
      program,
      [
        '--bind',
        '127.0.0.1',
        '--port',
        this.port,
        '--stats-port',
        this.statsPort,
        '--stats-password',
        password,
        '--stats-admin',
        'yes',
        ...[0, 1, 2].map((node) => `127.0.0.1:${firstPort + node}`),
      ],
      { stdio: ['ignore', this.log, this.log] },
    );
    this.ended = new Promise((resolve) => {
      this.process.on('exit', resolve);
    });
    await eventually(
      'slotway is ready',
      async () => (await fetch(`${this.url}/readyz`)).status === 200,
    );
  }

  get url() {
    return `http://127.0.0.1:${this.statsPort}`;
  }

  async stats() {
    const answer = await fetch(`${this.url}/stats.json`, {
      headers: {
        authorization: `Basic ${Buffer.from(`admin:${password}`).toString('base64')}`,
      },
    });
    return answer.json();
  }

  stop() {
    this.process.kill('SIGTERM');
    return this.ended;
  }

  showLog() {
    console.log(
      fs
        .readFileSync(path.join(dir, '..', 'slotway.log'), 'utf8')
        .split('\n')
        .slice(-40)
        .join('\n'),
    );
  }
}

// A client that keeps so many GETs under way until it is told to stop; it counts replies.
class Load {
  constructor(port, pipeline = 16) {
    this.replies = 0;
    this.stopping = false;
    this.socket = net.connect(port, '127.0.0.1');
    this.socket.on('error', () => {});
    this.closed = new Promise((resolve) => {
      this.socket.on('close', resolve);
    });
    this.socket.on('data', (data) => {
      for (const byte of data) if (byte === 10) this.replied();
    });
    for (let i = 0; i < pipeline; i++) this.ask();
  }

  // Every reply is one line.
  ask() {
    this.sent = (this.sent || 0) + 1;
    this.socket.write(`EXISTS key:${this.sent % 1000}\r\n`);
  }

  replied() {
    this.replies++;
    if (!this.stopping) this.ask();
    else if (this.replies === this.sent) this.socket.end();
  }

  async stop() {
    this.stopping = true;
    await this.closed;
    return this.replies;
  }
}

async function startBrowser() {
  return chromium.launch({
    executablePath: process.env.BROWSER,
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

module.exports = {
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
};
