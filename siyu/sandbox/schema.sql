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
  mchid text references merchants (mchid)
);

create table if not exists people (
  person_id text primary key,
  name text not null,
  phone text not null,
  look integer not null,               -- seed of the drawn portrait
  balance_fen integer not null check (balance_fen >= 0),
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
  chat text not null,                  -- 'pay', 'service', or the person_id of a friend
  kind text not null check (kind in ('receipt', 'notice', 'card')),
  mine integer not null,
  payload text not null,
  at real not null,
  read_at real
);
create index if not exists messages_of_person on messages (person_id, message_id);
