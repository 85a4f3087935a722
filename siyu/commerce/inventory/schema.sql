create schema inventory;

create table inventory.stock (
  shop_id    int  not null,
  sku_id     uuid not null,
  product_no int  not null,
  on_hand    int  not null default 0,
  reserved   int  not null default 0,
  version    int  not null default 0,
  withdrawn  boolean not null default false,
  primary key (shop_id, sku_id),
  constraint stock_reserved_within_on_hand check (reserved between 0 and on_hand),
  constraint stock_on_hand_in_range check (on_hand <= 1000000)
) with (fillfactor = 50);
comment on table inventory.stock is
  'The row every buyer wants: narrow, no index on what moves, half-empty pages, so that each move is heap-only.';
comment on column inventory.stock.version is 'Counts changes made by the merchant; sales do not touch it.';
comment on column inventory.stock.withdrawn is
  'No longer offered: counts in no list, yet what is on hand and reserved stays true.';
create index stock_by_product on inventory.stock (shop_id, product_no);
select kernel.tenant_table('inventory.stock');

create table inventory.reservations (
  shop_id  int  not null,
  source   uuid not null,
  sku_id   uuid not null,
  quantity int  not null check (quantity > 0),
  until    timestamptz,
  primary key (shop_id, source, sku_id),
  foreign key (shop_id, sku_id) references inventory.stock
);
comment on table inventory.reservations is 'Living ones only: the row is deleted when released or consumed.';
create index reservations_by_sku on inventory.reservations (shop_id, sku_id);
select kernel.tenant_table('inventory.reservations');

create table inventory.movements (
  shop_id     int         not null,
  sku_id      uuid        not null,
  movement_id uuid        not null,
  kind        text        not null check (kind in ('received', 'adjusted', 'sold', 'returned')),
  delta       int         not null check (delta <> 0),
  source      uuid,
  actor_name  text        not null,
  reason      text        not null,
  moved_at    timestamptz not null,
  primary key (shop_id, sku_id, movement_id),
  foreign key (shop_id, sku_id) references inventory.stock
);
comment on table inventory.movements is 'Each change of on_hand, never edited; their sum is on_hand.';
create unique index movement_returned on inventory.movements (shop_id, source, sku_id) where kind = 'returned';
select kernel.tenant_table('inventory.movements');
revoke update, delete on inventory.movements from siyu_app;
