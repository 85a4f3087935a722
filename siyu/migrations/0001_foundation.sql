-- foundation
-- depends: 

-- migrate: apply
-- kernel/schema.sql
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
  owner text not null,
  key text not null check (length(key) between 1 and 255),
  fingerprint bytea not null,
  status int,
  answer bytea,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  primary key (shop_id, owner, key)
);
comment on table kernel.idempotency is 'The answer given under a client''s key; a replay gets the same one (F129).';
comment on column kernel.idempotency.owner is 'Who sent it (member or staff); keys of two people never meet.';
comment on column kernel.idempotency.answer is 'Sealed: an answer may hold personal data.';
create index idempotency_expiry on kernel.idempotency (expires_at);
select kernel.tenant_table('kernel.idempotency', worker => true);

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

-- wechat/mini_program/schema.sql
create schema mini_program;

create table mini_program.access_tokens (
  shop_id int not null,
  app_id text not null,
  sealed_token bytea,
  expires_at timestamptz,
  lease_id uuid,
  lease_until timestamptz,
  primary key (shop_id, app_id),
  check ((sealed_token is null) = (expires_at is null)),
  check ((lease_id is null) = (lease_until is null))
);
comment on table mini_program.access_tokens is
  'The access token of a shop''s app, and who is asking for a new one. One row per app.';
comment on column mini_program.access_tokens.sealed_token is 'Encrypted by the vault.';
comment on column mini_program.access_tokens.lease_id is
  'The asker. Only the holder writes the answer; a lease that has run out may be taken over.';
select kernel.tenant_table('mini_program.access_tokens');

-- warehouse/tail/schema.sql
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
  props jsonb
) partition by list (slot);
comment on table warehouse.event_tail is
  'Append only. A partition counts only while its slot is open or sealed. No index: it is copied, not searched.';
comment on column warehouse.event_tail.at_us is 'UTC microseconds since 1970.';
comment on column warehouse.event_tail.event_no is 'Breaks ties of at_us; unique over all events.';
comment on column warehouse.event_tail.props is 'Everything that is not promoted to a column.';
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
  sample text not null check (length(sample) <= 2000)
);
comment on table warehouse.reject is 'Events that were refused, with the reason; kept for 30 days.';
create index reject_age on warehouse.reject (at);

grant select, insert, update, delete on warehouse.slot, warehouse.batch, warehouse.cursor,
  warehouse.event_name, warehouse.channel, warehouse.page, warehouse.reject to siyu_warehouse;
grant usage on sequence warehouse.event_block to siyu_warehouse;

-- warehouse/compaction/schema.sql
-- The manifest: a Parquet file counts only while its row here says 'live'.
create table warehouse.file (
  file_no bigint generated always as identity primary key,
  path text not null unique,
  state text not null check (state in ('writing', 'live', 'dead')),
  level int not null,
  bucket int not null,
  month date not null check (extract(day from month) = 1),
  rows bigint,
  bytes bigint,
  min_us bigint,
  max_us bigint,
  min_shop int,
  max_shop int,
  min_person bigint,
  max_person bigint,
  from_slot bigint,
  lease_until timestamptz,
  dead_at timestamptz,
  check (state <> 'live' or (rows > 0 and bytes > 0 and min_us is not null and max_us is not null
    and min_shop is not null and max_shop is not null)),
  check ((state = 'writing') = (lease_until is not null)),
  check ((state = 'dead') = (dead_at is not null))
);
comment on table warehouse.file is 'What files exist, and which of them count. The row is committed before the file.';
comment on column warehouse.file.path is 'Relative to the root of the warehouse.';
comment on column warehouse.file.level is '0: written from a slot; n: merged from files of lower levels.';
comment on column warehouse.file.from_slot is 'The slot of a level-0 file.';
comment on column warehouse.file.lease_until is 'A writer that has not published by then has died; the file becomes dead.';
create index file_live on warehouse.file (bucket, month) where state = 'live';
create unique index file_slot on warehouse.file (from_slot, bucket, month) where state = 'live' and level = 0;

grant select, insert, update, delete on warehouse.file to siyu_warehouse;

