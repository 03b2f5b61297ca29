// format: figures as people read them. All text; nothing here knows the page.

const MISSING = '–';
const integerFormat = new Intl.NumberFormat('en');

function known(value) {
  return typeof value === 'number' && Number.isFinite(value);
}

// Three significant digits: 0.123, 4.56, 78.9, 234.
function significant(value) {
  const size = Math.abs(value);
  if (size >= 100 || value === 0) return value.toFixed(0);
  if (size >= 10) return value.toFixed(1).replace(/\.0$/, '');
  return size >= 0.01 ? value.toFixed(2).replace(/\.?0+$/, '') : value.toPrecision(1);
}

function scaled(value, step, units) {
  let unit = 0;
  while (Math.abs(value) >= step * 0.9995 && unit < units.length - 1) {
    value /= step;
    unit++;
  }
  return [significant(value), units[unit]];
}

// 1,240 in full below 10,000; then 12.4 k.
function count(value) {
  if (!known(value)) return MISSING;
  if (Math.abs(value) < 9999.5) {
    return Number.isInteger(value) || Math.abs(value) >= 100
      ? integerFormat.format(Math.round(value))
      : significant(value);
  }
  return scaled(value, 1000, ['', 'k', 'M', 'G', 'T']).join('\u202f');
}

function exactly(value) {
  return known(value) ? integerFormat.format(value) : MISSING;
}

function bytes(value) {
  return known(value) ? scaled(value, 1024, ['B', 'KB', 'MB', 'GB', 'TB']).join('\u202f') : MISSING;
}

function byteRate(value) {
  return value === 0 ? '0' : `${bytes(value)}/s`;
}

// Microseconds, for latencies.
function latency(us) {
  return known(us) ? scaled(us, 1000, ['µs', 'ms', 's']).join('\u202f') : MISSING;
}

function percent(share) {
  return known(share) ? `${significant(share * 100)}\u202f%` : MISSING;
}

// Seconds, for ages: the two largest units.
function duration(seconds) {
  if (!known(seconds)) return MISSING;
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s}\u202fs`;
  const minutes = Math.floor(s / 60);
  if (s < 600) return `${minutes}\u202fmin ${s % 60}\u202fs`;
  if (minutes < 60) return `${minutes}\u202fmin`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours}\u202fh ${minutes % 60}\u202fmin`;
  return `${Math.floor(hours / 24)}\u202fd ${hours % 24}\u202fh`;
}

// Where room is short: the largest unit alone.
function age(seconds) {
  return duration(seconds).split(' ')[0];
}

function twoDigits(value) {
  return String(value).padStart(2, '0');
}

// Seconds since 1970 as the reader's wall clock, with the day if it is not today's.
function clock(seconds, now = Date.now() / 1000) {
  if (!known(seconds)) return MISSING;
  const at = new Date(seconds * 1000);
  const time = [at.getHours(), at.getMinutes(), at.getSeconds()].map(twoDigits).join(':');
  if (new Date(now * 1000).toDateString() === at.toDateString()) return time;
  return `${at.getFullYear()}-${twoDigits(at.getMonth() + 1)}-${twoDigits(at.getDate())} ${time}`;
}

function plural(number, one, many = `${one}s`) {
  return `${exactly(number)} ${number === 1 ? one : many}`;
}
