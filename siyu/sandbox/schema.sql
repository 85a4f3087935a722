-- What the sandbox remembers. Moments are seconds since 1970 (real), money is whole fen.

create table if not exists settings (name text primary key, value text not null);

-- Keys WeChat signs with: platform certificates (hex serial) and public keys (PUB_KEY_ID_…).
create table if not exists signers (
  serial text primary key,
  kind text not null check (kind in ('public_key', 'certificate')),
  private_pem text not null,
  public_pem text not null,            -- a certificate, or a public key
  effective_at real not null,
  expires_at real not null
);

create table if not exists merchants (
  mchid text primary key,
  name text not null,
  api_v3_key text not null check (length(api_v3_key) = 32),
  serial text not null,                -- of the merchant's API certificate
  public_pem text not null,
  private_pem text,                    -- only if the pair was made here
  signing text not null check (signing in ('public_key', 'certificate', 'mixed'))
);

create table if not exists apps (
  appid text primary key,
  secret text not null,
  name text not null,
  tagline text not null,
  icon_url text,
  shop_url text,                       -- the H5 shown when a phone opens the app
  mchid text references merchants (mchid),
  kind text not null default 'mini_program'
    check (kind in ('mini_program', 'official_account', 'wecom'))
);

create table if not exists people (
  person_id text primary key,
  name text not null,
  phone text not null,
  look integer not null,               -- seed of the drawn portrait
  balance_fen integer not null check (balance_fen >= 0),  -- moved by the bank only
  risky integer not null default 0,
  listed integer not null,             -- offered on the page of the phone
  unionid text not null unique
);

create table if not exists identities (
  appid text not null references apps (appid),
  person_id text not null references people (person_id),
  openid text not null unique,
  session_key text not null,
  primary key (appid, person_id)
);

create table if not exists grants (
  person_id text not null, appid text not null, scope text not null,
  primary key (person_id, appid, scope)
);

create table if not exists codes (      -- from wx.login and getPhoneNumber: once, 5 minutes
  code text primary key,
  kind text not null check (kind in ('login', 'phone')),
  appid text not null,
  person_id text not null,
  issued_at real not null,
  used_at real
);

create table if not exists tokens (
  token text primary key,
  appid text not null,
  kind text not null check (kind in ('stable', 'legacy')),
  issued_at real not null,
  expires_at real not null,
  killed_at real                       -- replaced by force, or by a newer legacy token
);
create index if not exists tokens_of_app on tokens (appid, kind, issued_at);

create table if not exists usage (
  subject text not null, operation text not null, seconds integer not null,
  slot integer not null, calls integer not null,
  primary key (subject, operation, seconds)
);
create table if not exists limits (
  subject text not null, operation text not null, seconds integer not null, calls integer not null,
  primary key (subject, operation, seconds)
);

create table if not exists pictures (    -- mini-program codes that were drawn
  picture_id integer primary key,
  appid text not null, scene text not null, page text not null, made_at real not null
);

create table if not exists orders (
  mchid text not null references merchants (mchid),
  out_trade_no text not null,
  appid text not null,
  trade_type text not null check (trade_type in ('JSAPI', 'NATIVE')),
  state text not null check (state in ('NOTPAY', 'SUCCESS', 'CLOSED')),
  body text not null,                  -- parameters of the first request, canonical JSON
  description text not null,
  attach text,
  notify_url text not null,
  total_fen integer not null check (total_fen > 0),
  openid text,                         -- who may pay (JSAPI), then who has paid
  created_at real not null,
  pay_before real not null,
  transaction_id text unique,
  bank_type text,
  paid_at real,
  primary key (mchid, out_trade_no)
);
create table if not exists prepays (     -- prepay_id or code_url
  ticket text primary key,
  mchid text not null, out_trade_no text not null,
  expires_at real not null
);
create index if not exists prepays_of_order on prepays (mchid, out_trade_no);

create table if not exists notifications (
  notification_id text primary key,    -- EV-…
  mchid text not null, out_trade_no text not null,
  notify_url text not null,
  event_type text not null, summary text not null,
  resource text not null,              -- plain JSON, encrypted anew for every try
  created_at real not null,
  next_at real,                        -- null: delivered or given up
  state text not null check (state in ('waiting', 'held', 'delivered', 'given_up')),
  failures integer not null default 0  -- counts into the repeat schedule
);
create index if not exists notifications_newest on notifications (created_at);
create index if not exists notifications_of_order on notifications (out_trade_no);
create index if not exists notifications_due on notifications (next_at) where next_at is not null;
create table if not exists tries (
  try_id integer primary key,
  notification_id text not null references notifications (notification_id),
  at real not null,
  kind text not null,                  -- genuine, probe, tampered, repeat, dropped
  status integer,                      -- null: no answer
  answer text not null,
  took_ms integer not null,
  verdict text not null check (verdict in ('accepted', 'refused', 'lost', 'conformance_failed'))
);
create index if not exists tries_of_notification on tries (notification_id);
create index if not exists tries_forged on tries (verdict) where kind in ('probe', 'tampered');
create index if not exists tries_failed on tries (try_id) where verdict = 'conformance_failed';

