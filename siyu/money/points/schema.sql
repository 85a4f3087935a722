create schema points;

create table points.settings (
  shop_id int primary key,
  is_enabled boolean not null,
  earned_per_yuan int not null check (earned_per_yuan between 0 and 10000),
  points_per_yuan int not null check (points_per_yuan between 1 and 1000000),
  cap_bps int not null check (cap_bps between 0 and 10000),
  expiry_months int check (expiry_months between 1 and 120),
  grace_days int not null check (grace_days between 1 and 366),
  negative_allowed boolean not null,
  updated_at timestamptz not null
);
comment on table points.settings is
  'The rules of a shop that changed them; the others have those of contracts.PointsSettings.';
comment on column points.settings.earned_per_yuan is 'Points granted for 100 fen paid.';
comment on column points.settings.points_per_yuan is 'Points that take 100 fen off a price.';
comment on column points.settings.cap_bps is 'Most of the goods'' price that points may pay.';
select kernel.tenant_table('points.settings');

create table points.accounts (
  shop_id int not null,
  member_id uuid not null,
  movements int not null check (movements >= 0),
  below_zero bigint not null default 0 check (below_zero >= 0),
  owed bigint not null default 0 check (owed >= 0),
  primary key (shop_id, member_id)
);
comment on table points.accounts is
  'A member''s points. Its row is locked by everything that moves them, so that two devices wait for one another (F059).';
comment on column points.accounts.movements is 'The number of the last line of the statement.';
comment on column points.accounts.below_zero is
  'Points taken back after they were spent, as a balance below zero; the next points fill it first (F058).';
comment on column points.accounts.owed is
  'Points that could not be taken back because the shop allows no balance below zero; set off against the next ones.';
select kernel.tenant_table('points.accounts');

create table points.lots (
  shop_id int not null,
  lot_id uuid not null,
  member_id uuid not null,
  order_id uuid,
  points bigint not null check (points between 1 and 1000000000),
  points_left bigint not null check (points_left between 0 and points),
  expired bigint not null default 0 check (expired between 0 and points - points_left),
  expires_on date,
  created_at timestamptz not null,
  home_lot uuid,
  primary key (shop_id, lot_id),
  foreign key (shop_id, member_id) references points.accounts (shop_id, member_id),
  foreign key (shop_id, home_lot) references points.lots (shop_id, lot_id)
);
comment on table points.lots is
  'Points that came together and end together. What is left may be spent; the first to end goes first.';
comment on column points.lots.order_id is 'The order that earned them; null: adjusted by staff.';
comment on column points.lots.expires_on is 'Their last good day; null: they never end.';
comment on column points.lots.expired is 'Points that ended unspent.';
comment on column points.lots.home_lot is 'The lot these points were taken from when records of the member were merged; they go back there when the merge is undone.';
create index lot_home on points.lots (shop_id, home_lot) where home_lot is not null;
create unique index lot_of_order on points.lots (shop_id, order_id) where order_id is not null;
create index lot_left on points.lots (shop_id, member_id, expires_on, lot_id)
  where points_left > 0;
create index lot_ending on points.lots (expires_on) where points_left > 0;
select kernel.tenant_table('points.lots', worker => true);

create table points.earnings (
  shop_id int not null,
  order_id uuid not null,
  member_id uuid not null,
  eligible_fen bigint check (eligible_fen between 0 and 10000000000),
  refunded_fen bigint not null default 0 check (refunded_fen between 0 and 10000000000),
  per_yuan int,
  earned bigint not null default 0 check (earned >= 0),
  revoked bigint not null default 0,
  forgone bigint not null default 0,
  earned_at timestamptz,
  primary key (shop_id, order_id),
  foreign key (shop_id, member_id) references points.accounts (shop_id, member_id),
  check ((earned_at is null) = (eligible_fen is null)),
  check ((earned_at is null) = (per_yuan is null)),
  check (revoked between 0 and earned),
  check (forgone between 0 and revoked)
);
comment on table points.earnings is
  'What each order earned, and what refunds took back. A refund may come before the receipt: then eligible_fen is null and the points are fewer from the start.';