-- merchant/shops/schema.sql
create schema shops;

create table shops.shops (
  shop_id int generated always as identity primary key,
  code text not null unique check (code ~ '^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$'),
  name text not null check (length(name) between 1 and 60),
  currency text not null default 'CNY' check (currency ~ '^[A-Z]{3}$'),
  time_zone text not null default 'Asia/Shanghai' check (length(time_zone) between 1 and 64),
  notice text check (length(notice) <= 500),
  logo_url text check (length(logo_url) <= 500),
  created_at timestamptz not null
);
comment on table shops.shops is 'The tenants. A shop reads and edits its own row; only the system makes one or sees all.';
comment on column shops.shops.code is 'Slug in addresses and callbacks; never changed.';
comment on column shops.shops.currency is 'ISO 4217; every _fen of the shop is in its minor unit; never changed.';
comment on column shops.shops.time_zone is 'IANA name; business days are cut in it.';
select kernel.system_table('shops.shops');
alter table shops.shops enable row level security;
alter table shops.shops force row level security;
create policy every_shop on shops.shops to siyu_system using (true) with check (true);
create policy own_shop on shops.shops to siyu_app
  using (shop_id = (select kernel.shop())) with check (shop_id = (select kernel.shop()));
grant select, update (name, notice, logo_url, time_zone) on shops.shops to siyu_app;

create table shops.wechat (
  shop_id int primary key references shops.shops,
  environment text not null default 'real' check (environment in ('real', 'sandbox')),
  appid text check (appid ~ '^wx[0-9a-zA-Z]{6,30}$'),
  app_secret_sealed bytea,
  mchid text check (mchid ~ '^[0-9]{6,32}$'),
  certificate_serial text check (certificate_serial ~ '^[0-9A-F]{16,64}$'),
  private_key_sealed bytea,
  api_v3_key_sealed bytea,
  public_key_id text check (public_key_id ~ '^PUB_KEY_ID_[0-9A-Za-z]{1,64}$'),
  public_key_pem text check (length(public_key_pem) <= 8000),
  updated_at timestamptz not null
);
comment on table shops.wechat is 'How a shop speaks with WeChat: its mini-program and its WeChat Pay merchant number.';
comment on column shops.wechat.environment is 'real: WeChat itself; sandbox: the local WeChat of this installation.';
comment on column shops.wechat.certificate_serial is 'Serial of the merchant API certificate, upper-case hex.';
comment on column shops.wechat.public_key_id is 'Id of the WeChat Pay public key (PUB_KEY_ID_…) that signs answers.';
select kernel.tenant_table('shops.wechat', worker => true);

-- merchant/staff/schema.sql
create schema staff;

create table staff.accounts (
  staff_id uuid primary key,
  login_name text not null check (length(login_name) between 1 and 64),
  login_key text not null unique check (length(login_key) between 1 and 128),
  name text not null check (length(name) between 1 and 60),
  password_hash text not null check (password_hash like '$argon2id$%'),
  totp_sealed bytea,
  totp_confirmed_at timestamptz,
  totp_last_step bigint not null default 0,
  created_at timestamptz not null,
  check (totp_confirmed_at is null or totp_sealed is not null)
);
comment on table staff.accounts is 'People who run shops; one account may work in several.';
comment on column staff.accounts.login_key is 'Login name normalised (NFKC, case folded); unique.';
comment on column staff.accounts.totp_sealed is 'TOTP secret, sealed; it counts once totp_confirmed_at is set.';
comment on column staff.accounts.totp_last_step is 'The last 30-second step used; a code counts once.';
select kernel.system_table('staff.accounts');

create table staff.memberships (
  shop_id int not null,
  staff_id uuid not null references staff.accounts,
  role text not null check (role in ('owner', 'manager', 'clerk', 'analyst')),
  created_at timestamptz not null,
  primary key (shop_id, staff_id)
);
comment on table staff.memberships is 'In which shop an account works, and as what.';
create index membership_staff on staff.memberships (staff_id);
select kernel.tenant_table('staff.memberships', worker => true);
revoke insert, update, delete on staff.memberships from siyu_app;

