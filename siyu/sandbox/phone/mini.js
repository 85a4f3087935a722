// A running mini-program: the shop's H5 in a frame, the capsule above it, and the bridge.
// Bridge: H5 -> phone {siyu: 1, id, call, args}; phone -> H5 {siyu: 1, id, ok, result | errMsg}.
import { requestSubscribeMessage } from './channels.js';
import { api, h, icon, toast, trapFocus } from './dom.js';
import { requestPayment } from './pay.js';
import { togglePanel } from './panel.js';
import { requestMerchantTransfer } from './transfer.js';
import { isEnglish, t } from './words.js';

const screen = document.getElementById('screen');
let mini = null;

export const isOpen = () => Boolean(mini) && !mini.layer.hidden;

/** The shop's address as this browser reaches it: a phone on the network cannot use 127.0.0.1. */
function addressOf(app) {
  const url = new URL(app.shop_url);
  const local = (host) => ['127.0.0.1', 'localhost', '[::1]'].includes(host);
  if (local(url.hostname) && !local(location.hostname)) url.hostname = location.hostname;
  return url;
}

export function openMini({ app, person, people, path, onLeave, onPaid, scan }) {
  if (mini && mini.app.appid === app.appid && !path && mini.app.shop_url === app.shop_url) {
    mini.layer.hidden = false;
    return;
  }
  dropMini();
  const layer = h('div', { class: 'mini' });
  mini = { app, person, people, layer, onLeave, onPaid, scan, frame: null, origin: null, busy: false };
  layer.append(h('div', { class: 'capsule' },
    h('button', { 'aria-label': t('capsuleMore'), onclick: openMenu }, h('i', { class: 'dots' }, h('b'), h('b'), h('b'))),
    h('button', { 'aria-label': t('capsuleClose'), onclick: closeMini }, h('i', { class: 'target' }))));
  screen.append(layer);
  load(path);
}

function load(path = '') {
  const current = mini;
  current.layer.querySelectorAll('iframe, .splash, .closed').forEach((old) => old.remove());
  if (!current.app.shop_url) {
    current.layer.prepend(trouble(t('notOpen', { name: current.app.name }), t('notOpenText')));
    return;
  }
  const url = addressOf(current.app);
  current.origin = url.origin;
  if (path) url.hash = `/${path.replace(/^\//, '')}`;
  const splash = h('div', { class: 'splash' }, h('img', { src: current.app.icon_url, alt: '' }), h('b', { text: current.app.name }), h('i'));
  current.frame = h('iframe', { name: 'siyu-phone', title: current.app.name, allow: 'clipboard-write; microphone', src: url.href });
  current.frame.addEventListener('load', () => { splash.classList.add('gone'); setTimeout(() => splash.remove(), 300); });
  current.layer.prepend(current.frame, splash);
  fetch(url, { mode: 'no-cors', cache: 'no-store' }).catch(() => {
    if (mini !== current) return;
    splash.remove();
    current.frame.remove();
    current.layer.prepend(trouble(t('notAnswering'), t('notAnsweringText', { url: url.origin }), () => load(path)));
  });
}

function trouble(title, text, again) {
  return h('div', { class: 'closed' }, icon('shop'), h('b', { text: title }), h('p', { text }),
    again ? h('button', { class: 'button', onclick: again, text: t('retry') }) : null);
}

/** Back to WeChat; the mini-program stays as it is in the background. */
export function closeMini() {
  if (!mini || mini.busy) return;
  mini.layer.hidden = true;
  mini.onLeave();
}

/** Forget the running mini-program. */
export function dropMini() {
  mini?.layer.remove();
  mini = null;
}

// -- sheets ------------------------------------------------------------------------------------

/** A sheet from below; `build(finish)` makes its content, the promise is what it finishes with. */
export function sheet(label, build, className = '') {
  return new Promise((resolve) => {
    let giveBack = () => {};
    const finish = (value) => {
      giveBack();
      shade.classList.add('leaving');
      shade.inert = true;
      dialog.removeAttribute('role');
      setTimeout(() => shade.remove(), 180);
      resolve(value);
    };
    const dialog = h('div', { class: `sheet ${className}`, role: 'dialog', 'aria-modal': 'true', 'aria-label': label, tabindex: '-1' });
    const shade = h('div', { class: 'shade', onclick: (event) => { if (event.target === shade) finish(null); } }, dialog);
    dialog.append(...build(finish));
    screen.append(shade);
    giveBack = trapFocus(dialog, () => finish(null));
  });
}

async function openMenu() {
  const choice = await sheet(t('capsuleMore'), (finish) => [
    h('header', { class: 'about' }, h('img', { src: mini.app.icon_url, alt: '' }), h('b', { text: mini.app.name })),
    h('div', { class: 'actions' }, ...[['forward', 'share'], ['reenter', 'again'], ['clearAuth', 'erase'], ['openPanel', 'panel']].map(([key, mark]) => h(
      'button', { onclick: () => finish(key) }, h('span', {}, icon(mark)), t(key)))),
    h('button', { class: 'wide', onclick: () => finish(null), text: t('cancel') }),
  ], 'menu');
  if (choice === 'forward') await share({});
  if (choice === 'reenter') load();
  if (choice === 'openPanel') togglePanel(true);
  if (choice === 'clearAuth') {
    await api('DELETE', `/people/${mini.person.person_id}/grants/${mini.app.appid}`);
    load();
  }
}

