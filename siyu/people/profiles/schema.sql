create schema profiles;

create table profiles.states (
  shop_id int not null,
  person_no bigint not null check (person_no > 0),
  root_no bigint not null,
  parent_no bigint,
  measures jsonb not null,
  primary key (shop_id, person_no)
);
comment on table profiles.states is 'What the events of each number add up to, in any order the same: sums, extremes, counts per day of the last 90 days.';
comment on column profiles.states.root_no is 'The person whom this number belongs to today; the number itself while it is nobody else''s.';
comment on column profiles.states.parent_no is 'Whom it was joined to; taken back when the join is undone.';
create index state_root on profiles.states (shop_id, root_no);
create index state_parent on profiles.states (shop_id, parent_no) where parent_no is not null;
select kernel.tenant_table('profiles.states', worker => true);

create table profiles.people (
  shop_id int not null,
  person_no bigint not null check (person_no > 0),
  fields jsonb not null default '{}',
  tier text,
  life text,
  due_at timestamptz,
  refreshed_at timestamptz,
  primary key (shop_id, person_no)
);
comment on table profiles.people is 'The profile of each person: one row, read by pages and segments.';
comment on column profiles.people.fields is 'Field key → value by the catalogue: integers, flags, text, "YYYY-MM-DD", lists. A counted field that is missing is 0.';
comment on column profiles.people.due_at is 'When it must be computed anew: after an event at once, else when time alone changes a window or a tier.';
create index people_due on profiles.people (shop_id, due_at) where due_at is not null;
create index people_refreshed on profiles.people (shop_id, refreshed_at);
create index people_tier on profiles.people (shop_id, tier, person_no);
create index people_life on profiles.people (shop_id, life, person_no);
select kernel.tenant_table('profiles.people', worker => true);

create table profiles.tier_moves (
  shop_id int not null,
  person_no bigint not null,
  move_id uuid not null,
  ladder text not null check (ladder in ('tier', 'life')),
  before text,
  after text,
  rules_version int not null,
  at timestamptz not null,
  primary key (shop_id, person_no, move_id),
  check (before is distinct from after)
);
comment on table profiles.tier_moves is 'Who came from which tier to which, by which version of the rules.';
select kernel.tenant_table('profiles.tier_moves', worker => true);

create table profiles.tier_rules (
  shop_id int not null,
  version int not null check (version > 0),
  rules jsonb not null,
  note text not null check (length(note) <= 200),
  made_by text not null check (length(made_by) <= 64),
  made_at timestamptz not null,
  primary key (shop_id, version)
);
comment on table profiles.tier_rules is 'Every version of a shop''s tier rules; the newest is in force.';
select kernel.tenant_table('profiles.tier_rules', worker => true);

create table profiles.tags (
  shop_id int not null,
  tag_id uuid not null,
  name text not null check (length(name) between 1 and 30),
  group_name text not null check (group_name in ('basic', 'behaviour', 'value')),
  note text not null check (length(note) <= 200),
  making jsonb not null,
  made_by text not null check (length(made_by) <= 64),
  created_at timestamptz not null,
  reviewed_at timestamptz not null,
  retired_at timestamptz,
  primary key (shop_id, tag_id)
);
comment on table profiles.tags is 'Tags and how they are given: by hand, by a rule, by a score.';
create unique index tag_name on profiles.tags (shop_id, name) where retired_at is null;
select kernel.tenant_table('profiles.tags', worker => true);

create table profiles.tagged (
  shop_id int not null,
  person_no bigint not null,
  tag_id uuid not null,
  score int,
  given_by text not null check (length(given_by) <= 64),
  given_at timestamptz not null,
  primary key (shop_id, person_no, tag_id),
  foreign key (shop_id, tag_id) references profiles.tags (shop_id, tag_id) on delete cascade
);
comment on table profiles.tagged is 'Who has which tag. score: of a scored tag when it was last computed.';
create index tagged_tag on profiles.tagged (shop_id, tag_id, person_no);
select kernel.tenant_table('profiles.tagged', worker => true);

create table profiles.passes (
  shop_id int primary key,
  rebuilt_at timestamptz,
  visited_us bigint not null default 0,
  visits_on date
);
comment on table profiles.passes is 'How far each shop is. rebuilt_at null: its states are to be made from all events.';
comment on column profiles.passes.visited_us is 'The last visit that was counted, UTC microseconds.';
comment on column profiles.passes.visits_on is 'The business day on which all visitors were last counted: windows move with the days.';
select kernel.tenant_table('profiles.passes', worker => true);
