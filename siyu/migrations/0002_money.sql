-- money that proves itself
-- depends: 0001_foundation

-- migrate: apply
-- What changes in what there is.

alter table staff.memberships drop constraint memberships_role_check;
alter table staff.memberships add check (role in ('owner', 'manager', 'clerk', 'finance', 'analyst'));

alter table inventory.movements drop constraint movements_kind_check;
alter table inventory.movements add check (kind in ('received', 'adjusted', 'sold', 'returned'));
create unique index movement_returned on inventory.movements (shop_id, source, sku_id) where kind = 'returned';

-- The ledger.

-- The ledger keeps itself: what is promised here holds for every session, the owner's too.
create schema ledger;

-- Books and their normal side: 1 grows by debit (assets, costs), -1 by credit (debts, income).
create function ledger.side(book text) returns int language sql immutable as $$
  select case
    when book in ('wechat', 'wechat_frozen', 'receivable', 'petty', 'fees', 'commission_cost',
                  'bonus_cost', 'losses', 'points_issued') then 1
    when book in ('principal', 'bonus', 'commission', 'refund_due', 'payout_due', 'tax_due', 'suspense',
                  'unmatched',
                  'sales', 'breakage', 'opening', 'points') then -1
  end $$;
create function ledger.is_owned(book text) returns boolean language sql immutable as $$
  select book in ('receivable', 'principal', 'bonus', 'commission', 'points') $$;
-- How low an owned account may fall unless it is told otherwise; null: no limit.
create function ledger.usual_floor(book text) returns bigint language sql immutable as $$
  select case when book in ('receivable', 'principal', 'bonus', 'points') then 0::bigint end $$;
create function ledger.nobody() returns uuid language sql immutable as $$
  select '00000000-0000-0000-0000-000000000000'::uuid $$;

create table ledger.entries (
  shop_id int not null,
  entry_id uuid not null,
  key text not null check (length(key) between 1 and 200),
  kind text not null check (kind ~ '^[a-z_]{2,40}$'),
  leg_count smallint not null check (leg_count >= 2),
  order_id uuid,
  ref uuid,
  reverses uuid,
  note text not null check (length(note) <= 500),
  happened_at timestamptz not null,
  primary key (shop_id, entry_id),
  unique (shop_id, key),
  foreign key (shop_id, reverses) references ledger.entries (shop_id, entry_id)
);
comment on table ledger.entries is
  'What happened, once per key. Never changed, never removed; a mistake is corrected by a new one.';
comment on column ledger.entries.key is 'Says what it books, such as payment:<id>; makes posting idempotent.';
comment on column ledger.entries.leg_count is 'How many legs came with it, numbered from 1.';
comment on column ledger.entries.reverses is 'The entry this one takes back; at most one does.';
create index entry_order on ledger.entries (shop_id, order_id) where order_id is not null;
create index entry_ref on ledger.entries (shop_id, ref) where ref is not null;
create unique index entry_reversed_once on ledger.entries (shop_id, reverses)
  where reverses is not null;
select kernel.tenant_table('ledger.entries', worker => true);

create table ledger.legs (
  shop_id int not null,
  entry_id uuid not null,
  leg_no smallint not null,
  book text not null,
  owner uuid not null,
  asset text not null check (asset ~ '^([A-Z]{3}|POINT)$'),
  units bigint not null check (units <> 0 and abs(units) <= 1000000000000),
  primary key (shop_id, entry_id, leg_no),
  constraint legs_book check (ledger.side(book) is not null),
  constraint legs_owner check (ledger.is_owned(book) = (owner <> ledger.nobody())),
  constraint legs_points check ((asset = 'POINT') = (book in ('points', 'points_issued')))
);
comment on table ledger.legs is
  'The sides of the entries. Their triggers see to it that all legs of an entry come in one statement with it and sum to zero per asset.';
comment on column ledger.legs.owner is 'Member or receiver; all zeros for books without owners.';
comment on column ledger.legs.units is 'Signed minor units of the asset: debit > 0, credit < 0.';
create index leg_account on ledger.legs (shop_id, book, owner, entry_id);
select kernel.tenant_table('ledger.legs', worker => true);

create table ledger.accounts (
  shop_id int not null,
  book text not null check (ledger.side(book) is not null),
  owner uuid not null,
  asset text not null,
  posted bigint not null,
  held bigint not null check (held >= 0),
  floor bigint,
  primary key (shop_id, book, owner, asset),
  check (ledger.is_owned(book) = (owner <> ledger.nobody())),
  check (ledger.is_owned(book) or (held = 0 and floor is null))
) with (fillfactor = 70);
comment on table ledger.accounts is
  'Balances: always the sum of the legs (books without owners: together with ledger.deltas). Moved by triggers only.';
comment on column ledger.accounts.posted is 'Minor units in the normal direction of the book.';
comment on column ledger.accounts.held is 'Sum of the pending holds.';
comment on column ledger.accounts.floor is
  'posted - held may not fall below it; null: no limit. What is above it already may stay.';
select kernel.tenant_table('ledger.accounts', worker => true);

create table ledger.deltas (
  shop_id int not null,
  delta_id bigint generated always as identity,
  book text not null,
  asset text not null,
  units bigint not null,
  primary key (shop_id, delta_id)
) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
comment on table ledger.deltas is
  'What was posted to books without owners since the last roll-up: payments do not wait for one another on one row. Deleting a row adds it to its account.';
comment on column ledger.deltas.units is 'Debit minus credit, minor units.';
select kernel.tenant_table('ledger.deltas', worker => true);

create table ledger.holds (
  shop_id int not null,
  hold_id uuid not null,
  key text not null check (length(key) between 1 and 200),
  book text not null check (book in ('principal', 'bonus', 'commission', 'points')),
  owner uuid not null,
  asset text not null,
  units bigint not null check (units between 1 and 1000000000000),
  state text not null check (state in ('pending', 'posted', 'voided', 'expired')),
  order_id uuid,
  entry_id uuid,
  held_at timestamptz not null,
  expires_at timestamptz,
  ended_at timestamptz,
  primary key (shop_id, hold_id),
  unique (shop_id, key),
  foreign key (shop_id, book, owner, asset) references ledger.accounts,
  foreign key (shop_id, entry_id) references ledger.entries (shop_id, entry_id)
    deferrable initially deferred,
  check ((entry_id is not null) = (state = 'posted')),
  check ((ended_at is not null) = (state <> 'pending'))
);
comment on table ledger.holds is
  'Balance set aside: pending, then posted by an entry, voided or expired. Its end is final.';
comment on column ledger.holds.units is 'Minor units that nobody else can spend meanwhile.';
create index hold_order on ledger.holds (shop_id, order_id) where order_id is not null;
create index hold_account on ledger.holds (shop_id, book, owner) where state = 'pending';
create index hold_expiry on ledger.holds (expires_at) where state = 'pending';
select kernel.tenant_table('ledger.holds', worker => true);

-- --- what is written stays ------------------------------------------------------------------------

create function ledger.refuse() returns trigger language plpgsql as $$
begin
  raise exception 'ledger: %', tg_argv[0] using errcode = 'integrity_constraint_violation';
end $$;

create trigger entries_stay before update or delete or truncate on ledger.entries
  for each statement execute function ledger.refuse('entries are never changed or removed');
create trigger legs_stay before update or delete or truncate on ledger.legs
  for each statement execute function ledger.refuse('legs are never changed or removed');
