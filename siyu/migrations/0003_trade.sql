-- the whole trade
-- depends: 0002_money

-- migrate: apply
create table shops.stores (
  shop_id int not null,
  store_id uuid not null,
  name text not null check (length(name) between 1 and 60),
  address text not null check (length(address) between 1 and 200),
  phone text not null check (length(phone) <= 30),
  hours text not null check (length(hours) <= 60),
  is_open boolean not null,
  latitude_e6 int check (latitude_e6 between -90000000 and 90000000),
  longitude_e6 int check (longitude_e6 between -180000000 and 180000000),
  primary key (shop_id, store_id),
  check ((latitude_e6 is null) = (longitude_e6 is null))
);
comment on table shops.stores is 'Places where orders can be collected; a closed one keeps its orders and takes no new ones.';
comment on column shops.stores.latitude_e6 is 'Millionths of a degree (GCJ-02).';
select kernel.tenant_table('shops.stores');

-- inventory: warehouses, items, hot lanes. Each shop that keeps stock gets one warehouse with all of it.
create table inventory.warehouses (
  shop_id      int     not null,
  warehouse_id uuid    not null,
  name         text    not null check (length(name) between 1 and 40),
  priority     int     not null check (priority between 1 and 1000),
  is_default   boolean not null,
  is_open      boolean not null,
  primary key (shop_id, warehouse_id),
  constraint warehouse_name_taken unique (shop_id, name),
  constraint default_warehouse_open check (is_open or not is_default)
);
comment on table inventory.warehouses is
  'Where goods are. Orders are served from the open ones, the lowest priority first.';
comment on column inventory.warehouses.is_default is 'Takes what names no place: new goods, and goods that come back.';
create unique index warehouse_default on inventory.warehouses (shop_id) where is_default;
select kernel.tenant_table('inventory.warehouses');

create table inventory.items (
  shop_id         int     not null,
  sku_id          uuid    not null,
  product_no      int     not null,
  version         int     not null default 0,
  withdrawn       boolean not null default false,
  safety          int     not null default 0 check (safety between 0 and 1000000),
  lane            text    not null default 'auto' check (lane in ('auto', 'on', 'off')),
  limit_per_buyer int     check (limit_per_buyer between 1 and 999),
  primary key (shop_id, sku_id)
);
comment on table inventory.items is 'What the merchant decides about each SKU of which stock is kept; sales do not touch it.';
comment on column inventory.items.version is 'Counts changes made by the merchant, in whichever warehouse.';
comment on column inventory.items.withdrawn is
  'No longer offered: counts in no list, yet what is on hand and reserved stays true.';
comment on column inventory.items.safety is 'Pieces of all open warehouses together that are not sold.';
comment on column inventory.items.lane is 'Hot lane: auto = by measured waits, on = always, off = never.';
comment on column inventory.items.limit_per_buyer is 'Pieces in all orders of one member that were not cancelled.';
create index item_by_product on inventory.items (shop_id, product_no);

-- Migrations run as the owner, whom forced row-level security does not let through.
alter table inventory.warehouses no force row level security;
alter table inventory.stock no force row level security;
alter table inventory.reservations no force row level security;
alter table inventory.movements no force row level security;

insert into inventory.warehouses (shop_id, warehouse_id, name, priority, is_default, is_open)
select shop_id, gen_random_uuid(), '主仓', 1, true, true from inventory.stock group by shop_id;
insert into inventory.items (shop_id, sku_id, product_no, version, withdrawn)
select shop_id, sku_id, product_no, version, withdrawn from inventory.stock;
select kernel.tenant_table('inventory.items');

alter table inventory.stock add column warehouse_id uuid;
alter table inventory.reservations add column warehouse_id uuid;
alter table inventory.movements add column warehouse_id uuid;
update inventory.stock s set warehouse_id = w.warehouse_id from inventory.warehouses w where w.shop_id = s.shop_id;
update inventory.reservations r set warehouse_id = w.warehouse_id from inventory.warehouses w where w.shop_id = r.shop_id;
update inventory.movements m set warehouse_id = w.warehouse_id from inventory.warehouses w where w.shop_id = m.shop_id;
alter table inventory.stock alter column warehouse_id set not null;
alter table inventory.reservations alter column warehouse_id set not null;
alter table inventory.movements alter column warehouse_id set not null;

drop index inventory.stock_by_product;
drop index inventory.reservations_by_sku;
alter table inventory.reservations drop constraint reservations_shop_id_sku_id_fkey;
alter table inventory.movements drop constraint movements_shop_id_sku_id_fkey;
alter table inventory.stock drop constraint stock_pkey;
alter table inventory.reservations drop constraint reservations_pkey;
alter table inventory.movements drop constraint movements_pkey;
alter table inventory.stock drop column product_no, drop column version, drop column withdrawn;
alter table inventory.stock add primary key (shop_id, sku_id, warehouse_id);
alter table inventory.stock add foreign key (shop_id, sku_id) references inventory.items;
alter table inventory.stock add foreign key (shop_id, warehouse_id) references inventory.warehouses;
create index stock_by_warehouse on inventory.stock (shop_id, warehouse_id);
alter table inventory.reservations add primary key (shop_id, source, sku_id, warehouse_id);
alter table inventory.reservations add foreign key (shop_id, sku_id, warehouse_id) references inventory.stock;
alter table inventory.movements add primary key (shop_id, sku_id, movement_id, warehouse_id);
alter table inventory.movements add foreign key (shop_id, sku_id, warehouse_id) references inventory.stock;
alter table inventory.movements drop constraint movements_kind_check;
alter table inventory.movements add check (kind in ('received', 'adjusted', 'sold', 'returned', 'transferred'));

alter table inventory.warehouses force row level security;
alter table inventory.stock force row level security;
alter table inventory.reservations force row level security;
alter table inventory.movements force row level security;

