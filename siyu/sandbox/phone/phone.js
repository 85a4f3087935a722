// The phone: who holds it, the chats, the mini-programs, the scanner. Sheets of a running
// mini-program are in mini.js, what operators see beside the phone in panel.js.
import { partnerName, partnerOf, partnerPicture, templateLetter, writeBar } from './channels.js';
import { api, h, icon, released, toast, trapFocus } from './dom.js';
import { closeMini, dropMini, isOpen, openMini } from './mini.js';
import { payScanned } from './pay.js';
import { drawPanel, togglePanel } from './panel.js';
import { confirmTransfer } from './transfer.js';
import { clockText, isEnglish, setEnglish, t, yuan } from './words.js';

const screen = document.getElementById('screen');
const state = { people: [], apps: [], messages: [], partners: [], person: null, tab: 'chats', chat: null };

const personById = (id) => state.people.find((person) => person.person_id === id);
const appById = (id) => state.apps.find((app) => app.appid === id);

// -- the frame around the screen ---------------------------------------------------------------

function drawStatus() {
  const now = new Date();
  const status = document.getElementById('status');
  status.innerHTML = `<b>${now.getHours()}:${String(now.getMinutes()).padStart(2, '0')}</b><i></i><span>
    <svg viewBox="0 0 18 12" width="18"><rect x="0" y="8" width="3" height="4" rx="1"/><rect x="5" y="5.500" width="3" height="6.500" rx="1"/><rect x="10" y="3" width="3" height="9" rx="1"/><rect x="15" y="0" width="3" height="12" rx="1"/></svg>
    <svg viewBox="0 0 17 12" width="17"><path d="M8.500 2.500c2.300 0 4.400.9 6 2.400l1.200-1.200A10.300 10.300 0 0 0 8.500.8C5.700.8 3.200 1.900 1.300 3.700l1.200 1.200a8.700 8.700 0 0 1 6-2.400zm0 4c1.200 0 2.300.5 3.100 1.200l1.200-1.200a6.200 6.200 0 0 0-8.600 0l1.200 1.200c.8-.7 1.900-1.200 3.100-1.200zm0 3.600L6.900 8.800a2.300 2.300 0 0 1 3.200 0z"/></svg>
    <svg viewBox="0 0 27 13" width="27"><rect x=".5" y=".5" width="22" height="12" rx="3.800" fill="none" stroke="currentColor" opacity=".4"/><rect x="2" y="2" width="19" height="9" rx="2.500"/><path d="M24 4.200v4.600c.9-.4 1.500-1.300 1.500-2.300s-.6-1.900-1.500-2.300z" opacity=".5"/></svg></span>`;
}

function drawGuide() {
  document.getElementById('guide').replaceChildren(
    h('div', { class: 'brand' }, h('img', { src: '/phone/icon.svg', alt: '' }), h('b', { text: 'siyu' }), h('span', { text: t('sandbox') })),
    h('h1', { text: t('guideTitle') }),
    h('p', { text: t('guideText') }),
    h('h2', { text: t('tryTitle') }),
    h('ol', {}, ...['try1', 'try2', 'try3'].map((key) => h('li', { text: t(key) }))),
    h('h2', { text: t('people') }),
    h('div', { class: 'faces' }, ...state.people.map((person) => h(
      'button',
      { class: person === state.person ? 'face on' : 'face', 'aria-pressed': String(person === state.person), onclick: () => choosePerson(person) },
      h('img', { src: person.avatar_url, alt: '' }), h('span', { text: person.name }),
    ))),
    h('button', { class: 'quiet language', onclick: switchLanguage }, icon('world'), t('language')),
  );
}

function switchLanguage() {
  setEnglish(!isEnglish());
  draw();
}

// -- screens -----------------------------------------------------------------------------------