create trigger holds_stay before delete or truncate on ledger.holds
  for each statement execute function ledger.refuse('holds are never removed');
create trigger accounts_stay before delete or truncate on ledger.accounts
  for each statement execute function ledger.refuse('accounts are never removed');
create trigger deltas_stay before update or truncate on ledger.deltas
  for each statement execute function ledger.refuse('deltas are only rolled up');

-- --- an entry comes whole ---------------------------------------------------------------------------
-- Rows are looked up by scalar subqueries: a join would scan whole tables while their statistics
-- still say that they are small.

create function ledger.check_entries() returns trigger language plpgsql as $$
begin
  if exists (
    select from fresh e where (
      select l.leg_no from ledger.legs l
      where l.shop_id = e.shop_id and l.entry_id = e.entry_id and l.leg_no = 1) is null)
  then
    raise exception 'ledger: an entry comes in one statement with its legs'
      using errcode = 'integrity_constraint_violation';
  end if;
  return null;
end $$;
create trigger entries_come_whole after insert on ledger.entries
  referencing new table as fresh for each statement execute function ledger.check_entries();

-- Legs numbered 1..leg_count, all in this statement: a later one would have to take a number that
-- is taken. Then the balances move: owners' accounts at once, in the order of their keys.
create function ledger.take_legs() returns trigger language plpgsql as $$
begin
  if exists (
    select from (
      select shop_id, entry_id, count(*) as legs, min(leg_no) as first, max(leg_no) as last
      from fresh group by 1, 2) f
    where f.first <> 1 or f.last <> f.legs or f.legs is distinct from (
      select e.leg_count from ledger.entries e
      where e.shop_id = f.shop_id and e.entry_id = f.entry_id))
  then
    raise exception 'ledger: all legs of an entry come in one statement with it'
      using errcode = 'integrity_constraint_violation';
  end if;
  if exists (select from fresh group by shop_id, entry_id, asset having sum(units) <> 0) then
    raise exception 'ledger: the legs of an entry sum to zero per asset'
      using errcode = 'integrity_constraint_violation';
  end if;
  insert into ledger.deltas (shop_id, book, asset, units)
  select shop_id, book, asset, sum(units) from fresh where owner = ledger.nobody()
  group by shop_id, book, asset having sum(units) <> 0;
  insert into ledger.accounts as a (shop_id, book, owner, asset, posted, held, floor)
  select shop_id, book, owner, asset, ledger.side(book) * sum(units), 0, ledger.usual_floor(book)
  from fresh where owner <> ledger.nobody()
  group by shop_id, book, owner, asset order by shop_id, book, owner, asset
  on conflict (shop_id, book, owner, asset) do update set posted = a.posted + excluded.posted;
  return null;
end $$;
create trigger legs_come_whole after insert on ledger.legs
  referencing new table as fresh for each statement execute function ledger.take_legs();

-- --- balances move with legs and holds only ---------------------------------------------------------

create trigger accounts_follow_legs before insert on ledger.accounts for each row
  when (pg_trigger_depth() = 0 and (new.posted <> 0 or new.held <> 0))
  execute function ledger.refuse('balances move with legs and holds only');
create trigger accounts_follow before update on ledger.accounts for each row
  when ((pg_trigger_depth() = 0 and (new.posted <> old.posted or new.held <> old.held))
    or (new.shop_id, new.book, new.owner, new.asset)
      is distinct from (old.shop_id, old.book, old.owner, old.asset))
  execute function ledger.refuse('balances move with legs and holds only');
create trigger accounts_keep_floor after update on ledger.accounts for each row
  when (new.posted - new.held < old.posted - old.held
    and (new.posted - new.held < new.floor
      or new.held > old.held and new.posted < new.held))
  execute function ledger.refuse('the balance is short');
create trigger accounts_begin_above_floor after insert on ledger.accounts for each row
  when (new.posted - new.held < new.floor)
  execute function ledger.refuse('the balance is short');
create trigger deltas_follow_legs before insert on ledger.deltas for each statement
  when (pg_trigger_depth() = 0)
  execute function ledger.refuse('balances move with legs and holds only');

create function ledger.roll_up() returns trigger language plpgsql as $$
begin
  insert into ledger.accounts as a (shop_id, book, owner, asset, posted, held, floor)
  select shop_id, book, ledger.nobody(), asset, ledger.side(book) * sum(units), 0, null
  from gone group by shop_id, book, asset order by shop_id, book, asset
  on conflict (shop_id, book, owner, asset) do update set posted = a.posted + excluded.posted;
  return null;
end $$;
create trigger deltas_roll_up after delete on ledger.deltas
  referencing old table as gone for each statement execute function ledger.roll_up();

-- --- holds ------------------------------------------------------------------------------------------

create trigger holds_begin_pending before insert on ledger.holds for each row
  when (new.state <> 'pending')
  execute function ledger.refuse('a hold begins pending');
create trigger holds_end_once before update on ledger.holds for each row
  when (old.state <> 'pending'
    or (new.shop_id, new.hold_id, new.key, new.book, new.owner, new.asset, new.units, new.order_id,
        new.held_at) is distinct from
       (old.shop_id, old.hold_id, old.key, old.book, old.owner, old.asset, old.units, old.order_id,
        old.held_at))
  execute function ledger.refuse('a hold ends once and keeps its amount');

create function ledger.take_holds() returns trigger language plpgsql as $$
declare
  direction int := case tg_op when 'INSERT' then 1 else -1 end;
  wanted int;
  moved int;
begin
  select count(distinct (shop_id, book, owner, asset)) into wanted from fresh
  where direction = 1 or state <> 'pending';
  with changes as (
    select shop_id, book, owner, asset, sum(units) as units from fresh
    where direction = 1 or state <> 'pending' group by 1, 2, 3, 4),
  locked as materialized (
    select l.* from (select * from changes order by shop_id, book, owner, asset) c
    cross join lateral (
      select a.shop_id, a.book, a.owner, a.asset, c.units from ledger.accounts a
      where a.shop_id = c.shop_id and a.book = c.book and a.owner = c.owner and a.asset = c.asset
      for no key update) l)
  update ledger.accounts a set held = a.held + direction * l.units from locked l
  where a.shop_id = l.shop_id and a.book = l.book and a.owner = l.owner and a.asset = l.asset;
  get diagnostics moved = row_count;
  if moved <> wanted then
    raise exception 'ledger: a hold without an account'
      using errcode = 'integrity_constraint_violation';
  end if;
  return null;
end $$;
create trigger holds_hold after insert on ledger.holds
  referencing new table as fresh for each statement execute function ledger.take_holds();
create trigger holds_end after update on ledger.holds
  referencing new table as fresh for each statement execute function ledger.take_holds();

-- Also while constraints are off for a replica (`session_replication_role`).
do $$
declare
  one record;
begin
  for one in
    select tgrelid::regclass as name, tgname from pg_trigger
    join pg_class c on c.oid = tgrelid
    where c.relnamespace = 'ledger'::regnamespace and not tgisinternal
  loop
    execute format('alter table %s enable always trigger %I', one.name, one.tgname);
  end loop;
end $$;

revoke update, delete on ledger.entries, ledger.legs from siyu_app, siyu_system;
revoke delete on ledger.holds, ledger.accounts from siyu_app, siyu_system;

-- Payments: what attempts and parked money say now, and what is booked of them.

