// table: tables whose rows change every second. Columns can be sorted; while somebody points at
// the rows or has the focus in them, none changes its place.

// columns: {title, text(row)} and, if wanted, number: true, sort(row), mark(row): a class for the
// cell, fill(cell, row) instead of text, minor: true (left out where there is little room), and for
// the tooltip help, or figure: a name in slotway's own table of figures, of the table's scope.
function makeTable(place, { caption, columns, keyOf, scope, shown = 10, empty, sortBy, onRow }) {
  const body = element('tbody');
  const headers = columns.map((column, index) => header(column, index));
  const table = element(
    'table',
    {},
    element('caption', { class: 'unseen' }, caption),
    element('thead', {}, element('tr', {}, ...headers)),
    body,
  );
  const region = element(
    'div',
    { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': `Table: ${caption}` },
    table,
  );
  const more = element('button', {
    type: 'button',
    class: 'more',
    hidden: true,
    onclick: () => {
      state.all = !state.all;
      draw();
    },
  });
  const nothing = element('p', { class: 'empty', hidden: true }, empty || '');
  place.append(region, more, nothing);
  const state = { rows: [], sort: sortBy ?? null, down: true, all: false };

  function header(column, index) {
    const attributes = { scope: 'col', class: cellClass(column) };
    if (!column.sort) return element('th', attributes, column.title);
    return element(
      'th',
      attributes,
      element(
        'button',
        {
          type: 'button',
          onclick: () => {
            nextOrder(index);
            draw(true);
          },
        },
        column.title,
      ),
    );
  }

  // Each press goes on: first the more telling order, then the other, then as the rows came.
  function nextOrder(index) {
    const first = Boolean(columns[index].number);
    if (state.sort !== index) Object.assign(state, { sort: index, down: first });
    else if (state.down === first) state.down = !first;
    else state.sort = null;
  }

  function compare(a, b) {
    const of = columns[state.sort].sort;
    const [x, y] = [of(a), of(b)];
    if (x === y) return 0;
    if (x === null || x === undefined) return 1;
    if (y === null || y === undefined) return -1;
    return x < y === state.down ? 1 : -1;
  }

  function ordered(anyway) {
    if (
      !anyway &&
      body.keyed &&
      (body.matches(':hover') || body.contains(document.activeElement))
    ) {
      const rows = new Map(state.rows.map((row) => [keyOf(row), row]));
      const old = [...body.keyed.keys()].filter((key) => rows.has(key));
      return [...new Set([...old, ...rows.keys()])].map((key) => rows.get(key));
    }
    return state.sort === null ? state.rows : [...state.rows].sort(compare);
  }

  function makeRow() {
    return element(
      'tr',
      {},
      ...columns.map((column, index) =>
        element(index ? 'td' : 'th', {
          scope: index ? null : 'row',
          class: cellClass(column),
          'data-label': column.title,
        }),
      ),
    );
  }

  function updateRow(line, row) {
    columns.forEach((column, index) => {
      const cell = line.children[index];
      if (column.fill) column.fill(cell, row);
      else setText(cell, column.text(row));
      // Long keys are cut by the layout.
      if (column.class === 'key') setAttribute(cell, 'title', cell.textContent);
      if (column.mark)
        setAttribute(cell, 'class', `${cellClass(column)} ${column.mark(row)}`.trim());
    });
    onRow?.(line, row);
  }

  function draw(anyway) {
    const rows = ordered(anyway);
    headers.forEach((cell, index) => {
      const { figure, help: sentence } = columns[index];
      setAttribute(cell, 'title', sentence || (figure && help(scope, figure)));
      setAttribute(
        cell,
        'aria-sort',
        state.sort === index ? (state.down ? 'descending' : 'ascending') : null,
      );
    });
    updateChildren(body, state.all ? rows : rows.slice(0, shown), keyOf, makeRow, updateRow);
    show(region, rows.length > 0);
    show(nothing, rows.length === 0);
    show(more, rows.length > shown);
    setText(more, state.all ? `Show ${shown}` : `Show all ${rows.length}`);
    setAttribute(more, 'aria-expanded', String(state.all));
  }

  return {
    update(rows) {
      state.rows = rows;
      draw(false);
    },
    rowOf: (key) => body.keyed?.get(key),
    // The row of a key, shown even if it was among those left out.
    reveal(key) {
      if (!body.keyed?.has(key) && state.rows.some((row) => keyOf(row) === key)) {
        state.all = true;
        draw(true);
      }
      return body.keyed?.get(key);
    },
  };
}

function cellClass(column) {
  return [column.number ? 'number' : '', column.minor ? 'minor' : '', column.class || '']
    .filter(Boolean)
    .join(' ');
}

// Zeros step back, so that what is not zero is seen.
function quiet(value) {
  return value ? '' : 'zero';
}

// A column of numbers.
function number(title, text, more = {}) {
  return { title, text, number: true, ...more };
}

// A column about one field of the row, as text(value) says it.
function field(title, name, text = count, more = {}) {
  return number(title, (row) => text(row[name]), {
    figure: name,
    sort: (row) => row[name],
    mark: (row) => quiet(row[name]),
    ...more,
  });
}

// The same of a field that should be 0.
function alarm(title, name, text = count, more = {}) {
  return field(title, name, text, { mark: (row) => (row[name] ? 'bad' : 'zero'), ...more });
}

function percentile(title, name, more = {}) {
  return number(title, (row) => latency(row.latency?.[name]), {
    figure: 'latency',
    sort: (row) => row.latency?.[name],
    ...more,
  });
}
