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
