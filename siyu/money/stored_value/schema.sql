create schema stored_value;

create table stored_value.settings (
  shop_id int primary key,
  card_kind text not null check (card_kind in ('named', 'unnamed')),
  limit_fen bigint not null check (limit_fen between 0 and 10000000000),
  spend_order text not null
    check (spend_order in ('proportional', 'principal_first', 'bonus_first')),
  bonus_limit_bps int not null check (bonus_limit_bps between 0 and 10000),
  bonus_months int check (bonus_months between 1 and 120),
  grace_days int not null check (grace_days between 1 and 366),
  adjust_limit_fen bigint not null check (adjust_limit_fen between 0 and 10000000000),
  updated_at timestamptz not null
);
comment on table stored_value.settings is
  'The rules of a shop that changed them; the others have those of contracts.StoredValueSettings.';
comment on column stored_value.settings.limit_fen is
  'Most value in one wallet after a top-up, bonus included.';
comment on column stored_value.settings.bonus_limit_bps is
  'The bonus of an offer above it needs a reason (mission 53).';
comment on column stored_value.settings.adjust_limit_fen is
  'What one member of staff may adjust in 24 hours without a second person.';
select kernel.tenant_table('stored_value.settings');

create table stored_value.licences (
  shop_id int not null,
  licence_id uuid not null,
  kind text not null check (kind in ('single_purpose', 'local_filing', 'payment_licence')),
  number text not null check (length(number) between 1 and 64),
  issuer text not null check (length(issuer) between 1 and 100),
  valid_from_on date not null,
  valid_until_on date,
  accepted_by text not null,
  accepted_at timestamptz not null,
  withdrawn_at timestamptz,
  primary key (shop_id, licence_id),
  check (valid_until_on >= valid_from_on)
);
comment on table stored_value.licences is
  'Licences and filings as the shop recorded and accepted them. Without one that is valid nobody can pay in.';
create unique index licence_in_force on stored_value.licences (shop_id) where withdrawn_at is null;
select kernel.tenant_table('stored_value.licences');

create table stored_value.offers (
  shop_id int not null,
  offer_id uuid not null,
  amount_fen bigint not null check (amount_fen between 1 and 10000000000),
  bonus_fen bigint not null check (bonus_fen between 0 and 10000000000),
  override_reason text check (length(override_reason) between 2 and 200),
  created_at timestamptz not null,
  retired_at timestamptz,
  primary key (shop_id, offer_id)
);
comment on table stored_value.offers is
  'Pay in so much, get so much bonus. Never changed: a new one takes the place of a retired one.';
comment on column stored_value.offers.override_reason is
  'Why the bonus may exceed the guard; null when it does not.';
create unique index offer_active on stored_value.offers (shop_id, amount_fen)
  where retired_at is null;
select kernel.tenant_table('stored_value.offers');

create table stored_value.wallets (
  shop_id int not null,
  member_id uuid not null,
  movements int not null check (movements >= 0),
  frozen_at timestamptz,
  frozen_reason text check (length(frozen_reason) between 2 and 200),
  opened_at timestamptz not null,
  primary key (shop_id, member_id),
  check ((frozen_at is null) = (frozen_reason is null))
);
comment on table stored_value.wallets is
  'A member''s wallet. Its row is locked by everything that moves value, so that two devices wait for one another (F059).';
comment on column stored_value.wallets.movements is 'The number of the last line of the statement.';
create index wallet_newest on stored_value.wallets (shop_id, opened_at desc, member_id desc);
select kernel.tenant_table('stored_value.wallets');

create table stored_value.top_ups (
  shop_id int not null,
  top_up_id uuid not null,
  member_id uuid not null,
  person_no bigint not null,
  offer_id uuid not null,
  amount_fen bigint not null check (amount_fen between 1 and 10000000000),
  bonus_fen bigint not null check (bonus_fen between 0 and 10000000000),
  platform text not null check (platform in ('mp-weixin', 'h5', 'ios')),
  state text not null check (state in ('pending', 'paid', 'closed', 'parked')),
  created_at timestamptz not null,
  pay_before timestamptz not null,
  paid_at timestamptz,
  payment_id uuid,
  refunded_fen bigint not null default 0,
  withdrawn_fen bigint not null default 0,
  kept_back_fen bigint not null default 0,
  home_id uuid,
  primary key (shop_id, top_up_id),
  foreign key (shop_id, offer_id) references stored_value.offers (shop_id, offer_id),
  foreign key (shop_id, member_id) references stored_value.wallets (shop_id, member_id),
  check ((state = 'paid') = (paid_at is not null)),
  check ((payment_id is not null) = (state in ('paid', 'parked'))),
  check (refunded_fen between 0 and amount_fen),
  check (withdrawn_fen between 0 and bonus_fen),
  check (kept_back_fen between 0 and refunded_fen)
);
comment on table stored_value.top_ups is 'Payments into wallets, from the wish to the money.';
comment on column stored_value.top_ups.refunded_fen is
  'Principal taken out again by refunds; kept_back_fen of it paid for bonus that was spent.';