create table staff.sessions (
  session_id uuid primary key,
  staff_id uuid not null references staff.accounts,
  token_hash bytea not null unique check (length(token_hash) = 32),
  ip text not null check (length(ip) <= 64),
  user_agent text not null check (length(user_agent) <= 300),
  created_at timestamptz not null,
  seen_at timestamptz not null,
  expires_at timestamptz not null
);
comment on table staff.sessions is 'Who is logged in where; a session that ended has no row.';
comment on column staff.sessions.token_hash is 'SHA-256 of the 256-bit token, which only the browser has.';
create index session_staff on staff.sessions (staff_id);
create index session_expiry on staff.sessions (expires_at);
select kernel.system_table('staff.sessions');

create table staff.attempts (
  subject bytea primary key,
  failures int not null check (failures >= 0),
  started_at timestamptz not null
);
comment on table staff.attempts is 'Log-in attempts not yet followed by a success, per account name and per address (F086).';
comment on column staff.attempts.subject is 'Keyed hash of the account name or the network address.';
create index attempt_age on staff.attempts (started_at);
select kernel.system_table('staff.attempts');

-- people/members/schema.sql
create schema members;

create table members.person_counters (
  shop_id int primary key,
  last_no bigint not null check (last_no >= 0)
);
comment on table members.person_counters is 'The last person number handed out; its row lock serialises the making of persons of a shop.';
select kernel.tenant_table('members.person_counters', worker => true);

create table members.persons (
  shop_id int not null,
  person_no bigint not null check (person_no > 0),
  origin text not null check (origin in ('visitor', 'member', 'import')),
  merged_into bigint,
  created_at timestamptz not null,
  primary key (shop_id, person_no),
  foreign key (shop_id, merged_into) references members.persons (shop_id, person_no),
  check (merged_into <> person_no)
);
comment on table members.persons is 'Everybody a shop has seen, numbered 1, 2, 3 … without gaps.';
comment on column members.persons.merged_into is 'The person this visitor turned out to be.';
create index person_merged on members.persons (shop_id, merged_into) where merged_into is not null;
select kernel.tenant_table('members.persons', worker => true);

create table members.members (
  shop_id int not null,
  member_id uuid not null,
  person_no bigint not null,
  nickname text not null check (length(nickname) between 1 and 64),
  nickname_key text not null check (length(nickname_key) <= 256),
  avatar_url text check (length(avatar_url) <= 500),
  level text not null default 'normal' check (level in ('normal', 'vip')),
  phone_sealed bytea,
  phone_key bytea,
  union_key bytea,
  external_ref text check (length(external_ref) between 1 and 64),
  country text check (length(country) <= 64),
  joined_at timestamptz not null,
  last_login_at timestamptz,
  primary key (shop_id, member_id),
  unique (shop_id, person_no),
  unique (shop_id, external_ref),
  foreign key (shop_id, person_no) references members.persons (shop_id, person_no),
  check ((phone_sealed is null) = (phone_key is null))
);
comment on table members.members is 'Persons with an account.';
comment on column members.members.nickname_key is 'Nickname normalised (NFKC, case folded, marks of direction dropped), for search by prefix.';
comment on column members.members.phone_key is 'Keyed hash of the number in E.164 form.';
comment on column members.members.union_key is 'Keyed hash of the id that several apps of one owner share.';
comment on column members.members.external_ref is 'The customer number in an imported history.';
create unique index member_union on members.members (shop_id, union_key) where union_key is not null;
create index member_phone on members.members (shop_id, phone_key) where phone_key is not null;
create index member_joined on members.members (shop_id, joined_at desc, member_id desc);
create index member_nickname on members.members (shop_id, nickname_key text_pattern_ops);
select kernel.tenant_table('members.members');

create table members.logins (
  shop_id int not null,
  app_id text not null check (length(app_id) between 1 and 64),
  subject text not null check (length(subject) between 1 and 128),
  member_id uuid not null,
  created_at timestamptz not null,
  primary key (shop_id, app_id, subject),
  foreign key (shop_id, member_id) references members.members (shop_id, member_id)
);
comment on table members.logins is 'An id under which an outside app (a mini-program) knows a member.';
create index login_member on members.logins (shop_id, member_id);
select kernel.tenant_table('members.logins');