alter table payments.attempts
  add column purpose text not null default 'order' check (purpose in ('order', 'top_up')),
  add column owner uuid,
  add column is_shared boolean not null default false,
  add column refunded_fen bigint not null default 0,
  add column refund_count int not null default 0,
  add column next_refund_at timestamptz,
  add check ((owner is not null) = (purpose = 'top_up')),
  add constraint refunds_stay_within_the_payment check (
    refunded_fen between 0 and amount_fen and (refunded_fen = 0 or state = 'paid')),
  add constraint refunds_are_fifty_at_most check (refund_count between 0 and 50);
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

alter table payments.suspense
  add column paid_at timestamptz,
  add column state text not null default 'parked' check (state in ('parked', 'refunding', 'resolved')),
  add column ticket text check (ticket in ('unknown_number', 'foreign_account', 'foreign_currency',
    'coupon_used', 'too_old', 'refund_failed')),
  add column is_booked boolean not null default false,
  add column is_shared boolean not null default false,
  add column resolution text check (resolution in ('refunded', 'accepted', 'kept', 'dismissed')),
  add column note text check (length(note) between 1 and 500),
  add column resolved_by text,
  add column resolved_at timestamptz,
  drop constraint suspense_shop_id_provider_number_key;
-- What was parked before waits for a person, as it did.
update payments.suspense set paid_at = parked_at,
  is_booked = currency = 'CNY' and reason <> 'wrong_account',
  ticket = case reason when 'unknown_number' then 'unknown_number'
    when 'wrong_account' then 'foreign_account' when 'wrong_currency' then 'foreign_currency'
    when 'coupon_used' then 'coupon_used' else 'too_old' end;
alter table payments.suspense
  alter column paid_at set not null,
  alter column state drop default,
  alter column is_booked drop default,
  alter column is_shared drop default,
  add check ((state = 'resolved') = (resolution is not null)),
  add check ((state = 'resolved') = (resolved_at is not null)),
  add check (state <> 'parked' or ticket is not null),
  add check ((resolution = 'dismissed') = (not is_booked and state = 'resolved'));
comment on table payments.suspense is
  'Money that arrived and belongs to no order, from its parking to its end. What is surely ours '
  'goes back by itself; for the rest a person decides.';
comment on column payments.suspense.ticket is
  'Why it does not go back by itself: a person has to decide.';
comment on column payments.suspense.is_booked is
  'It lies with our merchant account, so the ledger holds it.';
comment on column payments.suspense.is_shared is 'It lies frozen at WeChat.';
create unique index suspense_once on payments.suspense (shop_id, provider_number)
  where resolution is distinct from 'accepted';
create index suspense_payment on payments.suspense (shop_id, payment_id);

-- The money that came before there was a ledger, at the moment it came.
with came as (
  select shop_id, 'payment:' || payment_id as key, 'payment' as kind, order_id, payment_id as ref,
    paid_at, amount_fen, 'sales' as book from payments.attempts
  where state = 'paid' and channel <> 'internal'
  union all
  select shop_id, 'payment_parked:' || parked_id, 'payment_parked', order_id, parked_id, paid_at,
    amount_fen, 'suspense' from payments.suspense where is_booked),
booked as (
  insert into ledger.entries (shop_id, entry_id, key, kind, leg_count, order_id, ref, note, happened_at)
  select shop_id, (lpad(to_hex((extract(epoch from paid_at) * 1000)::bigint), 12, '0')
      || '7' || substr(md5(key), 1, 3) || '8' || substr(md5(key), 4, 15))::uuid,
    key, kind, 2, order_id, ref, '', paid_at from came
  returning shop_id, entry_id, key)
insert into ledger.legs (shop_id, entry_id, leg_no, book, owner, asset, units)
select b.shop_id, b.entry_id, l.leg_no, l.book, ledger.nobody(), 'CNY', l.units
from booked b join came c using (shop_id, key)
cross join lateral (values (1, 'wechat', c.amount_fen), (2, c.book, -c.amount_fen))
  as l (leg_no, book, units);

