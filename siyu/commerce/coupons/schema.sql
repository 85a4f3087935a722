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
  home_id uuid,
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
comment on column coupons.claims.home_id is 'The record it came with, when a merge gave it to another; null: member_id.';
create index claims_home on coupons.claims (shop_id, home_id) where home_id is not null;
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
  home_id uuid,
  primary key (shop_id, member_id),
  check ((sealed is null) = (day_key is null))
);
comment on table coupons.birthdays is
  'The day of the year that members gave, by themselves, for a coupon on their birthday; used for nothing else, and cleared when they say so: that one was given stays, or it could wander.';
comment on column coupons.birthdays.sealed is 'MM-DD, encrypted.';
comment on column coupons.birthdays.day_key is 'Keyed hash of it, to find whose day it is.';
create index birthday_day on coupons.birthdays (shop_id, day_key) where day_key is not null;
comment on column coupons.birthdays.home_id is 'The record it came with, when a merge gave it to another; null: member_id.';
create index birthdays_home on coupons.birthdays (shop_id, home_id) where home_id is not null;
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