create table inventory.lanes (
  shop_id   int         not null,
  sku_id    uuid        not null,
  lane_id   uuid        not null,
  opened_at timestamptz not null,
  queue     int         not null check (queue >= 0),
  orders    bigint      not null check (orders >= 0),
  refused   bigint      not null check (refused >= 0),
  batches   bigint      not null check (batches > 0),
  largest   int         not null check (largest > 0),
  worked_at timestamptz not null,
  primary key (shop_id, sku_id, lane_id),
  foreign key (shop_id, sku_id) references inventory.items
) with (fillfactor = 50);
comment on table inventory.lanes is 'What each hot lane (one per process and SKU while it is open) has done; for the stock page.';
comment on column inventory.lanes.queue is 'Buyers in line when it opened; 0: the merchant opened it.';
select kernel.tenant_table('inventory.lanes');

-- catalog: weight and floor price of a SKU
alter table catalog.skus add column weight_g int not null default 0 check (weight_g between 0 and 1000000);
alter table catalog.skus add column floor_fen bigint;
alter table catalog.skus add check (floor_fen between 0 and price_fen);
comment on column catalog.skus.weight_g is 'Of a piece with its packing; what shipping by weight goes by.';
comment on column catalog.skus.floor_fen is 'No campaign or coupon takes a piece below it.';

-- catalog: words that floors above let a product be found by
alter table catalog.products add column found_by text[] not null default '{}';
comment on column catalog.products.found_by is 'Terms by which floors above let it be found, too (a gift by 礼物).';

