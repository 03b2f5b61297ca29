// verdict: the line that says what is wrong, since when and where; the other findings below it.

const MARKS = {
  ok: 'M3 8.4 6.6 12 13 4.6',
  warning: 'M8 2 14.8 14H1.2zM8 6.4v3.4M8 11.4v1.2',
  critical: 'M3.6 3.6l8.8 8.8M12.4 3.6l-8.8 8.8',
};
const SPOKEN_SEVERITY = { ok: 'All is well', warning: 'Warning', critical: 'Critical' };
const TITLE_MARK = { ok: '✓', warning: '⚠', critical: '✖' };
const SHOWN_FINDINGS = 8;

let spokenFindings = null;

function drawVerdict() {
  const { verdict } = model.snapshot;
  const [worst, ...others] = verdict.findings;
  const section = byId('verdict');
  setAttribute(section, 'data-severity', verdict.severity);
  setAttribute(byId('verdict-mark'), 'd', MARKS[verdict.severity]);
  setText(byId('verdict-text'), verdict.text);
  setText(byId('verdict-advice'), worst?.advice || '');
  drawSince(byId('verdict-since'), verdict.since, worst);
  updateChildren(
    byId('findings'),
    others.slice(0, SHOWN_FINDINGS),
    findingKey,
    makeFinding,
    updateFinding,
  );
  const left = (verdict.findings_total ?? verdict.findings.length) - 1 - SHOWN_FINDINGS;
  setAttribute(
    byId('findings'),
    'data-more',
    left > 0 ? `and ${plural(left, 'more finding')}` : null,
  );
  document.title = `${TITLE_MARK[verdict.severity]} ${verdict.text} – slotway`;
  setAttribute(byId('icon'), 'href', `/icon-${verdict.severity}.svg`);
  drawBrief(verdict);
  announce(verdict);
}

// In the header, which stays when the verdict has been scrolled away.
function drawBrief({ severity, findings }) {
  const counts = ['critical', 'warning']
    .map((each) => [findings.filter((finding) => finding.severity === each).length, each])
    .filter(([n]) => n);
  const brief = byId('brief');
  show(brief, true);
  setAttribute(brief, 'data-severity', severity);
  const text =
    counts
      .map(([n, each]) => (each === 'warning' ? plural(n, each) : `${n} ${each}`))
      .join(', ') || 'all is well';
  setText(brief, `${TITLE_MARK[severity]} ${text}`);
}

// Screen readers hear a verdict when other findings make it up, not when a number in it changes.
function announce(verdict) {
  const findings = verdict.severity + verdict.findings.map(findingKey).join();
  if (findings === spokenFindings) return;
  spokenFindings = findings;
  setText(byId('announcement'), `${SPOKEN_SEVERITY[verdict.severity]}: ${verdict.text}`);
}

function findingKey(finding) {
  const { kind, node, host, client, first } = finding.where || {};
  return [finding.rule, kind, node, host, client, first].join(' ');
}

function makeFinding() {
  return element(
    'li',
    {},
    element('span', { class: 'severity' }),
    element('span', { class: 'text' }),
    element('span', { class: 'advice' }),
    element('span', { class: 'since' }),
  );
}

function updateFinding(line, finding) {
  const [severity, text, advice, since] = line.children;
  setAttribute(line, 'data-severity', finding.severity);
  setText(severity, finding.severity);
  setText(text, finding.text);
  setText(advice, finding.advice || '');
  drawSince(since, finding.since, finding);
}

// "for 12 s, since 14:05:15", and a button that goes to where it is.
function drawSince(target, since, finding) {
  if (!target.firstChild) {
    target.append(
      element('span', { class: 'age' }),
      element('time'),
      element('button', {
        type: 'button',
        class: 'where',
        onclick: () => goTo(target.where),
      }),
    );
  }
  const [age, time, button] = target.children;
  target.where = finding?.where;
  const place = placeOf(finding?.where);
  setText(age, since ? `for ${duration(serverNow() - since)}` : '');
  setText(time, since ? `since ${clock(since)}` : '');
  setText(button, place ? `Show ${place.kind}` : '');
  setAttribute(button, 'aria-label', place && `Show ${place.kind} ${place.name}`);
  show(button, Boolean(place));
}

// What kind of place it is and which one, if there is something to show.
function placeOf(where) {
  const names = {
    slots: () => `${where.first} to ${where.last}`,
    node: () => model.nodes.get(where.node)?.address,
    client: () => where.client,
  };
  const name = names[where?.kind]?.();
  return name ? { kind: where.kind, name } : null;
}

function goTo(where) {
  let target = null;
  if (where.kind === 'slots') {
    ribbonGoTo(where.first);
    target = byId('ribbon');
  } else if (where.kind === 'node') {
    target = nodeRow(where.node);
  } else if (where.kind === 'client') {
    target = clientRow(where.client);
  }
  if (!target) return;
  target.scrollIntoView({ block: 'center' });
  if (where.kind !== 'slots') target.setAttribute('tabindex', -1);
  target.focus({ preventScroll: true });
}