comment on column stored_value.top_ups.home_id is
  'The record that paid it in, when a merge gave it to another; null: member_id.';
comment on column stored_value.top_ups.withdrawn_fen is 'Unspent bonus taken back by refunds.';
create index top_up_member on stored_value.top_ups (shop_id, member_id, top_up_id desc);
create index top_up_overdue on stored_value.top_ups (pay_before) where state = 'pending';
select kernel.tenant_table('stored_value.top_ups', worker => true);

create table stored_value.lots (
  shop_id int not null,
  lot_id uuid not null,
  member_id uuid not null,
  principal_fen bigint not null check (principal_fen between 0 and 10000000000),
  bonus_fen bigint not null check (bonus_fen between 0 and 10000000000),
  principal_left_fen bigint not null check (principal_left_fen between 0 and principal_fen),
  bonus_left_fen bigint not null check (bonus_left_fen between 0 and bonus_fen),
  unused_fen bigint not null default 0 check (unused_fen between 0 and bonus_fen - bonus_left_fen),
  expires_on date,
  created_at timestamptz not null,
  home_id uuid,
  primary key (shop_id, lot_id),
  foreign key (shop_id, member_id) references stored_value.wallets (shop_id, member_id)
);
comment on table stored_value.lots is
  'Value that came together: a top-up (lot_id is its id) or an adjustment. What is left may be spent.';
comment on column stored_value.lots.expires_on is
  'Last good day of the bonus. Principal never expires.';
comment on column stored_value.lots.unused_fen is
  'Bonus that ended unspent: its day was over, or staff took it away.';
comment on column stored_value.lots.home_id is
  'The record it came with, when a merge gave it to another; null: member_id.';
create index lot_member on stored_value.lots (shop_id, member_id);
create index lot_home on stored_value.lots (shop_id, home_id) where home_id is not null;
create index lot_left on stored_value.lots (shop_id, member_id, lot_id)
  where principal_left_fen > 0 or bonus_left_fen > 0;
create index lot_ending on stored_value.lots (expires_on) where bonus_left_fen > 0;
select kernel.tenant_table('stored_value.lots', worker => true);

create table stored_value.spendings (
  shop_id int not null,
  spending_id uuid not null,
  order_id uuid not null,
  member_id uuid not null,
  state text not null check (state in ('held', 'captured', 'released')),
  principal_fen bigint not null check (principal_fen >= 0),
  bonus_fen bigint not null check (bonus_fen >= 0),
  principal_hold uuid,
  bonus_hold uuid,
  expires_at timestamptz,
  held_at timestamptz not null,
  ended_at timestamptz,
  back_principal_fen bigint not null default 0,
  back_bonus_fen bigint not null default 0,
  primary key (shop_id, spending_id),
  foreign key (shop_id, member_id) references stored_value.wallets (shop_id, member_id),
  check (principal_fen + bonus_fen between 1 and 10000000000),
  check ((principal_hold is not null) = (principal_fen > 0)),
  check ((bonus_hold is not null) = (bonus_fen > 0)),
  check ((ended_at is null) = (state = 'held')),
  check (back_principal_fen between 0 and principal_fen),
  check (back_bonus_fen between 0 and bonus_fen),
  check (state = 'captured' or back_principal_fen + back_bonus_fen = 0)
);
comment on table stored_value.spendings is
  'What orders have reserved or spent. An order has at most one that is not released.';
comment on column stored_value.spendings.principal_hold is 'The hold in the ledger.';
comment on column stored_value.spendings.expires_at is
  'When the order should have been paid; for people only. An order that waits for WeChat''s word keeps what it holds (F016).';
create unique index spending_of_order on stored_value.spendings (shop_id, order_id)
  where state <> 'released';
create index spending_held on stored_value.spendings (shop_id, member_id) where state = 'held';
select kernel.tenant_table('stored_value.spendings');

create table stored_value.parts (
  shop_id int not null,
  spending_id uuid not null,
  part_no int not null,
  lot_id uuid not null,
  principal_fen bigint not null check (principal_fen >= 0),
  bonus_fen bigint not null check (bonus_fen >= 0),
  back_principal_fen bigint not null default 0,
  back_bonus_fen bigint not null default 0,
  primary key (shop_id, spending_id, part_no),
  unique (shop_id, spending_id, lot_id),
  foreign key (shop_id, spending_id) references stored_value.spendings (shop_id, spending_id),
  foreign key (shop_id, lot_id) references stored_value.lots (shop_id, lot_id),
  check (principal_fen + bonus_fen > 0),
  check (back_principal_fen between 0 and principal_fen),
  check (back_bonus_fen between 0 and bonus_fen)
);
comment on table stored_value.parts is
  'Which lots a spending was taken from, in that order; back_ is what returned to the lot.';
