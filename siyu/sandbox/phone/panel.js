// What operators see beside the phone: deliveries with each try, faults to order, keys and clock.
import { api, h, icon, released, toast } from './dom.js';
import { isEnglish, secondText, t } from './words.js';

const panel = document.getElementById('panel');
const state = { tab: 'tabNotices', tasks: [], notices: [], conformance: null, faults: [], settings: null, keys: null, open: new Set(), operation: '*', times: 1 };

/** On small screens the panel lies over the phone. */
export function togglePanel(on) {
  document.body.classList.toggle('panel-open', on);
  if (on) panel.querySelector('button')?.focus({ preventScroll: true });
}

export function drawPanel() {
  const scrolled = panel.querySelector('.panel-body')?.scrollTop ?? 0;
  const focused = document.activeElement?.closest?.('#panel [data-focus]')?.dataset.focus;
  const body = { tabNotices: notices, tabFaults: faultTab, tabKeys: keysTab, tabStaff: staffTab }[state.tab]();
  panel.replaceChildren(
    h('header', {},
      h('div', { class: 'panel-tabs', role: 'tablist' }, ...['tabNotices', 'tabFaults', 'tabKeys', 'tabStaff'].map((tab) => h(
        'button', { role: 'tab', 'data-focus': tab, 'data-tab': tab, 'aria-selected': String(state.tab === tab), onclick: () => { state.tab = tab; drawPanel(); refreshPanel(); } },
        t(tab), tab === 'tabFaults' && active().length ? h('em', { text: String(active().length) }) : null))),
      h('button', { class: 'panel-close', 'aria-label': t('closePanel'), onclick: () => togglePanel(false) }, icon('close'))),
    h('div', { class: 'panel-body' }, body));
  panel.querySelector('.panel-body').scrollTop = scrolled;
  if (focused) panel.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

// -- deliveries --------------------------------------------------------------------------------

function notices() {
  const { conformance, notices: list } = state;
  const failed = conformance?.failures.length ?? 0;
  const refused = conformance?.refused_as_due ?? 0;
  const verdict = h('div', { class: `verdict ${failed ? 'bad' : refused ? 'good' : ''}`, role: 'status' },
    icon(failed ? 'bolt' : refused ? 'check' : 'bell'),
    h('p', { text: failed ? t('conformBad', { n: failed }) : refused ? t('conformGood', { n: refused }) : t('conformIdle') }));
  if (!list.length) {
    return [verdict, h('div', { class: 'nothing' }, icon('bell'), h('b', { text: t('noNotices') }), h('p', { text: t('noNoticesText') }))];
  }
  return [verdict, ...list.map((notice) => {
    const open = state.open.has(notice.notification_id);
    const shown = open ? notice.tries : notice.tries.slice(-3);
    return h('article', { class: 'notice' },
      h('header', {},
        h('div', {}, h('b', { text: notice.out_trade_no, title: notice.out_trade_no }), h('small', { text: notice.notify_url, title: notice.notify_url })),
        h('span', { class: `chip is-${notice.state}`, text: t(`state_${notice.state}`) })),
      h('ol', {}, ...shown.map(oneTry)),
      h('footer', {},
        notice.next_at ? h('span', { text: t('nextIn', { s: Math.max(0, Math.ceil(notice.next_at - Date.now() / 1000)), n: notice.failures }) }) : h('span'),
        notice.tries.length > 3 ? h('button', { class: 'quiet', 'data-focus': `more${notice.notification_id}`, onclick: () => { state.open[open ? 'delete' : 'add'](notice.notification_id); drawPanel(); } }, open ? t('close') : `${t('more')} ${notice.tries.length - 3}`) : null,
        h('button', { class: 'quiet', 'data-focus': `again${notice.notification_id}`, onclick: () => act(() => api('POST', `/notifications/${notice.notification_id}/send`)) }, icon('again'), t('sendAgain'))));
  })];
}

function oneTry(one) {
  return h('li', { class: one.verdict },
    h('time', { text: secondText(one.at) }),
    h('span', { class: 'kind', text: t(`kind_${one.kind}`) }),
    h('b', { text: one.status ? String(one.status) : one.kind === 'dropped' ? '—' : t('noAnswer') }),
    h('span', { class: 'answer', text: one.answer, title: one.answer }),
    h('small', { text: one.kind === 'dropped' ? '' : `${one.took_ms} ms` }));
}

// -- faults ------------------------------------------------------------------------------------

const DETAILS = { errcode: { code: '43101' }, slow: { seconds: 5 }, delay: { seconds: 20 }, repeat: { copies: 3, together: true }, tamper_amount: { fen: 100 }, skewed_time: { seconds: 600 } };
const active = () => state.faults.filter((fault) => fault.remaining === null || fault.remaining > 0);
const faultName = (kind) => state.settings?.faults.find((fault) => fault.kind === kind)?.[isEnglish() ? 'en' : 'zh'] ?? kind;
const operationName = (operation) => t(operation === '*' ? 'op_all' : `op_${operation}`);

function faultTab() {
  const kinds = state.settings?.faults ?? [];
  const choose = (label, values, name, text) => h('div', { class: 'choice' }, h('span', { text: label }),
    h('div', {}, ...values.map((value) => h('button', {
      class: state[name] === value ? 'on' : '', 'aria-pressed': String(state[name] === value), 'data-focus': `${name}${value}`,
      onclick: () => { state[name] = value; drawPanel(); },
    }, text(value)))));
  const buttons = (fits, operation) => h('div', { class: 'orders' }, ...kinds.filter(fits).map((fault) => h(
    'button', { 'data-fault': `${fault.kind}@${operation()}`, 'data-focus': fault.kind + operation(), onclick: () => act(() => api('POST', '/faults', { kind: fault.kind, operation: operation(), times: state.times, options: DETAILS[fault.kind] ?? {} })) },
    icon('bolt'), faultName(fault.kind))));
  return [
    choose(t('faultTimes'), [1, 3, null], 'times', (n) => (n ? t('once', { n }) : t('always'))),
    h('h3', { text: t('faultNotice') }),
    buttons((fault) => ['notice', 'both'].includes(fault.where), () => 'notify'),
    h('h3', { text: t('faultOutcome') }),
    buttons((fault) => fault.where === 'outcome', () => '*'),
    h('h3', { text: t('faultAnswer') }),
    choose(t('faultWhere'), (state.settings?.operations ?? []).filter((o) => !o.startsWith('notify')), 'operation', operationName),
    buttons((fault) => ['answer', 'both'].includes(fault.where), () => state.operation),
    h('h3', {}, t('orderedFaults'), state.faults.length ? h('button', { class: 'quiet', 'data-focus': 'clear', onclick: () => act(() => api('DELETE', '/faults')), text: t('clearAll') }) : null),
    state.faults.length
      ? h('ul', { class: 'ordered' }, ...state.faults.slice(0, 30).map((fault) => h('li', { class: fault.remaining === 0 ? 'used' : '' },
        h('b', { text: faultName(fault.kind) }), h('span', { text: operationName(fault.operation) }),
        h('small', { text: [fault.remaining === null ? t('always') : fault.remaining ? t('leftTimes', { n: fault.remaining }) : t('finished'), t('happenedTimes', { n: fault.happened })].join(' · ') }),
        h('button', { class: 'quiet', 'aria-label': t('remove'), 'data-focus': `fault${fault.fault_id}`, onclick: () => act(() => api('DELETE', `/faults/${fault.fault_id}`)) }, icon('close')))))
      : h('p', { class: 'calm' }, icon('check'), t('noFaults')),
  ];
}

// -- keys, clock, credentials ------------------------------------------------------------------

function keysTab() {
  const { settings, keys } = state;
  if (!settings || !keys) return [];
  const choose = (label, values, now, text, send) => h('div', { class: 'choice' }, h('span', { text: label }),
    h('div', {}, ...values.map((value) => h('button', { class: now === value ? 'on' : '', 'aria-pressed': String(now === value), 'data-focus': label + value, onclick: () => act(() => send(value)) }, text(value)))));
  const rotate = (kind) => h('button', { 'data-focus': `rotate${kind}`, onclick: () => act(async () => {
    const made = await api('POST', '/keys/rotate', { kind });
    toast(t('rotated', { serial: made.serial.slice(-8) }));
  }) }, icon('again'), `${t('rotate')} · ${t(`sign_${kind}`)}`);
  const names = ['api_url', 'appid', 'secret', 'mchid', 'serial_no', 'api_v3_key', 'public_key_id', 'public_key_pem', 'private_key_pem'];
  return [
    choose(t('signTitle'), ['public_key', 'certificate', 'mixed'], keys.signing, (value) => t(`sign_${value}`), (signing) => api('PATCH', `/merchants/${keys.mchid}`, { signing })),
    h('div', { class: 'orders' }, rotate('public_key'), rotate('certificate')),
    choose(t('clockTitle'), [0, 600, -600], settings.clock_skew_seconds, (value) => t(value ? (value > 0 ? 'clockAhead' : 'clockBehind') : 'clockRight'), (seconds) => api('PATCH', '/settings', { clock_skew_seconds: seconds })),
    choose(t('factorTitle'), [1, 60, 1000], settings.time_factor, (value) => (value === 1 ? t('factor1') : t('factorN', { n: value })), (factor) => api('PATCH', '/settings', { time_factor: factor })),
    h('h3', { text: t('credentials') }),
    h('ul', { class: 'keys' }, ...names.map((name) => h('li', {},
      h('span', { text: name }), h('code', { text: String(keys[name] ?? '—').replace(/\s+/g, ' ') }),
      h('button', { class: 'quiet', 'aria-label': `${t('copy')} ${name}`, 'data-focus': `copy${name}`, onclick: async () => {
        await navigator.clipboard?.writeText(String(keys[name] ?? ''));
        toast(t('copied'));
      } }, icon('copy'))))),
  ];
}

// -- staff of the corporation: a mass message goes out when its member presses send -----------------

function staffTab() {
  if (!state.tasks.length) {
    return [h('div', { class: 'nothing' }, icon('people'), h('b', { text: t('staffNone') }), h('p', { text: t('staffNoneText') }))];
  }
  return [h('h3', { text: t('staffTitle') }), ...state.tasks.map((task) => h('article', { class: 'notice' },
    h('header', {}, h('div', {}, h('b', { text: task.text.slice(0, 60), title: task.text }), h('small', { text: secondText(task.created_at) })),
      task.cancelled_at ? h('span', { class: 'chip is-given_up', text: t('taskCancelled') }) : null),
    ...task.staff.map((member) => h('footer', {},
      h('span', { text: t('staffOf', { userid: member.userid, n: member.customers }) }),
      member.is_sent
        ? h('span', { class: 'chip is-delivered', text: t('staffSent') })
        : task.cancelled_at ? null : h('button', { class: 'quiet', 'data-send': task.msgid, 'data-focus': `send${task.msgid}${member.userid}`, onclick: () => act(() => api('POST', `/wecom/${task.corpid}/tasks/${task.msgid}/send`, { userid: member.userid })) }, icon('share'), t('pressSend'))))))];
}

async function loadTasks() {
  const corps = await api('GET', '/accounts?kind=wecom');
  const found = await Promise.all(corps.map((corp) => api('GET', `/wecom/${corp.account}/tasks`)));
  return found.flat().sort((one, other) => other.created_at - one.created_at);
}

// -- staying up to date ------------------------------------------------------------------------

async function act(work) {
  try {
    await work();
  } catch (error) {
    toast(error.message, 'bolt');
  }
  await refreshPanel();
}

async function refreshPanel() {
  try {
    const [list, conformance, faults, settings, keys, tasks] = await Promise.all([
      api('GET', '/notifications?limit=20'), api('GET', '/conformance'), api('GET', '/faults'), api('GET', '/settings'), api('GET', '/credentials'),
      state.tab === 'tabStaff' ? loadTasks() : state.tasks,
    ]);
    const fresh = JSON.stringify([list, conformance, faults, settings, keys, tasks]);
    const counting = state.tab === 'tabNotices' && list.some((notice) => notice.next_at);
    if (fresh === state.seen && !counting) return;
    await released();
    Object.assign(state, { seen: fresh, notices: list, conformance, faults, settings, keys, tasks });
    drawPanel();
  } catch {
    // The phone says so already.
  }
}

await refreshPanel();
setInterval(() => { if (!document.hidden) refreshPanel(); }, 1_500);
