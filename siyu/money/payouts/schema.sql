create schema payouts;

create table payouts.settings (
  shop_id int primary key,
  is_enabled boolean not null,
  min_fen bigint not null check (min_fen between 10 and 10000000000),
  max_fen bigint not null check (max_fen between min_fen and 10000000000),
  daily_count int not null check (daily_count between 1 and 100),
  daily_fen bigint not null check (daily_fen between min_fen and 10000000000),
  yearly_fen bigint check (yearly_fen between 0 and 10000000000),
  approve_above_fen bigint check (approve_above_fen between 0 and 10000000000),
  tax_bps int not null check (tax_bps between 0 and 10000),
  role text not null check (length(role) between 1 and 32),
  reward text not null check (length(reward) between 1 and 32),
  remark text not null check (length(remark) between 1 and 32),
  updated_at timestamptz not null
);
comment on table payouts.settings is 'What a shop pays out; without a row the defaults of contracts.Settings.';
select kernel.tenant_table('payouts.settings');

create table payouts.payouts (
  shop_id int not null,
  payout_id uuid not null,
  member_id uuid not null,
  person_no bigint not null,
  state text not null check (state in ('requested', 'created', 'accepted', 'waiting', 'sending',
    'cancelling', 'paid', 'failed', 'cancelled', 'rejected')),
  amount_fen bigint not null check (amount_fen between 10 and 10000000000),
  tax_fen bigint not null check (tax_fen >= 0),
  net_fen bigint not null check (net_fen >= 10),
  number text not null check (number ~ '^[0-9A-Za-z]{6,32}$'),
  merchant text not null,
  app text not null,
  account text not null,
  authorization_id text,
  name_sealed bytea,
  role text not null,
  reward text not null,
  remark text not null,
  notify_url text not null,
  hold_id uuid not null,
  is_taken boolean not null default false,
  provider_number text,
  package text,
  confirm_before timestamptz,
  fail_reason text check (length(fail_reason) <= 100),
  problem text check (length(problem) <= 300),
  calls int not null default 0,
  requested_at timestamptz not null,
  approved_at timestamptz,
  ended_at timestamptz,
  next_at timestamptz,
  primary key (shop_id, payout_id),
  unique (shop_id, number),
  check (amount_fen = tax_fen + net_fen),
  check ((ended_at is not null) = (state in ('paid', 'failed', 'cancelled', 'rejected'))),
  check ((next_at is not null) = (state in ('created', 'accepted', 'waiting', 'sending', 'cancelling'))),
  check (is_taken or state not in ('accepted', 'waiting', 'sending', 'paid')),
  check (not is_taken or state not in ('requested', 'created', 'rejected'))
);
comment on table payouts.payouts is
  'Commission on its way to a member. The row, with its number, is committed before WeChat hears of it.';
comment on column payouts.payouts.number is 'Our number at WeChat: all calls about this payout use it, for ever.';
comment on column payouts.payouts.account is 'The member''s id in `app`.';
comment on column payouts.payouts.authorization_id is 'WeChat''s number of the agreement, when nobody has to confirm.';
comment on column payouts.payouts.name_sealed is 'The payee''s real name as given, encrypted.';
comment on column payouts.payouts.hold_id is 'The ledger''s hold of the commission.';
comment on column payouts.payouts.is_taken is 'WeChat has taken the money from our balance: the hold was posted.';
comment on column payouts.payouts.notify_url is 'A repeat must say the very same to WeChat.';
comment on column payouts.payouts.package is 'What the phone needs to confirm; only the answer to a creation tells it.';
comment on column payouts.payouts.problem is 'Why WeChat did not take it yet, in its own words.';
create unique index payout_open on payouts.payouts (shop_id, member_id)
  where state in ('requested', 'created', 'accepted', 'waiting', 'sending', 'cancelling');
create index payout_member on payouts.payouts (shop_id, member_id, payout_id desc);
create index payout_state on payouts.payouts (shop_id, state, payout_id desc);
create index payout_due on payouts.payouts (next_at) where next_at is not null;
select kernel.tenant_table('payouts.payouts', worker => true);

create table payouts.timeline (
  shop_id int not null,
  payout_id uuid not null,
  entry_id uuid not null,
  at timestamptz not null,
  event text not null,
  detail jsonb not null,
  primary key (shop_id, payout_id, entry_id),
  foreign key (shop_id, payout_id) references payouts.payouts (shop_id, payout_id)
);
comment on table payouts.timeline is 'What happened to a payout, in WeChat''s own codes, for support. Never edited.';
select kernel.tenant_table('payouts.timeline');
revoke update, delete on payouts.timeline from siyu_app;

create table payouts.agreements (
  shop_id int not null,
  agreement_id uuid not null,
  member_id uuid not null,
  state text not null check (state in ('created', 'waiting', 'active', 'closed')),
  number text not null check (number ~ '^[0-9A-Za-z]{6,32}$'),
  merchant text not null,
  app text not null,
  account text not null,
  authorization_id text,
  package text,
  created_at timestamptz not null,
  next_at timestamptz,
  primary key (shop_id, agreement_id),
  unique (shop_id, number),
  check (state <> 'active' or authorization_id is not null),
  check ((next_at is not null) = (state in ('created', 'waiting', 'active')))
);
comment on table payouts.agreements is 'A member''s agreement to receive payouts without confirming each one.';
create unique index agreement_open on payouts.agreements (shop_id, merchant, member_id)
  where state <> 'closed';
create index agreement_due on payouts.agreements (next_at) where next_at is not null;
select kernel.tenant_table('payouts.agreements', worker => true);