create table payments.refunds (
  shop_id int not null,
  refund_id uuid not null,
  order_id uuid,
  payment_id uuid,
  parked_id uuid,
  purpose text not null check (purpose in ('order', 'top_up')),
  origin text not null check (origin in ('after_sale', 'cancel', 'suspense', 'top_up')),
  state text not null check (state in ('waiting', 'created', 'processing', 'succeeded', 'abnormal',
    'failed', 'settled', 'closed')),
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
comment on column payments.refunds.merchant is 'The merchant account the money lies with.';
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

-- Orders: delivery, refunds, and what they are paid with.

alter table ordering.orders
  drop constraint orders_status_check,
  drop constraint orders_check3,
  add column delivery text not null default 'ship' check (delivery in ('ship', 'serve', 'instant')),
  add column promoter_id uuid check (promoter_id <> member_id),
  add column refunded_fen bigint not null default 0,
  add column refunded_shipping_fen bigint not null default 0,
  add column carrier text check (length(carrier) between 1 and 40),
  add column tracking_no text check (length(tracking_no) between 1 and 64),
  add column shipped_at timestamptz,
  add column receipt_due_at timestamptz,
  add column completed_at timestamptz,
  add check (status in
    ('pending_payment', 'paid', 'shipped', 'completed', 'cancelled', 'refunded')),
  add constraint refunded_within_paid check (refunded_fen between 0 and paid_fen),
  add constraint shipping_refunded_once
    check (refunded_shipping_fen between 0 and least(shipping_fen, refunded_fen)),
  add check (status <> 'refunded' or refunded_fen = paid_fen),
  add check ((shipped_at is null) = (receipt_due_at is null)),
  add check (status <> 'shipped' or shipped_at is not null),
  add check ((paid_at is not null) = (status in ('paid', 'shipped', 'completed', 'refunded')));
comment on column ordering.orders.delivery is 'ship: something is sent; serve: a service; instant: virtual goods only.';
comment on column ordering.orders.promoter_id is 'The member who brought this order, frozen when it is placed.';
comment on column ordering.orders.refunded_fen is 'What was given back or is being given back, shipping included.';
comment on column ordering.orders.receipt_due_at is 'When a shipped order counts as received.';
create index order_unreceived on ordering.orders (shop_id, receipt_due_at) where status = 'shipped';

alter table ordering.order_lines
  add column points_fen bigint not null default 0,
  add column refunded_quantity int not null default 0,
  add column refunded_fen bigint not null default 0,
  add check (points_fen between 0 and discount_fen),
  add constraint refunded_within_quantity check (refunded_quantity between 0 and quantity),
  add constraint refunded_within_line check (refunded_fen between 0 and total_fen);
comment on column ordering.order_lines.points_fen is 'That part of the discount which was paid with points.';
create table ordering.tenders (
  shop_id int not null,
  order_id uuid not null,
  wechat_fen bigint not null check (wechat_fen between 0 and 10000000000),
  principal_fen bigint not null check (principal_fen between 0 and 10000000000),
  bonus_fen bigint not null check (bonus_fen between 0 and 10000000000),
  points bigint not null check (points between 0 and 10000000000),
  points_fen bigint not null check (points_fen between 0 and 10000000000),
  refunded_wechat_fen bigint not null default 0,
  refunded_balance_fen bigint not null default 0,
  refunded_points bigint not null default 0,
  primary key (shop_id, order_id),
  foreign key (shop_id, order_id) references ordering.orders (shop_id, order_id),
  check ((points = 0) = (points_fen = 0)),
  check (principal_fen + bonus_fen + points > 0),
  constraint wechat_refunded_within check (refunded_wechat_fen between 0 and wechat_fen),
  constraint balance_refunded_within
    check (refunded_balance_fen between 0 and principal_fen + bonus_fen),
  constraint points_refunded_within check (refunded_points between 0 and points)
);
comment on table ordering.tenders is
  'What an order is paid with, when points or balance are part of it; an order without a row is paid by WeChat alone.';
comment on column ordering.tenders.points_fen is 'What the points took off the goods: a part of the order''s discount_fen, not of its total.';
select kernel.tenant_table('ordering.tenders');

create table ordering.refunds (
  shop_id int not null,
  refund_id uuid not null,
  order_id uuid not null,
  status text not null check (status in ('started', 'abnormal', 'closed', 'refunded')),
  amount_fen bigint not null check (amount_fen between 0 and 10000000000),
  shipping_fen bigint not null check (shipping_fen between 0 and amount_fen),
  wechat_fen bigint not null check (wechat_fen >= 0),
  balance_fen bigint not null check (balance_fen >= 0),
  points bigint not null check (points >= 0),
  reason text not null check (length(reason) <= 200),
  is_restocked boolean not null,
  actor text not null,
  started_at timestamptz not null,
  finished_at timestamptz,
  primary key (shop_id, refund_id),
  foreign key (shop_id, order_id) references ordering.orders (shop_id, order_id),
  constraint parts_add_up check (amount_fen = wechat_fen + balance_fen),
  check ((finished_at is not null) = (status = 'refunded'))
);
comment on table ordering.refunds is 'Money, points and goods given back of an order; each counts against its order from the moment it starts.';
create index refund_order on ordering.refunds (shop_id, order_id, started_at);
select kernel.tenant_table('ordering.refunds');

create table ordering.refund_lines (
  shop_id int not null,
  refund_id uuid not null,
  line_no smallint not null,
  quantity int not null check (quantity >= 0),
  amount_fen bigint not null check (amount_fen >= 0),
  primary key (shop_id, refund_id, line_no),
  foreign key (shop_id, refund_id) references ordering.refunds (shop_id, refund_id),
  check (quantity > 0 or amount_fen > 0)
);
comment on table ordering.refund_lines is 'What of each line a refund gives back.';
select kernel.tenant_table('ordering.refund_lines');
revoke update, delete on ordering.refund_lines from siyu_app;

create table ordering.settings (
  shop_id int not null,
  receipt_days int not null check (receipt_days between 1 and 60),
  primary key (shop_id)
);
comment on table ordering.settings is 'What a shop decides about its orders; without a row: contracts.OrderSettings as it stands.';
select kernel.tenant_table('ordering.settings');

comment on table ordering.import_presets is 'Saved column mappings; shape: history_files.ImportPreset.';
comment on table ordering.imports is 'Each import and its counts; shape: history_store.ImportReport.';

-- What is new.

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

create schema profit_sharing;

create table profit_sharing.settings (
  shop_id int primary key,
  max_ratio_bps int not null check (max_ratio_bps between 0 and 10000),
  fee_bps int not null check (fee_bps between 0 and 1000),
  floor_fen bigint not null check (floor_fen between 0 and 100000000),
  freeze_days int not null check (freeze_days between 1 and 180),
  alarm_days int not null check (alarm_days between 1 and freeze_days),
  updated_at timestamptz not null
);
comment on table profit_sharing.settings is
  'What a shop may share; without a row the defaults of contracts.Settings. Its lock serialises the writing of rules.';
comment on column profit_sharing.settings.max_ratio_bps is 'The share of a payment the contract with WeChat allows to be split.';
comment on column profit_sharing.settings.floor_fen is 'How deep a commission balance may go below zero after refunds.';
select kernel.tenant_table('profit_sharing.settings', worker => true);

create table profit_sharing.receivers (
  shop_id int not null,
  receiver_id uuid not null,
  kind text not null check (kind in ('merchant', 'person')),
  account text not null check (length(account) between 1 and 64),
  merchant text not null,
  app text not null,
  member_id uuid,
  owner_id uuid not null,
  name_sealed bytea,
  relation text not null check (relation in ('STORE', 'STAFF', 'STORE_OWNER', 'PARTNER',
    'HEADQUARTER', 'BRAND', 'DISTRIBUTOR', 'USER', 'SUPPLIER', 'SERVICE_PROVIDER', 'CUSTOM')),
  custom_relation text check (length(custom_relation) between 1 and 10),
  state text not null check (state in ('adding', 'active', 'refused', 'removing', 'removed')),
  reason text check (length(reason) <= 300),
  created_at timestamptz not null,
  next_at timestamptz,
  primary key (shop_id, receiver_id),
  check ((relation = 'CUSTOM') = (custom_relation is not null)),
  check (kind <> 'merchant' or (name_sealed is not null and member_id is null)),
  check (owner_id = coalesce(member_id, receiver_id)),
  check ((next_at is not null) = (state in ('adding', 'removing')))
);
comment on table profit_sharing.receivers is 'Who may be given a part by WeChat.';
comment on column profit_sharing.receivers.account is 'A merchant number, or the person''s id in `app`.';
comment on column profit_sharing.receivers.merchant is 'Our merchant number that the receiver was added under.';
comment on column profit_sharing.receivers.owner_id is 'Whose commission balance it is: the member''s, or the receiver''s own.';
comment on column profit_sharing.receivers.next_at is 'When to tell WeChat (again) that the receiver comes or goes.';
create unique index receiver_account on profit_sharing.receivers (shop_id, merchant, kind, account)
  where state <> 'removed';
create unique index receiver_member on profit_sharing.receivers (shop_id, merchant, member_id)
  where state <> 'removed' and member_id is not null;
create index receiver_due on profit_sharing.receivers (next_at) where next_at is not null;
select kernel.tenant_table('profit_sharing.receivers', worker => true);

create table profit_sharing.promoters (
  shop_id int not null,
  member_id uuid not null,
  level int not null check (level in (1, 2)),
  parent_id uuid,
  parent_level int generated always as (case when parent_id is not null then 1 end) stored,
  created_at timestamptz not null,
  primary key (shop_id, member_id),
  unique (shop_id, member_id, level),
  foreign key (shop_id, parent_id, parent_level)
    references profit_sharing.promoters (shop_id, member_id, level),
  check ((level = 2) = (parent_id is not null)),
  check (parent_id <> member_id)
);
comment on table profit_sharing.promoters is
  'Members who bring orders. A parent must be of level 1 and level 1 has no parent: deeper trees and circles cannot be written (F040).';
create index promoter_parent on profit_sharing.promoters (shop_id, parent_id);
select kernel.tenant_table('profit_sharing.promoters');

create table profit_sharing.rules (
  shop_id int not null,
  rule_id uuid not null,
  title text not null check (length(title) between 1 and 60),
  scope text not null check (scope in ('product', 'promoter', 'leader')),
  share_bps int not null check (share_bps between 1 and 10000),
  way text not null check (way in ('split', 'balance')),
  trigger text not null check (trigger in ('receipt', 'days')),
  after_days int check (after_days between 0 and 180),
  product_id uuid,
  level int check (level in (1, 2)),
  receiver_id uuid,
  is_active boolean not null,
  created_at timestamptz not null,
  primary key (shop_id, rule_id),
  foreign key (shop_id, receiver_id) references profit_sharing.receivers (shop_id, receiver_id),
  check ((trigger = 'days') = (after_days is not null)),
  check ((scope = 'product') = (product_id is not null)),
  check ((scope = 'promoter') = (level is not null)),
  check ((scope = 'promoter') = (receiver_id is null))
);
comment on table profit_sharing.rules is
  'Who earns what of which orders. A rule is never edited, only stopped: the parts made by it keep what they were made with.';
create unique index rule_level on profit_sharing.rules (shop_id, level)
  where is_active and scope = 'promoter';
create unique index rule_receiver on profit_sharing.rules (shop_id, scope, product_id, receiver_id)
  nulls not distinct where is_active and scope <> 'promoter';
create index rule_of_receiver on profit_sharing.rules (shop_id, receiver_id);
select kernel.tenant_table('profit_sharing.rules');

create table profit_sharing.plans (
  shop_id int not null,
  order_id uuid not null,
  person_no bigint not null,
  promoter_id uuid,
  state text not null check (state in ('open', 'closed')),
  total_fen bigint not null check (total_fen between 0 and 10000000000),
  paid_fen bigint not null check (paid_fen between 0 and total_fen),
  refunded_fen bigint not null default 0 check (refunded_fen between 0 and total_fen),
  refunded_paid_fen bigint not null default 0 check (refunded_paid_fen between 0 and paid_fen),
  is_frozen boolean not null,
  provider_number text,
  merchant text not null,
  app text not null,
  paid_at timestamptz not null,
  completed_at timestamptz,
  frozen_until timestamptz,
  alarm text check (alarm in ('over_ratio', 'freeze_ends', 'freeze_over', 'refused')),
  alarmed_at timestamptz,
  next_at timestamptz,
  primary key (shop_id, order_id),
  check ((alarm is null) = (alarmed_at is null)),
  check (not is_frozen or (provider_number is not null and frozen_until is not null)),
  check (state = 'open' or (next_at is null and not is_frozen))
);
comment on table profit_sharing.plans is
  'How the money of one paid order is shared: frozen with its parts at that moment.';
comment on column profit_sharing.plans.paid_fen is 'What WeChat collected of total_fen; only this can be split.';
comment on column profit_sharing.plans.refunded_paid_fen is 'What of paid_fen goes back, from the intent on.';
comment on column profit_sharing.plans.is_frozen is 'Money of the payment stands frozen at WeChat, as far as we know.';
comment on column profit_sharing.plans.provider_number is 'WeChat''s number of the payment.';
comment on column profit_sharing.plans.next_at is 'When the worker looks again; empty when only an event can change something.';
create index plan_due on profit_sharing.plans (next_at) where next_at is not null;
create index plan_newest on profit_sharing.plans (shop_id, paid_at desc, order_id desc);
create index plan_alarm on profit_sharing.plans (shop_id, paid_at desc, order_id desc)
  where alarm is not null;
select kernel.tenant_table('profit_sharing.plans', worker => true);

create table profit_sharing.requests (
  shop_id int not null,
  request_id uuid not null,
  order_id uuid not null,
  kind text not null check (kind in ('split', 'unfreeze', 'return')),
  number text not null check (length(number) between 6 and 64),
  split_number text,
  part_no int,
  state text not null check (state in ('created', 'processing', 'finished', 'refused')),
  amount_fen bigint not null check (amount_fen between 0 and 10000000000),
  error text check (length(error) <= 300),
  tries int not null default 0,
  created_at timestamptz not null,
  finished_at timestamptz,
  next_at timestamptz,
  primary key (shop_id, request_id),
  unique (shop_id, number),
  foreign key (shop_id, order_id) references profit_sharing.plans (shop_id, order_id),
  check ((kind = 'return') = (split_number is not null and part_no is not null)),
  check ((next_at is not null) = (state in ('created', 'processing'))),
  check ((finished_at is not null) = (state in ('finished', 'refused')))
);
comment on table profit_sharing.requests is
  'Calls to WeChat that move money. The row, with its number, is committed before the call; a repeat uses the same.';
comment on column profit_sharing.requests.split_number is 'Of a return: the number of the split that gave the money.';
create unique index request_open on profit_sharing.requests (shop_id, order_id)
  where state in ('created', 'processing');
create index request_order on profit_sharing.requests (shop_id, order_id);
select kernel.tenant_table('profit_sharing.requests');

create table profit_sharing.parts (
  shop_id int not null,
  order_id uuid not null,
  part_no int not null check (part_no > 0),
  rule_id uuid not null,
  title text not null,
  scope text not null check (scope in ('product', 'promoter', 'leader')),
  pool text not null,
  level int check (level in (1, 2)),
  owner_id uuid not null,
  receiver_id uuid,
  way text not null check (way in ('split', 'balance')),
  share_bps int not null check (share_bps between 1 and 10000),
  base_fen bigint not null check (base_fen between 0 and 10000000000),
  planned_fen bigint not null check (planned_fen between 0 and base_fen),
  amount_fen bigint not null check (amount_fen between 0 and planned_fen),
  booked_fen bigint not null default 0 check (booked_fen between 0 and planned_fen),
  sent_fen bigint not null default 0 check (sent_fen between 0 and planned_fen),
  recall_fen bigint not null default 0,
  returned_fen bigint not null default 0,
  revision int not null default 0,
  trigger text not null check (trigger in ('receipt', 'days')),
  due_at timestamptz,
  state text not null check (state in ('planned', 'refused', 'sent', 'paid', 'credited', 'dropped')),
  request_id uuid,
  hold_id uuid,
  tries int not null default 0,
  fail_reason text check (length(fail_reason) <= 100),
  primary key (shop_id, order_id, part_no),
  foreign key (shop_id, order_id) references profit_sharing.plans (shop_id, order_id),
  foreign key (shop_id, receiver_id) references profit_sharing.receivers (shop_id, receiver_id),
  foreign key (shop_id, request_id) references profit_sharing.requests (shop_id, request_id),
  check (way = 'balance' or receiver_id is not null),
  check ((state in ('sent', 'paid')) = (request_id is not null)),
  check ((state = 'sent') = (hold_id is not null)),
  check (state in ('sent', 'paid') or sent_fen = 0),
  check (state <> 'dropped' or (amount_fen = 0 and booked_fen = 0)),
  check (recall_fen >= 0 and returned_fen >= 0 and recall_fen + returned_fen <= sent_fen)
);
comment on table profit_sharing.parts is 'What one receiver earns of one order by one rule.';
comment on column profit_sharing.parts.pool is 'Parts of one pool share one base: their sum is the whole share of it, to the fen.';
comment on column profit_sharing.parts.base_fen is 'The money the share is taken of, at the time of the order.';
comment on column profit_sharing.parts.booked_fen is 'What the ledger holds as commission for it, revoked amounts taken off.';
comment on column profit_sharing.parts.recall_fen is 'To be given back by a merchant through WeChat before a refund goes out.';
comment on column profit_sharing.parts.revision is 'Counts its bookings: part of their keys, so that none is booked twice.';
comment on column profit_sharing.parts.hold_id is 'The ledger''s hold of the commission while WeChat splits it.';
create index part_owner on profit_sharing.parts (shop_id, owner_id, order_id desc, part_no);
create index part_receiver on profit_sharing.parts (shop_id, receiver_id)
  where state in ('planned', 'refused', 'sent');
select kernel.tenant_table('profit_sharing.parts');

create table profit_sharing.refunds (
  shop_id int not null,
  order_id uuid not null,
  refund_id uuid not null,
  amount_fen bigint not null check (amount_fen > 0),
  paid_part_fen bigint not null check (paid_part_fen between 0 and amount_fen),
  state text not null check (state in ('preparing', 'released', 'done', 'closed')),
  created_at timestamptz not null,
  primary key (shop_id, order_id, refund_id),
  foreign key (shop_id, order_id) references profit_sharing.plans (shop_id, order_id)
);
comment on table profit_sharing.refunds is
  'Refunds of shared orders. preparing: what was split is called back or the rest unfrozen first.';
select kernel.tenant_table('profit_sharing.refunds');

create table profit_sharing.timeline (
  shop_id int not null,
  order_id uuid not null,
  entry_id uuid not null,
  at timestamptz not null,
  event text not null,
  detail jsonb not null,
  primary key (shop_id, order_id, entry_id),
  foreign key (shop_id, order_id) references profit_sharing.plans (shop_id, order_id)
);
comment on table profit_sharing.timeline is 'What happened to an order''s sharing, in WeChat''s own codes, for support. Never edited.';
select kernel.tenant_table('profit_sharing.timeline');
revoke update, delete on profit_sharing.timeline from siyu_app;

create schema points;

create table points.settings (
  shop_id int primary key,
  is_enabled boolean not null,
  earned_per_yuan int not null check (earned_per_yuan between 0 and 10000),
  points_per_yuan int not null check (points_per_yuan between 1 and 1000000),
  cap_bps int not null check (cap_bps between 0 and 10000),
  expiry_months int check (expiry_months between 1 and 120),
  grace_days int not null check (grace_days between 1 and 366),
  negative_allowed boolean not null,
  updated_at timestamptz not null
);
comment on table points.settings is
  'The rules of a shop that changed them; the others have those of contracts.PointsSettings.';
comment on column points.settings.earned_per_yuan is 'Points granted for 100 fen paid.';
comment on column points.settings.points_per_yuan is 'Points that take 100 fen off a price.';
comment on column points.settings.cap_bps is 'Most of the goods'' price that points may pay.';
select kernel.tenant_table('points.settings');

create table points.accounts (
  shop_id int not null,
  member_id uuid not null,
  movements int not null check (movements >= 0),
  below_zero bigint not null default 0 check (below_zero >= 0),
  owed bigint not null default 0 check (owed >= 0),
  primary key (shop_id, member_id)
);
comment on table points.accounts is
  'A member''s points. Its row is locked by everything that moves them, so that two devices wait for one another (F059).';
comment on column points.accounts.movements is 'The number of the last line of the statement.';
comment on column points.accounts.below_zero is
  'Points taken back after they were spent, as a balance below zero; the next points fill it first (F058).';
comment on column points.accounts.owed is
  'Points that could not be taken back because the shop allows no balance below zero; set off against the next ones.';
select kernel.tenant_table('points.accounts');

create table points.lots (
  shop_id int not null,
  lot_id uuid not null,
  member_id uuid not null,
  order_id uuid,
  points bigint not null check (points between 1 and 1000000000),
  points_left bigint not null check (points_left between 0 and points),
  expired bigint not null default 0 check (expired between 0 and points - points_left),
  expires_on date,
  created_at timestamptz not null,
  primary key (shop_id, lot_id),
  foreign key (shop_id, member_id) references points.accounts (shop_id, member_id)
);
comment on table points.lots is
  'Points that came together and end together. What is left may be spent; the first to end goes first.';
comment on column points.lots.order_id is 'The order that earned them; null: adjusted by staff.';
comment on column points.lots.expires_on is 'Their last good day; null: they never end.';
comment on column points.lots.expired is 'Points that ended unspent.';
create unique index lot_of_order on points.lots (shop_id, order_id) where order_id is not null;
create index lot_left on points.lots (shop_id, member_id, expires_on, lot_id)
  where points_left > 0;
create index lot_ending on points.lots (expires_on) where points_left > 0;
select kernel.tenant_table('points.lots', worker => true);

create table points.earnings (
  shop_id int not null,
  order_id uuid not null,
  member_id uuid not null,
  eligible_fen bigint check (eligible_fen between 0 and 10000000000),
  refunded_fen bigint not null default 0 check (refunded_fen between 0 and 10000000000),
  per_yuan int,
  earned bigint not null default 0 check (earned >= 0),
  revoked bigint not null default 0,
  forgone bigint not null default 0,
  earned_at timestamptz,
  primary key (shop_id, order_id),
  foreign key (shop_id, member_id) references points.accounts (shop_id, member_id),
  check ((earned_at is null) = (eligible_fen is null)),
  check ((earned_at is null) = (per_yuan is null)),
  check (revoked between 0 and earned),
  check (forgone between 0 and revoked)
);
comment on table points.earnings is
  'What each order earned, and what refunds took back. A refund may come before the receipt: then eligible_fen is null and the points are fewer from the start.';
comment on column points.earnings.eligible_fen is 'The basis: what was paid for the goods.';
comment on column points.earnings.forgone is
  'Of the revoked points, those that had ended unspent: nothing was to be taken for them.';
comment on column points.earnings.per_yuan is 'The rate at that time; a refund is counted with it.';
select kernel.tenant_table('points.earnings');

create table points.revocations (
  shop_id int not null,
  refund_id uuid not null,
  order_id uuid not null,
  refunded_fen bigint not null check (refunded_fen between 0 and 10000000000),
  points bigint not null check (points >= 0),
  revoked_at timestamptz not null,
  primary key (shop_id, refund_id),
  foreign key (shop_id, order_id) references points.earnings (shop_id, order_id)
);
comment on table points.revocations is 'What each refund took back, once per refund.';
create index revocation_order on points.revocations (shop_id, order_id);
select kernel.tenant_table('points.revocations');

create table points.spendings (
  shop_id int not null,
  spending_id uuid not null,
  order_id uuid not null,
  member_id uuid not null,
  state text not null check (state in ('held', 'captured', 'released')),
  points bigint not null check (points between 1 and 1000000000),
  hold_id uuid not null,
  expires_at timestamptz,
  held_at timestamptz not null,
  ended_at timestamptz,
  back bigint not null default 0 check (back between 0 and points),
  primary key (shop_id, spending_id),
  foreign key (shop_id, member_id) references points.accounts (shop_id, member_id),
  check ((ended_at is null) = (state = 'held')),
  check (state = 'captured' or back = 0)
);
comment on table points.spendings is
  'What orders have reserved or spent. An order has at most one that is not released.';
comment on column points.spendings.hold_id is 'The hold in the ledger.';
comment on column points.spendings.expires_at is
  'When the order should have been paid; for people only. An order that waits for WeChat''s word keeps what it holds (F016).';
create unique index spending_of_order on points.spendings (shop_id, order_id)
  where state <> 'released';
create index spending_held on points.spendings (shop_id, member_id) where state = 'held';
select kernel.tenant_table('points.spendings');

create table points.parts (
  shop_id int not null,
  spending_id uuid not null,
  part_no int not null,
  lot_id uuid not null,
  points bigint not null check (points > 0),
  back bigint not null default 0 check (back between 0 and points),
  primary key (shop_id, spending_id, part_no),
  unique (shop_id, spending_id, lot_id),
  foreign key (shop_id, spending_id) references points.spendings (shop_id, spending_id),
  foreign key (shop_id, lot_id) references points.lots (shop_id, lot_id)
);
comment on table points.parts is
  'Which lots a spending was taken from, in that order; back is what returned to the lot.';
create index part_of_lot on points.parts (shop_id, lot_id);
select kernel.tenant_table('points.parts');

create table points.give_backs (
  shop_id int not null,
  refund_id uuid not null,
  spending_id uuid not null,
  points bigint not null check (points > 0),
  given_at timestamptz not null,
  primary key (shop_id, refund_id),
  foreign key (shop_id, spending_id) references points.spendings (shop_id, spending_id)
);
comment on table points.give_backs is 'What refunds put back, once per refund.';
create index give_back_spending on points.give_backs (shop_id, spending_id);
select kernel.tenant_table('points.give_backs');

create table points.movements (
  shop_id int not null,
  member_id uuid not null,
  movement_no int not null check (movement_no > 0),
  kind text not null check (kind in ('earned', 'spent', 'given_back', 'revoked', 'set_off',
    'expired', 'adjusted')),
  points bigint not null,
  balance bigint not null,
  owed bigint not null,
  order_id uuid,
  expires_on date,
  note text not null check (length(note) <= 200),
  at timestamptz not null,
  primary key (shop_id, member_id, movement_no),
  foreign key (shop_id, member_id) references points.accounts (shop_id, member_id),
  check (points <> 0 or owed <> 0)
);
comment on table points.movements is
  'The statement that explains each point, numbered without a gap per member. Never changed.';
comment on column points.movements.balance is 'After it, points reserved by unpaid orders included.';
comment on column points.movements.owed is 'By how much it changed what is owed.';
select kernel.tenant_table('points.movements');
revoke update, delete on points.movements from siyu_app;

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
  primary key (shop_id, lot_id),
  foreign key (shop_id, member_id) references stored_value.wallets (shop_id, member_id)
);
comment on table stored_value.lots is
  'Value that came together: a top-up (lot_id is its id) or an adjustment. What is left may be spent.';