/** The consent sheet of WeChat; true when allowed. */
async function ask(title, body, note) {
  const { app } = mini;
  return Boolean(await sheet(title, (finish) => [
    h('header', { class: 'asking' }, h('img', { src: app.icon_url, alt: '' }), h('b', { text: app.name }), h('span', { text: t('asks') })),
    h('h2', { text: title }),
    body,
    note ? h('p', { class: 'note', text: note }) : null,
    h('div', { class: 'choices' },
      h('button', { class: 'button grey', 'data-answer': 'refuse', onclick: () => finish(false), text: t('refuse') }),
      h('button', { class: 'button', 'data-answer': 'allow', autofocus: true, onclick: () => finish(true), text: t('allow') })),
  ].filter(Boolean), 'consent'));
}

const whoRow = (picture, title, small) => h('div', { class: 'subject' }, picture, h('span', {}, h('b', { text: title }), h('small', { text: small })), h('i', {}, icon('check')));

async function share(args) {
  const { app, person, people } = mini;
  const to = await sheet(t('sendTo'), (finish) => [
    h('header', { class: 'plain' }, h('b', { text: t('sendTo') })),
    h('div', { class: 'friends' }, h('button', { 'data-friend': 'group', onclick: () => finish({ person_id: 'group' }) }, h('span', { class: 'logo group' }, icon('people')), h('span', { text: t('group') })), ...people.filter((other) => other.person_id !== person.person_id).map((other) => h(
      'button', { 'data-friend': other.person_id, onclick: () => finish(other) }, h('img', { src: other.avatar_url, alt: '' }), h('span', { text: other.name })))),
    h('button', { class: 'wide', onclick: () => finish(null), text: t('cancel') }),
  ], 'menu');
  if (!to) throw new Error('share:fail cancel');
  const card = Object.fromEntries(['title', 'path', 'imageUrl'].filter((key) => typeof args[key] === 'string').map((key) => [key, args[key]]));
  await api('POST', `/people/${person.person_id}/share`, { appid: app.appid, to: to.person_id, card });
  toast(t('sent'));
  return {};
}

// -- what the page may call ----------------------------------------------------------------------

const me = () => `/people/${mini.person.person_id}`;

const CALLS = {
  async login() {
    const { app, person } = mini;
    const grants = await api('GET', `${me()}/grants/${app.appid}`);
    if (!grants.includes('login')) {
      const yes = await ask(t('askLogin'), whoRow(h('img', { src: person.avatar_url, alt: '' }), person.name, t('account') + `: sandbox_${person.person_id}`), t('askLoginText'));
      if (!yes) throw new Error('login:fail auth deny');
      await api('POST', `${me()}/grants`, { appid: app.appid, scope: 'login' });
    }
    return api('POST', `${me()}/login-code`, { appid: app.appid });
  },
  async getPhoneNumber() {
    const { app, person } = mini;
    const yes = await ask(t('askPhone'), whoRow(h('span', { class: 'mark blue' }, icon('phone')), person.phone.replace(/^(\d{3})\d+(\d{4})$/, '$1****$2'), t('phoneBound')));
    if (!yes) throw new Error('getPhoneNumber:fail user deny');
    return api('POST', `${me()}/phone-code`, { appid: app.appid });
  },
  async getUserProfile() {
    const { person } = mini;
    const yes = await ask(t('askProfile'), whoRow(h('img', { src: person.avatar_url, alt: '' }), person.name, t('account') + `: sandbox_${person.person_id}`));
    if (!yes) throw new Error('getUserProfile:fail auth deny');
    const avatarUrl = new URL(person.avatar_url, location.href).href;
    return { userInfo: { nickName: person.name, avatarUrl, gender: 0, language: isEnglish() ? 'en' : 'zh_CN' } };
  },
  requestPayment: (args) => requestPayment(mini, args),
  requestMerchantTransfer: (args) => requestMerchantTransfer(mini, args),
  requestSubscribeMessage: (args) => requestSubscribeMessage(mini, args),
  share,
  async scan() {
    const result = await mini.scan(true);
    if (!result) throw new Error('scan:fail cancel');
    return result;
  },
  async close() {
    mini.busy = false;
    closeMini();
    return {};
  },
};

function hello() {
  const capsule = mini.layer.querySelector('.capsule').getBoundingClientRect();
  const frame = mini.frame.getBoundingClientRect();
  return {
    platform: 'sandbox-phone',
    safeTop: 0,
    safeBottom: parseInt(getComputedStyle(screen).getPropertyValue('--safe-bottom'), 10) || 0,
    capsule: {
      top: Math.round(capsule.top - frame.top), bottom: Math.round(capsule.bottom - frame.top),
      left: Math.round(capsule.left - frame.left), right: Math.round(capsule.right - frame.left),
      width: Math.round(capsule.width), height: Math.round(capsule.height),
    },
    language: isEnglish() ? 'en' : 'zh-CN',
    account: mini.person.person_id,
  };
}

addEventListener('message', async (event) => {
  const asked = event.data;
  const current = mini;
  if (!current?.frame || event.source !== current.frame.contentWindow || event.origin !== current.origin) return;
  if (asked?.siyu !== 1 || typeof asked.call !== 'string') return;
  const reply = (answer) => {
    if (mini === current) current.frame.contentWindow?.postMessage({ siyu: 1, id: asked.id, ...answer }, current.origin);
  };
  if (asked.call === 'hello') {
    reply({ call: 'hello', ok: true, ...hello() });
    return;
  }
  const work = Object.hasOwn(CALLS, asked.call) ? CALLS[asked.call] : null;
  if (!work || current.busy) {
    reply({ ok: false, errMsg: `${asked.call}:fail ${work ? 'busy' : 'not supported'}` });
    return;
  }
  current.busy = true;
  try {
    reply({ ok: true, result: await work(asked.args ?? {}) });
  } catch (error) {
    reply({ ok: false, errMsg: error.message.includes(':fail') ? error.message : `${asked.call}:fail ${error.message}` });
  } finally {
    current.busy = false;
  }
});