create index part_of_lot on stored_value.parts (shop_id, lot_id);
select kernel.tenant_table('stored_value.parts');

create table stored_value.give_backs (
  shop_id int not null,
  refund_id uuid not null,
  spending_id uuid not null,
  principal_fen bigint not null check (principal_fen >= 0),
  bonus_fen bigint not null check (bonus_fen >= 0),
  given_at timestamptz not null,
  primary key (shop_id, refund_id),
  foreign key (shop_id, spending_id) references stored_value.spendings (shop_id, spending_id),
  check (principal_fen + bonus_fen > 0)
);
comment on table stored_value.give_backs is 'What refunds of orders put back, once per refund.';
create index give_back_spending on stored_value.give_backs (shop_id, spending_id);
select kernel.tenant_table('stored_value.give_backs');

create table stored_value.refunds (
  shop_id int not null,
  refund_id uuid not null,
  top_up_id uuid not null,
  principal_fen bigint not null check (principal_fen > 0),
  money_fen bigint not null check (money_fen > 0),
  withdrawn_fen bigint not null check (withdrawn_fen >= 0),
  kept_back_fen bigint not null check (kept_back_fen >= 0),
  state text not null check (state in ('intended', 'succeeded', 'undone')),
  reason text not null check (length(reason) between 2 and 200),
  created_at timestamptz not null,
  ended_at timestamptz,
  primary key (shop_id, refund_id),
  foreign key (shop_id, top_up_id) references stored_value.top_ups (shop_id, top_up_id),
  check (principal_fen = money_fen + kept_back_fen),
  check ((ended_at is null) = (state = 'intended'))
);
comment on table stored_value.refunds is
  'Unspent principal on its way back to the payer, with the bonus that went with it.';
create index refund_top_up on stored_value.refunds (shop_id, top_up_id);
select kernel.tenant_table('stored_value.refunds');

create table stored_value.adjustments (
  shop_id int not null,
  adjustment_id uuid not null,
  member_id uuid not null,
  side text not null check (side in ('principal', 'bonus')),
  delta_fen bigint not null
    check (delta_fen between -10000000000 and 10000000000 and delta_fen <> 0),
  reason text not null check (length(reason) between 2 and 200),
  state text not null check (state in ('waiting', 'done', 'refused')),
  asked_by text not null,
  asked_by_name text not null,
  asked_at timestamptz not null,
  decided_by text,
  decided_by_name text,
  decided_at timestamptz,
  primary key (shop_id, adjustment_id),
  foreign key (shop_id, member_id) references stored_value.wallets (shop_id, member_id),
  check ((decided_at is null) = (state = 'waiting')),
  check ((decided_by is null) or state <> 'waiting'),
  constraint approved_by_another check (decided_by <> asked_by or state = 'refused')
);
comment on table stored_value.adjustments is
  'Corrections by staff. Above the limit they wait for a second person; decided_by null: below it.';
create index adjustment_waiting on stored_value.adjustments (shop_id, adjustment_id)
  where state = 'waiting';
create index adjustment_asked on stored_value.adjustments (shop_id, asked_by, asked_at);
select kernel.tenant_table('stored_value.adjustments');

create table stored_value.movements (
  shop_id int not null,
  member_id uuid not null,
  movement_no int not null check (movement_no > 0),
  kind text not null check (kind in ('topped_up', 'spent', 'given_back', 'refunded',
    'refund_undone', 'expired', 'adjusted', 'moved')),
  principal_fen bigint not null,
  bonus_fen bigint not null,
  principal_after_fen bigint not null check (principal_after_fen >= 0),
  bonus_after_fen bigint not null check (bonus_after_fen >= 0),
  kept_back_fen bigint not null check (kept_back_fen >= 0),
  order_id uuid,
  top_up_id uuid,
  note text not null check (length(note) <= 200),
  at timestamptz not null,
  primary key (shop_id, member_id, movement_no),
  foreign key (shop_id, member_id) references stored_value.wallets (shop_id, member_id),
  check (principal_fen <> 0 or bonus_fen <> 0)
);
comment on table stored_value.movements is
  'The statement, numbered without a gap per member. Never changed.';
comment on column stored_value.movements.principal_after_fen is
  'What the member owned after it, what unpaid orders have reserved included.';
comment on column stored_value.movements.kept_back_fen is
  'Of refunded principal, what paid for bonus that was spent: it did not go to the payer.';
select kernel.tenant_table('stored_value.movements');
revoke update, delete on stored_value.movements from siyu_app;