comment on column stored_value.lots.expires_on is
  'Last good day of the bonus. Principal never expires.';
comment on column stored_value.lots.unused_fen is
  'Bonus that ended unspent: its day was over, or staff took it away.';
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
    'refund_undone', 'expired', 'adjusted')),
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

create schema reconciliation;

create table reconciliation.days (
  shop_id int not null,
  "on" date not null,
  merchant text not null,
  state text not null check (state in ('waiting', 'open', 'closed')),
  lines int not null default 0 check (lines >= 0),
  payments_fen bigint not null default 0,
  refunds_fen bigint not null default 0,
  fees_fen bigint not null default 0,
  others_fen bigint not null default 0,
  closing_fen bigint,
  tries int not null default 0 check (tries >= 0),
  problem text check (length(problem) between 1 and 200),
  next_try_at timestamptz,
  compared_at timestamptz,
  closed_at timestamptz,
  primary key (shop_id, "on", merchant),
  check ((state = 'waiting') = (compared_at is null)),
  check ((state = 'closed') = (closed_at is not null)),
  check ((next_try_at is not null) = (state = 'waiting'))
);
comment on table reconciliation.days is 'Each day in China of each merchant account, from the first payment on.';
comment on column reconciliation.days.payments_fen is
  'Sums of the fund bill as they change our balance: > 0 in, < 0 out.';
