// Money from a merchant: the page on which the payee confirms it, or agrees to need no confirming.
import { api, h, icon } from './dom.js';
import { sheet } from './mini.js';
import { t, yuan } from './words.js';

const screen = document.getElementById('screen');

/** wx.requestMerchantTransfer({mchId, appId, package}). Throws errMsg. */
export async function requestMerchantTransfer(mini, args) {
  const { person, app } = mini;
  await confirmTransfer(person, { package: String(args.package ?? ''), appid: String(args.appId || app.appid), mch_id: args.mchId ? String(args.mchId) : null });
  mini.onPaid();
  return {};
}

/** The page for a package_info, from a chat or for a mini-program. Throws errMsg unless confirmed. */
export async function confirmTransfer(person, asked) {
  try {
    const card = await api('POST', `/people/${person.person_id}/transfer-sheet`, asked);
    const accepts = await confirmSheet(card);
    if (accepts === null) throw new Error('requestMerchantTransfer:fail cancel');
    await api('POST', `/people/${person.person_id}/transfer`, { package: asked.package, accepts });
    if (!accepts) throw new Error('requestMerchantTransfer:fail cancel');
    await takenPage(card);
  } catch (error) {
    if (!error.message.endsWith('cancel')) await say(error.message);
    throw error;
  }
}

function confirmSheet(card) {
  const agreement = card.kind === 'authorization';
  const title = t(agreement ? 'agreeTitle' : 'transferTitle');
  return sheet(title, (finish) => [
    h('header', { class: 'plain' }, h('button', { class: 'x', 'data-answer': 'cancel', 'aria-label': t('cancel'), onclick: () => finish(null) }, icon('close')), h('b', { text: title })),
    h('p', { class: 'payee', text: card.merchant_name }),
    agreement ? h('p', { class: 'note', text: t('agreeText') }) : h('p', { class: 'sum', text: yuan(card.amount_fen) }),
    card.remark ? h('p', { class: 'note', text: card.remark }) : null,
    h('div', { class: 'choices' },
      h('button', { class: 'button grey', 'data-answer': 'decline', onclick: () => finish(false), text: t('decline') }),
      h('button', { class: 'button', 'data-answer': 'confirm', autofocus: true, onclick: () => finish(true), text: t(agreement ? 'allow' : 'confirmTransfer') })),
  ].filter(Boolean), 'taking');
}

function takenPage(card) {
  const title = t(card.kind === 'authorization' ? 'agreed' : 'taken');
  return new Promise((resolve) => {
    const page = h('div', { class: 'paid', role: 'dialog', 'aria-modal': 'true', 'aria-label': title, tabindex: '-1' },
      h('span', { class: 'tick' }, icon('check')), h('b', { text: title }),
      h('p', { class: 'payee', text: card.merchant_name }), card.amount_fen ? h('p', { class: 'sum', text: yuan(card.amount_fen) }) : null,
      h('button', { class: 'button outline', 'data-answer': 'done', onclick: () => { page.remove(); resolve(); }, text: t('done') }));
    screen.append(page);
    page.querySelector('button').focus({ preventScroll: true });
  });
}

async function say(errMsg) {
  const text = errMsg.replace(/^requestMerchantTransfer:fail\s*/, '');
  await sheet(t('transferFailed'), (finish) => [
    h('b', { text: t('transferFailed') }), h('p', { text }),
    h('button', { class: 'wide', 'data-answer': 'ok', autofocus: true, onclick: () => finish(null), text: t('ok') }),
  ], 'alert');
}