function draw() {
  drawGuide();
  drawPanel();
  document.title = `siyu · ${t('sandbox')}`;
  const old = screen.querySelector(':scope > .view');
  const view = state.person ? (state.chat ? chatView() : homeView()) : lockView();
  const scrolled = old?.querySelector('.scroll')?.scrollTop ?? 0;
  if (old) old.replaceWith(view);
  else screen.prepend(view);
  const body = view.querySelector('.scroll');
  if (body) body.scrollTop = state.chat ? body.scrollHeight : scrolled;
}

function lockView() {
  const now = new Date();
  return h('div', { class: 'view lock' },
    h('div', { class: 'bigclock' },
      h('time', { text: `${now.getHours()}:${String(now.getMinutes()).padStart(2, '0')}` }),
      h('span', { text: now.toLocaleDateString(isEnglish() ? 'en' : 'zh-CN', { month: 'long', day: 'numeric', weekday: 'long' }) })),
    h('div', { class: 'choose' },
      h('h2', { text: t('choose') }), h('p', { text: t('chooseHint') }),
      h('div', { class: 'grid' }, ...state.people.map((person) => h(
        'button', { class: 'who', 'data-person': person.person_id, onclick: () => choosePerson(person) },
        h('img', { src: person.avatar_url, alt: '' }), h('span', { text: person.name }),
      )))),
    h('button', { class: 'glass', onclick: switchLanguage, text: t('language') }));
}

function homeView() {
  const body = { chats: chatList, discover: discoverList, me: meList }[state.tab]();
  const unread = state.messages.filter((message) => !message.read_at).length;
  return h('div', { class: 'view home' },
    h('header', { class: 'nav' },
      h('h1', { text: t(state.tab) }),
      h('button', { class: 'nav-action', 'aria-label': t('scan'), onclick: () => scan() }, icon('scan'))),
    h('div', { class: 'scroll' }, body),
    h('nav', { class: 'tabs' }, ...['chats', 'discover', 'me'].map((tab) => h(
      'button', { class: tab === state.tab ? 'on' : '', 'aria-current': tab === state.tab ? 'page' : null, 'data-tab': tab, onclick: () => { state.tab = tab; draw(); } },
      icon(tab), h('span', { text: t(tab) }),
      tab === 'chats' && unread ? h('em', { text: String(unread) }) : null,
    ))));
}

function drawer() {
  return h('section', { class: 'drawer' },
    h('h2', { text: t('recent') }),
    h('div', { class: 'minis' }, ...state.apps.map((app) => h(
      'button', { 'data-app': app.appid, 'aria-label': t('openApp', { name: app.name }), onclick: () => start(app) },
      h('img', { src: app.icon_url, alt: '' }), h('span', { text: app.name }),
    ))));
}

function chatList() {
  const chats = new Map();
  for (const message of state.messages) chats.set(message.chat, message);
  // An account is in the list once it is followed, or something was said.
  const shown = state.partners.filter((partner) => (partner.is_on && partner.kind !== 'care') || chats.has(partner.chat));
  const fixed = ['pay', 'service', 'group', ...shown.map((partner) => partner.chat)];
  const others = state.people.filter((person) => person !== state.person).map((person) => person.person_id);
  const order = [...fixed, ...others].sort((a, b) => (chats.get(b)?.at ?? 0) - (chats.get(a)?.at ?? 0));
  return [drawer(), h('ul', { class: 'list chats' }, ...order.map((chat) => {
    const last = chats.get(chat);
    const unread = state.messages.filter((message) => message.chat === chat && !message.read_at).length;
    return h('li', {}, h('button', { class: 'row', 'data-chat': chat, onclick: () => openChat(chat) },
      h('span', { class: 'picture' }, chatPicture(chat), unread ? h('em', { text: String(unread) }) : null),
      h('span', { class: 'text' }, h('b', { text: chatName(chat) }), h('small', { text: last ? preview(last) : t('noMessage') })),
      last ? h('time', { text: clockText(last.at) }) : null));
  }))];
}

function chatName(chat) {
  const partner = partnerOf(state.partners, chat);
  if (partner) return partnerName(partner);
  return ['pay', 'service', 'group'].includes(chat) ? t(chat) : personById(chat)?.name ?? chat;
}

