create schema catalog;

create table catalog.images (
  shop_id    int         not null,
  image_key  text        not null check (image_key ~ '^[0-9a-f]{32}$'),
  width      int         not null check (width > 0),
  height     int         not null check (height > 0),
  created_at timestamptz not null,
  primary key (shop_id, image_key)
);
comment on table catalog.images is
  'Pictures a shop may use. The key is the hash of the re-encoded file; files lie in data_dir/media in several sizes.';
select kernel.tenant_table('catalog.images');

create table catalog.categories (
  shop_id      int      not null,
  category_id  uuid     not null,
  parent_id    uuid,
  name         text     not null check (char_length(name) between 1 and 20),
  image_key    text,
  position     int      not null default 0,
  depth        smallint not null generated always as (case when parent_id is null then 1 else 2 end) stored,
  parent_depth smallint generated always as (case when parent_id is null then null else 1 end) stored,
  primary key (shop_id, category_id),
  unique (shop_id, category_id, depth),
  constraint categories_parent_is_on_the_upper_floor
    foreign key (shop_id, parent_id, parent_depth) references catalog.categories (shop_id, category_id, depth),
  foreign key (shop_id, image_key) references catalog.images
);
comment on column catalog.categories.parent_depth is 'With the foreign key it holds the tree to two floors.';
comment on table catalog.categories is 'A tree of two floors; products may stand on either.';
select kernel.tenant_table('catalog.categories');

create table catalog.product_numbers (
  shop_id int not null primary key,
  last_no int not null
);
comment on table catalog.product_numbers is 'The last product number given; taken under its row lock, so numbers have no gaps.';
select kernel.tenant_table('catalog.product_numbers');

create table catalog.products (
  shop_id          int         not null,
  product_id       uuid        not null,
  product_no       int         not null,
  title            text        not null check (char_length(title) between 1 and 60),
  subtitle         text        not null check (char_length(subtitle) <= 100),
  kind             text        not null check (kind in ('physical', 'virtual', 'service')),
  status           text        not null check (status in ('draft', 'on_shelf', 'off_shelf')),
  category_id      uuid,
  description_html text        not null,
  tags             text[]      not null check (cardinality(tags) <= 10),
  option_names     text[]      not null check (cardinality(option_names) <= 3),
  search_terms     text[]      not null,
  found_by         text[]      not null default '{}',
  price_fen        bigint      not null check (price_fen between 0 and 10000000000),
  market_price_fen bigint      check (market_price_fen between 0 and 10000000000),
  member_price_fen bigint      check (member_price_fen between 0 and 10000000000),
  sold_count       int         not null default 0 check (sold_count >= 0),
  position         int         not null default 0,
  version          int         not null default 1,
  created_at       timestamptz not null,
  updated_at       timestamptz not null,
  primary key (shop_id, product_id),
  unique (shop_id, product_no),
  foreign key (shop_id, category_id) references catalog.categories
);
comment on column catalog.products.price_fen is 'Of the cheapest living SKU, with that SKU''s market and member price: what a card shows.';
comment on column catalog.products.search_terms is
  'See rules.search_terms. No GIN index: under row-level security PostgreSQL may not use one with @>, which is not
  leakproof; looking through the rows of one shop takes 30 ms for 20,000 products.';
comment on column catalog.products.found_by is 'Terms by which floors above let it be found, too (a gift by 礼物).';
create index products_by_default on catalog.products (shop_id, status, position desc, product_no desc);
create index products_by_sales on catalog.products (shop_id, status, sold_count desc, product_no desc);
create index products_by_price on catalog.products (shop_id, status, price_fen, product_no);
create index products_by_category on catalog.products (shop_id, category_id);
comment on table catalog.products is 'What is offered. Never deleted: orders and the warehouse name it.';
select kernel.tenant_table('catalog.products');

create table catalog.product_images (
  shop_id    int      not null,
  product_id uuid     not null,
  position   smallint not null check (position between 0 and 19),
  image_key  text     not null,
  primary key (shop_id, product_id, position),
  foreign key (shop_id, product_id) references catalog.products,
  foreign key (shop_id, image_key) references catalog.images
);
comment on table catalog.product_images is 'Position 0 is the cover.';
select kernel.tenant_table('catalog.product_images');

create table catalog.skus (
  shop_id          int      not null,
  sku_id           uuid     not null,
  product_id       uuid     not null,
  position         smallint not null,
  option_values    text[]   not null check (cardinality(option_values) <= 3),
  sku_code         text     check (char_length(sku_code) between 1 and 40),
  price_fen        bigint   not null check (price_fen between 0 and 10000000000),
  market_price_fen bigint   check (market_price_fen between price_fen and 10000000000),
  member_price_fen bigint   check (member_price_fen between 0 and price_fen),
  weight_g         int      not null default 0 check (weight_g between 0 and 1000000),
  floor_fen        bigint   check (floor_fen between 0 and price_fen),
  image_key        text,
  retired_at       timestamptz,
  primary key (shop_id, sku_id),
  foreign key (shop_id, product_id) references catalog.products,
  foreign key (shop_id, image_key) references catalog.images
);
comment on column catalog.skus.weight_g is 'Of a piece with its packing; what shipping by weight goes by.';
comment on column catalog.skus.floor_fen is 'No campaign or coupon takes a piece below it.';
comment on column catalog.skus.retired_at is 'Taken out of the product by the merchant; kept because orders name it.';
create unique index skus_options on catalog.skus (shop_id, product_id, option_values) where retired_at is null;
create unique index skus_code on catalog.skus (shop_id, sku_code) where retired_at is null;
comment on table catalog.skus is 'What can be bought: one for each chosen set of option values, with its prices.';
select kernel.tenant_table('catalog.skus');

create table catalog.collections (
  shop_id       int  not null,
  collection_id uuid not null,
  kind          text not null check (kind in ('hot', 'bundle', 'activity')),
  position      int  not null,
  title         text not null check (char_length(title) <= 30),
  subtitle      text not null check (char_length(subtitle) <= 60),
  image_key     text,
  starts_at     timestamptz,
  ends_at       timestamptz,
  primary key (shop_id, collection_id),
  constraint collections_window_is_not_empty check (ends_at > starts_at),
  foreign key (shop_id, image_key) references catalog.images
);
comment on table catalog.collections is 'The golden triangle of the home page: one 爆品, one 套餐, any 活动 in [starts_at, ends_at).';
create unique index collections_single on catalog.collections (shop_id, kind) where kind <> 'activity';
select kernel.tenant_table('catalog.collections');

create table catalog.collection_products (
  shop_id       int      not null,
  collection_id uuid     not null,
  position      smallint not null,
  product_id    uuid     not null,
  primary key (shop_id, collection_id, position),
  unique (shop_id, collection_id, product_id),
  foreign key (shop_id, collection_id) references catalog.collections on delete cascade,
  foreign key (shop_id, product_id) references catalog.products
);
comment on table catalog.collection_products is 'The products of a collection, in the order shown.';
select kernel.tenant_table('catalog.collection_products');

create table catalog.banners (
  shop_id    int  not null,
  banner_id  uuid not null,
  position   int  not null,
  title      text not null check (char_length(title) <= 30),
  subtitle   text not null check (char_length(subtitle) <= 60),
  image_key  text not null,
  product_id uuid,
  primary key (shop_id, banner_id),
  foreign key (shop_id, image_key) references catalog.images,
  foreign key (shop_id, product_id) references catalog.products
);
comment on table catalog.banners is 'Pictures at the top of the home page, in order; replaced as a whole.';
select kernel.tenant_table('catalog.banners');