create table members.visitors (
  shop_id int not null,
  visitor uuid not null,
  person_no bigint not null,
  member_id uuid,
  seen_at timestamptz not null,
  primary key (shop_id, visitor),
  foreign key (shop_id, person_no) references members.persons (shop_id, person_no),
  foreign key (shop_id, member_id) references members.members (shop_id, member_id)
);
comment on table members.visitors is 'A browser or phone, by the random key it made for itself, and the person behind it.';
comment on column members.visitors.member_id is 'The member who last logged in there.';
create index visitor_person on members.visitors (shop_id, person_no);
create index visitor_member on members.visitors (shop_id, member_id) where member_id is not null;
select kernel.tenant_table('members.visitors', worker => true);

create table members.addresses (
  shop_id int not null,
  member_id uuid not null,
  address_id uuid not null,
  province text not null check (length(province) between 1 and 32),
  city text not null check (length(city) between 1 and 32),
  sealed bytea not null,
  is_default boolean not null,
  created_at timestamptz not null,
  primary key (shop_id, member_id, address_id),
  foreign key (shop_id, member_id) references members.members (shop_id, member_id)
);
comment on table members.addresses is 'Where to deliver. The member is part of the key, so that nobody can order to another''s address (F081).';
comment on column members.addresses.sealed is 'JSON {receiver, phone, district, detail}, encrypted; province and city stay readable for freight and statistics.';
create unique index address_default on members.addresses (shop_id, member_id) where is_default;
select kernel.tenant_table('members.addresses');

-- people/consents/schema.sql
create schema consents;

create table consents.decisions (
  shop_id int not null,
  decision_id uuid not null,
  person_no bigint not null check (person_no > 0),
  purpose text not null check (purpose in ('privacy', 'analytics', 'marketing')),
  text_version text not null check (length(text_version) between 1 and 32),
  granted boolean not null,
  decided_at timestamptz not null,
  channel text not null check (channel in ('mp-weixin', 'h5', 'staff')),
  language text not null check (language in ('zh-CN', 'en')),
  primary key (shop_id, decision_id)
);
comment on table consents.decisions is 'Every decision, append only: the proof.';
comment on column consents.decisions.text_version is 'The version of the text that was shown.';
comment on column consents.decisions.language is 'The language it was shown in.';
create index decision_person on consents.decisions (shop_id, person_no, decision_id);
select kernel.tenant_table('consents.decisions', worker => true);
revoke update, delete on consents.decisions from siyu_app, siyu_system;

create table consents.states (
  shop_id int not null,
  person_no bigint not null,
  purpose text not null check (purpose in ('privacy', 'analytics', 'marketing')),
  text_version text not null,
  granted boolean not null,
  decided_at timestamptz not null,
  decision_id uuid not null,
  primary key (shop_id, person_no, purpose),
  foreign key (shop_id, decision_id) references consents.decisions (shop_id, decision_id)
);
comment on table consents.states is 'The last decision per person and purpose.';
select kernel.tenant_table('consents.states', worker => true);

-- money/payments/schema.sql
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

-- commerce/inventory/schema.sql
create schema inventory;

create table inventory.stock (
  shop_id    int  not null,
  sku_id     uuid not null,
  product_no int  not null,
  on_hand    int  not null default 0,
  reserved   int  not null default 0,
  version    int  not null default 0,
  withdrawn  boolean not null default false,
  primary key (shop_id, sku_id),
  constraint stock_reserved_within_on_hand check (reserved between 0 and on_hand),
  constraint stock_on_hand_in_range check (on_hand <= 1000000)
) with (fillfactor = 50);
comment on table inventory.stock is
  'The row every buyer wants: narrow, no index on what moves, half-empty pages, so that each move is heap-only.';
comment on column inventory.stock.version is 'Counts changes made by the merchant; sales do not touch it.';
comment on column inventory.stock.withdrawn is
  'No longer offered: counts in no list, yet what is on hand and reserved stays true.';
