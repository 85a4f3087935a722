create schema payments;

create table payments.attempts (
  shop_id int not null,
  payment_id uuid not null,
  order_id uuid not null,
  person_no bigint not null,
  channel text not null check (channel in ('jsapi', 'native', 'internal', 'offline')),
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
  purpose text not null default 'order' check (purpose in ('order', 'top_up')),
  owner uuid,
  is_shared boolean not null default false,
  refunded_fen bigint not null default 0,
  refund_count int not null default 0,
  next_refund_at timestamptz,
  primary key (shop_id, payment_id),
  unique (shop_id, number),
  check ((channel = 'internal') = (amount_fen = 0)),
  check (channel <> 'jsapi' or payer is not null),
  check ((paid_at is not null) = (state in ('paid', 'parked'))),
  check ((closed_at is not null) or state <> 'closed'),
  check ((next_query_at is not null) = (state in ('created', 'paying'))),
  check ((owner is not null) = (purpose = 'top_up')),
  constraint refunds_stay_within_the_payment check (
    refunded_fen between 0 and amount_fen and (refunded_fen = 0 or state = 'paid')),
  constraint refunds_are_fifty_at_most check (refund_count between 0 and 50)
);
comment on table payments.attempts is
  'Each try to collect an order''s money. The row is committed before WeChat hears of its number.';
comment on column payments.attempts.number is
  'Our number at the provider. All questions and repeats use it; it is never given out twice.';
comment on column payments.attempts.merchant is 'The merchant account the attempt was made with; empty for internal and offline ones.';
comment on column payments.attempts.app is 'The app the attempt was made with.';
comment on column payments.attempts.payer is 'The payer''s id in that app; a repeat must name the same.';
comment on column payments.attempts.provider_number is 'WeChat''s number of the payment.';
comment on column payments.attempts.expires_at is 'The last moment to pay, told to WeChat.';
comment on column payments.attempts.next_query_at is
  'When to ask WeChat next, should its notification be lost. Empty once the attempt has ended.';
comment on column payments.attempts.order_id is
  'What is paid for: an order, or with purpose top_up a top-up.';
comment on column payments.attempts.owner is
  'The member whose principal a top-up''s money is booked to.';
comment on column payments.attempts.is_shared is 'The money is frozen at WeChat until it is split.';
comment on column payments.attempts.refunded_fen is
  'All refunds intended and not given up. Money that is parked goes back by way of suspense.';
comment on column payments.attempts.refund_count is
  'Numbers given to refunds of this payment, those given up included: WeChat counts them all.';
comment on column payments.attempts.next_refund_at is
  'WeChat wants refunds of one payment apart: before it none is asked for.';
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
  paid_at timestamptz not null,
  state text not null check (state in ('parked', 'refunding', 'resolved')),
  ticket text check (ticket in ('unknown_number', 'foreign_account', 'foreign_currency',
    'coupon_used', 'too_old', 'refund_failed')),
  is_booked boolean not null,
  is_shared boolean not null,
  resolution text check (resolution in ('refunded', 'accepted', 'kept', 'dismissed')),
  note text check (length(note) between 1 and 500),
  resolved_by text,
  resolved_at timestamptz,
  primary key (shop_id, parked_id),
  check ((state = 'resolved') = (resolution is not null)),
  check ((state = 'resolved') = (resolved_at is not null)),
  check (state <> 'parked' or ticket is not null),
  check ((resolution = 'dismissed') = (not is_booked and state = 'resolved')),
  foreign key (shop_id, payment_id) references payments.attempts (shop_id, payment_id)
);
comment on table payments.suspense is
  'Money that arrived and belongs to no order, from its parking to its end. What is surely ours '
  'goes back by itself; for the rest a person decides.';
comment on column payments.suspense.amount_fen is 'In minor units of `currency`.';
comment on column payments.suspense.ticket is
  'Why it does not go back by itself: a person has to decide.';
comment on column payments.suspense.is_booked is
  'It lies with our merchant account, so the ledger holds it.';
comment on column payments.suspense.is_shared is 'It lies frozen at WeChat.';
create unique index suspense_once on payments.suspense (shop_id, provider_number)
  where resolution is distinct from 'accepted';
