// What the tests of JavaScript clients and applications share: it runs named checks, counts them and
// prints the line "N passed, N failed" that tests/run looks for.
'use strict';

let passed = 0;
let failed = 0;

async function run(name, test) {
  try {
    await test();
    passed++;
  } catch (error) {
    failed++;
    console.log(`FAILED ${name}\n${error.stack}`);
  }
}

// Waits until probe() is true; rejects with the text after some seconds.
async function until(text, probe, seconds = 15) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    if (await probe()) return;
    if (Date.now() > end) throw new Error(`waited ${seconds} s in vain: ${text}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

// Runs groups of checks, each an async function of `run`, and ends the program. Arguments of the
// program choose groups by name.
async function main(groups, limit = 60) {
  setTimeout(() => {
    console.log(`FAILED: not done after ${limit} s\n${passed} passed, ${failed + 1} failed`);
    process.exit(1);
  }, limit * 1000).unref();
  process.on('unhandledRejection', (error) => {
    failed++;
    console.log(`FAILED: nobody waited for this\n${error && error.stack}`);
  });
  const names = process.argv.slice(2);
  const chosen = groups.filter((group) => !names.length || names.includes(group.name));
  for (const group of chosen) await run(`${group.name} works at all`, () => group(run));
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
}

module.exports = { main, until, port: Number(process.env.SLOTWAY_PORT) };
