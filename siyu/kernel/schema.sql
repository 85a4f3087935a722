-- The ground: what every domain's tables stand on.
-- Roles (made before any schema): siyu_owner owns; siyu_app serves one shop at a time;
-- siyu_system sees all shops of the tables that say so; siyu_warehouse reads and writes events.

create schema kernel;
grant usage on schema kernel to siyu_app, siyu_system, siyu_warehouse;

create function kernel.shop() returns int language sql stable
return current_setting('siyu.shop_id')::int;
comment on function kernel.shop is
  'The shop of the open transaction; an error when none was set, so that a forgotten setting cannot show rows.';

create function kernel.tenant_table(name regclass, worker boolean default false) returns void
language plpgsql as $$
begin
  execute format('alter table %s enable row level security', name);
  execute format('alter table %s force row level security', name);
  execute format(
    'create policy own_shop on %s to siyu_app using (shop_id = (select kernel.shop())) with check (shop_id = (select kernel.shop()))',
    name);
  execute format('grant select, insert, update, delete on %s to siyu_app', name);
  execute format('grant usage on schema %I to siyu_app, siyu_system',
    (select relnamespace::regnamespace::text from pg_class where oid = name));
  if worker then
    execute format('create policy every_shop on %s to siyu_system using (true) with check (true)', name);
    execute format('grant select, insert, update, delete on %s to siyu_system', name);
  end if;
end $$;
comment on function kernel.tenant_table is
  'Fences a table by shop: row-level security forced, rows of the set shop only. worker: siyu_system sees all shops.';

create function kernel.system_table(name regclass) returns void language plpgsql as $$
begin
  execute format('grant select, insert, update, delete on %s to siyu_system', name);
  execute format('grant usage on schema %I to siyu_app, siyu_system',
    (select relnamespace::regnamespace::text from pg_class where oid = name));
end $$;
comment on function kernel.system_table is
  'A table of the installation, not of a shop: only siyu_system reaches it.';

-- Events: append only. Readers keep a cursor (xid, event_id) and read only below the oldest running
-- transaction, so that a late commit is never jumped over.
create table kernel.outbox (
  shop_id int not null,
  event_id uuid not null,
  xid xid8 not null default pg_current_xact_id(),
  name text not null,
  payload jsonb not null,
  happened_at timestamptz not null,
  primary key (shop_id, event_id)
);
comment on table kernel.outbox is 'What happened, written beside what changed, in the same transaction.';
comment on column kernel.outbox.happened_at is 'Business time; differs from the commit for imported history.';
create index outbox_order on kernel.outbox (xid, event_id);
select kernel.tenant_table('kernel.outbox', worker => true);

create table kernel.outbox_cursor (
  consumer text primary key,
  xid xid8 not null default '0',
  event_id uuid not null default '00000000-0000-0000-0000-000000000000',
  moved_at timestamptz not null default now()
);
comment on table kernel.outbox_cursor is 'How far each consumer (relay, warehouse, …) has read the outbox.';
select kernel.system_table('kernel.outbox_cursor');

create table kernel.idempotency (
  shop_id int not null,
  key_id uuid not null,
  owner text not null,
  fingerprint uuid not null,
  expires_at timestamptz not null,
  status int not null,
  answer bytea,
  made uuid,
  primary key (shop_id, key_id),
  check ((answer is null) <> (made is null))
);
comment on table kernel.idempotency is 'The answer given under a client''s key; a replay gets the same one (F129).';
comment on column kernel.idempotency.key_id is '128 bits of SHA-256 over owner and key: short, whatever the client sends.';
comment on column kernel.idempotency.owner is 'Who sent it (member or staff); keys of two people never meet.';
comment on column kernel.idempotency.answer is 'Sealed: an answer may hold personal data.';
comment on column kernel.idempotency.made is 'In place of an answer: the id of what it can be made of again.';
create index idempotency_expiry on kernel.idempotency (expires_at);
select kernel.tenant_table('kernel.idempotency', worker => true);

create function kernel.claim_keys(shop int, key_ids uuid[])
returns table (ok boolean, fingerprint uuid, expires_at timestamptz, status int, answer bytea, made uuid)
language plpgsql as $$
declare taken boolean[];
begin
  -- A statement of its own, so that the next one sees what was committed until the locks were had.
  taken := array(
    select pg_try_advisory_xact_lock(uuid_hash_extended(key_id, shop))
    from unnest(key_ids) with ordinality as k (key_id, no) order by no);
  return query
    select k.ok, i.fingerprint, i.expires_at, i.status, i.answer, i.made
    from unnest(key_ids, taken) with ordinality as k (key_id, ok, no)
    left join kernel.idempotency i on i.shop_id = shop and i.key_id = k.key_id
    order by k.no;
end $$;
comment on function kernel.claim_keys is
  'Takes the keys whose locks nobody holds, without waiting, and tells what is kept under each.';

create table kernel.audit (
  shop_id int not null,
  audit_id uuid not null,
  at timestamptz not null,
  actor text not null,
  actor_name text not null,
  action text not null,
  subject_kind text not null,
  subject_id text not null,
  detail jsonb not null,
  primary key (shop_id, audit_id)
);
comment on table kernel.audit is 'Who changed what, from what to what; a line people can read. Never edited.';
create index audit_subject on kernel.audit (shop_id, subject_kind, subject_id, audit_id);
select kernel.tenant_table('kernel.audit', worker => true);
revoke update, delete on kernel.audit from siyu_app, siyu_system;