comment on column points.earnings.eligible_fen is 'The basis: what was paid for the goods.';
comment on column points.earnings.forgone is
  'Of the revoked points, those that had ended unspent: nothing was to be taken for them.';
comment on column points.earnings.per_yuan is 'The rate at that time; a refund is counted with it.';
select kernel.tenant_table('points.earnings');

create table points.revocations (
  shop_id int not null,
  refund_id uuid not null,
  order_id uuid not null,
  refunded_fen bigint not null check (refunded_fen between 0 and 10000000000),
  points bigint not null check (points >= 0),
  revoked_at timestamptz not null,
  primary key (shop_id, refund_id),
  foreign key (shop_id, order_id) references points.earnings (shop_id, order_id)
);
comment on table points.revocations is 'What each refund took back, once per refund.';
create index revocation_order on points.revocations (shop_id, order_id);
select kernel.tenant_table('points.revocations');

create table points.spendings (
  shop_id int not null,
  spending_id uuid not null,
  order_id uuid not null,
  member_id uuid not null,
  state text not null check (state in ('held', 'captured', 'released')),
  points bigint not null check (points between 1 and 1000000000),
  hold_id uuid not null,
  expires_at timestamptz,
  held_at timestamptz not null,
  ended_at timestamptz,
  back bigint not null default 0 check (back between 0 and points),
  primary key (shop_id, spending_id),
  foreign key (shop_id, member_id) references points.accounts (shop_id, member_id),
  check ((ended_at is null) = (state = 'held')),
  check (state = 'captured' or back = 0)
);
comment on table points.spendings is
  'What orders have reserved or spent. An order has at most one that is not released.';
comment on column points.spendings.hold_id is 'The hold in the ledger.';
comment on column points.spendings.expires_at is
  'When the order should have been paid; for people only. An order that waits for WeChat''s word keeps what it holds (F016).';
create unique index spending_of_order on points.spendings (shop_id, order_id)
  where state <> 'released';
create index spending_held on points.spendings (shop_id, member_id) where state = 'held';
select kernel.tenant_table('points.spendings');

create table points.parts (
  shop_id int not null,
  spending_id uuid not null,
  part_no int not null,
  lot_id uuid not null,
  points bigint not null check (points > 0),
  back bigint not null default 0 check (back between 0 and points),
  primary key (shop_id, spending_id, part_no),
  unique (shop_id, spending_id, lot_id),
  foreign key (shop_id, spending_id) references points.spendings (shop_id, spending_id),
  foreign key (shop_id, lot_id) references points.lots (shop_id, lot_id)
);
comment on table points.parts is
  'Which lots a spending was taken from, in that order; back is what returned to the lot.';
create index part_of_lot on points.parts (shop_id, lot_id);
select kernel.tenant_table('points.parts');

create table points.give_backs (
  shop_id int not null,
  refund_id uuid not null,
  spending_id uuid not null,
  points bigint not null check (points > 0),
  given_at timestamptz not null,
  primary key (shop_id, refund_id),
  foreign key (shop_id, spending_id) references points.spendings (shop_id, spending_id)
);
comment on table points.give_backs is 'What refunds put back, once per refund.';
create index give_back_spending on points.give_backs (shop_id, spending_id);
select kernel.tenant_table('points.give_backs');

create table points.movements (
  shop_id int not null,
  member_id uuid not null,
  movement_no int not null check (movement_no > 0),
  kind text not null check (kind in ('earned', 'spent', 'given_back', 'revoked', 'set_off',
    'expired', 'adjusted', 'moved')),
  points bigint not null,
  balance bigint not null,
  owed bigint not null,
  order_id uuid,
  expires_on date,
  note text not null check (length(note) <= 200),
  at timestamptz not null,
  primary key (shop_id, member_id, movement_no),
  foreign key (shop_id, member_id) references points.accounts (shop_id, member_id),
  check (points <> 0 or owed <> 0)
);
comment on table points.movements is
  'The statement that explains each point, numbered without a gap per member. Never changed.';
comment on column points.movements.balance is 'After it, points reserved by unpaid orders included.';
comment on column points.movements.owed is 'By how much it changed what is owed.';
select kernel.tenant_table('points.movements');
revoke update, delete on points.movements from siyu_app;
