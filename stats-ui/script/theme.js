// theme: light or dark, as the system has it or as the reader chose. It is set before anything is
// drawn, so that a dark page doesn't begin with a flash.

const THEMES = ['auto', 'light', 'dark'];
const THEME_KEY = 'slotway-theme';
const systemIsDark = matchMedia('(prefers-color-scheme: dark)');
let theme = storedTheme();

function storedTheme() {
  try {
    const stored = localStorage.getItem(THEME_KEY);
    return THEMES.includes(stored) ? stored : 'auto';
  } catch {
    return 'auto'; // storage is forbidden: a choice lasts as long as the page
  }
}

function storeTheme() {
  try {
    localStorage.setItem(THEME_KEY, theme);
  } catch {
    // as above
  }
}

function applyTheme() {
  const dark = theme === 'dark' || (theme === 'auto' && systemIsDark.matches);
  document.documentElement.setAttribute('data-theme', dark ? 'dark' : 'light');
}

// changed is called when the colours did.
function makeTheme(changed) {
  const button = byId('theme');
  const draw = () => {
    applyTheme();
    setText(button, `◐ ${theme}`);
    setAttribute(button, 'aria-label', `Theme: ${theme}`);
    changed();
  };
  button.addEventListener('click', () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    storeTheme();
    draw();
  });
  systemIsDark.addEventListener('change', draw);
  show(button, true);
  draw();
}

applyTheme();
