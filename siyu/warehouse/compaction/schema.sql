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

create table warehouse.correction (
  correction_no bigint generated always as identity primary key,
  at timestamptz not null default now(),
  shop_id int not null,
  reason text not null check (reason in ('erased', 'withdrawn', 'expired')),
  rows bigint not null check (rows > 0),
  sum_no numeric not null
);
comment on table warehouse.correction is
  'Rows taken out of the files on purpose, booked in the transaction that publishes: batches - corrections = files + tail.';

create table warehouse.retention (
  shop_id int primary key,
  keep_months int not null check (keep_months between 1 and 240)
);
comment on table warehouse.retention is
  'Whole months that a shop keeps beside the present one; without a row it keeps everything.';

grant select, insert, update, delete on warehouse.file, warehouse.correction, warehouse.retention
  to siyu_warehouse;