create index suspense_newest on payments.suspense (shop_id, parked_at desc, parked_id desc);
create index suspense_payment on payments.suspense (shop_id, payment_id);
select kernel.tenant_table('payments.suspense', worker => true);

create table payments.refunds (
  shop_id int not null,
  refund_id uuid not null,
  order_id uuid,
  payment_id uuid,
  parked_id uuid,
  purpose text not null check (purpose in ('order', 'top_up')),
  origin text not null check (origin in ('after_sale', 'cancel', 'suspense', 'top_up')),
  state text not null check (state in ('waiting', 'counter', 'created', 'processing', 'succeeded',
    'abnormal', 'failed', 'settled', 'closed')),
  amount_fen bigint not null,
  total_fen bigint not null check (total_fen between 1 and 10000000000),
  reason text not null check (length(reason) between 1 and 80),
  number text not null check (length(number) between 1 and 64),
  merchant text not null,
  provider_payment text not null,
  provider_number text check (length(provider_number) between 1 and 64),
  problem text check (length(problem) between 1 and 64),
  to_merchant boolean not null default false,
  calls int not null default 0 check (calls >= 0),
  restarts int not null default 0 check (restarts >= 0),
  created_at timestamptz not null,
  moved_at timestamptz not null,
  next_call_at timestamptz,
  ended_at timestamptz,
  primary key (shop_id, refund_id),
  unique (shop_id, number),
  foreign key (shop_id, payment_id) references payments.attempts (shop_id, payment_id),
  foreign key (shop_id, parked_id) references payments.suspense (shop_id, parked_id),
  check (amount_fen between 1 and total_fen),
  check ((origin = 'suspense') = (parked_id is not null)),
  check (parked_id is not null or (payment_id is not null and order_id is not null)),
  check ((next_call_at is not null) = (state in ('created', 'processing'))),
  check ((ended_at is not null) = (state in ('succeeded', 'settled', 'closed'))),
  check (problem is not null or state not in ('abnormal', 'failed'))
);
comment on table payments.refunds is
  'Money on its way back to a payer. The row is committed before WeChat hears of its number, and '
  'every repeat uses that number: another one would be a second refund.';
comment on column payments.refunds.parked_id is 'The parked money it sends back, all of it.';
comment on column payments.refunds.total_fen is 'What the payment was at WeChat.';
comment on column payments.refunds.number is 'Our number at the provider.';
comment on column payments.refunds.merchant is 'The merchant account the money lies with; empty for cash.';
comment on column payments.refunds.provider_payment is 'WeChat''s number of the payment.';
comment on column payments.refunds.provider_number is 'WeChat''s number of the refund.';
comment on column payments.refunds.problem is 'What was said against it last: WeChat''s code.';
comment on column payments.refunds.to_merchant is
  'An abnormal refund was sent to the merchant''s own card: who bought still waits for the money.';
comment on column payments.refunds.calls is
  'How often WeChat was spoken to; an answer to an older call than the last decides nothing.';
comment on column payments.refunds.restarts is 'How often WeChat was asked again after a close.';
comment on column payments.refunds.moved_at is 'When it came to its present state.';
comment on column payments.refunds.next_call_at is
  'When to ask WeChat next: for the refund while it is created, about it while it is processing.';
create unique index refund_parked_once on payments.refunds (shop_id, parked_id)
  where parked_id is not null and state <> 'closed';
create index refund_order on payments.refunds (shop_id, order_id);
create index refund_payment on payments.refunds (shop_id, payment_id);
create index refund_newest on payments.refunds (shop_id, refund_id desc);
create index refund_state on payments.refunds (shop_id, state, refund_id desc);
create index refund_due on payments.refunds (next_call_at) where next_call_at is not null;
select kernel.tenant_table('payments.refunds', worker => true);

create table payments.refund_timeline (
  shop_id int not null,
  refund_id uuid not null,
  entry_id uuid not null,
  at timestamptz not null,
  event text not null,
  actor_name text not null,
  detail jsonb not null,
  primary key (shop_id, refund_id, entry_id),
  foreign key (shop_id, refund_id) references payments.refunds (shop_id, refund_id)
);
comment on table payments.refund_timeline is
  'What happened to a refund, in WeChat''s own codes, and who did it. Never edited.';
select kernel.tenant_table('payments.refund_timeline');
