// Reaching people: the popup that asks for subscription messages, and chats with accounts and staff.
import { api, h, icon } from './dom.js';
import { sheet } from './mini.js';
import { t } from './words.js';

/** wx.requestSubscribeMessage({tmplIds}); template id -> accept or reject. Throws errMsg. */
export async function requestSubscribeMessage({ person, app }, args) {
  const me = `/people/${person.person_id}`;
  const template_ids = Array.isArray(args.tmplIds) ? args.tmplIds.map(String) : [];
  const { asked } = await api('POST', `${me}/subscribe-ask`, { appid: app.appid, template_ids });
  const chosen = asked.length ? await popup(app, asked) : { accepted: [], always: false };
  const answer = chosen ?? { accepted: [], always: false };
  const said = await api('POST', `${me}/subscribe`, { appid: app.appid, template_ids, ...answer });
  return { errMsg: 'requestSubscribeMessage:ok', ...said };
}

/** Which of the templates are accepted, and whether to ask again; null when waved away. */
function popup(app, templates) {
  const chosen = new Set(templates.map((template) => template.template_id));
  let always = false;
  const check = (label, on, change, name) => h('label', { class: 'check' },
    h('input', { type: 'checkbox', checked: on, 'data-check': name, onchange: (event) => change(event.target.checked) }), h('span', { text: label }));
  return sheet(t('subscribeTitle'), (finish) => [
    h('header', { class: 'asking' }, h('img', { src: app.icon_url, alt: '' }), h('b', { text: app.name }), h('span', { text: t('asks') })),
    h('h2', { text: t('subscribeTitle') }),
    h('div', { class: 'templates' }, ...templates.map((template) => h('div', { class: 'one' },
      check(template.title, true, (on) => chosen[on ? 'add' : 'delete'](template.template_id), template.template_id),
      h('small', { text: template.example.split('\n').slice(0, 2).join(' · ') })))),
    check(t('subscribeAlways'), false, (on) => { always = on; }, 'always'),
    h('div', { class: 'choices' },
      h('button', { class: 'button grey', 'data-answer': 'refuse', onclick: () => finish({ accepted: [], always }), text: t('cancel') }),
      h('button', { class: 'button', 'data-answer': 'allow', autofocus: true, onclick: () => finish({ accepted: [...chosen], always }), text: t('allow') })),
  ], 'consent');
}

/** What an account or a member of staff is called, under its chat. */
export const partnerOf = (partners, chat) => partners.find((partner) => partner.chat === chat);

const MARKS = { official_account: 'chats', care: 'me', wecom: 'people' };

export const partnerPicture = (partner) => h('span', { class: `logo ${partner.kind}` }, icon(MARKS[partner.kind]));

export const partnerName = (partner) => (partner.kind === 'care' ? t('careName', { name: partner.name }) : partner.name);

/** Following, adding, and the line to write in; below a chat. */
export function writeBar(person, partner, done) {
  const me = `/people/${person.person_id}`;
  const act = (path, body) => api('POST', `${me}/${path}`, body).then(done, done);
  const who = { account: partner.account, userid: partner.userid };
  if (!partner.is_on) {
    const add = partner.kind === 'wecom';
    return h('footer', { class: 'write' }, h('button', {
      class: 'button wide-button', 'data-do': add ? 'add' : 'follow',
      onclick: () => act(add ? 'add-staff' : 'follow', add ? who : { account: partner.account }), text: t(add ? 'addStaff' : 'follow'),
    }));
  }
  const input = h('input', { placeholder: t('sayHint'), 'aria-label': t('sayHint'), maxlength: 500 });
  return h('footer', { class: 'write' },
    h('form', { onsubmit: (event) => {
      event.preventDefault();
      const text = input.value.trim();
      input.value = '';
      if (text) act('say', { chat: partner.chat, text });
    } },
      input, h('button', { class: 'button', text: t('say') })),
    partner.kind === 'care' ? null : h('button', {
      class: 'quiet leave', 'data-do': 'leave',
      onclick: () => act(partner.kind === 'wecom' ? 'drop-staff' : 'unfollow', partner.kind === 'wecom' ? who : { account: partner.account }),
      text: t(partner.kind === 'wecom' ? 'dropStaff' : 'unfollow'),
    }));
}

/** A template message: title and lines; a tap opens its page. */
export function templateLetter(payload, open) {
  return h('article', { class: 'letter template', 'data-template': payload.title },
    h('small', { class: 'sender', text: payload.app_name }),
    h('h3', { text: payload.title }),
    h('dl', {}, ...payload.lines.flatMap(([label, value]) => [h('dt', { text: label }), h('dd', { text: value })])),
    payload.page_appid ? h('button', { class: 'row tap', 'data-open': payload.page, onclick: () => open(payload) }, h('span', { text: t('openPage') }), icon('right')) : null,
    !payload.page_appid && payload.url ? h('a', { class: 'row tap', href: payload.url, target: '_blank', rel: 'noreferrer' }, h('span', { text: t('openPage') }), icon('right')) : null);
}
