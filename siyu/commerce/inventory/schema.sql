create schema inventory;

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
comment on column inventory.warehouses.is_default is 'Takes what names no place: new goods, and goods that come back and left from nowhere known.';
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
select kernel.tenant_table('inventory.items');

create table inventory.stock (
  shop_id      int  not null,
  sku_id       uuid not null,
  warehouse_id uuid not null,
  on_hand      int  not null default 0,
  reserved     int  not null default 0,
  primary key (shop_id, sku_id, warehouse_id),
  foreign key (shop_id, sku_id) references inventory.items,
  foreign key (shop_id, warehouse_id) references inventory.warehouses,
  constraint stock_reserved_within_on_hand check (reserved between 0 and on_hand),
  constraint stock_on_hand_in_range check (on_hand <= 1000000)
) with (fillfactor = 50);
comment on table inventory.stock is
  'The row every buyer wants: narrow, no index on what moves, half-empty pages, so that each move is heap-only.';
create index stock_by_warehouse on inventory.stock (shop_id, warehouse_id);
select kernel.tenant_table('inventory.stock');

create table inventory.reservations (
  shop_id      int  not null,
  source       uuid not null,
  sku_id       uuid not null,
  warehouse_id uuid not null,
  quantity     int  not null check (quantity > 0),
  until        timestamptz,
  primary key (shop_id, source, sku_id, warehouse_id)
);
comment on table inventory.reservations is
  'Living ones only: the row is deleted when released or consumed. Written by the statement that takes from the stock''s row, which is never deleted; so no foreign key looks for it again.';
select kernel.tenant_table('inventory.reservations');

create table inventory.movements (
  shop_id      int         not null,
  sku_id       uuid        not null,
  movement_id  uuid        not null,
  warehouse_id uuid        not null,
  kind         text        not null
    check (kind in ('received', 'adjusted', 'sold', 'returned', 'transferred')),
  delta        int         not null check (delta <> 0),
  source       uuid,
  actor_name   text        not null,
  reason       text        not null,
  moved_at     timestamptz not null,
  primary key (shop_id, sku_id, movement_id, warehouse_id)
);
comment on table inventory.movements is
  'Each change of on_hand, never edited; their sum is on_hand. Written by the statement that changes it, as reservations are.';
create unique index movement_returned on inventory.movements (shop_id, source, sku_id) where kind = 'returned';
create unique index movement_sold on inventory.movements (shop_id, source, sku_id, warehouse_id)
  where kind = 'sold';
comment on index inventory.movement_sold is
  'What an order was sold leaves a warehouse once, and comes back to where it left from.';
select kernel.tenant_table('inventory.movements');
revoke update, delete on inventory.movements from siyu_app;

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
