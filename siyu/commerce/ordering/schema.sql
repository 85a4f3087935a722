create schema ordering;

create table ordering.carts (
  shop_id int not null,
  member_id uuid not null,
  changed_at timestamptz not null,
  primary key (shop_id, member_id)
);
comment on table ordering.carts is 'One row per member: its lock serialises changes, so that the limit of 100 lines holds.';
select kernel.tenant_table('ordering.carts');

create table ordering.cart_lines (
  shop_id int not null,
  member_id uuid not null,
  sku_id uuid not null,
  quantity int not null check (quantity between 1 and 999),
  selected boolean not null default true,
  added_at timestamptz not null,
  home_id uuid,
  primary key (shop_id, member_id, sku_id),
  foreign key (shop_id, member_id) references ordering.carts (shop_id, member_id)
);
comment on table ordering.cart_lines is 'What a member means to buy. No price: it is asked anew each time.';
comment on column ordering.cart_lines.home_id is 'The record it came with, when a merge gave it to another; null: member_id.';
create index cart_lines_home on ordering.cart_lines (shop_id, home_id) where home_id is not null;
select kernel.tenant_table('ordering.cart_lines');

create table ordering.orders (
  shop_id int not null,
  order_id uuid not null,
  order_no text not null,
  kind text not null check (kind in ('sale', 'return')),
  source text not null,
  external_key text,
  status text not null
    check (status in
      ('pending_payment', 'paid', 'shipped', 'completed', 'cancelled', 'refunded')),
  member_id uuid not null,
  person_no bigint not null,
  platform text check (platform in ('mp-weixin', 'h5', 'ios')),
  has_virtual boolean not null,
  items_fen bigint not null check (items_fen between 0 and 10000000000),
  discount_fen bigint not null check (discount_fen between 0 and items_fen),
  shipping_fen bigint not null check (shipping_fen between 0 and 10000000000),
  total_fen bigint not null check (total_fen = items_fen - discount_fen + shipping_fen),
  paid_fen bigint not null default 0 check (paid_fen in (0, total_fen)),
  adjustments jsonb not null,
  remark text not null check (length(remark) <= 200),
  address_sealed bytea,
  phone_key bytea,
  placed_at timestamptz not null,
  pay_before timestamptz,
  paid_at timestamptz,
  payment_id uuid,
  cancelled_at timestamptz,
  cancel_reason text check (cancel_reason in ('timed_out', 'by_customer', 'by_staff')),
  delivery text not null default 'ship' check (delivery in ('ship', 'serve', 'instant', 'pickup', 'gift')),
  promoter_id uuid check (promoter_id <> member_id),
  refunded_fen bigint not null default 0,
  refunded_shipping_fen bigint not null default 0,
  shipped_at timestamptz,
  receipt_due_at timestamptz,
  completed_at timestamptz,
  pickup jsonb,
  coupons jsonb not null default '{}',
  is_offline boolean not null default false,
  is_first boolean not null default false,
  home_id uuid,
  primary key (shop_id, order_id),
  constraint order_no_taken unique (shop_id, order_no),
  constraint refunded_within_paid check (refunded_fen between 0 and paid_fen),
  constraint shipping_refunded_once
    check (refunded_shipping_fen between 0 and least(shipping_fen, refunded_fen)),
  check (status <> 'refunded' or refunded_fen = paid_fen),
  check ((shipped_at is null) = (receipt_due_at is null)),
  check (status <> 'shipped' or shipped_at is not null),
  check ((paid_at is not null) = (status in ('paid', 'shipped', 'completed', 'refunded'))),
  check (pay_before is not null or status <> 'pending_payment'),
  check ((cancelled_at is not null) = (status = 'cancelled')),
  check ((cancelled_at is null) = (cancel_reason is null)),
  constraint pickup_has_a_place check ((pickup is not null) = (delivery = 'pickup')),
  constraint offline_is_paid check (not is_offline or paid_at is not null)
);
comment on table ordering.orders is 'Orders and, from imported history, returns. Amounts are never negative.';
comment on column ordering.orders.order_no is 'What people read and say: 80 random bits, never counted up (F080).';
comment on column ordering.orders.source is '`shop` for our own; else the system an imported order came from.';
comment on column ordering.orders.external_key is 'Source, customer, time and kind of an imported order: importing twice makes no double.';
comment on column ordering.orders.adjustments is
  'Why the total is not the list price: trace entries {rule, label, amount_fen, sku_id, rule_id} of the quote. Each reduction says the line it fell on: its share there.';
comment on column ordering.orders.address_sealed is 'The address as it was when ordered: JSON of members.AddressText, encrypted.';
comment on column ordering.orders.phone_key is 'Keyed hash of the receiver''s phone, for search.';
comment on column ordering.orders.delivery is
  'ship: something is sent; serve: a service; instant: virtual goods only; pickup: collected by the buyer; gift: for somebody who says later where to.';
