// main: puts the page together and draws it, once for whatever came since the last frame.

const LINK_TEXT = { connecting: 'connecting', live: 'live', gone: 'no connection' };

function drawLink() {
  setAttribute(byId('link'), 'data-link', feed.link);
  setText(byId('link'), LINK_TEXT[feed.link]);
  setAttribute(document.documentElement, 'data-link', feed.link);
  const gone = byId('gone');
  show(gone, feed.link === 'gone');
  if (feed.link !== 'gone') return;
  const last = model.snapshot ? ` What is below is from ${clock(model.snapshot.time)}.` : '';
  setText(gone, `slotway does not answer here: ${feed.reason}.${last} Trying again every second.`);
  document.title = 'gone – slotway';
  setAttribute(byId('icon'), 'href', '/icon-gone.svg');
}

function drawTab() {
  drawLink();
  if (model.snapshot && feed.link !== 'gone') drawVerdict();
}

function drawWhose() {
  const { proxy } = model.snapshot;
  setText(byId('whose'), `${location.hostname}:${proxy.port}`);
}

function drawPage() {
  scheduled = false;
  drawLink();
  if (!model.snapshot || feed.link === 'gone') return;
  show(byId('page'), true);
  drawWhose();
  drawVerdict();
  drawRibbon();
  drawNodes();
  drawPanels();
  drawActions();
  drawCards();
}

let scheduled = false;

function relook() {
  if (!model.snapshot) return;
  relookCards();
  drawBand();
}

function main() {
  makeTheme(relook);
  show(byId('link'), true);
  show(byId('parts'), true);
  makeCards();
  makeRibbon();
  makeNodes();
  makePanels();
  makeActions();
  feedStart(() => {
    // Frames stop in the background, but title and icon of the tab are seen there too.
    if (document.hidden) drawTab();
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(drawPage);
  });
}

document.addEventListener('DOMContentLoaded', main);
