create schema bulk;

create table bulk.tasks (
  shop_id       int         not null,
  task_id       uuid        not null,
  kind          text        not null check (kind in ('products_in', 'stock_in', 'orders_in',
    'products_out', 'stock_out', 'orders_out')),
  state         text        not null check (state in ('draft', 'queued', 'running', 'done', 'failed', 'cancelled')),
  file_name     text        not null check (length(file_name) between 1 and 200),
  file_bytes    bigint      not null default 0 check (file_bytes >= 0),
  format        text        not null check (format in ('csv', 'xlsx')),
  has_pictures  boolean     not null default false,
  is_dry_run    boolean     not null default false,
  mapping       jsonb       not null,
  options       jsonb       not null,
  run_no        int         not null default 0 check (run_no >= 0),
  cursor_line   int         not null default 0 check (cursor_line >= 0),
  total_lines   int         not null default 0 check (total_lines >= 0),
  done_lines    int         not null default 0 check (done_lines >= 0),
  created_count int         not null default 0 check (created_count >= 0),
  changed_count int         not null default 0 check (changed_count >= 0),
  same_count    int         not null default 0 check (same_count >= 0),
  refused_count int         not null default 0 check (refused_count >= 0),
  failure       text        check (length(failure) between 1 and 200),
  actor         text        not null,
  actor_name    text        not null,
  created_at    timestamptz not null,
  started_at    timestamptz,
  finished_at   timestamptz,
  primary key (shop_id, task_id),
  constraint failed_for_a_reason check ((failure is not null) = (state = 'failed')),
  constraint finished_when_over check ((finished_at is not null) = (state in ('done', 'failed', 'cancelled')))
);
comment on table bulk.tasks is 'A file to take in or to write. Files lie in data_dir/bulk; finished ones are thrown away after 30 days.';
comment on column bulk.tasks.cursor_line is 'The last line of the file that is dealt with: moved in the transaction that deals with it.';
comment on column bulk.tasks.run_no is 'How often it was started: a run that finds another number has been overtaken.';
comment on column bulk.tasks.total_lines is 'Of a file taken in, counted when its run begins; 0: not known.';
comment on column bulk.tasks.mapping is 'Field -> place of its column, from 0.';
create index task_waits on bulk.tasks (created_at) where state in ('draft', 'queued', 'running');
select kernel.tenant_table('bulk.tasks', worker => true);

create table bulk.refusals (
  shop_id    int  not null,
  task_id    uuid not null,
  line_no    int  not null check (line_no >= 1),
  refusal_id uuid not null,
  "column"   text not null check (length("column") <= 60),
  reason     text not null check (reason ~ '^[a-z0-9_.]{1,60}$'),
  content    text not null check (length(content) <= 500),
  primary key (shop_id, task_id, line_no, refusal_id),
  foreign key (shop_id, task_id) references bulk.tasks
);
comment on table bulk.refusals is 'Lines that were not taken: where, under which column, why (a stable code), and what stood there.';
select kernel.tenant_table('bulk.refusals', worker => true);
