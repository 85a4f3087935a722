create schema segments;

create table segments.segments (
  shop_id int not null,
  segment_id uuid not null,
  name text not null check (length(name) between 1 and 40),
  note text not null check (length(note) <= 500),
  rule jsonb,
  person_count bigint not null check (person_count >= 0),
  counted_at timestamptz not null,
  made_by text not null check (length(made_by) <= 64),
  created_at timestamptz not null,
  primary key (shop_id, segment_id),
  unique (shop_id, name)
);
comment on table segments.segments is 'Sets of persons under a name.';
comment on column segments.segments.note is 'Where it came from, in words.';
comment on column segments.segments.rule is 'Who belongs to it, asked anew each time; null: the fixed persons of segments.persons.';
comment on column segments.segments.person_count is 'As of counted_at; a fixed set never changes.';
select kernel.tenant_table('segments.segments', worker => true);

create table segments.persons (
  shop_id int not null,
  segment_id uuid not null,
  person_no bigint not null check (person_no > 0),
  primary key (shop_id, segment_id, person_no),
  foreign key (shop_id, segment_id) references segments.segments (shop_id, segment_id) on delete cascade
);
comment on table segments.persons is 'The persons of fixed segments, under the numbers they had then.';
select kernel.tenant_table('segments.persons', worker => true);
