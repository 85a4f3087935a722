create schema promotions;

create table promotions.shipping_templates (
  shop_id     int         not null,
  template_id uuid        not null,
  name        text        not null check (char_length(name) between 1 and 30),
  plan        jsonb       not null check (plan ? 'charge_by'),
  version     int         not null default 1,
  updated_at  timestamptz not null,
  primary key (shop_id, template_id)
);
comment on table promotions.shipping_templates is 'What sending costs, and where to; plan is promotions.contracts.ShippingPlan.';
select kernel.tenant_table('promotions.shipping_templates');

create table promotions.product_templates (
  shop_id     int  not null,
  product_id  uuid not null,
  template_id uuid not null,
  primary key (shop_id, product_id),
  foreign key (shop_id, template_id) references promotions.shipping_templates on delete cascade
);
create index product_templates_of on promotions.product_templates (shop_id, template_id);
comment on table promotions.product_templates is 'Products that go by another template than the shop''s default.';
select kernel.tenant_table('promotions.product_templates');

create table promotions.settings (
  shop_id             int         not null primary key,
  floor_bps           int         not null default 0 check (floor_bps between 0 and 10000),
  default_template_id uuid,
  revision            uuid        not null,
  updated_at          timestamptz not null,
  foreign key (shop_id, default_template_id) references promotions.shipping_templates
);
comment on column promotions.settings.floor_bps is 'No line is reduced below this part of its list price.';
comment on column promotions.settings.revision is
  'New with every change of campaigns, templates or settings, and never used twice: what a process has read under a
  revision is right for as long as the revision stands here.';
comment on table promotions.settings is 'One row for each shop that has set anything.';
select kernel.tenant_table('promotions.settings');

create table promotions.campaigns (
  shop_id           int         not null,
  campaign_id       uuid        not null,
  title             text        not null check (char_length(title) between 1 and 30),
  state             text        not null check (state in ('draft', 'running', 'paused', 'ended')),
  starts_at         timestamptz not null,
  ends_at           timestamptz,
  priority          int         not null check (priority between 0 and 1000),
  stacking          text        not null check (stacking ~ '^[a-z0-9_]{1,20}$'),
  audience          text        not null check (audience in ('everyone', 'members', 'first_order', 'birthday')),
  takes_coupons     boolean     not null,
  ignores_floor     boolean     not null,
  terms             jsonb       not null check (terms ->> 'type' in ('timed_price', 'threshold')),
  version           int         not null default 1,
  simulated_version int,
  simulated_at      timestamptz,
  simulation        jsonb,
  waiver            text        check (char_length(waiver) between 1 and 200),
  created_at        timestamptz not null,
  updated_at        timestamptz not null,
  primary key (shop_id, campaign_id),
  constraint campaigns_window_is_not_empty check (ends_at > starts_at),
  constraint campaigns_run_when_simulated
    check (state <> 'running' or simulated_version is not distinct from version or waiver is not null)
);
create index campaigns_by_state on promotions.campaigns (shop_id, state);
comment on column promotions.campaigns.ends_at is 'In effect in [starts_at, ends_at) while it runs.';
comment on column promotions.campaigns.stacking is '''best'', ''adds'', or an exclusive group of one''s own.';
comment on column promotions.campaigns.terms is 'promotions.contracts.TimedPrice or Threshold.';
comment on column promotions.campaigns.simulation is 'What it would have cost on past orders: contracts.CostReport.';
comment on column promotions.campaigns.waiver is 'Why this version went live without a simulation.';
comment on table promotions.campaigns is 'Price campaigns: 限时折扣, 满减, 满折, 满赠, 首单立减.';
select kernel.tenant_table('promotions.campaigns');
