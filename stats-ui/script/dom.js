// dom: making and changing elements. Text always goes in as text, so what clients send (names,
// keys, addresses) is never markup; what did not change is not touched.

function byId(id) {
  return document.getElementById(id);
}

// element('td', {class: 'number', title: '…'}, 'text', childElement…)
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? '' : value);
  }
  made.append(
    ...children.filter((child) => child !== null && child !== undefined && child !== false),
  );
  return made;
}

function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

function setAttribute(target, name, value) {
  if (value === undefined || value === null || value === '') {
    if (target.hasAttribute(name)) target.removeAttribute(name);
  } else if (target.getAttribute(name) !== String(value)) {
    target.setAttribute(name, value);
  }
}

function show(target, visible) {
  if (target.hidden === visible) target.hidden = !visible;
}

// Makes the children of parent those of items, in their order: make(item) once for each key,
// update(child, item) every time. Children that stay are the same elements, so that focus and
// selections survive.
function updateChildren(parent, items, keyOf, make, update) {
  const old = parent.keyed || new Map();
  const now = new Map();
  let place = parent.firstChild;
  for (const item of items) {
    const key = keyOf(item);
    if (now.has(key)) continue;
    let child = old.get(key);
    if (child) {
      old.delete(key);
    } else {
      child = make(item);
    }
    update(child, item);
    now.set(key, child);
    if (child === place) place = place.nextSibling;
    else parent.insertBefore(child, place);
  }
  for (const gone of old.values()) gone.remove();
  parent.keyed = now;
}
