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