-- ordering (and payments' offline tender)
alter table ordering.orders add column pickup jsonb, add column coupons jsonb not null default '{}',
  add column is_offline boolean not null default false;
alter table ordering.orders drop constraint orders_delivery_check;
alter table ordering.orders add constraint orders_delivery_check check (delivery in ('ship', 'serve', 'instant', 'pickup', 'gift'));
alter table ordering.orders add constraint pickup_has_a_place check ((pickup is not null) = (delivery = 'pickup')),
  add constraint offline_is_paid check (not is_offline or paid_at is not null);
alter table ordering.order_lines add column is_gift boolean not null default false;
alter table ordering.order_lines add constraint gift_costs_nothing check (not is_gift or total_fen = 0);
alter table payments.attempts drop constraint attempts_channel_check;
alter table payments.attempts add constraint attempts_channel_check check (channel in ('jsapi', 'native', 'internal', 'offline'));
alter table payments.refunds drop constraint refunds_state_check;
alter table payments.refunds add constraint refunds_state_check check (state in ('waiting', 'counter', 'created', 'processing', 'succeeded', 'abnormal', 'failed', 'settled', 'closed'));
alter table ordering.orders add column is_first boolean not null default false;
create unique index order_first_once on ordering.orders (shop_id, member_id) where is_first and status <> 'cancelled';
-- comments: ordering.orders.{delivery,pickup,coupons,is_offline,is_first,adjustments}, ordering.order_lines.is_gift, table ordering.notes as in schema.sql

comment on column ordering.orders.adjustments is
  'Why the total is not the list price: trace entries {rule, label, amount_fen, sku_id, rule_id} of the quote. Each reduction says the line it fell on: its share there.';
comment on column ordering.orders.delivery is
  'ship: something is sent; serve: a service; instant: virtual goods only; pickup: collected by the buyer; gift: for somebody who says later where to.';
comment on column ordering.orders.pickup is 'Where it is collected, as it was when ordered; shape: contracts.PickupStore.';
comment on column ordering.orders.coupons is 'What each coupon took off, {claim_id: fen}: a part of discount_fen or of what shipping would cost.';
comment on column ordering.orders.is_offline is 'Paid at the counter: staff, not WeChat, collected what points and balance left.';
comment on column ordering.orders.is_first is 'Some of its price is for a member''s first order only: a member has one such order.';
comment on column ordering.order_lines.is_gift is 'Given on top by a campaign.';
comment on column payments.attempts.merchant is 'The merchant account the attempt was made with; empty for internal and offline ones.';
comment on column payments.refunds.merchant is 'The merchant account the money lies with; empty for cash.';

create table ordering.notes (
  shop_id int not null,
  order_id uuid not null,
  note_id uuid not null,
  at timestamptz not null,
  actor text not null,
  content text not null check (length(content) between 1 and 500),
  primary key (shop_id, order_id, note_id),
  foreign key (shop_id, order_id) references ordering.orders (shop_id, order_id)
);
comment on table ordering.notes is 'What staff tell each other about an order; the customer never sees it, and it is never edited.';
select kernel.tenant_table('ordering.notes');
revoke update, delete on ordering.notes from siyu_app;

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

create schema coupons;

create table coupons.batches (
  shop_id int not null,
  batch_id uuid not null,
  name text not null check (length(name) between 1 and 30),
  note text not null check (length(note) <= 200),
  state text not null check (state in ('draft', 'running', 'paused', 'ended')),
  gives jsonb not null check (gives ->> 'type' in ('fixed', 'percent', 'exchange')),
  from_fen bigint not null check (from_fen between 0 and 10000000000),
  scope jsonb not null check (jsonb_typeof(scope) = 'object'),
  "group" text not null check ("group" ~ '^[a-z0-9_]{1,20}$'),
  full_price_only boolean not null,
  issue text not null check (issue in ('centre', 'code', 'newcomer', 'first_order', 'birthday',
    'staff')),
  code text check (length(code) between 2 and 40),
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  valid_days int check (valid_days between 1 and 3650),
  needs_phone boolean not null,
  return_days int check (return_days between 0 and 366),
  total_count int check (total_count between 1 and 10000000),
  per_member int not null check (per_member between 1 and 100),
  per_device int check (per_device between 1 and 100),
  budget_fen bigint check (budget_fen between 1 and 10000000000),
  claimed_count int not null default 0 check (claimed_count >= 0),
  committed_fen bigint not null default 0 check (committed_fen >= 0),
  version int not null default 1,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (shop_id, batch_id),
  check (starts_at < ends_at),
  check ((code is null) = (issue <> 'code')),
  constraint batch_count check (claimed_count <= total_count),
  constraint batch_budget check (committed_fen <= budget_fen),
  check (budget_fen is not null or committed_fen = 0)
);
comment on table coupons.batches is
  'Coupons the shop issues. What the coupons promise is fixed once the batch has run.';
comment on column coupons.batches.gives is
  'promotions.contracts.CouponGives: so much less, a part of the price, or pieces for nothing.';
comment on column coupons.batches.from_fen is
  'What the goods in scope must cost at least, after campaigns.';
comment on column coupons.batches."group" is
  'Coupons of one group exclude one another; those of different groups add up.';
comment on column coupons.batches.code is 'NFKC, case folded, without space.';
comment on column coupons.batches.ends_at is
  'Nothing is given from here on; a coupon without valid_days ends here, as promised to it.';
comment on column coupons.batches.valid_days is
  'Good for so many calendar days of the shop, the day of the claim being the first.';
comment on column coupons.batches.return_days is
  'A full refund gives the coupon back for at least so many days; null: not given back.';
comment on column coupons.batches.committed_fen is
  'Taken off orders that wait or are paid; counted only where there is a budget, so that others need no lock here (F048).';
create unique index batch_code on coupons.batches (shop_id, code) where state <> 'ended';
create index batch_issue on coupons.batches (shop_id, issue, starts_at) where state = 'running';
create index batch_birthday on coupons.batches (ends_at)
  where state = 'running' and issue = 'birthday';
select kernel.tenant_table('coupons.batches', worker => true);

create table coupons.takers (
  shop_id int not null,
  batch_id uuid not null,
  kind text not null check (kind in ('member', 'phone', 'device')),
  taker bytea not null check (length(taker) between 16 and 64),
  taken int not null,
  most int not null,
  primary key (shop_id, batch_id, kind, taker),
  foreign key (shop_id, batch_id) references coupons.batches (shop_id, batch_id),
  constraint taker_limit check (taken between 1 and most)
);
comment on table coupons.takers is
  'How many coupons of a batch a member, a phone number or a device has taken.';
comment on column coupons.takers.taker is
  'The member''s id, or the keyed hash of number or device: no clear text (F095).';
select kernel.tenant_table('coupons.takers');

create table coupons.claims (
  shop_id int not null,
  claim_id uuid not null,
  batch_id uuid not null,
  member_id uuid not null,
  person_no bigint not null,
  state text not null check (state in ('claimed', 'held', 'used', 'expired', 'void')),
  valid_from timestamptz not null,
  valid_until timestamptz not null,
  birthday_year int,
  order_id uuid,
  off_fen bigint check (off_fen between 1 and 10000000000),
  order_fen bigint check (order_fen between 0 and 10000000000),
  claimed_at timestamptz not null,
  used_at timestamptz,
  moves int not null default 1 check (moves > 0),
  primary key (shop_id, claim_id),
  foreign key (shop_id, batch_id) references coupons.batches (shop_id, batch_id),
  check ((order_id is not null) = (state in ('held', 'used'))),
  check ((off_fen is null) = (order_id is null)),
  check ((used_at is not null) = (state = 'used')),
  check (order_fen is null or state = 'used'),
  check (valid_from < valid_until)
);
comment on table coupons.claims is
  'The coupons members have. One is in one order at a time, for the row has room for one (F047).';
comment on column coupons.claims.birthday_year is
  'For which birthday it was given; a batch gives one for each.';
comment on column coupons.claims.off_fen is 'What it took off that order.';
comment on column coupons.claims.order_fen is 'What that order came to.';
create unique index claim_birthday on coupons.claims (shop_id, batch_id, member_id, birthday_year)
  where birthday_year is not null;
create index claim_member on coupons.claims (shop_id, member_id, claim_id desc);
create index claim_batch on coupons.claims (shop_id, batch_id, claim_id desc);
create index claim_order on coupons.claims (shop_id, order_id) where order_id is not null;
create index claim_ending on coupons.claims (valid_until) where state = 'claimed';
select kernel.tenant_table('coupons.claims', worker => true);

create table coupons.moves (
  shop_id int not null,
  claim_id uuid not null,
  move_no int not null check (move_no > 0),
  kind text not null check (kind in ('claimed', 'held', 'released', 'used', 'given_back',
    'expired', 'voided')),
  order_id uuid,
  off_fen bigint,
  note text not null default '' check (length(note) <= 200),
  at timestamptz not null,
  primary key (shop_id, claim_id, move_no),
  foreign key (shop_id, claim_id) references coupons.claims (shop_id, claim_id)
    deferrable initially deferred,
  check ((order_id is null) = (kind in ('claimed', 'expired', 'voided'))),
  check ((off_fen is null) = (order_id is null))
);
comment on table coupons.moves is
  'Every step of every coupon, numbered without a gap. Never changed.';
create unique index move_given_back on coupons.moves (shop_id, claim_id, order_id)
  where kind = 'given_back';
create index move_order on coupons.moves (shop_id, order_id) where order_id is not null;
select kernel.tenant_table('coupons.moves');
revoke update, delete on coupons.moves from siyu_app;

create table coupons.birthdays (
  shop_id int not null,
  member_id uuid not null,
  person_no bigint not null,
  sealed bytea,
  day_key bytea,
  given_at timestamptz not null,
  primary key (shop_id, member_id),
  check ((sealed is null) = (day_key is null))
);
comment on table coupons.birthdays is
  'The day of the year that members gave, by themselves, for a coupon on their birthday; used for nothing else, and cleared when they say so: that one was given stays, or it could wander.';
comment on column coupons.birthdays.sealed is 'MM-DD, encrypted.';
comment on column coupons.birthdays.day_key is 'Keyed hash of it, to find whose day it is.';
create index birthday_day on coupons.birthdays (shop_id, day_key) where day_key is not null;
select kernel.tenant_table('coupons.birthdays');

create table coupons.code_attempts (
  shop_id int not null,
  subject bytea not null,
  tries int not null check (tries > 0),
  started_at timestamptz not null,
  primary key (shop_id, subject)
);
comment on table coupons.code_attempts is
  'Codes tried by a member, and from a network, in the present window; subject is a keyed hash.';
create index code_attempt_old on coupons.code_attempts (started_at);
select kernel.tenant_table('coupons.code_attempts', worker => true);

create schema fulfilment;

create table fulfilment.consignments (
  shop_id int not null,
  consignment_id uuid not null,
  order_id uuid not null,
  order_no text not null,
  kind text not null check (kind in ('ship', 'pickup')),
  state text not null default 'open' check (state in ('open', 'done', 'cancelled')),
  source_id uuid not null,
  receiver_id uuid not null,
  address_sealed bytea,
  address_key bytea,
  store_id uuid,
  code_sealed bytea,
  code_key bytea,
  created_at timestamptz not null,
  due_at timestamptz,
  reminded_at timestamptz,
  handed_over_at timestamptz,
  ended_at timestamptz,
  primary key (shop_id, consignment_id),
  unique (shop_id, source_id),
  check ((kind = 'ship') = (address_sealed is not null)),
  check ((address_sealed is null) = (address_key is null)),
  check ((kind = 'pickup') = (store_id is not null and code_sealed is not null
    and code_key is not null and due_at is not null)),
  check ((ended_at is null) = (state = 'open'))
);
comment on table fulfilment.consignments is 'What is to reach whom: one per order, or one per accepted share of a gift.';
comment on column fulfilment.consignments.source_id is 'The order, or whoever asked: asking twice makes one.';
comment on column fulfilment.consignments.receiver_id is 'The member it is for. Nobody else reads it.';
comment on column fulfilment.consignments.address_sealed is 'JSON of members.AddressText, encrypted.';
comment on column fulfilment.consignments.address_key is 'Keyed hash of the address: equal ones may share a parcel.';
comment on column fulfilment.consignments.code_key is 'Keyed hash of the pick-up code.';
comment on column fulfilment.consignments.handed_over_at is 'When the buyer took it at the counter, without a parcel.';
comment on column fulfilment.consignments.due_at is 'When a pick-up is overdue.';
create index consignment_number on fulfilment.consignments (shop_id, order_no);
create index consignment_order on fulfilment.consignments (shop_id, order_id);
create index consignment_open on fulfilment.consignments (shop_id, kind, consignment_id) where state = 'open';
create index consignment_together on fulfilment.consignments (shop_id, receiver_id, address_key) where state = 'open';
create index consignment_due on fulfilment.consignments (due_at) where state = 'open' and due_at is not null;
create unique index consignment_code on fulfilment.consignments (shop_id, code_key) where state = 'open' and code_key is not null;
select kernel.tenant_table('fulfilment.consignments', worker => true);

create table fulfilment.consignment_lines (
  shop_id int not null,
  consignment_id uuid not null,
  line_no smallint not null,
  quantity int not null check (quantity > 0),
  sent int not null default 0 check (sent >= 0),
  cancelled int not null default 0 check (cancelled >= 0),
  primary key (shop_id, consignment_id, line_no),
  foreign key (shop_id, consignment_id) references fulfilment.consignments (shop_id, consignment_id),
  constraint no_piece_leaves_twice check (sent + cancelled <= quantity)
);
comment on table fulfilment.consignment_lines is 'Pieces of an order''s lines; what they are called stands in the order.';
comment on column fulfilment.consignment_lines.cancelled is 'Refunded before they left.';
select kernel.tenant_table('fulfilment.consignment_lines');

create table fulfilment.substitutes (
  shop_id int not null,
  consignment_id uuid not null,
  line_no smallint not null,
  sku_id uuid not null,
  title text not null,
  option_values text[] not null,
  image_url text,
  primary key (shop_id, consignment_id, line_no),
  foreign key (shop_id, consignment_id, line_no)
    references fulfilment.consignment_lines (shop_id, consignment_id, line_no)
);
comment on table fulfilment.substitutes is 'What goes instead of a line whose goods are gone, as the receiver of a gift chose.';
select kernel.tenant_table('fulfilment.substitutes');

create table fulfilment.parcels (
  shop_id int not null,
  parcel_id uuid not null,
  receiver_id uuid not null,
  carrier text not null check (length(carrier) between 1 and 40),
  carrier_code text check (carrier_code ~ '^[A-Z0-9]{2,16}$'),
  tracking_no text not null check (length(tracking_no) between 1 and 64),
  sent_at timestamptz not null,
  delivered_at timestamptz,
  primary key (shop_id, parcel_id)
);
comment on table fulfilment.parcels is 'What has left, and under which number.';
comment on column fulfilment.parcels.carrier_code is 'WeChat''s delivery id; none for a carrier it does not know.';
create index parcel_tracking on fulfilment.parcels (shop_id, tracking_no);
create index parcel_under_way on fulfilment.parcels (shop_id, sent_at) where delivered_at is null;
select kernel.tenant_table('fulfilment.parcels', worker => true);

create table fulfilment.parcel_lines (
  shop_id int not null,
  parcel_id uuid not null,
  consignment_id uuid not null,
  line_no smallint not null,
  quantity int not null check (quantity > 0),
  primary key (shop_id, parcel_id, consignment_id, line_no),
  foreign key (shop_id, parcel_id) references fulfilment.parcels (shop_id, parcel_id),
  foreign key (shop_id, consignment_id, line_no)
    references fulfilment.consignment_lines (shop_id, consignment_id, line_no)
);
comment on table fulfilment.parcel_lines is 'What is in a parcel, and whose.';
create index parcel_of_consignment on fulfilment.parcel_lines (shop_id, consignment_id);
select kernel.tenant_table('fulfilment.parcel_lines');
revoke update, delete on fulfilment.parcel_lines from siyu_app;

create table fulfilment.parcel_events (
  shop_id int not null,
  parcel_id uuid not null,
  at timestamptz not null,
  event text not null check (event in ('sent', 'corrected', 'collected', 'in_transit',
    'out_for_delivery', 'delivered', 'exception')),
  text text not null check (length(text) <= 200),
  actor text not null,
  primary key (shop_id, parcel_id, at, event),
  foreign key (shop_id, parcel_id) references fulfilment.parcels (shop_id, parcel_id)
);
comment on table fulfilment.parcel_events is 'What happened to a parcel; news told twice are one.';
select kernel.tenant_table('fulfilment.parcel_events');
revoke update, delete on fulfilment.parcel_events from siyu_app;

create table fulfilment.uploads (
  shop_id int not null,
  payment_id uuid not null,
  order_id uuid not null,
  order_no text not null,
  purpose text not null check (purpose in ('order', 'top_up')),
  state text not null check (state in ('waiting', 'due', 'partly', 'told', 'received', 'settled',
    'refunded', 'free', 'ticket')),
  app text not null,
  number text not null,
  payer text not null,
  amount_fen bigint not null check (amount_fen between 1 and 10000000000),
  paid_at timestamptz not null,
  state_since timestamptz not null,
  is_split boolean not null default false,
  wanted int not null default 0,
  told int not null default 0,
  tries int not null default 0,
  calls int not null default 0,
  is_unclear boolean not null default false,
  uploaded_at timestamptz,
  receipt_at timestamptz,
  reminded_at timestamptz,
  problem text check (length(problem) <= 64),
  problem_text text not null default '' check (length(problem_text) <= 300),
  next_call_at timestamptz,
  primary key (shop_id, payment_id),
  check (told <= wanted),
  check (state <> 'due' or next_call_at is not null),
  check (state not in ('settled', 'refunded', 'free', 'ticket') or next_call_at is null)
);
comment on table fulfilment.uploads is 'What WeChat is to be told of the shipping of a payment, and whether it holds the money still.';
comment on column fulfilment.uploads.order_id is 'What was paid for: an order, or a top-up.';
comment on column fulfilment.uploads.number is 'WeChat''s number of the payment; app and payer are those it was made with.';
comment on column fulfilment.uploads.wanted is 'Counts changes of what is to be told; what `told` equals was told.';
comment on column fulfilment.uploads.tries is 'Failed calls since something changed.';
comment on column fulfilment.uploads.calls is 'Counts questions to WeChat: an answer to an older one decides nothing.';
comment on column fulfilment.uploads.is_unclear is 'The last upload had no answer: ask before telling again.';
comment on column fulfilment.uploads.is_split is 'WeChat was told of several parcels: going back to one would count as shipping anew.';
comment on column fulfilment.uploads.uploaded_at is 'The upload_time sent last; the next must be later.';
comment on column fulfilment.uploads.receipt_at is 'When the buyer had it, as far as we know.';
create index upload_due on fulfilment.uploads (next_call_at) where next_call_at is not null;
create unique index upload_number on fulfilment.uploads (shop_id, number);
create index upload_order on fulfilment.uploads (shop_id, order_id);
create index upload_held on fulfilment.uploads (shop_id, paid_at) where state not in ('settled', 'refunded', 'free');
select kernel.tenant_table('fulfilment.uploads', worker => true);

create table fulfilment.trade_management (
  shop_id int not null,
  app text not null,
  is_managed boolean not null,
  message_path text,
  checked_at timestamptz not null,
  primary key (shop_id, app)
);
comment on table fulfilment.trade_management is 'Whether WeChat holds the money of this app''s orders, as it said last.';
select kernel.tenant_table('fulfilment.trade_management');

create table fulfilment.code_misses (
  shop_id int not null,
  staff_id uuid not null,
  since timestamptz not null,
  misses int not null,
  primary key (shop_id, staff_id)
);
comment on table fulfilment.code_misses is 'Wrong pick-up codes of the running ten minutes: codes are not to be guessed.';
select kernel.tenant_table('fulfilment.code_misses');

create table fulfilment.settings (
  shop_id int not null,
  pickup_days int not null check (pickup_days between 1 and 60),
  remind_days int not null check (remind_days between 0 and 30),
  on_expiry text not null check (on_expiry in ('keep', 'refund')),
  primary key (shop_id)
);
comment on table fulfilment.settings is 'What a shop decides about its pick-ups; without a row: contracts.PickupSettings as it stands.';
select kernel.tenant_table('fulfilment.settings', worker => true);

alter table ordering.order_lines add column sent_quantity int not null default 0;
alter table ordering.order_lines
  add constraint sent_within_quantity check (sent_quantity between 0 and quantity);
comment on column ordering.order_lines.sent_quantity is 'Pieces that have left the house.';

-- Shipped orders: one consignment, one parcel with all that was not refunded before it left.
create temporary table sent_lines on commit drop as
select l.shop_id, l.order_id, l.line_no, l.quantity,
  greatest(l.quantity - coalesce((
    select sum(g.quantity) from ordering.refunds r join ordering.refund_lines g using (shop_id, refund_id)
    where r.shop_id = l.shop_id and r.order_id = l.order_id and g.line_no = l.line_no
      and r.status <> 'closed' and r.started_at < o.shipped_at), 0), 0)::int as sent
from ordering.order_lines l join ordering.orders o using (shop_id, order_id)
where o.source = 'shop' and o.delivery = 'ship' and o.shipped_at is not null and o.address_sealed is not null;
update ordering.order_lines l set sent_quantity = s.sent from sent_lines s
where l.shop_id = s.shop_id and l.order_id = s.order_id and l.line_no = s.line_no;

insert into fulfilment.consignments (shop_id, consignment_id, order_id, order_no, kind, state, source_id,
  receiver_id, address_sealed, address_key, created_at, ended_at)
select shop_id, gen_random_uuid(), order_id, order_no, 'ship',
  case when shipped_at is null then 'open' else 'done' end, order_id, member_id, address_sealed,
  -- The program's key is not known here: an address equals itself only, so old orders share no parcel.
  sha256(address_sealed), coalesce(paid_at, placed_at), shipped_at
from ordering.orders
where source = 'shop' and delivery = 'ship' and address_sealed is not null
  and (status in ('paid', 'shipped') or shipped_at is not null);

insert into fulfilment.consignment_lines (shop_id, consignment_id, line_no, quantity, sent, cancelled)
select c.shop_id, c.consignment_id, l.line_no, l.quantity, l.sent_quantity,
  case when c.state = 'done' then l.quantity - l.sent_quantity
       else least(l.quantity, l.refunded_quantity) end
from fulfilment.consignments c join ordering.order_lines l using (shop_id, order_id);
update fulfilment.consignments c set state = 'cancelled', ended_at = now()
where state = 'open' and not exists (
  select from fulfilment.consignment_lines l where l.shop_id = c.shop_id
    and l.consignment_id = c.consignment_id and l.quantity > l.sent + l.cancelled);

insert into fulfilment.parcels (shop_id, parcel_id, receiver_id, carrier, tracking_no, sent_at)
select o.shop_id, c.consignment_id, o.member_id, o.carrier, o.tracking_no, o.shipped_at
from ordering.orders o join fulfilment.consignments c using (shop_id, order_id)
where o.carrier is not null and c.state = 'done' and exists (
  select from fulfilment.consignment_lines l where l.shop_id = c.shop_id
    and l.consignment_id = c.consignment_id and l.sent > 0);
insert into fulfilment.parcel_lines (shop_id, parcel_id, consignment_id, line_no, quantity)
select l.shop_id, p.parcel_id, l.consignment_id, l.line_no, l.sent
from fulfilment.consignment_lines l
join fulfilment.parcels p on p.shop_id = l.shop_id and p.parcel_id = l.consignment_id
where l.sent > 0;
insert into fulfilment.parcel_events (shop_id, parcel_id, at, event, text, actor)
select shop_id, parcel_id, sent_at, 'sent', '', 'siyu' from fulfilment.parcels;

-- Payments made before: WeChat was told of them by hand, if at all; only what was not sent yet is followed.
insert into fulfilment.uploads (shop_id, payment_id, order_id, order_no, purpose, state, app, number, payer,
  amount_fen, paid_at, state_since)
select o.shop_id, a.payment_id, o.order_id, o.order_no, 'order', 'waiting', a.app, a.provider_number, a.payer,
  a.amount_fen, a.paid_at, now()
from ordering.orders o join payments.attempts a on a.shop_id = o.shop_id and a.payment_id = o.payment_id
where o.status = 'paid' and a.channel = 'jsapi' and a.state = 'paid' and a.provider_number is not null;

alter table ordering.orders drop column carrier, drop column tracking_no;

create schema reviews;

create table reviews.settings (
  shop_id       int    not null primary key,
  checking      text   not null check (checking in ('all', 'words')),
  review_days   int    not null check (review_days between 1 and 365),
  addition_days int    not null check (addition_days between 1 and 730),
  edit_hours    int    not null check (edit_hours between 0 and 720),
  words         text[] not null check (cardinality(words) <= 2000)
);
comment on table reviews.settings is 'What a shop decides about reviews; no row: the defaults of contracts.Settings.';
select kernel.tenant_table('reviews.settings');

create table reviews.reviews (
  shop_id            int         not null,
  review_id          uuid        not null,
  order_id           uuid        not null,
  line_no            smallint    not null,
  member_id          uuid        not null,
  person_no          bigint,
  author             text        not null check (length(author) <= 10),
  product_id         uuid        not null,
  product_no         int         not null,
  sku_id             uuid        not null,
  title              text        not null,
  option_values      text[]      not null,
  image_url          text,
  stars              smallint    not null check (stars between 1 and 5),
  service_stars      smallint    check (service_stars between 1 and 5),
  logistics_stars    smallint    check (logistics_stars between 1 and 5),
  is_anonymous       boolean     not null,
  is_shown           boolean     not null default false,
  picture_count      smallint    not null default 0 check (picture_count between 0 and 9),
  helpful_count      int         not null default 0 check (helpful_count >= 0),
  completed_at       timestamptz not null,
  submitted_at       timestamptz not null,
  answer             text        check (length(answer) between 1 and 500),
  answered_at        timestamptz,
  answered_by        text,
  reuse_allowed_at   timestamptz,
  reuse_withdrawn_at timestamptz,
  reuse_text_version text,
  reusable_at        timestamptz,
  primary key (shop_id, review_id),
  constraint one_review_per_line unique (shop_id, order_id, line_no),
  constraint answer_is_whole check ((answer is null) = (answered_at is null)
    and (answer is null) = (answered_by is null)),
  constraint consent_names_its_words check ((reuse_allowed_at is null) = (reuse_text_version is null)),
  constraint consent_is_given_or_withdrawn check (reuse_allowed_at is null or reuse_withdrawn_at is null),
  constraint reuse_needs_consent check (reusable_at is null or (reuse_allowed_at is not null and is_shown))
);
comment on table reviews.reviews is 'One per order line, by its buyer; its words stand in posts.';
comment on column reviews.reviews.person_no is 'Null: the author was erased, and with them all words and pictures.';
comment on column reviews.reviews.author is 'The author''s nickname as strangers read it, frozen: its first and last character.';
comment on column reviews.reviews.title is 'What was bought, as it was called then.';
comment on column reviews.reviews.is_shown is 'The first part is approved: what lists and figures count.';
comment on column reviews.reviews.picture_count is 'Of the first part.';
comment on column reviews.reviews.completed_at is 'When the order was completed: the days to review count from it.';
comment on column reviews.reviews.reuse_text_version is 'Which words of consent the author saw.';
create index review_of_product on reviews.reviews (shop_id, product_id, review_id desc) where is_shown;
create index review_by_help on reviews.reviews (shop_id, product_id, helpful_count desc, review_id desc) where is_shown;
create index review_of_member on reviews.reviews (shop_id, member_id, review_id desc);
create index review_reusable on reviews.reviews (shop_id, review_id) where reusable_at is not null;
select kernel.tenant_table('reviews.reviews');

create table reviews.posts (
  shop_id    int         not null,
  review_id  uuid        not null,
  part       text        not null check (part in ('first', 'more')),
  state      text        not null check (state in ('waiting', 'approved', 'hidden', 'erased')),
  text       text        not null check (length(text) <= 500),
  hits       text[]      not null,
  reason     text        check (length(reason) between 1 and 200),
  said_at    timestamptz not null,
  edited_at  timestamptz,
  decided_at timestamptz,
  decided_by text,
  primary key (shop_id, review_id, part),
  foreign key (shop_id, review_id) references reviews.reviews,
  constraint hidden_for_a_reason check ((reason is not null) = (state = 'hidden')),
  constraint decided_by_somebody check ((decided_at is null) = (decided_by is null)),
  constraint waiting_is_undecided check (state <> 'waiting' or decided_at is null),
  constraint erased_says_nothing check (state <> 'erased' or text = '')
);
comment on table reviews.posts is 'The words of a review: the first, and one addition later.';
comment on column reviews.posts.hits is 'Words of the shop''s list that were found when this was said.';
create index post_by_state on reviews.posts (shop_id, state, review_id desc);
select kernel.tenant_table('reviews.posts');

create table reviews.story (
  shop_id   int         not null,
  review_id uuid        not null,
  entry_id  uuid        not null,
  at        timestamptz not null,
  part      text        check (part in ('first', 'more')),
  event     text        not null check (event in ('submitted', 'edited', 'added', 'approved', 'hidden',
    'answered', 'reuse_allowed', 'reuse_withdrawn', 'reuse_marked', 'reuse_unmarked', 'erased')),
  actor     text        not null,
  text      text        not null check (length(text) <= 500),
  primary key (shop_id, review_id, entry_id),
  foreign key (shop_id, review_id) references reviews.reviews
);
comment on table reviews.story is
  'All that happened to a review, read by staff: the reason of a hiding, the words before an edit or a new answer.';
select kernel.tenant_table('reviews.story');
revoke delete on reviews.story from siyu_app;

create table reviews.pictures (
  shop_id     int         not null,
  picture_id  uuid        not null,
  member_id   uuid        not null,
  review_id   uuid,
  part        text        check (part in ('first', 'more')),
  position    smallint    check (position between 0 and 8),
  width       int         not null check (width > 0),
  height      int         not null check (height > 0),
  uploaded_at timestamptz not null,
  primary key (shop_id, picture_id),
  constraint nine_pictures unique (shop_id, review_id, part, position),
  foreign key (shop_id, review_id, part) references reviews.posts,
  check ((review_id is null) = (position is null) and (review_id is null) = (part is null))
);
comment on table reviews.pictures is
  'Re-encoded pictures; files lie in data_dir/reviews and are handed out only while they may be seen. Without a review: thrown away after a day.';
create index picture_waiting on reviews.pictures (uploaded_at) where review_id is null;
create index picture_of_member on reviews.pictures (shop_id, member_id) where review_id is null;
select kernel.tenant_table('reviews.pictures', worker => true);

create table reviews.votes (
  shop_id   int         not null,
  review_id uuid        not null,
  member_id uuid        not null,
  voted_at  timestamptz not null,
  primary key (shop_id, review_id, member_id),
  foreign key (shop_id, review_id) references reviews.reviews
);
comment on table reviews.votes is 'Who found a review helpful, each once; their number is kept in the review.';
create index vote_of_member on reviews.votes (shop_id, member_id);
select kernel.tenant_table('reviews.votes');

create table reviews.figures (
  shop_id       int    not null,
  product_id    uuid   not null,
  star_1        int    not null default 0 check (star_1 >= 0),
  star_2        int    not null default 0 check (star_2 >= 0),
  star_3        int    not null default 0 check (star_3 >= 0),
  star_4        int    not null default 0 check (star_4 >= 0),
  star_5        int    not null default 0 check (star_5 >= 0),
  with_pictures int    not null default 0,
  primary key (shop_id, product_id),
  check (with_pictures between 0 and star_1 + star_2 + star_3 + star_4 + star_5)
) with (fillfactor = 70);
comment on table reviews.figures is
  'Shown reviews of a product by stars, moved by differences in the transaction that shows or hides one: never counted anew.';
select kernel.tenant_table('reviews.figures');

create schema gifting;

create table gifting.settings (
  shop_id       int     not null primary key,
  is_enabled         boolean not null,
  cap_fen       bigint  not null check (cap_fen between 1 and 1000000),
  max_shares    int     not null check (max_shares between 1 and 50),
  allows_cancel boolean not null
);
comment on table gifting.settings is 'What a shop decides about its gifts; without a row: contracts.GiftSettings as it stands.';
comment on column gifting.settings.cap_fen is 'The most a piece may cost; WeChat''s own limit is 10,000 yuan.';
select kernel.tenant_table('gifting.settings');

create table gifting.exclusions (
  shop_id     int     not null,
  category_id uuid    not null,
  is_excluded boolean not null,
  reason      text    not null check (length(reason) <= 100),
  primary key (shop_id, category_id)
);
comment on table gifting.exclusions is
  'Categories (gift_excluded) the merchant decided about; the others go by their names: jewellery and education are excluded.';
select kernel.tenant_table('gifting.exclusions');

create table gifting.products (
  shop_id    int         not null,
  product_id uuid        not null,
  product_no int         not null,
  marked_at  timestamptz not null,
  primary key (shop_id, product_id)
);
comment on table gifting.products is 'Products that carry the mark "supports gifting"; price and category are checked again at each gift.';
select kernel.tenant_table('gifting.products');

create table gifting.kits (
  shop_id    int      not null,
  kit        text     not null check (kit ~ '^[a-z0-9-]{1,32}$'),
  position   smallint not null check (position between 0 and 19),
  name       text     not null check (length(name) between 1 and 20),
  theme      text     not null check (theme in ('spring', 'birthday', 'moon', 'love', 'thanks', 'plain')),
  card_title text     not null check (length(card_title) between 1 and 30),
  blessings  text[]   not null check (cardinality(blessings) between 1 and 12),
  guide      text     not null check (length(guide) <= 2000),
  tags       text[]   not null check (cardinality(tags) <= 10),
  starts_on  date,
  ends_on    date,
  is_enabled      boolean  not null,
  primary key (shop_id, kit),
  constraint kit_position_taken unique (shop_id, position) deferrable initially deferred,
  check (ends_on >= starts_on)
);
comment on table gifting.kits is 'Festival kits of the shop; without a row: rules.STANDARD_KITS.';
select kernel.tenant_table('gifting.kits');

create table gifting.voices (
  shop_id     int         not null,
  voice_id    uuid        not null,
  member_id   uuid        not null,
  media_type  text        not null check (media_type in
    ('audio/mpeg', 'audio/aac', 'audio/mp4', 'audio/webm', 'audio/ogg')),
  size_bytes  int         not null check (size_bytes between 1 and 1000000),
  duration_ms int         not null check (duration_ms between 1 and 60000),
  uploaded_at timestamptz not null,
  gift_id     uuid,
  primary key (shop_id, voice_id),
  constraint one_voice_per_gift unique (shop_id, gift_id)
);
comment on table gifting.voices is
  'Voice greetings; files lie in data_dir/voices, never under a public address. Without a gift: thrown away after a day.';
create index voice_waiting on gifting.voices (uploaded_at) where gift_id is null;
create index voice_of_member on gifting.voices (shop_id, member_id) where gift_id is null;
select kernel.tenant_table('gifting.voices', worker => true);

create table gifting.gifts (
  shop_id       int         not null,
  gift_id       uuid        not null,
  link_key      text        not null check (link_key ~ '^[A-Za-z0-9_-]{22}$'),
  order_id      uuid        not null,
  order_no      text        not null,
  giver_id      uuid        not null,
  giver_no      bigint      not null,
  kind          text        not null check (kind in ('friend', 'group')),
  standing      text        not null check (standing in ('unpaid', 'closed', 'paid')),
  product_id    uuid        not null,
  product_no    int         not null,
  sku_id        uuid        not null,
  title         text        not null,
  option_values text[]      not null,
  image_url     text,
  unit_fen      bigint      not null check (unit_fen between 0 and 1000000),
  total_fen     bigint      not null check (total_fen between 0 and 10000000000),
  share_count   int         not null check (share_count between 1 and 50),
  blessing      text        not null check (length(blessing) <= 100),
  theme         text        not null check (theme in ('spring', 'birthday', 'moon', 'love', 'thanks', 'plain')),
  kit           text,
  voice_id      uuid,
  scene         text        check (scene ~ '^[a-z0-9_-]{1,32}$'),
  placed_at     timestamptz not null,
  paid_at       timestamptz,
  accept_before timestamptz,
  primary key (shop_id, gift_id),
  constraint gift_link_taken unique (shop_id, link_key),
  constraint gift_of_order unique (shop_id, order_id),
  foreign key (shop_id, voice_id) references gifting.voices (shop_id, voice_id),
  check (kind = 'group' or share_count = 1),
  check ((standing = 'paid') = (paid_at is not null)),
  constraint a_day_to_accept
    check ((accept_before is null) = (paid_at is null) and accept_before <= paid_at + interval '24 hours')
);
comment on table gifting.gifts is
  'Gifts, as they were when given. No address, no phone, no parcel: the giver''s queries cannot reach them (mission 44).';
comment on column gifting.gifts.link_key is '128 random bits: who has the link may see the gift.';
comment on column gifting.gifts.scene is 'Where the giver came from: a share, a code, an article.';
comment on column gifting.gifts.unit_fen is 'List price of a piece when it was given; a swap costs the same.';
create index gift_of_giver on gifting.gifts (shop_id, giver_id, gift_id desc);
create index gift_placed on gifting.gifts (shop_id, gift_id desc);
create index gift_paid on gifting.gifts (shop_id, paid_at) where paid_at is not null;
select kernel.tenant_table('gifting.gifts', worker => true);

create table gifting.refunds (
  shop_id    int         not null,
  refund_id  uuid        not null,
  gift_id    uuid        not null,
  state      text        not null check (state in ('due', 'asked', 'done')),
  quantity   int         not null check (quantity > 0),
  amount_fen bigint      not null default 0 check (amount_fen between 0 and 10000000000),
  ended_by   text        not null check (ended_by in ('time', 'giver', 'staff')),
  due_at     timestamptz,
  trouble    text        check (length(trouble) <= 60),
  primary key (shop_id, refund_id),
  foreign key (shop_id, gift_id) references gifting.gifts (shop_id, gift_id)
);
comment on table gifting.refunds is
  'Money of shares that ended. The number stands here before money is asked for, and is asked for again until it is there.';
comment on column gifting.refunds.due_at is 'When it is asked for next; null: finance gave it up at WeChat, staff decide.';
create index refund_of_gift on gifting.refunds (shop_id, gift_id);
create index refund_due on gifting.refunds (due_at) where state = 'due';
select kernel.tenant_table('gifting.refunds', worker => true);

create table gifting.shares (
  shop_id         int      not null,
  gift_id         uuid     not null,
  share_no        smallint not null check (share_no between 1 and 50),
  state           text     not null check (state in
    ('waiting', 'accepted', 'expired', 'refund_pending', 'refunded')),
  receiver_id     uuid,
  receiver_no     bigint,
  is_new_customer boolean  not null default false,
  accepted_at     timestamptz,
  ended_at        timestamptz,
  ended_by        text     check (ended_by in ('time', 'giver', 'staff')),
  refund_id       uuid,
  consignment_id  uuid,
  sent_sku_id     uuid,
  sent_title      text,
  share_id        uuid     not null,
  primary key (shop_id, gift_id, share_no),
  unique (shop_id, share_id),
  foreign key (shop_id, gift_id) references gifting.gifts (shop_id, gift_id),
  foreign key (shop_id, refund_id) references gifting.refunds (shop_id, refund_id) on update cascade,
  constraint one_share_per_member unique (shop_id, gift_id, receiver_id),
  constraint accepted_xor_refunded check (
    (state = 'accepted') = (receiver_id is not null)
    and (state = 'accepted') = (accepted_at is not null)
    and (state in ('expired', 'refund_pending', 'refunded')) = (refund_id is not null)),
  check ((receiver_id is null) = (receiver_no is null)),
  check ((refund_id is null) = (ended_at is null) and (refund_id is null) = (ended_by is null)),
  check (state = 'accepted' or (consignment_id is null and sent_sku_id is null)),
  check ((sent_sku_id is null) = (sent_title is null))
);
comment on column gifting.shares.share_id is 'What fulfilment knows as the source of the consignment.';
comment on table gifting.shares is 'One row per piece: waiting, then accepted or on its way back, never both.';
create index share_of_receiver on gifting.shares (shop_id, receiver_id, accepted_at desc, share_id desc)
  where receiver_id is not null;
create index share_of_refund on gifting.shares (shop_id, refund_id) where refund_id is not null;
create index share_waiting on gifting.shares (shop_id, gift_id) where state = 'waiting';
select kernel.tenant_table('gifting.shares', worker => true);

create table gifting.visits (
  shop_id   int         not null,
  gift_id   uuid        not null,
  member_id uuid        not null,
  scene     text        check (scene ~ '^[a-z0-9_-]{1,32}$'),
  seen_at   timestamptz not null,
  primary key (shop_id, gift_id, member_id),
  foreign key (shop_id, gift_id) references gifting.gifts (shop_id, gift_id)
);
comment on table gifting.visits is 'Who opened a gift first when, and how they came to it; the giver''s own looks do not count.';
select kernel.tenant_table('gifting.visits');

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

-- migrate: rollback