create index stock_by_product on inventory.stock (shop_id, product_no);
select kernel.tenant_table('inventory.stock');

create table inventory.reservations (
  shop_id  int  not null,
  source   uuid not null,
  sku_id   uuid not null,
  quantity int  not null check (quantity > 0),
  until    timestamptz,
  primary key (shop_id, source, sku_id),
  foreign key (shop_id, sku_id) references inventory.stock
);
comment on table inventory.reservations is 'Living ones only: the row is deleted when released or consumed.';
create index reservations_by_sku on inventory.reservations (shop_id, sku_id);
select kernel.tenant_table('inventory.reservations');

create table inventory.movements (
  shop_id     int         not null,
  sku_id      uuid        not null,
  movement_id uuid        not null,
  kind        text        not null check (kind in ('received', 'adjusted', 'sold')),
  delta       int         not null check (delta <> 0),
  source      uuid,
  actor_name  text        not null,
  reason      text        not null,
  moved_at    timestamptz not null,
  primary key (shop_id, sku_id, movement_id),
  foreign key (shop_id, sku_id) references inventory.stock
);
comment on table inventory.movements is 'Each change of on_hand, never edited; their sum is on_hand.';
select kernel.tenant_table('inventory.movements');
revoke update, delete on inventory.movements from siyu_app;

-- commerce/catalog/schema.sql
create schema catalog;

create table catalog.images (
  shop_id    int         not null,
  image_key  text        not null check (image_key ~ '^[0-9a-f]{32}$'),
  width      int         not null check (width > 0),
  height     int         not null check (height > 0),
  created_at timestamptz not null,
  primary key (shop_id, image_key)
);
comment on table catalog.images is
  'Pictures a shop may use. The key is the hash of the re-encoded file; files lie in data_dir/media in several sizes.';
select kernel.tenant_table('catalog.images');

create table catalog.categories (
  shop_id      int      not null,
  category_id  uuid     not null,
  parent_id    uuid,
  name         text     not null check (char_length(name) between 1 and 20),
  image_key    text,
  position     int      not null default 0,
  depth        smallint not null generated always as (case when parent_id is null then 1 else 2 end) stored,
  parent_depth smallint generated always as (case when parent_id is null then null else 1 end) stored,
  primary key (shop_id, category_id),
  unique (shop_id, category_id, depth),
  constraint categories_parent_is_on_the_upper_floor
    foreign key (shop_id, parent_id, parent_depth) references catalog.categories (shop_id, category_id, depth),
  foreign key (shop_id, image_key) references catalog.images
);
comment on column catalog.categories.parent_depth is 'With the foreign key it holds the tree to two floors.';
comment on table catalog.categories is 'A tree of two floors; products may stand on either.';
select kernel.tenant_table('catalog.categories');

create table catalog.product_numbers (
  shop_id int not null primary key,
  last_no int not null
);
comment on table catalog.product_numbers is 'The last product number given; taken under its row lock, so numbers have no gaps.';
select kernel.tenant_table('catalog.product_numbers');

create table catalog.products (
  shop_id          int         not null,
  product_id       uuid        not null,
  product_no       int         not null,
  title            text        not null check (char_length(title) between 1 and 60),
  subtitle         text        not null check (char_length(subtitle) <= 100),
  kind             text        not null check (kind in ('physical', 'virtual', 'service')),
  status           text        not null check (status in ('draft', 'on_shelf', 'off_shelf')),
  category_id      uuid,
  description_html text        not null,
  tags             text[]      not null check (cardinality(tags) <= 10),
  option_names     text[]      not null check (cardinality(option_names) <= 3),
  search_terms     text[]      not null,
  price_fen        bigint      not null check (price_fen between 0 and 10000000000),
  market_price_fen bigint      check (market_price_fen between 0 and 10000000000),
  member_price_fen bigint      check (member_price_fen between 0 and 10000000000),
  sold_count       int         not null default 0 check (sold_count >= 0),
  position         int         not null default 0,
  version          int         not null default 1,
  created_at       timestamptz not null,
  updated_at       timestamptz not null,
  primary key (shop_id, product_id),
  unique (shop_id, product_no),
  foreign key (shop_id, category_id) references catalog.categories
);
comment on column catalog.products.price_fen is 'Of the cheapest living SKU, with that SKU''s market and member price: what a card shows.';
comment on column catalog.products.search_terms is
  'See rules.search_terms. No GIN index: under row-level security PostgreSQL may not use one with @>, which is not
  leakproof; looking through the rows of one shop takes 30 ms for 20,000 products.';
