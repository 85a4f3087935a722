-- events at the limit: behaviour analysis, experiments
-- depends: 0003_trade

-- migrate: apply
comment on column inventory.warehouses.is_default is 'Takes what names no place: new goods, and goods that come back and left from nowhere known.';
create unique index movement_sold on inventory.movements (shop_id, source, sku_id, warehouse_id)
  where kind = 'sold';
comment on index inventory.movement_sold is
  'What an order was sold leaves a warehouse once, and comes back to where it left from.';

alter table warehouse.event_tail add column zone text not null default '',
  add column dwell_ms int not null default 0;
comment on column warehouse.event_tail.zone is 'The part of a page, '''' for none.';
comment on column warehouse.event_tail.dwell_ms is 'Milliseconds spent, 0 for none.';
update warehouse.event_tail set zone = props->>'zone', props = nullif(props - 'zone', '{}')
where jsonb_typeof(props->'zone') = 'string' and length(props->>'zone') <= 64;
update warehouse.event_tail
set dwell_ms = (props->>'dwell_ms')::int, props = nullif(props - 'dwell_ms', '{}')
where jsonb_typeof(props->'dwell_ms') = 'number' and props->>'dwell_ms' ~ '^[0-9]{1,9}$';

alter table warehouse.reject add column name text not null default '';

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

create table warehouse.correction (
  correction_no bigint generated always as identity primary key,
  at timestamptz not null default now(),
  shop_id int not null,
  reason text not null check (reason in ('erased', 'expired')),
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

grant select, insert, update, delete on warehouse.erasure, warehouse.reject_day, warehouse.event_day,
  warehouse.event_count, warehouse.correction, warehouse.retention to siyu_warehouse;
grant usage, update on sequence warehouse.event_block to siyu_warehouse;

-- What the events of a shop are called and which are taken.
create table warehouse.event_type (
  shop_id int not null,
  name text not null check (length(name) between 1 and 100),
  first_at timestamptz not null default now(),
  title_zh text not null default '' check (length(title_zh) <= 60),
  title_en text not null default '' check (length(title_en) <= 60),
  is_hidden boolean not null default false,
  is_blocked boolean not null default false,
  primary key (shop_id, name)
);
comment on table warehouse.event_type is 'Events a shop has or has decided about; registered as they come.';

create table warehouse.event_property (
  shop_id int not null,
  name text not null,
  prop text not null check (length(prop) between 1 and 64),
  first_at timestamptz not null default now(),
  kinds text[] not null default '{}',
  declared text check (declared in ('text', 'integer', 'number', 'flag')),
  title_zh text not null default '' check (length(title_zh) <= 60),
  title_en text not null default '' check (length(title_en) <= 60),
  is_hidden boolean not null default false,
  samples text[] not null default '{}',
  distinct_values int not null default 0,
  primary key (shop_id, name, prop),
  foreign key (shop_id, name) references warehouse.event_type
);
comment on table warehouse.event_property is 'Properties of events: what was seen of them, and what the shop has decided.';
comment on column warehouse.event_property.kinds is 'What its values were: text integer number flag nested none.';
comment on column warehouse.event_property.samples is 'Values that three persons or more had in common.';

grant select, insert, update, delete on warehouse.event_type, warehouse.event_property
  to siyu_warehouse;

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

create schema experiments;

create table experiments.settings (
  shop_id     int  primary key,
  salt        text not null check (length(salt) = 32),
  holdout_bps int  not null default 0 check (holdout_bps between 0 and 2000),
  last_no     int  not null default 0 check (last_no >= 0)
);
comment on table experiments.settings is 'One row per shop that ever made an experiment; its lock serialises the sharing out of layers.';
comment on column experiments.settings.salt is 'Keys the hash that shares people out: never changed, or everybody would move.';
comment on column experiments.settings.holdout_bps is 'The hold-out only grows, so whoever is in it stays.';
select kernel.tenant_table('experiments.settings');

create table experiments.experiments (
  shop_id        int         not null,
  experiment_id  uuid        not null,
  experiment_no  int         not null check (experiment_no > 0),
  key            text        not null check (key ~ '^[a-z][a-z0-9_-]{0,39}$'),
  name           text        not null check (length(name) between 1 and 60),
  hypothesis     text        not null check (length(hypothesis) <= 500),
  surface        text        not null check (surface in ('product', 'banner', 'strip', 'home_order', 'free')),
  product_id     uuid,
  product_no     int,
  method         text        not null check (method in ('split', 'bandit')),
  audience       text        not null check (audience in ('all', 'new')),
  layer          text        not null check (layer ~ '^[a-z][a-z0-9_-]{0,39}$'),
  share_bps      int         not null check (share_bps between 1 and 10000),
  metric         text        not null check (length(metric) <= 20),
  event          text        check (length(event) <= 80),
  window_days    int         not null check (window_days between 1 and 60),
  baseline_micro bigint      not null check (baseline_micro > 0),
  effect_bps     int         not null check (effect_bps between 100 and 10000),
  guards         jsonb       not null,
  arms           jsonb       not null check (jsonb_array_length(arms) between 2 and 6),
  state          text        not null check (state in ('draft', 'running', 'stopped', 'concluded')),
  version        int         not null default 1 check (version > 0),
  round          int         not null default 1 check (round between 1 and version),
  weights_bps    int[],
  slot_from      int         check (slot_from >= 0),
  created_at     timestamptz not null,
  started_at     timestamptz,
  round_at       timestamptz,
  ended_at       timestamptz,
  winner_arm     text,
  is_settled     boolean     not null default false,
  primary key (shop_id, experiment_id),
  unique (shop_id, experiment_no),
  constraint key_once unique (shop_id, key),
  constraint share_fits_the_layer check (slot_from + share_bps <= 10000),
  constraint started_has_its_place check ((state = 'draft') = (slot_from is null)
    and (state = 'draft') = (started_at is null) and (started_at is null) = (round_at is null)),
  constraint ended_says_when check ((state in ('stopped', 'concluded')) = (ended_at is not null)),
  constraint concluded_has_its_winner check ((state = 'concluded') = (winner_arm is not null)),
  constraint settled_is_concluded check (not is_settled or state = 'concluded'),
  constraint a_product_is_named check ((surface = 'product') = (product_id is not null)
    and (product_id is null) = (product_no is null)),
  constraint an_event_is_named check ((metric = 'event') = (event is not null))
);
comment on table experiments.experiments is 'Experiments as they are now; what they were stands in versions.';
comment on column experiments.experiments.experiment_no is 'Dense within the shop; the exposures in the warehouse name it.';
comment on column experiments.experiments.arms is '[{key, name, weight_bps, payload}], the control first; the weights add up to 10000.';
comment on column experiments.experiments.round is 'The version in which arms or weights were last changed.';
comment on column experiments.experiments.weights_bps is 'What a bandit gives its arms just now.';
comment on column experiments.experiments.baseline_micro is 'Expected of the control per person, in millionths of the metric''s unit.';
create index experiment_live on experiments.experiments (shop_id) where state = 'running' or is_settled;
select kernel.tenant_table('experiments.experiments', worker => true);

create table experiments.versions (
  shop_id       int         not null,
  experiment_id uuid        not null,
  version       int         not null check (version > 0),
  round         int         not null check (round between 1 and version),
  arms          jsonb       not null,
  share_bps     int         not null,
  made_at       timestamptz not null,
  made_by       text        not null,
  why           text        not null check (length(why) <= 500),
  primary key (shop_id, experiment_id, version),
  foreign key (shop_id, experiment_id) references experiments.experiments
);
comment on table experiments.versions is 'What ran when: a running experiment never changes silently.';
select kernel.tenant_table('experiments.versions');
revoke update, delete on experiments.versions from siyu_app;

create table experiments.assignments (
  shop_id         int         not null,
  experiment_id   uuid        not null,
  person_no       bigint      not null,
  arm             text        not null,
  round           int         not null check (round > 0),
  probability_bps int         not null check (probability_bps between 1 and 10000),
  first_at        timestamptz not null,
  seen_on         date        not null,
  primary key (shop_id, experiment_id, person_no),
  foreign key (shop_id, experiment_id) references experiments.experiments
);
comment on table experiments.assignments is 'What each person was first shown; they keep it. A member who was a visitor takes the visitor''s arm over.';
comment on column experiments.assignments.seen_on is 'The last business day on which an exposure was told.';
create index assignment_person on experiments.assignments (shop_id, person_no);
select kernel.tenant_table('experiments.assignments');

create table experiments.story (
  shop_id       int         not null,
  experiment_id uuid        not null,
  entry_id      uuid        not null,
  at            timestamptz not null,
  event         text        not null check (event in ('created', 'edited', 'started', 'ramped', 'changed',
    'weighed', 'stopped', 'guard_stopped', 'concluded', 'retired')),
  actor         text        not null,
  text          text        not null check (length(text) <= 500),
  detail        jsonb       not null,
  primary key (shop_id, experiment_id, entry_id),
  foreign key (shop_id, experiment_id) references experiments.experiments
);
comment on table experiments.story is 'Every decision about an experiment, by whom and why.';
select kernel.tenant_table('experiments.story');
revoke update, delete on experiments.story from siyu_app;

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

-- migrate: rollback
