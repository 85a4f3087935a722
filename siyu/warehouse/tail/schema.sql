-- The event warehouse: books, tail and dictionaries. One schema for the whole group; only the role
-- siyu_warehouse comes here. It owns the tail because it makes and drops the partitions.
create schema warehouse;
grant usage, create on schema warehouse to siyu_warehouse;

create table warehouse.slot (
  slot bigint primary key,
  state text not null check (state in ('open', 'sealed', 'compacted')),
  opened_at timestamptz not null,
  sealed_at timestamptz,
  compacted_at timestamptz,
  check ((state = 'open') = (sealed_at is null)),
  check ((state = 'compacted') = (compacted_at is not null))
);
comment on table warehouse.slot is
  'The life of a tail partition; plain rows, so that snapshots see it consistently.';
create unique index slot_one_open on warehouse.slot ((true)) where state = 'open';

create table warehouse.event_tail (
  slot bigint not null,
  shop_id int not null,
  person_no bigint not null,
  at_us bigint not null,
  event_no bigint not null,
  name_id int not null,
  channel_id smallint not null,
  item_no bigint not null,
  amount_fen bigint not null,
  page_id int not null,
  props jsonb,
  zone text not null default '',
  dwell_ms int not null default 0
) partition by list (slot);
comment on table warehouse.event_tail is
  'Append only. A partition counts only while its slot is open or sealed. No index: it is copied, not searched.';
comment on column warehouse.event_tail.at_us is 'UTC microseconds since 1970.';
comment on column warehouse.event_tail.event_no is 'Breaks ties of at_us; unique over all events.';
comment on column warehouse.event_tail.props is 'Everything that is not promoted to a column.';
comment on column warehouse.event_tail.zone is 'The part of a page, '''' for none.';
comment on column warehouse.event_tail.dwell_ms is 'Milliseconds spent, 0 for none.';
alter table warehouse.event_tail owner to siyu_warehouse;

create table warehouse.event_tail_1 partition of warehouse.event_tail for values in (1);
alter table warehouse.event_tail_1 owner to siyu_warehouse;
insert into warehouse.slot (slot, state, opened_at) values (1, 'open', now());

create sequence warehouse.event_block;
comment on sequence warehouse.event_block is 'A value n reserves the event numbers [n * 65536, (n + 1) * 65536).';

create table warehouse.batch (
  source int not null,
  batch_key uuid not null,
  slot bigint not null references warehouse.slot,
  rows int not null check (rows > 0),
  sum_no numeric not null,
  primary key (source, batch_key)
);
comment on table warehouse.batch is
  'Makes ingest idempotent, and is the ledger the audits compare with. source: 0 the outbox, -1 old ones folded, else the shop.';
create index batch_slot on warehouse.batch (slot);

create table warehouse.cursor (
  source int primary key,
  xid xid8 not null,
  event_id uuid not null
);
comment on table warehouse.cursor is
  'How far the outbox has been read; moves in the transaction that writes the events.';
insert into warehouse.cursor values (0, '0', '00000000-0000-0000-0000-000000000000');

create table warehouse.erasure (
  shop_id int not null,
  person_no bigint not null check (person_no > 0),
  asked_at timestamptz not null default now(),
  asked_by text not null,
  done_at timestamptz,
  primary key (shop_id, person_no)
);
comment on table warehouse.erasure is
  'Persons whose events are removed and never taken again; done_at: a scan has found nothing left.';
create index erasure_open on warehouse.erasure (asked_at) where done_at is null;

create table warehouse.withdrawal (
  shop_id int not null,
  person_no bigint not null check (person_no > 0),
  before_us bigint not null,
  asked_at timestamptz not null default now(),
  done_at timestamptz,
  primary key (shop_id, person_no)
);
comment on table warehouse.withdrawal is
  'Persons who took back the consent to statistics: what their pages told is removed and never taken again; done_at: a scan has found nothing left.';
comment on column warehouse.withdrawal.before_us is 'UTC microseconds since 1970; what pages tell from then on counts again.';
create index withdrawal_open on warehouse.withdrawal (shop_id) where done_at is null;

create table warehouse.event_name (
  id int generated always as identity primary key,
  text text not null unique check (length(text) between 1 and 100)
);
comment on table warehouse.event_name is 'Names of events as numbers.';
create table warehouse.channel (
  id smallint generated always as identity primary key,
  text text not null unique check (length(text) between 1 and 40)
);
comment on table warehouse.channel is 'Where events came from, as numbers.';
create table warehouse.page (
  id int generated always as identity primary key,
  text text not null unique check (length(text) <= 128)
);
comment on table warehouse.page is
  'Page paths without query; 1 is "no page", 2 stands for all pages above the limit of the dictionary.';
insert into warehouse.page (text) values (''), ('(other)');

create table warehouse.reject (
  reject_no bigint generated always as identity primary key,
  shop_id int not null,
  at timestamptz not null default now(),
  reason text not null,
  sample text not null check (length(sample) <= 2000),
  name text not null default ''
);
comment on table warehouse.reject is 'Events that were refused, with the reason; kept for 30 days.';
create index reject_age on warehouse.reject (at);

create table warehouse.reject_day (
  shop_id int not null,
  on_day date not null,
  reason text not null check (length(reason) <= 40),
  name text not null,
  events bigint not null check (events > 0),
  primary key (shop_id, on_day, reason, name)
);
comment on table warehouse.reject_day is 'How many events were refused, per UTC day; kept for 400 days.';

create table warehouse.event_day (
  shop_id int not null,
  name_id int not null,
  on_day date not null,
  events bigint not null check (events > 0),
  last_at timestamptz not null,
  primary key (shop_id, name_id, on_day)
);
comment on table warehouse.event_day is
  'How many events of compacted slots there were, per UTC day of the event.';

create table warehouse.event_count (
  count_no bigint generated always as identity primary key,
  slot bigint not null,
  shop_id int not null,
  name_id int not null,
  on_day date not null,
  events int not null check (events > 0),
  at timestamptz not null default now()
);
comment on table warehouse.event_count is
  'The same of each write to the open and sealed slots: only inserted, so that no writer waits for another; folded into event_day when the slot is published.';
create index event_count_slot on warehouse.event_count (slot);

grant select, insert, update, delete on warehouse.slot, warehouse.batch, warehouse.cursor,
  warehouse.erasure, warehouse.withdrawal, warehouse.event_name, warehouse.channel, warehouse.page, warehouse.reject,
  warehouse.reject_day, warehouse.event_day, warehouse.event_count to siyu_warehouse;
grant usage, update on sequence warehouse.event_block to siyu_warehouse;