comment on column reconciliation.days.closing_fen is 'Our balance at the end of the day, as WeChat says.';
comment on column reconciliation.days.problem is 'Why the bills are not here: WeChat''s code or what is wrong in them.';
create index day_due on reconciliation.days (next_try_at) where next_try_at is not null;
select kernel.tenant_table('reconciliation.days', worker => true);

create table reconciliation.lines (
  shop_id int not null,
  "on" date not null,
  merchant text not null,
  bill text not null check (bill in ('trade', 'fund')),
  line_no int not null check (line_no >= 1),
  kind text not null check (kind in ('payment', 'refund', 'fee', 'split', 'split_return',
    'transfer', 'withdrawal', 'deposit', 'other')),
  number text not null,
  own_number text not null,
  flow_no text not null,
  amount_fen bigint not null,
  fee_milli_fen bigint not null,
  rate_bps int not null,
  balance_fen bigint,
  business text not null,
  at timestamptz not null,
  primary key (shop_id, "on", merchant, bill, line_no),
  foreign key (shop_id, "on", merchant) references reconciliation.days (shop_id, "on", merchant),
  check (bill = 'trade' or length(flow_no) > 0)
);
comment on table reconciliation.lines is 'What WeChat''s bills say, line by line, as facts. Never edited.';
comment on column reconciliation.lines.own_number is 'Our number of the payment, refund, split or transfer; `number` is WeChat''s.';
comment on column reconciliation.lines.amount_fen is 'As it changes our balance: > 0 in, < 0 out.';
comment on column reconciliation.lines.fee_milli_fen is 'Fee in 1/1000 fen; below 0 where it is given back.';
create index line_number on reconciliation.lines (shop_id, own_number);
create unique index line_flow on reconciliation.lines (shop_id, merchant, flow_no, kind)
  where bill = 'fund';