create table if not exists faults (
  fault_id integer primary key,
  kind text not null,
  operation text not null,
  mchid text,
  remaining integer,                   -- null: until removed
  options text not null,
  happened integer not null default 0
);

create table if not exists messages (
  message_id integer primary key,
  person_id text not null references people (person_id),
  chat text not null,                  -- 'pay', 'service', 'group', a person_id, or see channels.py
  kind text not null check (
    kind in ('receipt', 'notice', 'card', 'refund', 'transfer', 'text', 'template')),
  mine integer not null,
  payload text not null,
  at real not null,
  read_at real
);
create index if not exists messages_of_person on messages (person_id, message_id);

-- The bank: see bank.py. A person's account is their row in people.
create table if not exists accounts (
  account text primary key,
  fen integer not null check (fen >= 0 or account = 'outside')
);
create table if not exists movements (
  movement_id integer primary key,
  at real not null,
  kind text not null,
  source text not null,
  target text not null check (target <> source),
  fen integer not null check (fen > 0),
  mchid text,                          -- whose business it was
  number text not null,                -- the merchant's number
  wechat_no text not null,
  note text not null
);
create index if not exists movements_of_merchant on movements (mchid, movement_id);
create index if not exists movements_of_trade on movements (wechat_no);

create table if not exists tasks (
  task_id integer primary key,
  due_at real not null, kind text not null, number text not null
);
create index if not exists tasks_due on tasks (due_at);

create table if not exists refunds (
  refund_id text primary key,
  mchid text not null, out_refund_no text not null,
  out_trade_no text not null, transaction_id text not null,
  state text not null check (state in ('PROCESSING', 'SUCCESS', 'CLOSED', 'ABNORMAL')),
  body text not null,                  -- parameters of the first request, canonical JSON
  notify_url text not null,
  reason text not null,
  total_fen integer not null,
  refund_fen integer not null check (refund_fen > 0),
  fee_fen integer not null,            -- the part that WeChat paid, giving back its fee
  frozen_fen integer not null,         -- the part that came from frozen money
  to_card integer not null default 0,  -- an abnormal one: to the merchant's own card
  created_at real not null,
  ended_at real,
  unique (mchid, out_refund_no)
);
create index if not exists refunds_of_order on refunds (transaction_id);

create table if not exists sharings (    -- paid orders whose money is frozen for splitting
  transaction_id text primary key,
  mchid text not null,
  frozen_fen integer not null check (frozen_fen >= 0),
  ended_at real                        -- split to the end, unfrozen, or 30 days over
);
create table if not exists receivers (
  mchid text not null, appid text not null, type text not null, account text not null,
  name text not null, relation_type text not null,
  primary key (mchid, appid, type, account)
);
create table if not exists splits (
  order_id text primary key,
  mchid text not null, out_order_no text not null, transaction_id text not null,
  state text not null check (state in ('PROCESSING', 'FINISHED')),
  body text not null,
  unfreeze integer not null,           -- the rest goes to the merchant, the sharing ends
  created_at real not null,
  unique (mchid, out_order_no)
);
create index if not exists splits_of_order on splits (transaction_id);
create table if not exists shares (
  detail_id text primary key,
  order_id text not null references splits (order_id),
  type text not null, account text not null, description text not null,
  fen integer not null check (fen > 0),
  result text not null check (result in ('PENDING', 'SUCCESS', 'CLOSED')),
  fail_reason text,
  created_at real not null,
  ended_at real
);
create index if not exists shares_of_split on shares (order_id);
create table if not exists split_returns (
  return_id text primary key,
  mchid text not null, out_return_no text not null, order_id text not null,
  return_mchid text not null,
  fen integer not null check (fen > 0),
  description text not null,
  body text not null,
  result text not null check (result in ('PROCESSING', 'SUCCESS', 'FAILED')),
  fail_reason text,
  created_at real not null,
  ended_at real,
  unique (mchid, out_return_no)
);