comment on column ordering.orders.pickup is 'Where it is collected, as it was when ordered; shape: contracts.PickupStore.';
comment on column ordering.orders.coupons is 'What each coupon took off, {claim_id: fen}: a part of discount_fen or of what shipping would cost.';
comment on column ordering.orders.is_offline is 'Paid at the counter: staff, not WeChat, collected what points and balance left.';
comment on column ordering.orders.promoter_id is 'The member who brought this order, frozen when it is placed.';
comment on column ordering.orders.refunded_fen is 'What was given back or is being given back, shipping included.';
comment on column ordering.orders.receipt_due_at is 'When a shipped order counts as received.';
comment on column ordering.orders.is_first is 'Some of its price is for a member''s first order only: a member has one such order.';
comment on column ordering.orders.home_id is 'The record of the buyer that placed it, when a merge gave it to another; null: member_id.';
create index order_home on ordering.orders (shop_id, home_id) where home_id is not null;
create unique index order_first_once on ordering.orders (shop_id, coalesce(home_id, member_id))
  where is_first and status <> 'cancelled';
create unique index order_external on ordering.orders (shop_id, external_key) where external_key is not null;
create index order_placed on ordering.orders (shop_id, placed_at desc, order_id desc);
create index order_status on ordering.orders (shop_id, status, placed_at desc, order_id desc);
create index order_member on ordering.orders (shop_id, member_id, placed_at desc, order_id desc);
create index order_phone on ordering.orders (shop_id, phone_key) where phone_key is not null;
create index order_unpaid on ordering.orders (shop_id, pay_before) where status = 'pending_payment';
create index order_unreceived on ordering.orders (shop_id, receipt_due_at) where status = 'shipped';
select kernel.tenant_table('ordering.orders', worker => true);

create table ordering.tenders (
  shop_id int not null,
  order_id uuid not null,
  wechat_fen bigint not null check (wechat_fen between 0 and 10000000000),
  principal_fen bigint not null check (principal_fen between 0 and 10000000000),
  bonus_fen bigint not null check (bonus_fen between 0 and 10000000000),
  points bigint not null check (points between 0 and 10000000000),
  points_fen bigint not null check (points_fen between 0 and 10000000000),
  refunded_wechat_fen bigint not null default 0,
  refunded_balance_fen bigint not null default 0,
  refunded_points bigint not null default 0,
  primary key (shop_id, order_id),
  foreign key (shop_id, order_id) references ordering.orders (shop_id, order_id),
  check ((points = 0) = (points_fen = 0)),
  check (principal_fen + bonus_fen + points > 0),
  constraint wechat_refunded_within check (refunded_wechat_fen between 0 and wechat_fen),
  constraint balance_refunded_within
    check (refunded_balance_fen between 0 and principal_fen + bonus_fen),
  constraint points_refunded_within check (refunded_points between 0 and points)
);
comment on table ordering.tenders is
  'What an order is paid with, when points or balance are part of it; an order without a row is paid by WeChat alone.';
comment on column ordering.tenders.points_fen is 'What the points took off the goods: a part of the order''s discount_fen, not of its total.';
select kernel.tenant_table('ordering.tenders');

create table ordering.order_lines (
  shop_id int not null,
  order_id uuid not null,
  line_no smallint not null,
  sku_id uuid not null,
  product_id uuid not null,
  product_no int not null,
  title text not null,
  title_key text collate "C" not null,
  option_values text[] not null,
  image_url text,
  quantity int not null check (quantity > 0),
  list_price_fen bigint not null check (list_price_fen between 0 and 10000000000),
  unit_price_fen bigint not null check (unit_price_fen between 0 and list_price_fen),
  discount_fen bigint not null check (discount_fen >= 0),
  total_fen bigint not null check (total_fen between 0 and 10000000000),
  points_fen bigint not null default 0 check (points_fen between 0 and discount_fen),
  refunded_quantity int not null default 0,
  refunded_fen bigint not null default 0,
  sent_quantity int not null default 0,
  is_gift boolean not null default false,
  primary key (shop_id, order_id, line_no),
  constraint gift_costs_nothing check (not is_gift or total_fen = 0),
  constraint line_adds_up check (total_fen = list_price_fen * quantity - discount_fen),
  constraint refunded_within_quantity check (refunded_quantity between 0 and quantity),
  constraint sent_within_quantity check (sent_quantity between 0 and quantity),
  constraint refunded_within_line check (refunded_fen between 0 and total_fen)
);
comment on table ordering.order_lines is
  'What was bought, frozen at that moment. Written by the statement that writes its order, which is never deleted; so no foreign key looks for it again.';
comment on column ordering.order_lines.title_key is
  'Title in lower case, bytewise: a prefix is found by >= and <, which (unlike LIKE) may use an index under row-level security.';
comment on column ordering.order_lines.discount_fen is 'All that was taken off this line, its share of order-wide reductions included.';
comment on column ordering.order_lines.is_gift is 'Given on top by a campaign.';
comment on column ordering.order_lines.sent_quantity is 'Pieces that have left the house.';
comment on column ordering.order_lines.points_fen is 'That part of the discount which was paid with points.';
create index line_title on ordering.order_lines (shop_id, title_key);
select kernel.tenant_table('ordering.order_lines');

