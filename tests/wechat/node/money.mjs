// Refunds, splits, transfers and bills in the sandbox with wechatpay-axios-plugin, which knows
// nothing of siyu. Input on stdin: {keys, openid}. Output: one line of JSON with what it saw.
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { gunzipSync } from 'node:zlib';
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

const control = async (path, body, method = 'POST') => {
  const answer = await fetch(`${keys.pay_url}/_sandbox${path}`, {
    method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body ?? {}),
  });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
};
const until = async (ask, done) => {
  for (let round = 0; round < 400; round += 1) {
    const { data } = await ask();
    if (done(data)) return data;
    await new Promise((later) => setTimeout(later, 10));
  }
  throw new Error('it never came to an end');
};

const notices = [];
const shop = createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    const body = Buffer.concat(parts).toString();
    const head = (name) => request.headers[`wechatpay-${name}`];
    const text = Formatter.joinedByLineFeed(head('timestamp'), head('nonce'), body);
    if (!Rsa.verify(text, head('signature'), keys.public_key_pem)) {
      response.writeHead(401).end();
      return;
    }
    const { event_type, resource } = JSON.parse(body);
    notices.push({ event_type, content: JSON.parse(Aes.AesGcm.decrypt(
      resource.ciphertext, keys.api_v3_key, resource.nonce, resource.associated_data)) });
    response.writeHead(204).end();
  });
});
await new Promise((ready) => shop.listen(0, '127.0.0.1', ready));
const notify_url = `http://127.0.0.1:${shop.address().port}/notify`;
const heard = async (event) => {
  for (let round = 0; round < 400; round += 1) {
    const found = notices.find((notice) => notice.event_type === event);
    if (found) return found.content;
    await control('/notifications/deliver');
    await new Promise((later) => setTimeout(later, 10));
  }
  throw new Error(`no ${event}`);
};

// Two days old: it may be split, and stands in a bill.
const out_trade_no = `NODE${randomBytes(8).toString('hex')}`;
const made = await pay.v3.pay.transactions.native.post({
  appid: keys.appid, mchid: keys.mchid, description: '白毫银针 100g', out_trade_no, notify_url,
  amount: { total: 20000, currency: 'CNY' }, settle_info: { profit_sharing: true },
});
await control('/settings', { clock_skew_seconds: -2 * 86400 }, 'PATCH');
const paid = await control('/people/p4/pay', { prepay_id: made.data.code_url });
await control('/settings', { clock_skew_seconds: 0 }, 'PATCH');
const { transaction_id } = paid;

const hidden = { headers: { 'Wechatpay-Serial': keys.public_key_id } };
const hide = (text) => Rsa.encrypt(text, keys.public_key_pem);
const account = { type: 'PERSONAL_OPENID', account: openid };
await pay.v3.profitsharing.receivers.add.post(
  { appid: keys.appid, ...account, name: hide('陈知夏'), relation_type: 'DISTRIBUTOR' }, hidden);
const out_order_no = `S${out_trade_no}`;
await pay.v3.profitsharing.orders.post({
  appid: keys.appid, transaction_id, out_order_no, unfreeze_unsplit: true,
  receivers: [{ ...account, amount: 6000, description: '团长佣金' }],
});
const split = await until(
  () => pay.v3.profitsharing.orders._out_order_no_.get({ params: { transaction_id }, out_order_no }),
  (data) => data.state === 'FINISHED');

const out_refund_no = `R${out_trade_no}`;
const begun = await pay.v3.refund.domestic.refunds.post({
  transaction_id, out_refund_no, notify_url, reason: '漏发',
  amount: { refund: 5000, total: 20000, currency: 'CNY' },
});
const refund = await until(
  () => pay.v3.refund.domestic.refunds._out_refund_no_.get({ out_refund_no }),
  (data) => data.status === 'SUCCESS');

await control(`/bank/${keys.mchid}/deposit`, { fen: 500000 });
const bills = pay.chain('v3/fund-app/mch-transfer/transfer-bills');
const out_bill_no = `T${out_trade_no}`;
const waiting = await bills.post({
  appid: keys.appid, out_bill_no, transfer_scene_id: '1005', openid, user_name: hide('陈知夏'),
  transfer_amount: 200000, transfer_remark: '佣金', notify_url,
  transfer_scene_report_infos: [
    { info_type: '岗位类型', info_content: '社群推广' }, { info_type: '报酬说明', info_content: '佣金' },
  ],
}, hidden);
await control('/people/p3/transfer', { package: waiting.data.package_info });
const transfer = await until(
  () => pay.chain(`v3/fund-app/mch-transfer/transfer-bills/out-bill-no/${out_bill_no}`).get(),
  (data) => data.state === 'SUCCESS');

const bill_date = new Date(Date.now() + 8 * 3600e3 - 2 * 86400e3).toISOString().slice(0, 10);
const announced = await pay.v3.bill.tradebill.get({ params: { bill_date, bill_type: 'ALL', tar_type: 'GZIP' } });
const token = new URL(announced.data.download_url).searchParams.get('token');
const packed = await pay.v3.billdownload.file.get({
  params: { token }, responseType: 'arraybuffer', transformResponse: [(data) => data],
});
const plain = gunzipSync(packed.data);

console.log(JSON.stringify({
  split, begun: begun.data, refund, refund_notice: await heard('REFUND.SUCCESS'),
  transfer, transfer_notice: await heard('MCHTRANSFER.BILL.FINISHED'),
  bill_is_right: createHash('sha1').update(plain).digest('hex') === announced.data.hash_value,
  bill_has_it: plain.toString().includes(transaction_id),
}));
shop.close();
shop.closeAllConnections();
