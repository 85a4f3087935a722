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
  live boolean not null default false check (not live or rule is not null),
  bars jsonb not null default '{}',
  primary key (shop_id, segment_id),
  unique (shop_id, name)
);
comment on table segments.segments is 'Sets of persons under a name.';
comment on column segments.segments.note is 'Where it came from, in words.';
comment on column segments.segments.rule is 'Who belongs to it; null: the fixed persons of segments.persons.';
comment on column segments.segments.person_count is 'As of counted_at; a fixed set never changes.';
comment on column segments.segments.live is 'Membership follows each event; coming and going are events.';
comment on column segments.segments.bars is 'Of leaves that ask for a top share: leaf → the least figure among the top when it was last counted.';
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

create table segments.members (
  shop_id int not null,
  segment_id uuid not null,
  block int not null check (block >= 0),
  bits bytea not null check (length(bits) = 2048),
  primary key (shop_id, segment_id, block),
  foreign key (shop_id, segment_id) references segments.segments (shop_id, segment_id) on delete cascade
);
comment on table segments.members is 'Who fits a rule, as last judged: 16,384 persons a row, a bit each; rows without anybody are missing.';
comment on column segments.members.bits is 'Bit n stands for person block * 16384 + n.';
select kernel.tenant_table('segments.members', worker => true);

create table segments.snapshots (
  shop_id int not null,
  segment_id uuid not null,
  on_day date not null,
  person_count bigint not null check (person_count >= 0),
  came bigint not null check (came >= 0),
  went bigint not null check (went >= 0),
  taken_at timestamptz not null,
  primary key (shop_id, segment_id, on_day),
  foreign key (shop_id, segment_id) references segments.segments (shop_id, segment_id) on delete cascade
);
comment on table segments.snapshots is 'A segment at the beginning of each business day.';
comment on column segments.snapshots.came is 'In it and not in the snapshot before.';
comment on column segments.snapshots.went is 'In the snapshot before and no longer in it.';
select kernel.tenant_table('segments.snapshots', worker => true);

create table segments.snapshot_members (
  shop_id int not null,
  segment_id uuid not null,
  on_day date not null,
  block int not null check (block >= 0),
  bits bytea not null check (length(bits) = 2048),
  primary key (shop_id, segment_id, on_day, block),
  foreign key (shop_id, segment_id, on_day)
    references segments.snapshots (shop_id, segment_id, on_day) on delete cascade
);
comment on table segments.snapshot_members is 'Who was in it on a day, as in segments.members; kept for 90 days.';
select kernel.tenant_table('segments.snapshot_members', worker => true);

create table segments.passes (
  shop_id int primary key,
  judged_upto timestamptz not null
);
comment on table segments.passes is 'How far each shop is. judged_upto: profiles computed before it have been judged.';
select kernel.tenant_table('segments.passes', worker => true);

-- An erasure takes a person out of sets of bits.
create function segments.holds(bits bytea, block int, persons bigint[]) returns boolean
language sql immutable as $$
  select exists (
    select from unnest(persons) no
    where no / 16384 = block and get_bit(bits, (no % 16384)::bigint) = 1)
$$;

create function segments.without(bits bytea, block int, persons bigint[]) returns bytea
language plpgsql immutable as $$
declare
  no bigint;
begin
  foreach no in array persons loop
    if no / 16384 = block then
      bits := set_bit(bits, no % 16384, 0);
    end if;
  end loop;
  return bits;
end
$$;