select kernel.tenant_table('reconciliation.lines');
revoke update, delete on reconciliation.lines from siyu_app;

create table reconciliation.tickets (
  shop_id int not null,
  ticket_id uuid not null,
  "on" date not null,
  merchant text not null,
  difference text not null check (difference in ('missing_here', 'missing_there', 'amount',
    'ledger', 'fee', 'unknown_business', 'broken_chain')),
  bill text not null check (bill in ('trade', 'fund')),
  number text not null,
  ref uuid,
  theirs_fen bigint,
  ours_fen bigint,
  ledger_fen bigint,
  unmatched_fen bigint not null,
  unmatched_entry uuid,
  state text not null check (state in ('open', 'resolved')),
  resolution text check (resolution in ('matched', 'explained', 'written_off', 'outside')),
  note text check (length(note) between 1 and 500),
  opened_at timestamptz not null,
  resolved_at timestamptz,
  resolved_by text,
  primary key (shop_id, ticket_id),
  unique (shop_id, merchant, difference, bill, number),
  foreign key (shop_id, "on", merchant) references reconciliation.days (shop_id, "on", merchant),
  check ((state = 'resolved') = (resolution is not null)),
  check ((state = 'resolved') = (resolved_at is not null)),
  check ((unmatched_fen <> 0) = (unmatched_entry is not null))
);
comment on table reconciliation.tickets is 'Each difference between WeChat''s books and ours, until it is explained.';
comment on column reconciliation.tickets.unmatched_fen is
  'What was booked as unmatched for it, as it changed our balance; 0: nothing was.';
create index ticket_newest on reconciliation.tickets (shop_id, state, ticket_id desc);
create index ticket_day on reconciliation.tickets (shop_id, "on", merchant);
select kernel.tenant_table('reconciliation.tickets', worker => true);

create schema after_sale;

create table after_sale.terms (
  shop_id               int not null primary key,
  answer_hours          int not null check (answer_hours between 1 and 168),
  ship_back_days        int not null check (ship_back_days between 1 and 60),
  inspect_days          int not null check (inspect_days between 1 and 30),
  confirm_days          int not null check (confirm_days between 1 and 60),
  no_reason_days        int not null check (no_reason_days between 7 and 365),
  quality_days          int not null check (quality_days between no_reason_days and 1095),
  not_returnable        uuid[] not null check (cardinality(not_returnable) <= 1000),
  return_address_sealed bytea
);
comment on table after_sale.terms is 'What the shop promises; no row: the defaults of contracts.Terms.';
comment on column after_sale.terms.not_returnable is
  'Products that cannot be sent back without a reason (fresh, made to order, downloads, unsealed).';
