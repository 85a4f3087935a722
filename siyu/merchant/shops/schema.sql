create schema shops;

create table shops.shops (
  shop_id int generated always as identity primary key,
  code text not null unique check (code ~ '^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$'),
  name text not null check (length(name) between 1 and 60),
  currency text not null default 'CNY' check (currency ~ '^[A-Z]{3}$'),
  time_zone text not null default 'Asia/Shanghai' check (length(time_zone) between 1 and 64),
  notice text check (length(notice) <= 500),
  logo_url text check (length(logo_url) <= 500),
  created_at timestamptz not null
);
comment on table shops.shops is 'The tenants. A shop reads and edits its own row; only the system makes one or sees all.';
comment on column shops.shops.code is 'Slug in addresses and callbacks; never changed.';
comment on column shops.shops.currency is 'ISO 4217; every _fen of the shop is in its minor unit; never changed.';
comment on column shops.shops.time_zone is 'IANA name; business days are cut in it.';
select kernel.system_table('shops.shops');
alter table shops.shops enable row level security;
alter table shops.shops force row level security;
create policy every_shop on shops.shops to siyu_system using (true) with check (true);
create policy own_shop on shops.shops to siyu_app
  using (shop_id = (select kernel.shop())) with check (shop_id = (select kernel.shop()));
grant select, update (name, notice, logo_url, time_zone) on shops.shops to siyu_app;

create table shops.wechat (
  shop_id int primary key references shops.shops,
  environment text not null default 'real' check (environment in ('real', 'sandbox')),
  appid text check (appid ~ '^wx[0-9a-zA-Z]{6,30}$'),
  app_secret_sealed bytea,
  mchid text check (mchid ~ '^[0-9]{6,32}$'),
  certificate_serial text check (certificate_serial ~ '^[0-9A-F]{16,64}$'),
  private_key_sealed bytea,
  api_v3_key_sealed bytea,
  public_key_id text check (public_key_id ~ '^PUB_KEY_ID_[0-9A-Za-z]{1,64}$'),
  public_key_pem text check (length(public_key_pem) <= 8000),
  updated_at timestamptz not null
);
comment on table shops.wechat is 'How a shop speaks with WeChat: its mini-program and its WeChat Pay merchant number.';
comment on column shops.wechat.environment is 'real: WeChat itself; sandbox: the local WeChat of this installation.';
comment on column shops.wechat.certificate_serial is 'Serial of the merchant API certificate, upper-case hex.';
comment on column shops.wechat.public_key_id is 'Id of the WeChat Pay public key (PUB_KEY_ID_…) that signs answers.';
select kernel.tenant_table('shops.wechat', worker => true);

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