function chatPicture(chat) {
  if (chat === 'pay') return h('span', { class: 'logo green' }, icon('check'));
  if (chat === 'service') return h('span', { class: 'logo orange' }, icon('bell'));
  if (chat === 'group') return h('span', { class: 'logo group' }, icon('people'));
  const partner = partnerOf(state.partners, chat);
  if (partner) return partnerPicture(partner);
  return h('img', { src: personById(chat)?.avatar_url, alt: '' });
}

function preview(message) {
  const payload = JSON.parse(message.payload);
  if (message.kind === 'receipt') return t('received', { amount: yuan(payload.amount_fen) });
  if (message.kind === 'refund') return t('refunded', { amount: yuan(payload.amount_fen) });
  if (message.kind === 'transfer') return t('transferLine', { amount: yuan(payload.amount_fen) });
  if (message.kind === 'card') return t('cardLine', { title: payload.title });
  if (message.kind === 'text') return payload.text;
  if (message.kind === 'template') return payload.title;
  return t('allowed', { app: payload.app_name, phone: payload.phone });
}

function discoverList() {
  return [
    h('ul', { class: 'list' }, h('li', {}, h('button', { class: 'row cell', onclick: () => scan() },
      h('span', { class: 'mark blue' }, icon('scan')), h('span', { text: t('scan') }), icon('right')))),
    h('ul', { class: 'list' }, h('li', { class: 'label', text: t('miniPrograms') }), ...state.apps.map((app) => h('li', {}, h(
      'button', { class: 'row', onclick: () => start(app) },
      h('span', { class: 'picture' }, h('img', { src: app.icon_url, alt: '' })),
      h('span', { class: 'text' }, h('b', { text: app.name }), h('small', { text: app.tagline || t('miniProgram') })), icon('right'))))),
    h('ul', { class: 'list' }, h('li', { class: 'label', text: t('accounts') }), ...state.partners.map((partner) => h('li', {}, h(
      'button', { class: 'row', 'data-chat': partner.chat, onclick: () => openChat(partner.chat) },
      h('span', { class: 'picture' }, partnerPicture(partner)),
      h('span', { class: 'text' }, h('b', { text: partnerName(partner) }), h('small', { text: t(`partner_${partner.kind}${partner.is_on ? '' : '_off'}`) })), icon('right'))))),
  ];
}

function meList() {
  const { person } = state;
  const cell = (mark, colour, label, value, act) => h('li', {}, h(
    act ? 'button' : 'div', { class: 'row cell', onclick: act },
    h('span', { class: `mark ${colour}` }, icon(mark)), h('span', { text: label }),
    value ? h('small', { text: value }) : null, act ? icon('right') : null));
  return [
    h('div', { class: 'profile' }, h('img', { src: person.avatar_url, alt: '' }),
      h('div', {}, h('b', { text: person.name }), h('small', { text: `${t('account')}: sandbox_${person.person_id}` }))),
    h('ul', { class: 'list' }, cell('wallet', 'green', t('balance'), yuan(person.balance_fen)), cell('phone', 'blue', t('phone'), person.phone)),
    h('ul', { class: 'list' },
      cell('people', 'orange', t('switchPerson'), '', () => choosePerson(null)),
      cell('world', 'blue', t('language'), '', switchLanguage),
      cell('panel', 'grey', t('openPanel'), '', () => togglePanel(true))),
  ];
}

function chatView() {
  const shown = state.messages.filter((message) => message.chat === state.chat);
  const partner = partnerOf(state.partners, state.chat);
  return h('div', { class: 'view chat' },
    h('header', { class: 'nav' },
      h('button', { class: 'nav-back', 'aria-label': t('back'), onclick: () => { state.chat = null; draw(); } }, icon('back')),
      h('h1', { text: chatName(state.chat) })),
    h('div', { class: 'scroll talk' }, shown.length
      ? shown.flatMap((message) => [h('time', { text: clockText(message.at) }), bubble(message)])
      : h('p', { class: 'empty', text: t('noMessage') })),
    partner ? writeBar(state.person, partner, refresh) : null);
}

