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
  receiver_home_id uuid,
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
comment on column fulfilment.consignments.receiver_home_id is 'The record it was for, when a merge gave it to another; null: receiver_id.';
create index consignment_home on fulfilment.consignments (shop_id, receiver_home_id) where receiver_home_id is not null;
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
  receiver_home_id uuid,
  primary key (shop_id, parcel_id)
);
comment on table fulfilment.parcels is 'What has left, and under which number.';
comment on column fulfilment.parcels.carrier_code is 'WeChat''s delivery id; none for a carrier it does not know.';
create index parcel_tracking on fulfilment.parcels (shop_id, tracking_no);
create index parcel_under_way on fulfilment.parcels (shop_id, sent_at) where delivered_at is null;
comment on column fulfilment.parcels.receiver_home_id is 'The record it was for, when a merge gave it to another; null: receiver_id.';
create index parcel_home on fulfilment.parcels (shop_id, receiver_home_id) where receiver_home_id is not null;
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
grant update (text) on fulfilment.parcel_events to siyu_app;  -- an erased person takes their words along

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