create table ordering.refunds (
  shop_id int not null,
  refund_id uuid not null,
  order_id uuid not null,
  status text not null check (status in ('started', 'abnormal', 'closed', 'refunded')),
  amount_fen bigint not null check (amount_fen between 0 and 10000000000),
  shipping_fen bigint not null check (shipping_fen between 0 and amount_fen),
  wechat_fen bigint not null check (wechat_fen >= 0),
  balance_fen bigint not null check (balance_fen >= 0),
  points bigint not null check (points >= 0),
  reason text not null check (length(reason) <= 200),
  is_restocked boolean not null,
  actor text not null,
  started_at timestamptz not null,
  finished_at timestamptz,
  primary key (shop_id, refund_id),
  foreign key (shop_id, order_id) references ordering.orders (shop_id, order_id),
  constraint parts_add_up check (amount_fen = wechat_fen + balance_fen),
  check ((finished_at is not null) = (status = 'refunded'))
);
comment on table ordering.refunds is 'Money, points and goods given back of an order; each counts against its order from the moment it starts.';
create index refund_order on ordering.refunds (shop_id, order_id, started_at);
select kernel.tenant_table('ordering.refunds');

create table ordering.refund_lines (
  shop_id int not null,
  refund_id uuid not null,
  line_no smallint not null,
  quantity int not null check (quantity >= 0),
  amount_fen bigint not null check (amount_fen >= 0),
  primary key (shop_id, refund_id, line_no),
  foreign key (shop_id, refund_id) references ordering.refunds (shop_id, refund_id),
  check (quantity > 0 or amount_fen > 0)
);
comment on table ordering.refund_lines is 'What of each line a refund gives back.';
select kernel.tenant_table('ordering.refund_lines');
revoke update, delete on ordering.refund_lines from siyu_app;

create table ordering.settings (
  shop_id int not null,
  receipt_days int not null check (receipt_days between 1 and 60),
  primary key (shop_id)
);
comment on table ordering.settings is 'What a shop decides about its orders; without a row: contracts.OrderSettings as it stands.';
select kernel.tenant_table('ordering.settings');

create function ordering.refresh_statistics() returns void language plpgsql security definer
set search_path = pg_catalog as $$
begin
  analyze ordering.orders;
  analyze ordering.order_lines;
end $$;
comment on function ordering.refresh_statistics is
  'After an import: only the owner may do this, and lists planned without it are slow for a minute.';
revoke execute on function ordering.refresh_statistics from public;
grant execute on function ordering.refresh_statistics to siyu_app;

create table ordering.timeline (
  shop_id int not null,
  order_id uuid not null,
  entry_id uuid not null,
  at timestamptz not null,
  event text not null,
  actor text not null,
  primary key (shop_id, order_id, entry_id),
  foreign key (shop_id, order_id) references ordering.orders (shop_id, order_id)
);
comment on table ordering.timeline is
  'What happened to an order after it was placed or imported, in the order it happened; never edited.';
select kernel.tenant_table('ordering.timeline');
revoke update, delete on ordering.timeline from siyu_app;

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
grant update (content) on ordering.notes to siyu_app;  -- an erased person takes their words along

create table ordering.buyers (
  shop_id int not null,
  member_id uuid not null,
  first_order_id uuid not null,
  home_id uuid,
  primary key (shop_id, member_id)
);
comment on table ordering.buyers is 'Who has paid at least once, and for which order first: two payments at once cannot both be the first.';
comment on column ordering.buyers.home_id is 'The record it came with, when a merge gave it to another; null: member_id.';
create index buyers_home on ordering.buyers (shop_id, home_id) where home_id is not null;
select kernel.tenant_table('ordering.buyers');

create table ordering.import_presets (
  shop_id int not null,
  name text not null check (length(name) between 1 and 40),
  preset jsonb not null,
  saved_at timestamptz not null,
  primary key (shop_id, name)
);
comment on table ordering.import_presets is 'Saved column mappings; shape: history_files.ImportPreset.';
select kernel.tenant_table('ordering.import_presets');

create table ordering.imports (
  shop_id int not null,
  import_id uuid not null,
  files text[] not null,
  preset text not null,
  started_at timestamptz not null,
  finished_at timestamptz not null,
  report jsonb not null,
  primary key (shop_id, import_id)
);
comment on table ordering.imports is 'Each import and its counts; shape: history_store.ImportReport.';
select kernel.tenant_table('ordering.imports');

create table ordering.import_refusals (
  shop_id int not null,
  import_id uuid not null,
  refusal_no int not null,
  file text not null,
  line_no int not null,
  reason text not null,
  content text not null check (length(content) <= 1000),
  primary key (shop_id, import_id, refusal_no),
  foreign key (shop_id, import_id) references ordering.imports (shop_id, import_id)
);
comment on table ordering.import_refusals is 'Every line that was not imported, with its number in the file and a stable reason code.';
select kernel.tenant_table('ordering.import_refusals');
