// The pay sheet: amount, method, password pad, result.
import { api, h, icon } from './dom.js';
import { sheet } from './mini.js';
import { t, yuan } from './words.js';

const screen = document.getElementById('screen');

/** wx.requestPayment: the sandbox checks paySign before the sheet opens. Throws errMsg. */
export async function requestPayment(mini, args) {
  const { person, app } = mini;
  const fields = ['timeStamp', 'nonceStr', 'package', 'signType', 'paySign'];
  const given = Object.fromEntries(fields.map((name) => [name, String(args[name] ?? '')]));
  let order;
  try {
    order = await api('POST', `/people/${person.person_id}/pay-sheet`, { appid: app.appid, args: given });
  } catch (error) {
    await say(error.message);
    throw error;
  }
  await settle(person, order);
  mini.onPaid();
  return {};
}

/** A scanned code_url. */
export async function payScanned(person, codeUrl) {
  let order;
  try {
    order = await api('POST', `/people/${person.person_id}/pay-sheet`, { code_url: codeUrl });
  } catch (error) {
    await say(error.message);
    throw error;
  }
  await settle(person, order);
}

async function settle(person, order) {
  const choice = await paySheet(order);
  if (!choice) throw new Error('requestPayment:fail cancel');
  const wait = h('div', { class: 'paying', role: 'status' }, h('i'), h('span', { text: t('paying') }));
  screen.append(wait);
  try {
    await Promise.all([
      api('POST', `/people/${person.person_id}/pay`, { prepay_id: order.ticket, ...choice }),
      new Promise((later) => setTimeout(later, 600)),
    ]);
  } catch (error) {
    wait.remove();
    await say(error.message);
    throw error;
  }
  wait.remove();
  await paidPage(order, choice.method);
}

function paySheet(order) {
  let method = order.balance_fen >= order.amount_fen ? 'balance' : 'card';
  let digits = '';
  return sheet(t('pay'), (finish) => {
    const boxes = h('div', { class: 'boxes', 'aria-hidden': 'true' }, ...Array.from({ length: 6 }, () => h('i')));
    const methodText = h('span');
    const showMethod = () => {
      methodText.textContent = method === 'card' ? t('card') : t('balanceLeft', { amount: yuan(order.balance_fen) });
      badge.className = method === 'card' ? 'bank' : 'bank purse';
    };
    const badge = h('i', { class: 'bank' });
    const press = (key) => {
      digits = key === 'back' ? digits.slice(0, -1) : (digits + key).slice(0, 6);
      [...boxes.children].forEach((box, n) => box.classList.toggle('full', n < digits.length));
      if (digits.length === 6) finish({ outcome: 'success', method });
    };
    const keys = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '', '0', 'back'].map((key) => (key
      ? h('button', { 'data-key': key, 'aria-label': key === 'back' ? t('remove') : key, onclick: () => press(key) }, key === 'back' ? icon('erasekey') : key)
      : h('span')));
    const content = [
      h('header', { class: 'plain' }, h('button', { class: 'x', 'data-answer': 'cancel', 'aria-label': t('cancel'), onclick: () => finish(null) }, icon('close')), h('b', { text: t('enterPassword') })),
      h('p', { class: 'payee', text: order.merchant_name }),
      h('p', { class: 'sum', text: yuan(order.amount_fen) }),
      h('button', { class: 'method', onclick: () => { method = method === 'card' ? 'balance' : 'card'; showMethod(); } },
        h('small', { text: t('method') }), badge, methodText, icon('right')),
      boxes,
      h('p', { class: 'note' }, t('passwordHint'), ' · ',
        h('button', { class: 'link', 'data-answer': 'fail', onclick: () => finish({ outcome: 'fail', method }), text: t('letFail') })),
      h('div', { class: 'pad', autofocus: true, tabindex: '-1', onkeydown: (event) => {
        if (/^\d$/.test(event.key)) press(event.key);
        if (event.key === 'Backspace') press('back');
      } }, ...keys),
    ];
    showMethod();
    return content;
  }, 'paysheet');
}

function paidPage(order, method) {
  return new Promise((resolve) => {
    const page = h('div', { class: 'paid', role: 'dialog', 'aria-modal': 'true', 'aria-label': t('paid'), tabindex: '-1' },
      h('span', { class: 'tick' }, icon('check')), h('b', { text: t('paid') }),
      h('p', { class: 'payee', text: order.merchant_name }), h('p', { class: 'sum', text: yuan(order.amount_fen) }),
      h('dl', {}, h('dt', { text: t('goods') }), h('dd', { text: order.description }), h('dt', { text: t('method') }), h('dd', { text: t(method === 'card' ? 'card' : 'balance') })),
      h('button', { class: 'button outline', 'data-answer': 'done', onclick: () => { page.remove(); resolve(); }, text: t('done') }));
    screen.append(page);
    page.querySelector('button').focus({ preventScroll: true });
  });
}

/** What WeChat says in the middle of the screen when paying does not work. */
async function say(errMsg) {
  const text = errMsg.replace(/^requestPayment:fail\s*/, '');
  await sheet(t('payFailed'), (finish) => [
    h('b', { text: t('payFailed') }), h('p', { text }),
    h('button', { class: 'wide', 'data-answer': 'ok', autofocus: true, onclick: () => finish(null), text: t('ok') }),
  ], 'alert');
}