create index products_by_default on catalog.products (shop_id, status, position desc, product_no desc);
create index products_by_sales on catalog.products (shop_id, status, sold_count desc, product_no desc);
create index products_by_price on catalog.products (shop_id, status, price_fen, product_no);
create index products_by_category on catalog.products (shop_id, category_id);
comment on table catalog.products is 'What is offered. Never deleted: orders and the warehouse name it.';
select kernel.tenant_table('catalog.products');

create table catalog.product_images (
  shop_id    int      not null,
  product_id uuid     not null,
  position   smallint not null check (position between 0 and 19),
  image_key  text     not null,
  primary key (shop_id, product_id, position),
  foreign key (shop_id, product_id) references catalog.products,
  foreign key (shop_id, image_key) references catalog.images
);
comment on table catalog.product_images is 'Position 0 is the cover.';
select kernel.tenant_table('catalog.product_images');

create table catalog.skus (
  shop_id          int      not null,
  sku_id           uuid     not null,
  product_id       uuid     not null,
  position         smallint not null,
  option_values    text[]   not null check (cardinality(option_values) <= 3),
  sku_code         text     check (char_length(sku_code) between 1 and 40),
  price_fen        bigint   not null check (price_fen between 0 and 10000000000),
  market_price_fen bigint   check (market_price_fen between price_fen and 10000000000),
  member_price_fen bigint   check (member_price_fen between 0 and price_fen),
  image_key        text,
  retired_at       timestamptz,
  primary key (shop_id, sku_id),
  foreign key (shop_id, product_id) references catalog.products,
  foreign key (shop_id, image_key) references catalog.images
);
comment on column catalog.skus.retired_at is 'Taken out of the product by the merchant; kept because orders name it.';
create unique index skus_options on catalog.skus (shop_id, product_id, option_values) where retired_at is null;
create unique index skus_code on catalog.skus (shop_id, sku_code) where retired_at is null;
comment on table catalog.skus is 'What can be bought: one for each chosen set of option values, with its prices.';
select kernel.tenant_table('catalog.skus');

create table catalog.collections (
  shop_id       int  not null,
  collection_id uuid not null,
  kind          text not null check (kind in ('hot', 'bundle', 'activity')),
  position      int  not null,
  title         text not null check (char_length(title) <= 30),
  subtitle      text not null check (char_length(subtitle) <= 60),
  image_key     text,
  starts_at     timestamptz,
  ends_at       timestamptz,
  primary key (shop_id, collection_id),
  constraint collections_window_is_not_empty check (ends_at > starts_at),
  foreign key (shop_id, image_key) references catalog.images
);
comment on table catalog.collections is 'The golden triangle of the home page: one 爆品, one 套餐, any 活动 in [starts_at, ends_at).';
create unique index collections_single on catalog.collections (shop_id, kind) where kind <> 'activity';
select kernel.tenant_table('catalog.collections');

create table catalog.collection_products (
  shop_id       int      not null,
  collection_id uuid     not null,
  position      smallint not null,
  product_id    uuid     not null,
  primary key (shop_id, collection_id, position),
  unique (shop_id, collection_id, product_id),
  foreign key (shop_id, collection_id) references catalog.collections on delete cascade,
  foreign key (shop_id, product_id) references catalog.products
);
comment on table catalog.collection_products is 'The products of a collection, in the order shown.';
select kernel.tenant_table('catalog.collection_products');

