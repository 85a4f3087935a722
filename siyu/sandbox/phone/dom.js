// Small things every part of the page needs: elements, icons, the control API, toasts.
import { t } from './words.js';

/** An element; `on*` attributes are listeners, null children are left out. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'text') element.textContent = value;
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const PATHS = {
  chats: '<path d="M12 4c5 0 9 3.200 9 7.400s-4 7.400-9 7.400c-1 0-2-.1-2.900-.4L5 20.500l.9-3.300C4.100 15.900 3 13.800 3 11.400 3 7.200 7 4 12 4z"/>',
  discover: '<circle cx="12" cy="12" r="9"/><path d="M15.500 8.500l-2 5-5 2 2-5z"/>',
  me: '<circle cx="12" cy="8" r="4"/><path d="M4 20.500c.6-4.300 3.600-6.500 8-6.500s7.400 2.200 8 6.500z"/>',
  back: '<path d="M15 4l-8 8 8 8"/>', right: '<path d="M9 5l7 7-7 7"/>', close: '<path d="M5 5l14 14M19 5L5 19"/>',
  scan: '<path d="M4 9V5h4M16 5h4v4M20 15v4h-4M8 19H4v-4M3 12h18"/>',
  mini: '<path d="M12 8.500v7a3.500 3.500 0 1 1-4.200-3.400M12 15.500v-7a3.500 3.500 0 1 1 4.200 3.400"/>',
  share: '<path d="M13 5l7 6-7 6v-4c-4.500 0-7 1-9 4 .5-5 3-8 9-8.500z"/>',
  again: '<path d="M19.500 12a7.500 7.500 0 1 1-2.200-5.300M19.500 3.500v4h-4"/>',
  panel: '<path d="M4 6h16M4 12h16M4 18h16"/><circle cx="9" cy="6" r="2"/><circle cx="15" cy="12" r="2"/><circle cx="8" cy="18" r="2"/>',
  wallet: '<rect x="3" y="6" width="18" height="13" rx="2.500"/><path d="M3 10h18M16 14.500h2"/>',
  phone: '<rect x="7" y="3" width="10" height="18" rx="2.500"/><path d="M11 18h2"/>',
  people: '<circle cx="9" cy="9" r="3.500"/><path d="M3 19c.5-3.500 2.500-5 6-5s5.500 1.500 6 5M16 6a3 3 0 0 1 0 6M18 14.500c2 .6 3 2 3.300 4.500"/>',
  world: '<circle cx="12" cy="12" r="9"/><path d="M3 12h18M12 3c3 3 3 15 0 18M12 3c-3 3-3 15 0 18"/>',
  erase: '<path d="M9 6h12v12H9l-6-6zM12 10l5 4M17 10l-5 4"/>',
  check: '<path d="M5 12.500l5 5L19.500 7"/>', shop: '<path d="M4 9l1.500-5h13L20 9M4 9v11h16V9M4 9c0 3 4 3 4 0 0 3 4 3 4 0 0 3 4 3 4 0 0 3 4 3 4 0M10 20v-5h4v5"/>',
  bell: '<path d="M6 16V11a6 6 0 0 1 12 0v5l1.500 2h-15zM10.500 20.500h3"/>',
  erasekey: '<path d="M9 5h11a1 1 0 0 1 1 1v12a1 1 0 0 1-1 1H9l-6-7zM12 9.500l5 5M17 9.500l-5 5"/>',
  bolt: '<path d="M13 3L5 14h6l-1 7 8-11h-6z"/>', copy: '<rect x="8" y="8" width="12" height="12" rx="2"/><path d="M16 8V5a1 1 0 0 0-1-1H5a1 1 0 0 0-1 1v10a1 1 0 0 0 1 1h3"/>',
};

export function icon(name, label) {
  const span = h('span', { class: 'icon', 'aria-hidden': label ? null : 'true', role: label ? 'img' : null, 'aria-label': label });
  span.innerHTML = `<svg viewBox="0 0 24 24">${PATHS[name]}</svg>`;
  return span;
}

/** What the sandbox answers below /_sandbox; throws an Error whose message is WeChat's errMsg. */
export async function api(method, path, body) {
  let answer;
  try {
    answer = await fetch(`/_sandbox${path}`, {
      method,
      headers: body === undefined ? {} : { 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Error(t('offline'));
  }
  const text = await answer.text();
  const value = text ? JSON.parse(text) : null;
  if (!answer.ok) throw new Error(value?.errMsg ?? value?.detail ?? `${answer.status}`);
  return value;
}

let pressed = false;
for (const [name, on] of [['pointerdown', true], ['pointerup', false], ['pointercancel', false]]) {
  addEventListener(name, () => { if (on) pressed = true; else setTimeout(() => { pressed = false; }); }, true);
}

/** Resolves when no button is being pressed: what is drawn anew meanwhile would lose the click. */
export async function released() {
  while (pressed) await new Promise((later) => setTimeout(later, 30));
}

/** A line that goes away by itself, on the phone. */
export function toast(text, mark = 'check') {
  document.querySelector('.toast')?.remove();
  const shown = h('div', { class: 'toast', role: 'status' }, icon(mark), h('span', { text }));
  document.getElementById('screen').append(shown);
  setTimeout(() => shown.remove(), 1600);
}

/** Escape closes the topmost sheet, Tab stays inside it. */
export function trapFocus(dialog, onEscape) {
  const before = document.activeElement;
  dialog.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') {
      event.stopPropagation();
      onEscape();
    }
    if (event.key !== 'Tab') return;
    const stops = [...dialog.querySelectorAll('button, input, a[href]')].filter((e) => !e.disabled);
    const first = stops[0];
    const last = stops[stops.length - 1];
    if (event.shiftKey && document.activeElement === first) { event.preventDefault(); last.focus(); }
    if (!event.shiftKey && document.activeElement === last) { event.preventDefault(); first.focus(); }
  });
  queueMicrotask(() => (dialog.querySelector('[autofocus]') ?? dialog).focus({ preventScroll: true }));
  return () => before?.focus?.({ preventScroll: true });
}
