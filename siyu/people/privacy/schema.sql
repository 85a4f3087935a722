create schema privacy;

create table privacy.erasures (
  shop_id int not null,
  erasure_id uuid not null,
  member_id uuid not null,
  person_no bigint not null check (person_no > 0),
  state text not null default 'waiting' check (state in ('waiting', 'blocked', 'done', 'cancelled')),
  asked_at timestamptz not null,
  asked_by text not null,
  reason text not null check (length(reason) <= 200),
  due_at timestamptz not null,
  latest_at timestamptz not null check (latest_at > due_at),
  ended_at timestamptz,
  blocks text[] not null default '{}',
  report jsonb not null default '[]',
  primary key (shop_id, erasure_id),
  check ((ended_at is null) = (state in ('waiting', 'blocked'))),
  check (state <> 'done' or blocks = '{}')
);
comment on table privacy.erasures is 'Wishes to be forgotten: what stands in the way, and what was done. Kept as proof.';
comment on column privacy.erasures.due_at is 'When the cool-off ends.';
comment on column privacy.erasures.latest_at is 'Fifteen days after it was asked for: by then it is done, or staff must help.';
comment on column privacy.erasures.report is '[{table, rows, done, law}]: what was erased, what stays and why.';
create unique index erasure_open on privacy.erasures (shop_id, member_id) where state in ('waiting', 'blocked');
create index erasure_due on privacy.erasures (due_at) where state in ('waiting', 'blocked');
select kernel.tenant_table('privacy.erasures', worker => true);
revoke delete on privacy.erasures from siyu_app, siyu_system;

create table privacy.archives (
  shop_id int not null,
  archive_id uuid not null,
  member_id uuid not null,
  person_no bigint not null check (person_no > 0),
  asked_at timestamptz not null,
  asked_by text not null,
  asked_by_name text not null,
  reason text not null check (length(reason) <= 200),
  made_at timestamptz,
  expires_at timestamptz,
  size_bytes int check (size_bytes > 0),
  row_count int check (row_count >= 0),
  content_sealed bytea,
  primary key (shop_id, archive_id),
  check ((made_at is null) = (expires_at is null) and (made_at is null) = (size_bytes is null)
    and (made_at is null) = (row_count is null)),
  check (content_sealed is null or made_at is not null)
);
comment on table privacy.archives is 'All data of a person, made on demand; the content goes after seven days, who asked and why stays.';
comment on column privacy.archives.content_sealed is 'The zip file, encrypted.';
create index archive_member on privacy.archives (shop_id, member_id, archive_id);
select kernel.tenant_table('privacy.archives', worker => true);

create table privacy.retention_runs (
  shop_id int not null,
  name text not null check (length(name) <= 80),
  ran_at timestamptz not null,
  rows bigint not null check (rows > 0),
  primary key (shop_id, name, ran_at)
);
comment on table privacy.retention_runs is 'What the nightly retention took away, per table.';
select kernel.tenant_table('privacy.retention_runs', worker => true);