-- jobs, inbox, deliveries

-- The tables of PgQueuer 1.6.0 (`pgq sql install`) under their own names; the library reads and
-- writes them. Left out: its notify trigger, for a notification inside every checkout makes all
-- commits of the installation wait for one another; the program rings after the commit instead.
create schema jobs;
comment on schema jobs is 'The job queue, in the table form of the library PgQueuer. Arguments are ids only.';
grant usage on schema jobs to siyu_app, siyu_system;

create type jobs.pgqueuer_status as enum
  ('queued', 'picked', 'successful', 'exception', 'canceled', 'deleted', 'failed');

create table jobs.pgqueuer (
  id bigserial primary key,
  priority int not null,
  queue_manager_id uuid,
  created timestamptz not null default now(),
  updated timestamptz not null default now(),
  heartbeat timestamptz not null default now(),
  execute_after timestamptz not null default now(),
  status jobs.pgqueuer_status not null,
  entrypoint text not null,
  dedupe_key text,
  payload bytea,
  headers jsonb,
  attempts int not null default 0,
  slot bigint
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
comment on table jobs.pgqueuer is 'Waiting, running and dead (failed) jobs; a finished one is gone.';
comment on column jobs.pgqueuer.headers is 'shop_id of the job; absent for work of the installation.';
create index pgqueuer_ep_ea_idx on jobs.pgqueuer (entrypoint, execute_after) where status = 'queued';
create index pgqueuer_ep_prio_id_idx on jobs.pgqueuer (entrypoint, priority desc, id) where status = 'queued';
create index pgqueuer_picked_heartbeat_idx on jobs.pgqueuer (heartbeat) where status = 'picked';
create unique index pgqueuer_picked_slot_idx on jobs.pgqueuer (entrypoint, slot)
  where status = 'picked' and slot is not null;
create index pgqueuer_queue_manager_id_idx on jobs.pgqueuer (queue_manager_id)
  where queue_manager_id is not null;
create unique index pgqueuer_unique_dedupe_key on jobs.pgqueuer (dedupe_key)
  where status in ('queued', 'picked') and dedupe_key is not null;
create index pgqueuer_failed_idx on jobs.pgqueuer (updated) where status = 'failed';

create table jobs.pgqueuer_log (
  id bigint generated by default as identity primary key,
  created timestamptz not null default now(),
  job_id bigint not null,
  status jobs.pgqueuer_status not null,
  priority int not null,
  entrypoint text not null,
  traceback jsonb,
  aggregated boolean default false
);
comment on table jobs.pgqueuer_log is 'What happened to each job; kept for a week.';
create index pgqueuer_log_created on jobs.pgqueuer_log (created);
create index pgqueuer_log_job_id_status on jobs.pgqueuer_log (job_id, created desc);

create table jobs.pgqueuer_statistics (
  id bigserial primary key,
  created timestamptz not null default date_trunc('sec', now()),
  count bigint not null,
  priority int not null,
  status jobs.pgqueuer_status not null,
  entrypoint text not null
);
comment on table jobs.pgqueuer_statistics is 'Expected by PgQueuer; not filled, /metrics has the figures.';

grant insert on jobs.pgqueuer to siyu_app;
grant usage on sequence jobs.pgqueuer_id_seq to siyu_app;
grant select, insert, update, delete on all tables in schema jobs to siyu_system;
grant usage on all sequences in schema jobs to siyu_system;

create table kernel.ticks (
  name text primary key,
  ticked_at timestamptz not null
);
comment on table kernel.ticks is 'The last tick of each periodic work; whoever moves it forward enqueues the job (F104).';
select kernel.system_table('kernel.ticks');

create table kernel.deliveries (
  shop_id int not null,
  event_id uuid not null,
  reaction text not null,
  state text not null default 'due' check (state in ('due', 'done', 'dead')),
  tries int not null default 0 check (tries >= 0),
  due_at timestamptz not null default now(),
  changed_at timestamptz not null default now(),
  reason text,
  primary key (shop_id, event_id, reaction),
  foreign key (shop_id, event_id) references kernel.outbox on delete cascade
);
comment on table kernel.deliveries is 'One row per event and reaction: the proof that it was applied once, or why not yet.';
comment on column kernel.deliveries.reason is 'Kind of the last failure and where it happened; never the data.';
create index deliveries_due on kernel.deliveries (due_at) where state = 'due';
create index deliveries_dead on kernel.deliveries (shop_id, event_id, reaction) where state = 'dead';
create index deliveries_done on kernel.deliveries (changed_at) where state = 'done';
select kernel.tenant_table('kernel.deliveries', worker => true);

create table kernel.inbox (
  shop_id int not null,
  source text not null,
  outside_id text not null check (length(outside_id) between 1 and 200),
  raw_sealed bytea not null,
  headers jsonb not null,
  state text not null default 'new' check (state in ('new', 'done', 'dead')),
  reason text,
  received_at timestamptz not null,
  changed_at timestamptz not null,
  primary key (shop_id, source, outside_id)
);
comment on table kernel.inbox is 'What the outside sent, as it came, once per outside id; worked off by the worker.';
comment on column kernel.inbox.raw_sealed is 'The raw body, sealed with the installation''s key.';
create index inbox_received on kernel.inbox (shop_id, received_at desc, source, outside_id);
select kernel.tenant_table('kernel.inbox', worker => true);
