create schema after_sale;

create table after_sale.terms (
  shop_id               int not null primary key,
  answer_hours          int not null check (answer_hours between 1 and 168),
  ship_back_days        int not null check (ship_back_days between 1 and 60),
  inspect_days          int not null check (inspect_days between 1 and 30),
  confirm_days          int not null check (confirm_days between 1 and 60),
  no_reason_days        int not null check (no_reason_days between 7 and 365),
  quality_days          int not null check (quality_days between no_reason_days and 1095),
  not_returnable        uuid[] not null check (cardinality(not_returnable) <= 1000),
  return_address_sealed bytea
);
comment on table after_sale.terms is 'What the shop promises; no row: the defaults of contracts.Terms.';
comment on column after_sale.terms.not_returnable is
  'Products that cannot be sent back without a reason (fresh, made to order, downloads, unsealed).';
comment on column after_sale.terms.return_address_sealed is 'JSON of members.AddressText, encrypted.';
select kernel.tenant_table('after_sale.terms');

create table after_sale.orders (
  shop_id              int    not null,
  order_id             uuid   not null,
  cases                int    not null default 0 check (cases >= 0),
  shipping_fen         bigint not null check (shipping_fen >= 0),
  claimed_shipping_fen bigint not null default 0,
  primary key (shop_id, order_id),
  constraint shipping_claimed_once check (claimed_shipping_fen between 0 and shipping_fen)
);
comment on table after_sale.orders is
  'Orders that ever had a case: the row that two requests for one order queue for, and the number of cases so far.';
select kernel.tenant_table('after_sale.orders');

create table after_sale.order_lines (
  shop_id     int      not null,
  order_id    uuid     not null,
  line_no     smallint not null,
  quantity    int      not null check (quantity > 0),
  total_fen   bigint   not null check (total_fen >= 0),
  claimed     int      not null default 0,
  claimed_fen bigint   not null default 0,
  primary key (shop_id, order_id, line_no),
  foreign key (shop_id, order_id) references after_sale.orders (shop_id, order_id),
  constraint pieces_claimed_once check (claimed between 0 and quantity),
  constraint line_claimed_once check (claimed_fen between 0 and total_fen)
);
comment on table after_sale.order_lines is
  'How many pieces, and fen, of a bought line are in a case that is open or was refunded. Given back when a case ends otherwise.';
select kernel.tenant_table('after_sale.order_lines');

create table after_sale.cases (
  shop_id               int         not null,
  case_id               uuid        not null,
  case_no               text        not null,
  order_id              uuid        not null,
  order_no              text        not null,
  member_id             uuid        not null,
  person_no             bigint      not null,
  kind                  text        not null check (kind in ('refund_only', 'return_refund', 'exchange')),
  state                 text        not null check (state in ('requested', 'approved', 'returning',
    'received', 'refunding', 'refunded', 'exchanging', 'completed', 'rejected', 'withdrawn', 'expired')),
  reason                text        not null,
  freight_by            text        not null check (freight_by in ('shop', 'customer')),
  is_unshipped          boolean     not null,
  cap_fen               bigint      not null check (cap_fen between 0 and 10000000000),
  shipping_cap_fen      bigint      not null check (shipping_cap_fen between 0 and cap_fen),
  asked_fen             bigint      not null,
  amount_fen            bigint      not null,
  refund_id             uuid        not null,
  restock               text        check (restock in ('sellable', 'damaged')),
  opened_at             timestamptz not null,
  due_at                timestamptz,
  reminded_at           timestamptz,
  closed_at             timestamptz,
  return_carrier        text,
  return_tracking_no    text,
  exchange_carrier      text,
  exchange_tracking_no  text,
  return_address_sealed bytea,
  trouble               text        check (trouble in ('abnormal', 'closed')),
  home_id uuid,
  primary key (shop_id, case_id),
  constraint case_no_taken unique (shop_id, case_no),
  constraint refund_of_one_case unique (shop_id, refund_id),
  foreign key (shop_id, order_id) references after_sale.orders (shop_id, order_id),
  constraint asked_within_cap check (asked_fen between 0 and cap_fen),
  constraint amount_within_cap check (amount_fen between 0 and cap_fen),
  constraint closed_when_ended check ((closed_at is not null) =
    (state in ('refunded', 'completed', 'rejected', 'withdrawn', 'expired'))),
  constraint parcels_are_whole check ((return_carrier is null) = (return_tracking_no is null)
    and (exchange_carrier is null) = (exchange_tracking_no is null)),
  constraint kind_fits_state check (kind <> 'refund_only'
    or state in ('requested', 'refunding', 'refunded', 'rejected', 'withdrawn')),
  constraint exchange_fits_state check (kind = 'exchange' or state not in ('exchanging', 'completed'))
);
comment on table after_sale.cases is 'One wish about one order; states and who may move them: rules.STEPS.';
comment on column after_sale.cases.case_no is 'Order number and the how-manieth case of it: what people say.';
comment on column after_sale.cases.is_unshipped is 'Whether the goods had not left the shop when the case was opened or decided.';
comment on column after_sale.cases.cap_fen is 'All that these pieces can give back, shipping included.';
comment on column after_sale.cases.refund_id is 'The refund''s number, there before the money is asked for: a repeat cannot be a second refund.';
comment on column after_sale.cases.due_at is 'When time decides; in the past with reminded_at: overdue, and waits for people.';
comment on column after_sale.cases.return_address_sealed is 'Where this customer was told to send the goods, frozen at approval.';
create index case_of_order on after_sale.cases (shop_id, order_id, case_id);
create index case_of_member on after_sale.cases (shop_id, member_id, case_id desc);
create index case_by_state on after_sale.cases (shop_id, state, case_id desc);
create index case_open on after_sale.cases (shop_id, state) where closed_at is null;
create index case_waits on after_sale.cases (shop_id, due_at) where due_at is not null;
create index case_due on after_sale.cases (due_at) where due_at is not null and reminded_at is null;
comment on column after_sale.cases.home_id is 'The record it came with, when a merge gave it to another; null: member_id.';
create index cases_home on after_sale.cases (shop_id, home_id) where home_id is not null;
select kernel.tenant_table('after_sale.cases', worker => true);