function bubble(message) {
  const payload = JSON.parse(message.payload);
  if (message.kind === 'card') {
    return h('div', { class: message.mine ? 'said mine' : 'said' },
      h('img', { class: 'speaker', src: (message.mine ? state.person : personById(payload.sender_id ?? message.chat))?.avatar_url, alt: '' }),
      h('button', { class: 'card', onclick: () => start(appById(payload.appid), payload.path) },
        h('span', { class: 'from' }, h('img', { src: appById(payload.appid)?.icon_url, alt: '' }), payload.app_name),
        h('b', { text: payload.title }),
        payload.image_url ? h('img', { class: 'cover', src: payload.image_url, alt: '' }) : h('span', { class: 'cover plain' }, icon('shop')),
        h('small', {}, icon('mini'), t('miniProgram'))));
  }
  if (message.kind === 'template') return templateLetter(payload, () => start(appById(payload.page_appid), payload.page));
  if (message.kind === 'text') {
    const partner = partnerOf(state.partners, message.chat);
    return h('div', { class: message.mine ? 'said mine' : 'said' },
      message.mine || !partner ? h('img', { class: 'speaker', src: state.person.avatar_url, alt: '' }) : h('span', { class: 'speaker' }, partnerPicture(partner)),
      h('p', { class: 'words', text: payload.text }));
  }
  const { title, rows } = letter(message.kind, payload);
  return h('article', { class: 'letter' },
    h('h3', { text: title }),
    payload.amount_fen === undefined ? null : h('p', { class: 'amount', text: yuan(payload.amount_fen) }),
    h('dl', {}, ...rows.flatMap(([name, value]) => [h('dt', { text: name }), h('dd', { text: value })])),
    message.kind === 'transfer' && payload.state === 'WAIT_USER_CONFIRM'
      ? h('button', { class: 'button', 'data-transfer': payload.out_bill_no, onclick: () => confirmTransfer(state.person, { package: payload.package }).then(refresh, refresh), text: t('confirmTransfer') })
      : null,
    h('footer', {}, h('span', { text: payload.app_name })));
}

/** Title and lines of what WeChat writes to a person. */
function letter(kind, payload) {
  const method = t(payload.method === 'card' ? 'card' : 'balance');
  if (kind === 'receipt') {
    return { title: t('receiptTitle'), rows: [[t('receiptTo'), payload.merchant_name], [t('goods'), payload.description], [t('method'), method], [t('orderNo'), payload.out_trade_no], [t('serial'), payload.transaction_id]] };
  }
  if (kind === 'refund') {
    return { title: t('refundTitle'), rows: [[t('refundFrom'), payload.merchant_name], [t('goods'), payload.description], [t('refundTo'), method], [t('reason'), payload.reason || '—'], [t('orderNo'), payload.out_trade_no]] };
  }
  if (kind === 'transfer') {
    return { title: t('transferTitle'), rows: [[t('refundFrom'), payload.merchant_name], [t('remark'), payload.remark], [t('transferState'), t(`transfer_${payload.state}`)]] };
  }
  return { title: t('allowedTitle'), rows: [[t('miniProgram'), payload.app_name], [t('phone'), payload.phone]] };
}

// -- doing things ------------------------------------------------------------------------------

async function choosePerson(person) {
  if (person !== state.person) dropMini();
  Object.assign(state, { person, messages: [], chat: null, tab: 'chats' });
  if (person) sessionStorage.setItem('siyu.phone.person', person.person_id);
  else sessionStorage.removeItem('siyu.phone.person');
  draw();
  await refresh();
}

async function openChat(chat) {
  state.chat = chat;
  draw();
  if (state.messages.some((message) => message.chat === chat && !message.read_at)) {
    await api('POST', `/people/${state.person.person_id}/messages/read`, { chat });
    await refresh();
  }
}

function start(app, path = '') {
  if (app) openMini({ app, person: state.person, people: state.people, path, onLeave: refresh, onPaid: refresh, scan });
}

