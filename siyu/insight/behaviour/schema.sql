create schema behaviour;

create table behaviour.boards (
  shop_id int not null,
  board_id uuid not null,
  name text not null check (length(name) between 1 and 40),
  charts jsonb not null,
  made_by text not null check (length(made_by) <= 64),
  version int not null check (version > 0),
  updated_at timestamptz not null,
  primary key (shop_id, board_id)
);
comment on table behaviour.boards is 'Saved questions, arranged on a page.';
comment on column behaviour.boards.charts is 'List of {title, question, wide}, in their order.';
comment on column behaviour.boards.version is 'Grows with each change, so that two editors do not overwrite each other.';
select kernel.tenant_table('behaviour.boards');

create table behaviour.annotations (
  shop_id int not null,
  annotation_id uuid not null,
  at_day date not null,
  text text not null check (length(text) between 1 and 100),
  made_by text not null check (length(made_by) <= 64),
  created_at timestamptz not null,
  primary key (shop_id, annotation_id)
);
comment on table behaviour.annotations is 'Remarks on business days, shown on every chart over time.';
create index annotation_day on behaviour.annotations (shop_id, at_day);
select kernel.tenant_table('behaviour.annotations');

create table behaviour.digests (
  shop_id int not null,
  at_day date not null,
  figures jsonb not null,
  made_at timestamptz not null,
  primary key (shop_id, at_day)
);
comment on table behaviour.digests is 'What happened on a business day, told to staff the next morning; never changed.';
comment on column behaviour.digests.figures is 'Figure → [that day, the day before, mean of the seven days before].';
select kernel.tenant_table('behaviour.digests', worker => true);

create table behaviour.digest_reads (
  shop_id int not null,
  at_day date not null,
  staff_id uuid not null,
  read_at timestamptz not null,
  primary key (shop_id, at_day, staff_id),
  foreign key (shop_id, at_day) references behaviour.digests (shop_id, at_day)
);
comment on table behaviour.digest_reads is 'Who of the staff has read which digest.';
select kernel.tenant_table('behaviour.digest_reads');