create table after_sale.case_lines (
  shop_id         int      not null,
  case_id         uuid     not null,
  line_no         smallint not null,
  sku_id          uuid     not null,
  product_id      uuid     not null,
  title           text     not null,
  option_values   text[]   not null,
  image_url       text,
  quantity        int      not null check (quantity > 0),
  cap_fen         bigint   not null check (cap_fen >= 0),
  exchange_sku_id uuid,
  primary key (shop_id, case_id, line_no),
  foreign key (shop_id, case_id) references after_sale.cases (shop_id, case_id)
);
comment on table after_sale.case_lines is 'The pieces a case is about, as they were bought.';
select kernel.tenant_table('after_sale.case_lines');

create table after_sale.timeline (
  shop_id  int         not null,
  case_id  uuid        not null,
  entry_id uuid        not null,
  at       timestamptz not null,
  event    text        not null,
  side     text        not null check (side in ('customer', 'staff', 'time', 'money')),
  actor    text        not null,
  text     text        not null check (length(text) <= 500),
  primary key (shop_id, case_id, entry_id),
  foreign key (shop_id, case_id) references after_sale.cases (shop_id, case_id)
);
comment on table after_sale.timeline is 'Steps, messages and notes of a case, never edited; notes are for staff alone.';
select kernel.tenant_table('after_sale.timeline');
revoke update, delete on after_sale.timeline from siyu_app;
grant update (text) on after_sale.timeline to siyu_app;  -- an erased person takes their words along

create table after_sale.pictures (
  shop_id     int         not null,
  picture_id  uuid        not null,
  member_id   uuid        not null,
  case_id     uuid,
  position    smallint    check (position between 0 and 8),
  width       int         not null check (width > 0),
  height      int         not null check (height > 0),
  uploaded_at timestamptz not null,
  home_id uuid,
  primary key (shop_id, picture_id),
  constraint nine_pictures unique (shop_id, case_id, position),
  foreign key (shop_id, case_id) references after_sale.cases (shop_id, case_id),
  check ((case_id is null) = (position is null))
);
comment on table after_sale.pictures is
  'Evidence, re-encoded; files lie in data_dir/evidence, never under a public address. Without a case: thrown away after a day.';
create index picture_waiting on after_sale.pictures (uploaded_at) where case_id is null;
create index picture_of_member on after_sale.pictures (shop_id, member_id) where case_id is null;
comment on column after_sale.pictures.home_id is 'The record it came with, when a merge gave it to another; null: member_id.';
create index pictures_home on after_sale.pictures (shop_id, home_id) where home_id is not null;
select kernel.tenant_table('after_sale.pictures', worker => true);