create table catalog.banners (
  shop_id    int  not null,
  banner_id  uuid not null,
  position   int  not null,
  title      text not null check (char_length(title) <= 30),
  subtitle   text not null check (char_length(subtitle) <= 60),
  image_key  text not null,
  product_id uuid,
  primary key (shop_id, banner_id),
  foreign key (shop_id, image_key) references catalog.images,
  foreign key (shop_id, product_id) references catalog.products
);
comment on table catalog.banners is 'Pictures at the top of the home page, in order; replaced as a whole.';
select kernel.tenant_table('catalog.banners');

-- commerce/ordering/schema.sql
create schema ordering;

create table ordering.carts (
  shop_id int not null,
  member_id uuid not null,
  changed_at timestamptz not null,
  primary key (shop_id, member_id)
);
comment on table ordering.carts is 'One row per member: its lock serialises changes, so that the limit of 100 lines holds.';
select kernel.tenant_table('ordering.carts');

create table ordering.cart_lines (
  shop_id int not null,
  member_id uuid not null,
  sku_id uuid not null,
  quantity int not null check (quantity between 1 and 999),
  selected boolean not null default true,
  added_at timestamptz not null,
  primary key (shop_id, member_id, sku_id),
  foreign key (shop_id, member_id) references ordering.carts (shop_id, member_id)
);
comment on table ordering.cart_lines is 'What a member means to buy. No price: it is asked anew each time.';
select kernel.tenant_table('ordering.cart_lines');

create table ordering.orders (
  shop_id int not null,
  order_id uuid not null,
  order_no text not null,
  kind text not null check (kind in ('sale', 'return')),
  source text not null,
  external_key text,
  status text not null
    check (status in ('pending_payment', 'paid', 'shipped', 'completed', 'cancelled')),
  member_id uuid not null,
  person_no bigint not null,
  platform text check (platform in ('mp-weixin', 'h5', 'ios')),
  has_virtual boolean not null,
  items_fen bigint not null check (items_fen between 0 and 10000000000),
  discount_fen bigint not null check (discount_fen between 0 and items_fen),
  shipping_fen bigint not null check (shipping_fen between 0 and 10000000000),
  total_fen bigint not null check (total_fen = items_fen - discount_fen + shipping_fen),
  paid_fen bigint not null default 0 check (paid_fen in (0, total_fen)),
  adjustments jsonb not null,
  remark text not null check (length(remark) <= 200),
  address_sealed bytea,
  phone_key bytea,
  placed_at timestamptz not null,
  pay_before timestamptz,
  paid_at timestamptz,
  payment_id uuid,
  cancelled_at timestamptz,
  cancel_reason text check (cancel_reason in ('timed_out', 'by_customer', 'by_staff')),
  primary key (shop_id, order_id),
  constraint order_no_taken unique (shop_id, order_no),
  check ((paid_at is not null) = (status in ('paid', 'shipped', 'completed'))),
  check (pay_before is not null or status <> 'pending_payment'),
  check ((cancelled_at is not null) = (status = 'cancelled')),
  check ((cancelled_at is null) = (cancel_reason is null))
);
comment on table ordering.orders is 'Orders and, from imported history, returns. Amounts are never negative.';
comment on column ordering.orders.order_no is 'What people read and say: 80 random bits, never counted up (F080).';
comment on column ordering.orders.source is '`shop` for our own; else the system an imported order came from.';
comment on column ordering.orders.external_key is 'Source, customer, time and kind of an imported order: importing twice makes no double.';
comment on column ordering.orders.adjustments is 'Why the total is not the list price: trace entries {rule, label, amount_fen, sku_id} of the quote.';
comment on column ordering.orders.address_sealed is 'The address as it was when ordered: JSON of members.AddressText, encrypted.';
comment on column ordering.orders.phone_key is 'Keyed hash of the receiver''s phone, for search.';
create unique index order_external on ordering.orders (shop_id, external_key) where external_key is not null;
create index order_placed on ordering.orders (shop_id, placed_at desc, order_id desc);
create index order_status on ordering.orders (shop_id, status, placed_at desc, order_id desc);
create index order_member on ordering.orders (shop_id, member_id, placed_at desc, order_id desc);
create index order_phone on ordering.orders (shop_id, phone_key) where phone_key is not null;
create index order_unpaid on ordering.orders (shop_id, pay_before) where status = 'pending_payment';
select kernel.tenant_table('ordering.orders', worker => true);

