create schema payments;

create table payments.attempts (
  shop_id int not null,
  payment_id uuid not null,
  order_id uuid not null,
  person_no bigint not null,
  channel text not null check (channel in ('jsapi', 'native', 'internal')),
  state text not null check (state in ('created', 'paying', 'paid', 'closed', 'parked')),
  amount_fen bigint not null check (amount_fen between 0 and 10000000000),
  number text not null check (length(number) between 6 and 32),
  merchant text not null,
  app text not null,
  payer text,
  description text not null,
  provider_number text check (length(provider_number) between 1 and 64),
  created_at timestamptz not null,
  expires_at timestamptz not null,
  paid_at timestamptz,
  closed_at timestamptz,
  next_query_at timestamptz,
  primary key (shop_id, payment_id),
  unique (shop_id, number),
  check ((channel = 'internal') = (amount_fen = 0)),
  check (channel <> 'jsapi' or payer is not null),
  check ((paid_at is not null) = (state in ('paid', 'parked'))),
  check ((closed_at is not null) or state <> 'closed'),
  check ((next_query_at is not null) = (state in ('created', 'paying')))
);
comment on table payments.attempts is
  'Each try to collect an order''s money. The row is committed before WeChat hears of its number.';
comment on column payments.attempts.number is
  'Our number at the provider. All questions and repeats use it; it is never given out twice.';
comment on column payments.attempts.merchant is 'The merchant account the attempt was made with; '' '' for internal ones.';
comment on column payments.attempts.app is 'The app the attempt was made with.';
comment on column payments.attempts.payer is 'The payer''s id in that app; a repeat must name the same.';
comment on column payments.attempts.provider_number is 'WeChat''s number of the payment.';
comment on column payments.attempts.expires_at is 'The last moment to pay, told to WeChat.';
comment on column payments.attempts.next_query_at is
  'When to ask WeChat next, should its notification be lost. Empty once the attempt has ended.';
create unique index attempt_paid_once on payments.attempts (shop_id, order_id) where state = 'paid';
create unique index attempt_provider on payments.attempts (shop_id, provider_number)
  where provider_number is not null;
create index attempt_order on payments.attempts (shop_id, order_id);
create index attempt_due on payments.attempts (next_query_at) where next_query_at is not null;
select kernel.tenant_table('payments.attempts', worker => true);

create table payments.timeline (
  shop_id int not null,
  payment_id uuid not null,
  entry_id uuid not null,
  at timestamptz not null,
  event text not null,
  detail jsonb not null,
  primary key (shop_id, payment_id, entry_id),
  foreign key (shop_id, payment_id) references payments.attempts (shop_id, payment_id)
);
comment on table payments.timeline is
  'What happened to an attempt, in WeChat''s own codes, for support. Never edited.';
select kernel.tenant_table('payments.timeline');

create table payments.suspense (
  shop_id int not null,
  parked_id uuid not null,
  payment_id uuid,
  order_id uuid,
  reason text not null check (reason in ('wrong_amount', 'coupon_used', 'wrong_currency',
    'wrong_account', 'unknown_number', 'paid_twice', 'order_closed')),
  amount_fen bigint not null check (amount_fen > 0),
  currency text not null check (length(currency) between 1 and 16),
  merchant text not null,
  number text not null,
  provider_number text not null,
  parked_at timestamptz not null,
  primary key (shop_id, parked_id),
  unique (shop_id, provider_number),
  foreign key (shop_id, payment_id) references payments.attempts (shop_id, payment_id)
);
comment on table payments.suspense is
  'Money that arrived and belongs to no order: it waits for a person to decide.';
comment on column payments.suspense.amount_fen is 'In minor units of `currency`.';
create index suspense_newest on payments.suspense (shop_id, parked_at desc, parked_id desc);
select kernel.tenant_table('payments.suspense', worker => true);