comment on column after_sale.terms.return_address_sealed is 'JSON of members.AddressText, encrypted.';
select kernel.tenant_table('after_sale.terms');

create table after_sale.orders (
  shop_id              int    not null,
  order_id             uuid   not null,
  cases                int    not null default 0 check (cases >= 0),
  shipping_fen         bigint not null check (shipping_fen >= 0),
  claimed_shipping_fen bigint not null default 0,
  primary key (shop_id, order_id),
  constraint shipping_claimed_once check (claimed_shipping_fen between 0 and shipping_fen)
);
comment on table after_sale.orders is
  'Orders that ever had a case: the row that two requests for one order queue for, and the number of cases so far.';
select kernel.tenant_table('after_sale.orders');

create table after_sale.order_lines (
  shop_id     int      not null,
  order_id    uuid     not null,
  line_no     smallint not null,
  quantity    int      not null check (quantity > 0),
  total_fen   bigint   not null check (total_fen >= 0),
  claimed     int      not null default 0,
  claimed_fen bigint   not null default 0,
  primary key (shop_id, order_id, line_no),
  foreign key (shop_id, order_id) references after_sale.orders (shop_id, order_id),
  constraint pieces_claimed_once check (claimed between 0 and quantity),
  constraint line_claimed_once check (claimed_fen between 0 and total_fen)
);
comment on table after_sale.order_lines is
  'How many pieces, and fen, of a bought line are in a case that is open or was refunded. Given back when a case ends otherwise.';
select kernel.tenant_table('after_sale.order_lines');

create table after_sale.cases (
  shop_id               int         not null,
  case_id               uuid        not null,
  case_no               text        not null,
  order_id              uuid        not null,
  order_no              text        not null,
  member_id             uuid        not null,
  person_no             bigint      not null,
  kind                  text        not null check (kind in ('refund_only', 'return_refund', 'exchange')),
  state                 text        not null check (state in ('requested', 'approved', 'returning',
    'received', 'refunding', 'refunded', 'exchanging', 'completed', 'rejected', 'withdrawn', 'expired')),
  reason                text        not null,
  freight_by            text        not null check (freight_by in ('shop', 'customer')),
  is_unshipped          boolean     not null,
  cap_fen               bigint      not null check (cap_fen between 0 and 10000000000),
  shipping_cap_fen      bigint      not null check (shipping_cap_fen between 0 and cap_fen),
  asked_fen             bigint      not null,
  amount_fen            bigint      not null,
  refund_id             uuid        not null,
  restock               text        check (restock in ('sellable', 'damaged')),
  opened_at             timestamptz not null,
  due_at                timestamptz,
  reminded_at           timestamptz,
  closed_at             timestamptz,
  return_carrier        text,
  return_tracking_no    text,
  exchange_carrier      text,
  exchange_tracking_no  text,
  return_address_sealed bytea,
  trouble               text        check (trouble in ('abnormal', 'closed')),
  primary key (shop_id, case_id),
  constraint case_no_taken unique (shop_id, case_no),
  constraint refund_of_one_case unique (shop_id, refund_id),
  foreign key (shop_id, order_id) references after_sale.orders (shop_id, order_id),
  constraint asked_within_cap check (asked_fen between 0 and cap_fen),
  constraint amount_within_cap check (amount_fen between 0 and cap_fen),
  constraint closed_when_ended check ((closed_at is not null) =
    (state in ('refunded', 'completed', 'rejected', 'withdrawn', 'expired'))),
  constraint parcels_are_whole check ((return_carrier is null) = (return_tracking_no is null)
    and (exchange_carrier is null) = (exchange_tracking_no is null)),
  constraint kind_fits_state check (kind <> 'refund_only'
    or state in ('requested', 'refunding', 'refunded', 'rejected', 'withdrawn')),
  constraint exchange_fits_state check (kind = 'exchange' or state not in ('exchanging', 'completed'))
);
comment on table after_sale.cases is 'One wish about one order; states and who may move them: rules.STEPS.';
comment on column after_sale.cases.case_no is 'Order number and the how-manieth case of it: what people say.';
comment on column after_sale.cases.is_unshipped is 'Whether the goods had not left the shop when the case was opened or decided.';
comment on column after_sale.cases.cap_fen is 'All that these pieces can give back, shipping included.';
comment on column after_sale.cases.refund_id is 'The refund''s number, there before the money is asked for: a repeat cannot be a second refund.';
comment on column after_sale.cases.due_at is 'When time decides; in the past with reminded_at: overdue, and waits for people.';
comment on column after_sale.cases.return_address_sealed is 'Where this customer was told to send the goods, frozen at approval.';
create index case_of_order on after_sale.cases (shop_id, order_id, case_id);
create index case_of_member on after_sale.cases (shop_id, member_id, case_id desc);
create index case_by_state on after_sale.cases (shop_id, state, case_id desc);
create index case_open on after_sale.cases (shop_id, state) where closed_at is null;
create index case_waits on after_sale.cases (shop_id, due_at) where due_at is not null;
create index case_due on after_sale.cases (due_at) where due_at is not null and reminded_at is null;
select kernel.tenant_table('after_sale.cases', worker => true);

create table after_sale.case_lines (
  shop_id         int      not null,
  case_id         uuid     not null,
  line_no         smallint not null,
  sku_id          uuid     not null,
  product_id      uuid     not null,
  title           text     not null,
  option_values   text[]   not null,
  image_url       text,
  quantity        int      not null check (quantity > 0),
  cap_fen         bigint   not null check (cap_fen >= 0),
  exchange_sku_id uuid,
  primary key (shop_id, case_id, line_no),
  foreign key (shop_id, case_id) references after_sale.cases (shop_id, case_id)
);
comment on table after_sale.case_lines is 'The pieces a case is about, as they were bought.';
select kernel.tenant_table('after_sale.case_lines');

create table after_sale.timeline (
  shop_id  int         not null,
  case_id  uuid        not null,
  entry_id uuid        not null,
  at       timestamptz not null,
  event    text        not null,
  side     text        not null check (side in ('customer', 'staff', 'time', 'money')),
  actor    text        not null,
  text     text        not null check (length(text) <= 500),
  primary key (shop_id, case_id, entry_id),
  foreign key (shop_id, case_id) references after_sale.cases (shop_id, case_id)
);
comment on table after_sale.timeline is 'Steps, messages and notes of a case, never edited; notes are for staff alone.';
select kernel.tenant_table('after_sale.timeline');
revoke update, delete on after_sale.timeline from siyu_app;

create table after_sale.pictures (
  shop_id     int         not null,
  picture_id  uuid        not null,
  member_id   uuid        not null,
  case_id     uuid,
  position    smallint    check (position between 0 and 8),
  width       int         not null check (width > 0),
  height      int         not null check (height > 0),
  uploaded_at timestamptz not null,
  primary key (shop_id, picture_id),
  constraint nine_pictures unique (shop_id, case_id, position),
  foreign key (shop_id, case_id) references after_sale.cases (shop_id, case_id),
  check ((case_id is null) = (position is null))
);
comment on table after_sale.pictures is
  'Evidence, re-encoded; files lie in data_dir/evidence, never under a public address. Without a case: thrown away after a day.';
create index picture_waiting on after_sale.pictures (uploaded_at) where case_id is null;
create index picture_of_member on after_sale.pictures (shop_id, member_id) where case_id is null;
select kernel.tenant_table('after_sale.pictures', worker => true);

-- migrate: rollback