/** The scanner; resolves to what wx.scanCode gives, or null. Without a caller it acts itself. */
async function scan(forPage = false) {
  const codes = await api('GET', '/scannable');
  return new Promise((resolve) => {
    let giveBack = () => {};
    const finish = (value) => { giveBack(); view.remove(); resolve(value); };
    const pick = async (code) => {
      const result = code.kind === 'pay'
        ? { result: code.code_url, scanType: 'QR_CODE' }
        : { result: '', scanType: 'WX_CODE', path: `${code.page}?scene=${encodeURIComponent(code.scene)}` };
      finish(result);
      if (forPage) return;
      if (code.kind === 'pay' || code.code_url) await payScanned(state.person, code.code_url).then(refresh, () => {});
      else start(appById(code.appid), result.path);
    };
    const input = h('input', { placeholder: 'weixin://…', 'aria-label': t('scanPaste') });
    const view = h('div', { class: 'scanner', role: 'dialog', 'aria-modal': 'true', 'aria-label': t('scan'), tabindex: '-1' },
      h('button', { class: 'nav-back light', 'aria-label': t('close'), onclick: () => finish(null) }, icon('close')),
      h('div', { class: 'finder' }, h('i'), h('p', { text: codes.length ? t('scanHint') : t('scanNone') })),
      h('div', { class: 'codes' }, ...codes.map((code) => h('button', { onclick: () => pick(code) },
        icon(code.kind === 'pay' ? 'wallet' : 'mini'),
        h('span', { text: code.kind === 'pay' ? t('scanPay', { title: code.title }) : t('scanPage', { title: code.title }) }),
        h('small', { text: code.kind === 'pay' ? '' : code.scene })))),
      h('form', { onsubmit: (event) => { event.preventDefault(); if (input.value) pick({ kind: 'pay', code_url: input.value.trim() }); } },
        input, h('button', { text: t('use') })));
    screen.append(view);
    giveBack = trapFocus(view, () => finish(null));
  });
}

/** Fetch what may have changed; draws only if it has. */
async function refresh() {
  const { person } = state;
  try {
    const [people, apps, messages, partners] = await Promise.all([
      api('GET', '/people'), api('GET', '/apps'),
      person ? api('GET', `/people/${person.person_id}/messages`) : [],
      person ? api('GET', `/people/${person.person_id}/partners`) : [],
    ]);
    await released();
    if (person !== state.person) return;
    const fresh = JSON.stringify([people, apps, messages, partners]);
    if (fresh === state.seen) return;
    const arrived = messages.length - state.messages.length;
    if (screen.querySelector('.write input')?.value) return; // somebody is writing
    Object.assign(state, { seen: fresh, people, apps, messages, partners });
    state.person = person ? personById(person.person_id) : null;
    if (person && state.knows === person.person_id && arrived > 0 && !messages.at(-1).mine && !state.chat) banner(messages.at(-1));
    state.knows = person?.person_id;
    draw();
  } catch (error) {
    if (!screen.querySelector('.toast')) toast(error.message, 'bolt');
  }
}

function banner(message) {
  document.querySelector('.banner')?.remove();
  const shown = h('button', { class: 'banner', onclick: () => { shown.remove(); closeMini(); openChat(message.chat); } },
    h('span', { class: 'picture' }, chatPicture(message.chat)),
    h('span', { class: 'text' }, h('b', { text: chatName(message.chat) }), h('small', { text: preview(message) })));
  screen.append(shown);
  setTimeout(() => shown.remove(), 4200);
}

// -- beginning ---------------------------------------------------------------------------------

setEnglish(isEnglish());
drawStatus();
setInterval(drawStatus, 10_000);
await refresh();
const wanted = new URLSearchParams(location.search);
const before = personById(wanted.get('person') ?? sessionStorage.getItem('siyu.phone.person'));
if (before) await choosePerson(before);
else draw();
if (before && wanted.get('open')) start(appById(wanted.get('open')), wanted.get('path') ?? '');
setInterval(() => { if (!document.hidden) refresh(); }, 2_500);
addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && isOpen()) closeMini();
});
