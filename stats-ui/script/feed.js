// feed: keeps the model fresh. It loads everything once and then follows /events; whatever goes
// wrong, it starts again from the beginning every second, so the page comes back by itself.

const RETRY_MS = 1000;
const SILENCE_MS = 3500; // snapshots come every second
const LOAD_TIMEOUT_MS = 5000;

const feed = {
  link: 'connecting', // live, connecting, gone, denied
  reason: '',
  since: performance.now(), // of the link's state
  source: null,
  heard: 0, // when anything came last
  sequence: 0,
  changed: () => {},
};

// Without the name and password that the page's own address may have in it: with them a request
// is refused by the browser.
function address(path) {
  return location.origin + path;
}

function setLink(link, reason = '') {
  if (feed.link !== link) feed.since = performance.now();
  feed.link = link;
  feed.reason = reason;
}

function feedStart(changed) {
  feed.changed = changed;
  loadAll();
  setInterval(() => {
    if (feed.source && performance.now() - feed.heard > SILENCE_MS) lost('it is silent');
    feed.changed();
  }, 1000);
}

async function loadAll() {
  feed.source?.close();
  feed.source = null;
  let reason = 'no connection';
  try {
    const answer = await fetch(address('/stats.json'), {
      cache: 'no-store',
      signal: AbortSignal.timeout(LOAD_TIMEOUT_MS),
    });
    if (answer.ok) {
      const all = await answer.json();
      modelLoad(all);
      feed.sequence = all.sequence;
      setLink('live');
      follow();
      feed.changed();
      return;
    }
    reason =
      answer.status === 401
        ? 'it wants another name or password: load the page again'
        : (await answer.text()).trim().slice(0, 200) || `HTTP status ${answer.status}`;
  } catch {
    // What the browser says here (network error, aborted) tells an operator nothing.
  }
  lost(reason);
}

function follow() {
  const source = new EventSource(address('/events'));
  let worked = false;
  feed.source = source;
  feed.heard = performance.now();
  source.addEventListener('snapshot', (message) => {
    const snapshot = JSON.parse(message.data);
    worked = true;
    feed.heard = performance.now();
    if (snapshot.sequence === feed.sequence) return; // the one that /stats.json gave
    const ahead = snapshot.sequence - feed.sequence;
    if (ahead < 0 || !modelAdd(snapshot, ahead === 1)) {
      loadAll();
      return;
    }
    feed.sequence = snapshot.sequence;
    setLink('live');
    feed.changed();
  });
  source.addEventListener('bye', (message) => lost(JSON.parse(message.data).reason));
  source.addEventListener('error', () => {
    if (source !== feed.source) return;
    source.close();
    feed.source = null;
    // A stream that ended is gone if /stats.json is too. One that never began may have been
    // refused because there are many: then /stats.json alone has to do.
    if (worked) loadAll();
    else setTimeout(loadAll, RETRY_MS);
  });
}

function lost(reason) {
  feed.source?.close();
  feed.source = null;
  if (feed.link !== 'gone' || reason !== 'no connection') setLink('gone', reason);
  setTimeout(loadAll, RETRY_MS);
  feed.changed();
}