create table ordering.order_lines (
  shop_id int not null,
  order_id uuid not null,
  line_no smallint not null,
  sku_id uuid not null,
  product_id uuid not null,
  product_no int not null,
  title text not null,
  title_key text collate "C" not null,
  option_values text[] not null,
  image_url text,
  quantity int not null check (quantity > 0),
  list_price_fen bigint not null check (list_price_fen between 0 and 10000000000),
  unit_price_fen bigint not null check (unit_price_fen between 0 and list_price_fen),
  discount_fen bigint not null check (discount_fen >= 0),
  total_fen bigint not null check (total_fen between 0 and 10000000000),
  primary key (shop_id, order_id, line_no),
  foreign key (shop_id, order_id) references ordering.orders (shop_id, order_id),
  constraint line_adds_up check (total_fen = list_price_fen * quantity - discount_fen)
);
comment on table ordering.order_lines is 'What was bought, frozen at that moment.';
comment on column ordering.order_lines.title_key is
  'Title in lower case, bytewise: a prefix is found by >= and <, which (unlike LIKE) may use an index under row-level security.';
comment on column ordering.order_lines.discount_fen is 'All that was taken off this line, its share of order-wide reductions included.';
create index line_title on ordering.order_lines (shop_id, title_key);
select kernel.tenant_table('ordering.order_lines');

create function ordering.refresh_statistics() returns void language plpgsql security definer
set search_path = pg_catalog as $$
begin
  analyze ordering.orders;
  analyze ordering.order_lines;
end $$;
comment on function ordering.refresh_statistics is
  'After an import: only the owner may do this, and lists planned without it are slow for a minute.';
revoke execute on function ordering.refresh_statistics from public;
grant execute on function ordering.refresh_statistics to siyu_app;

create table ordering.timeline (
  shop_id int not null,
  order_id uuid not null,
  entry_id uuid not null,
  at timestamptz not null,
  event text not null,
  actor text not null,
  primary key (shop_id, order_id, entry_id),
  foreign key (shop_id, order_id) references ordering.orders (shop_id, order_id)
);
comment on table ordering.timeline is 'What happened to an order, in the order it happened; never edited.';
select kernel.tenant_table('ordering.timeline');
revoke update, delete on ordering.timeline from siyu_app;

create table ordering.buyers (
  shop_id int not null,
  member_id uuid not null,
  first_order_id uuid not null,
  primary key (shop_id, member_id)
);
comment on table ordering.buyers is 'Who has paid at least once, and for which order first: two payments at once cannot both be the first.';
select kernel.tenant_table('ordering.buyers');

create table ordering.import_presets (
  shop_id int not null,
  name text not null check (length(name) between 1 and 40),
  preset jsonb not null,
  saved_at timestamptz not null,
  primary key (shop_id, name)
);
comment on table ordering.import_presets is 'Saved column mappings; shape: contracts.ImportPreset.';
select kernel.tenant_table('ordering.import_presets');

create table ordering.imports (
  shop_id int not null,
  import_id uuid not null,
  files text[] not null,
  preset text not null,
  started_at timestamptz not null,
  finished_at timestamptz not null,
  report jsonb not null,
  primary key (shop_id, import_id)
);
comment on table ordering.imports is 'Each import and its counts; shape: contracts.ImportReport.';
select kernel.tenant_table('ordering.imports');

create table ordering.import_refusals (
  shop_id int not null,
  import_id uuid not null,
  refusal_no int not null,
  file text not null,
  line_no int not null,
  reason text not null,
  content text not null check (length(content) <= 1000),
  primary key (shop_id, import_id, refusal_no),
  foreign key (shop_id, import_id) references ordering.imports (shop_id, import_id)
);
comment on table ordering.import_refusals is 'Every line that was not imported, with its number in the file and a stable reason code.';
select kernel.tenant_table('ordering.import_refusals');

-- migrate: rollback