create table if not exists transfers (
  transfer_bill_no text primary key,
  mchid text not null, out_bill_no text not null,
  appid text not null, openid text not null, person_id text not null,
  fen integer not null check (fen > 0),
  remark text not null, notify_url text not null, body text not null,
  state text not null check (state in ('ACCEPTED', 'PROCESSING', 'WAIT_USER_CONFIRM',
    'TRANSFERING', 'SUCCESS', 'FAIL', 'CANCELING', 'CANCELLED')),
  package_info text not null,
  fail_reason text,
  created_at real not null,
  updated_at real not null,
  unique (mchid, out_bill_no)
);
create index if not exists transfers_of_person on transfers (person_id, created_at);
create table if not exists authorizations (  -- to be paid without confirming each time
  authorization_id text primary key,
  mchid text not null, out_authorization_no text not null,
  appid text not null, openid text not null, person_id text not null,
  scene text not null, display_name text not null, notify_url text not null, body text not null,
  state text not null check (state in ('WAIT_USER_CONFIRM', 'TAKING_EFFECT', 'CLOSED')),
  package_info text not null,
  created_at real not null,
  authorized_at real, closed_at real, close_reason text,
  unique (mchid, out_authorization_no)
);

create table if not exists shippings (   -- what was told of the shipping of a paid order
  transaction_id text primary key,
  mode integer not null, logistics integer not null,
  parcels text not null,
  finished integer not null,             -- how often all of it was told: 2 once it was changed
  is_all integer not null,
  uploaded_at real not null,
  shipped_at real, received_at real,
  confirmed_by integer,                  -- 1 the buyer, 2 time
  settled_at real, reminded_at real
);

create table if not exists bills (       -- as they were made the morning after, frozen
  mchid text not null, name text not null, day text not null, plain blob not null,
  primary key (mchid, name, day)
);
create table if not exists downloads (
  token text primary key, mchid text not null, content blob not null, expires_at real not null
);

-- Reaching people: see channels.py. An account is a mini-program, official account or corporation.
create table if not exists push_targets (
  account text primary key references apps (appid),
  url text not null, token text not null, aes_key text not null
);
create table if not exists pushes (        -- what a server is told
  push_id integer primary key,
  account text not null,
  openid text not null,
  body text not null,                  -- plain, sealed anew for every try
  created_at real not null,
  next_at real,                        -- null: delivered or given up
  state text not null check (state in ('waiting', 'delivered', 'given_up', 'conformance_failed')),
  failures integer not null default 0,
  answer text not null default ''
);
create index if not exists pushes_due on pushes (next_at) where next_at is not null;
create table if not exists templates (
  appid text not null references apps (appid),
  template_id text not null,
  title text not null,
  content text not null,               -- lines with {{thing1.DATA}}
  example text not null,
  primary key (appid, template_id)
);
create table if not exists subscriptions (
  appid text not null, openid text not null, template_id text not null,
  remaining integer not null check (remaining >= 0),
  always text check (always in ('accept', 'reject')),  -- "do not ask again"
  primary key (appid, openid, template_id)
) without rowid;
create table if not exists care_windows (   -- how long and how often a person may be answered
  appid text not null, openid text not null,
  ends_at real not null, remaining integer not null,
  primary key (appid, openid)
) without rowid;
create table if not exists follows (
  appid text not null, person_id text not null,
  followed_at real not null, scene text not null,
  ended_at real,
  primary key (appid, person_id)
) without rowid;
create table if not exists sends (         -- every message that reached somebody
  send_id integer primary key,
  channel text not null check (
    channel in ('subscription', 'notice', 'care', 'mass', 'welcome', 'staff')),
  account text not null,
  openid text not null,                -- WeCom: the external_userid
  template_id text not null,
  own_no text,                         -- client_msg_id
  at real not null
);
create index if not exists sends_of_account on sends (account, channel, openid);
create unique index if not exists sends_own on sends (account, openid, own_no)
  where own_no is not null;
create table if not exists masses (        -- mass messages of official accounts
  msg_id integer primary key,
  appid text not null,
  own_no text,
  status text not null check (status in ('SENDING', 'SEND_SUCCESS', 'SEND_FAIL', 'DELETE')),
  content text not null,
  at real not null
);
create table if not exists staff (
  corpid text not null references apps (appid), userid text not null, name text not null,
  primary key (corpid, userid)
);
create table if not exists contacts (      -- customers of staff
  corpid text not null, external_userid text not null, userid text not null,
  person_id text not null,
  state text not null,
  added_at real not null,
  ended_at real,
  primary key (corpid, external_userid, userid)
) without rowid;
create table if not exists welcome_codes (
  code text primary key,
  corpid text not null, external_userid text not null, userid text not null,
  issued_at real not null, used_at real
);
create table if not exists mass_tasks (
  msgid text primary key,
  corpid text not null, text text not null, created_at real not null,
  reminders integer not null default 0, cancelled_at real
);
create table if not exists mass_targets (
  msgid text not null, userid text not null, external_userid text not null,
  status integer not null default 0,   -- 0 unsent, 1 sent, 2 not a friend, 3 limit reached
  sent_at real,
  primary key (msgid, userid, external_userid)
) without rowid;
