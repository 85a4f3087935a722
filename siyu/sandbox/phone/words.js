// Every word on the page, Chinese first. `t("key", {name})` fills `{name}`.
const WORDS = {
  sandbox: ['微信沙箱', 'WeChat sandbox'],
  guideTitle: ['一台装着微信的手机', 'A phone with WeChat in it'],
  guideText: [
    '这里没有真的微信，也不会动真的钱。登录、支付、通知走的都是真实协议，只是对面换成了本机的沙箱。',
    'No real WeChat here, and no real money. Login, payment and notifications speak the real protocol; only the other side is this sandbox.',
  ],
  tryTitle: ['先试这些', 'Try this first'],
  try1: ['选一位用户，打开小程序', 'Choose a person and open the shop'],
  try2: ['下单，在支付页输入任意 6 位数字', 'Order something; any 6 digits are the password'],
  try3: ['在右侧点一个故障，再买一次', 'Order a fault on the right and buy again'],
  people: ['用户', 'People'],
  choose: ['选择一位用户', 'Choose a person'],
  chooseHint: ['每个人有自己的微信身份、手机号和零钱', 'Each has an identity, a phone number and a balance'],
  chats: ['微信', 'Chats'], discover: ['发现', 'Discover'], me: ['我', 'Me'],
  pay: ['微信支付', 'WeChat Pay'], service: ['服务通知', 'Service notices'], group: ['大家都在的群', 'Everybody’s group'],
  noMessage: ['还没有消息', 'No messages yet'],
  receiptTitle: ['支付成功', 'Payment made'], receiptTo: ['收款方', 'Payee'], goods: ['商品', 'Item'],
  method: ['支付方式', 'Method'], serial: ['交易单号', 'Transaction'],
  orderNo: ['商户单号', 'Order number'], more: ['更多', 'More'], back: ['返回', 'Back'],
  received: ['[微信支付凭证] 已支付 {amount}', '[Receipt] {amount} paid'],
  refunded: ['[退款到账] {amount}', '[Refund] {amount}'], refundTitle: ['退款到账通知', 'Refund received'],
  refundFrom: ['商户', 'Merchant'], refundTo: ['退回到', 'Paid back to'], reason: ['退款原因', 'Reason'],
  transferLine: ['[商家转账] {amount}', '[Transfer] {amount}'], transferTitle: ['商家转账', 'Money from a merchant'],
  confirmTransfer: ['确认收款', 'Take the money'], decline: ['暂不收款', 'Not now'], remark: ['备注', 'Note'],
  transferState: ['状态', 'State'], taken: ['已收款', 'Taken'], transferFailed: ['无法收款', 'Cannot be taken'],
  transfer_WAIT_USER_CONFIRM: ['待你确认，24 小时内有效', 'waiting for you, 24 hours'],
  transfer_TRANSFERING: ['正在入账', 'on its way'], transfer_SUCCESS: ['已存入零钱', 'in your balance'],
  transfer_FAIL: ['未收款，已退回商户', 'not taken, returned'], transfer_CANCELING: ['商户正在撤销', 'being taken back'],
  transfer_CANCELLED: ['商户已撤销', 'taken back by the merchant'],
  agreeTitle: ['免确认收款', 'Receive without confirming'], agreed: ['已授权', 'Agreed'],
  agreeText: ['同意后，该商户给你的转账会直接存入零钱。', 'Once you agree, this merchant’s transfers go to your balance directly.'],
  cardLine: ['[小程序] {title}', '[Mini-program] {title}'],
  miniProgram: ['小程序', 'Mini-program'], miniPrograms: ['小程序', 'Mini-programs'],
  recent: ['最近使用的小程序', 'Recent mini-programs'],
  openApp: ['打开{name}', 'Open {name}'],
  scan: ['扫一扫', 'Scan'], scanHint: ['点一个码，就像把它放进取景框', 'Tap a code, as if it were in view'],
  scanNone: ['现在没有可扫的码', 'Nothing to scan now'], scanPaste: ['或粘贴码的内容', 'Or paste what a code says'],
  scanPay: ['付款码 · {title}', 'Payment · {title}'], scanPage: ['小程序码 · {title}', 'Code · {title}'],
  use: ['使用', 'Use'], balance: ['零钱', 'Balance'], card: ['招商银行储蓄卡 (8888)', 'CMB debit card (8888)'],
  balanceLeft: ['零钱（剩余 {amount}）', 'Balance ({amount} left)'],
  account: ['微信号', 'WeChat ID'], phone: ['手机号', 'Phone'], wallet: ['钱包', 'Wallet'],
  switchPerson: ['切换用户', 'Switch person'], language: ['English', '中文'],
  openPanel: ['沙箱面板', 'Sandbox panel'], closePanel: ['关闭面板', 'Close panel'],
  notOpen: ['{name}还没有开门', '{name} is not open yet'],
  notOpenText: ['店铺地址还没有登记到沙箱。启动 siyu demo 后它会自动出现。', 'The shop has not told the sandbox its address. It appears when siyu demo runs.'],
  notAnswering: ['店铺没有应答', 'The shop does not answer'],
  notAnsweringText: ['{url} 打不开。确认店铺已经启动，然后重试。', '{url} cannot be reached. See that the shop is running, then retry.'],
  retry: ['重试', 'Retry'], forward: ['转发给朋友', 'Send to a friend'], reenter: ['重新进入小程序', 'Re-enter'],
  clearAuth: ['清除授权与数据', 'Clear permissions'], cancel: ['取消', 'Cancel'], close: ['关闭', 'Close'],
  capsuleMore: ['小程序菜单', 'Mini-program menu'], capsuleClose: ['关闭小程序', 'Close mini-program'],
  asks: ['申请', 'asks to'],
  askLogin: ['使用你的微信身份登录', 'sign you in with WeChat'],
  askLoginText: ['开发者会得到一个只在本小程序内有效的标识，不含昵称和手机号。', 'The developer receives an id that is valid in this mini-program only; no name, no phone number.'],
  askPhone: ['获取并验证你的手机号', 'use your phone number'],
  askProfile: ['获取你的昵称、头像', 'use your name and picture'],
  phoneBound: ['微信绑定号码', 'Number bound to WeChat'], allow: ['允许', 'Allow'], refuse: ['拒绝', 'Refuse'],
  allowed: ['你向「{app}」提供了手机号 {phone}', 'You gave {app} your number {phone}'],
  allowedTitle: ['授权提醒', 'Permission given'],
  enterPassword: ['请输入支付密码', 'Enter payment password'],
  passwordHint: ['沙箱：任意 6 位数字', 'Sandbox: any 6 digits'],
  letFail: ['让银行拒绝这次付款', 'Let the bank refuse this'],
  paying: ['正在支付…', 'Paying…'], paid: ['支付成功', 'Paid'], done: ['完成', 'Done'],
  payFailed: ['支付未完成', 'Payment not made'], ok: ['知道了', 'OK'],
  sendTo: ['发送给', 'Send to'], sent: ['已发送', 'Sent'],
  tabNotices: ['通知', 'Notifications'], tabFaults: ['故障', 'Faults'], tabKeys: ['密钥与时钟', 'Keys & clock'],
  noNotices: ['还没有通知', 'No notifications yet'],
  noNoticesText: ['有人付款后，每一次投递和商户的应答都会列在这里。', 'Once somebody pays, each delivery and each answer of the shop is listed here.'],
  state_waiting: ['等待重发', 'waiting'], state_held: ['被压后', 'held back'],
  state_delivered: ['已送达', 'delivered'], state_given_up: ['已放弃', 'given up'],
  kind_genuine: ['通知', 'notice'], kind_probe: ['探测', 'probe'], kind_tampered: ['坏签名', 'bad signature'],
  kind_repeat: ['重复', 'repeat'], kind_dropped: ['丢失', 'lost'],
  nextIn: ['{s} 秒后第 {n} 次重发', 'repeat {n} in {s} s'], sendAgain: ['再发一次', 'Send again'],
  noAnswer: ['无应答', 'no answer'],
  conformGood: ['验签检查通过：{n} 次伪造全部被拒', 'Checks passed: {n} forged, all refused'],
  conformIdle: ['尚未做验签检查。去「故障」点「先发签名探测」试试。', 'No forgery sent yet. Try "Signature probe first" under Faults.'],
  conformBad: ['验签检查失败：商户接受了 {n} 次伪造的通知', 'Check failed: the shop accepted {n} forged notifications'],
  faultNotice: ['通知', 'Notifications'], faultAnswer: ['接口应答', 'Answers of the API'],
  faultWhere: ['作用于', 'Where'], faultTimes: ['次数', 'Times'], always: ['一直', 'always'],
  once: ['{n} 次', '{n}×'], orderedFaults: ['已下达', 'Ordered'], noFaults: ['没有故障，一切正常', 'No faults; all is well'],
  clearAll: ['全部清除', 'Clear all'], remove: ['移除', 'Remove'], leftTimes: ['剩 {n} 次', '{n} left'],
  happenedTimes: ['已发生 {n} 次', 'happened {n}×'], finished: ['已用完', 'used up'],
  clockTitle: ['微信的时钟', 'WeChat’s clock'], clockRight: ['准确', 'right'],
  clockAhead: ['快 10 分钟', '10 min ahead'], clockBehind: ['慢 10 分钟', '10 min behind'],
  factorTitle: ['通知重发的时间', 'Repeat schedule'], factor1: ['原速', 'real time'], factorN: ['{n} 倍速', '{n}× as fast'],
  signTitle: ['微信用什么签名', 'WeChat signs with'], sign_public_key: ['微信支付公钥', 'public key'],
  sign_certificate: ['平台证书', 'platform certificate'], sign_mixed: ['迁移中（随机）', 'migrating (random)'],
  rotate: ['轮换', 'Rotate'], rotated: ['已换新：{serial}', 'New: {serial}'],
  credentials: ['商户接入参数', 'Merchant credentials'], copy: ['复制', 'Copy'], copied: ['已复制', 'Copied'],
  op_all: ['全部接口', 'all'], 'op_pay.create': ['下单', 'create order'], 'op_pay.query': ['查单', 'query'],
  'op_pay.close': ['关单', 'close'], 'op_pay.certificates': ['下载证书', 'certificates'],
  op_token: ['取 access_token', 'access token'], op_login: ['登录', 'login'],
  op_phone_number: ['取手机号', 'phone number'], op_code_image: ['生成小程序码', 'code picture'],
  op_shipping: ['发货信息', 'shipping info'], 'op_shipping.upload': ['上传发货', 'upload shipping'],
  'op_shipping.query': ['查发货', 'query shipping'], 'op_shipping.remind': ['提醒收货', 'remind receipt'],
  'op_shipping.path': ['消息路径', 'message path'],
  op_notify: ['通知', 'notifications'], 'op_notify.payment': ['支付通知', 'of payments'], 'op_notify.refund': ['退款通知', 'of refunds'],
  'op_notify.sharing': ['分账通知', 'of splits'], 'op_notify.transfer': ['转账通知', 'of transfers'],
  op_refund: ['退款', 'refunds'], 'op_refund.create': ['申请退款', 'create refund'], 'op_refund.query': ['查退款', 'query refund'],
  'op_refund.abnormal': ['异常退款', 'abnormal refund'],
  op_sharing: ['分账', 'profit sharing'], 'op_sharing.receiver': ['接收方', 'receivers'], 'op_sharing.split': ['请求分账', 'split'],
  'op_sharing.query': ['查分账', 'query split'], 'op_sharing.unfreeze': ['解冻', 'unfreeze'], 'op_sharing.return': ['回退', 'return'],
  op_transfer: ['转账', 'transfers'], 'op_transfer.create': ['发起转账', 'create transfer'], 'op_transfer.query': ['查转账', 'query transfer'],
  'op_transfer.cancel': ['撤销转账', 'cancel transfer'], 'op_transfer.authorize': ['免确认授权', 'authorisation'],
  op_bill: ['账单', 'bills'], 'op_bill.announce': ['申请账单', 'ask for a bill'], 'op_bill.file': ['下载账单', 'download a bill'],
  faultOutcome: ['结果', 'Outcomes'],
  subscribeTitle: ['给你发送以下消息', 'send you these messages'], subscribeAlways: ['总是保持以上选择，不再询问', 'Keep this choice and do not ask again'],
  accounts: ['服务号与联系人', 'Accounts and contacts'], follow: ['关注服务号', 'Follow'], unfollow: ['取消关注', 'Unfollow'],
  addStaff: ['添加为联系人', 'Add as a contact'], dropStaff: ['删除联系人', 'Delete contact'],
  say: ['发送', 'Send'], sayHint: ['说点什么…', 'Say something…'], careName: ['{name}客服', '{name} service'], openPage: ['查看详情', 'See more'],
  partner_official_account: ['服务号 · 已关注', 'Official account · followed'], partner_official_account_off: ['服务号 · 未关注', 'Official account · not followed'],
  partner_care: ['小程序客服', 'Service of a mini-program'], partner_wecom: ['企业微信 · 已添加', 'WeCom · added'], partner_wecom_off: ['企业微信 · 未添加', 'WeCom · not added'],
  tabStaff: ['员工', 'Staff'], staffTitle: ['企业微信群发任务', 'WeCom mass messages'], staffNone: ['还没有群发任务', 'No mass messages yet'],
  staffNoneText: ['店铺创建群发后，员工在这里按下发送，客户才会收到。', 'Once the shop asks for one, a member presses send here; only then customers get it.'],
  staffOf: ['{userid} · {n} 位客户', '{userid} · {n} customers'], pressSend: ['发送', 'Send'], staffSent: ['已发送', 'sent'], taskCancelled: ['已停止', 'stopped'],
  'op_notify.push': ['消息推送', 'of messages'], op_message: ['消息', 'messages'], 'op_message.subscription': ['订阅消息', 'subscription'], 'op_message.notice': ['模板消息', 'template'],
  'op_message.care': ['客服消息', 'customer service'], 'op_message.mass': ['群发', 'mass'], 'op_message.templates': ['查模板', 'templates'], op_user: ['用户信息', 'user info'],
  op_wecom: ['企业微信', 'WeCom'], 'op_wecom.token': ['企微凭证', 'WeCom token'], 'op_wecom.contact': ['客户信息', 'customers'], 'op_wecom.welcome': ['欢迎语', 'welcome'], 'op_wecom.mass': ['企微群发', 'WeCom mass'],
  offline: ['沙箱没有应答', 'The sandbox does not answer'],
};

let english = localStorage.getItem('siyu.phone.language') === 'en';

export const isEnglish = () => english;

export function setEnglish(on) {
  english = on;
  localStorage.setItem('siyu.phone.language', on ? 'en' : 'zh');
  document.documentElement.lang = on ? 'en' : 'zh-CN';
}

export function t(key, values = {}) {
  const pair = WORDS[key];
  if (!pair) return key;
  return pair[english ? 1 : 0].replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '');
}

export const yuan = (fen) => `¥${(Math.trunc(fen / 100)).toLocaleString('en-US')}.${String(fen % 100).padStart(2, '0')}`;

const two = (n) => String(n).padStart(2, '0');

/** Hour and minute; the day too when it is not today. */
export function clockText(seconds) {
  const at = new Date(seconds * 1000);
  const time = `${two(at.getHours())}:${two(at.getMinutes())}`;
  if (at.toDateString() === new Date().toDateString()) return time;
  return english ? `${at.getMonth() + 1}/${at.getDate()} ${time}` : `${at.getMonth() + 1}月${at.getDate()}日 ${time}`;
}

export function secondText(seconds) {
  const at = new Date(seconds * 1000);
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}
