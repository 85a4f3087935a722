// Buys against the sandbox with wechatpay-axios-plugin, which knows nothing of siyu.
// Input on stdin: {keys, openid, notify_url}; control of the sandbox over its HTTP API.
// Output: one line of JSON with what it saw.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { randomBytes } from 'node:crypto';
import plugin from 'wechatpay-axios-plugin';

const { Wechatpay, Rsa, Aes, Formatter } = plugin;
const { keys, openid } = JSON.parse(readFileSync(0, 'utf8'));
const pay = new Wechatpay({
  mchid: keys.mchid,
  serial: keys.serial_no,
  privateKey: keys.private_key_pem,
  certs: { [keys.public_key_id]: keys.public_key_pem, ...keys.certificates },
  baseURL: keys.pay_url + '/',
});

const control = async (path, body) => {
  const answer = await fetch(`${keys.pay_url}/_sandbox${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body ?? {}),
  });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
};

const seen = { notices: [], refused: 0 };
const shop = createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    const body = Buffer.concat(parts).toString();
    const head = (name) => request.headers[`wechatpay-${name}`];
    const text = Formatter.joinedByLineFeed(head('timestamp'), head('nonce'), body);
    const key = head('serial') === keys.public_key_id
      ? keys.public_key_pem : keys.certificates[head('serial')];
    const fresh = Math.abs(Date.now() / 1000 - Number(head('timestamp'))) < 300;
    if (!fresh || !Rsa.verify(text, head('signature'), key)) {
      seen.refused += 1;
      response.writeHead(401).end();
      return;
    }
    const { resource } = JSON.parse(body);
    seen.notices.push(JSON.parse(Aes.AesGcm.decrypt(
      resource.ciphertext, keys.api_v3_key, resource.nonce, resource.associated_data)));
    response.writeHead(204).end();
  });
});
await new Promise((ready) => shop.listen(0, '127.0.0.1', ready));
const notify_url = `http://127.0.0.1:${shop.address().port}/notify`;

const order = (kind) => ({
  appid: keys.appid,
  mchid: keys.mchid,
  description: '正山小种 125g',
  out_trade_no: `NODE${randomBytes(8).toString('hex')}`,
  notify_url,
  amount: { total: 9900, currency: 'CNY' },
  ...(kind === 'jsapi' ? { payer: { openid } } : {}),
});

const body = order('jsapi');
const created = await pay.v3.pay.transactions.jsapi.post(body);
const args = {
  timeStamp: `${Formatter.timestamp()}`,
  nonceStr: Formatter.nonce(),
  package: `prepay_id=${created.data.prepay_id}`,
  signType: 'RSA',
};
args.paySign = Rsa.sign(
  Formatter.joinedByLineFeed(keys.appid, args.timeStamp, args.nonceStr, args.package),
  keys.private_key_pem,
);
await control('/faults', { kind: 'probe', operation: 'notify' });
const sheet = await control('/people/p3/pay-sheet', { appid: keys.appid, args });
const paid = await control('/people/p3/pay', { prepay_id: sheet.ticket });
for (let round = 0; round < 200 && !seen.notices.length; round += 1) {
  await control('/notifications/deliver');
  await new Promise((later) => setTimeout(later, 20));
}
const asked = await pay.v3.pay.transactions.outTradeNo._out_trade_no_
  .get({ params: { mchid: keys.mchid }, out_trade_no: body.out_trade_no });

const open = order('native');
const native = await pay.v3.pay.transactions.native.post(open);
const closed = await pay.v3.pay.transactions.outTradeNo._out_trade_no_.close
  .post({ mchid: keys.mchid }, { out_trade_no: open.out_trade_no });
const wrong = await pay.v3.pay.transactions.native.post({ ...open, surprise: 1 })
  .catch((error) => ({ status: error.response.status, code: error.response.data.code }));

await control('/faults', { kind: 'bad_signature', operation: 'pay.query' });
const forged = await pay.v3.pay.transactions.outTradeNo._out_trade_no_
  .get({ params: { mchid: keys.mchid }, out_trade_no: body.out_trade_no }).then(() => 'believed', () => 'refused');

shop.close();
shop.closeAllConnections();
console.log(JSON.stringify({
  prepay_id: created.data.prepay_id,
  transaction_id: paid.transaction_id,
  notice: seen.notices[0],
  refused: seen.refused,
  asked: asked.data,
  code_url: native.data.code_url,
  closed: closed.status,
  wrong,
  forged,
}));
