create schema profit_sharing;

create table profit_sharing.settings (
  shop_id int primary key,
  max_ratio_bps int not null check (max_ratio_bps between 0 and 10000),
  fee_bps int not null check (fee_bps between 0 and 1000),
  floor_fen bigint not null check (floor_fen between 0 and 100000000),
  freeze_days int not null check (freeze_days between 1 and 180),
  alarm_days int not null check (alarm_days between 1 and freeze_days),
  updated_at timestamptz not null
);
comment on table profit_sharing.settings is
  'What a shop may share; without a row the defaults of contracts.Settings. Its lock serialises the writing of rules.';
comment on column profit_sharing.settings.max_ratio_bps is 'The share of a payment the contract with WeChat allows to be split.';
comment on column profit_sharing.settings.floor_fen is 'How deep a commission balance may go below zero after refunds.';
select kernel.tenant_table('profit_sharing.settings', worker => true);

create table profit_sharing.receivers (
  shop_id int not null,
  receiver_id uuid not null,
  kind text not null check (kind in ('merchant', 'person')),
  account text not null check (length(account) between 1 and 64),
  merchant text not null,
  app text not null,
  member_id uuid,
  owner_id uuid not null,
  name_sealed bytea,
  relation text not null check (relation in ('STORE', 'STAFF', 'STORE_OWNER', 'PARTNER',
    'HEADQUARTER', 'BRAND', 'DISTRIBUTOR', 'USER', 'SUPPLIER', 'SERVICE_PROVIDER', 'CUSTOM')),
  custom_relation text check (length(custom_relation) between 1 and 10),
  state text not null check (state in ('adding', 'active', 'refused', 'removing', 'removed')),
  reason text check (length(reason) <= 300),
  created_at timestamptz not null,
  next_at timestamptz,
  primary key (shop_id, receiver_id),
  check ((relation = 'CUSTOM') = (custom_relation is not null)),
  check (kind <> 'merchant' or (name_sealed is not null and member_id is null)),
  check (owner_id = coalesce(member_id, receiver_id)),
  check ((next_at is not null) = (state in ('adding', 'removing')))
);
comment on table profit_sharing.receivers is 'Who may be given a part by WeChat.';
comment on column profit_sharing.receivers.account is 'A merchant number, or the person''s id in `app`.';
comment on column profit_sharing.receivers.merchant is 'Our merchant number that the receiver was added under.';
comment on column profit_sharing.receivers.owner_id is 'Whose commission balance it is: the member''s, or the receiver''s own.';
comment on column profit_sharing.receivers.next_at is 'When to tell WeChat (again) that the receiver comes or goes.';
create unique index receiver_account on profit_sharing.receivers (shop_id, merchant, kind, account)
  where state <> 'removed';
create unique index receiver_member on profit_sharing.receivers (shop_id, merchant, member_id)
  where state <> 'removed' and member_id is not null;
create index receiver_due on profit_sharing.receivers (next_at) where next_at is not null;
select kernel.tenant_table('profit_sharing.receivers', worker => true);

create table profit_sharing.promoters (
  shop_id int not null,
  member_id uuid not null,
  level int not null check (level in (1, 2)),
  parent_id uuid,
  parent_level int generated always as (case when parent_id is not null then 1 end) stored,
  created_at timestamptz not null,
  primary key (shop_id, member_id),
  unique (shop_id, member_id, level),
  foreign key (shop_id, parent_id, parent_level)
    references profit_sharing.promoters (shop_id, member_id, level),
  check ((level = 2) = (parent_id is not null)),
  check (parent_id <> member_id)
);
comment on table profit_sharing.promoters is
  'Members who bring orders. A parent must be of level 1 and level 1 has no parent: deeper trees and circles cannot be written (F040).';
create index promoter_parent on profit_sharing.promoters (shop_id, parent_id);
select kernel.tenant_table('profit_sharing.promoters');

create table profit_sharing.rules (
  shop_id int not null,
  rule_id uuid not null,
  title text not null check (length(title) between 1 and 60),
  scope text not null check (scope in ('product', 'promoter', 'leader')),
  share_bps int not null check (share_bps between 1 and 10000),
  way text not null check (way in ('split', 'balance')),
  trigger text not null check (trigger in ('receipt', 'days')),
  after_days int check (after_days between 0 and 180),
  product_id uuid,
  level int check (level in (1, 2)),
  receiver_id uuid,
  is_active boolean not null,
  created_at timestamptz not null,
  primary key (shop_id, rule_id),
  foreign key (shop_id, receiver_id) references profit_sharing.receivers (shop_id, receiver_id),
  check ((trigger = 'days') = (after_days is not null)),
  check ((scope = 'product') = (product_id is not null)),
  check ((scope = 'promoter') = (level is not null)),
  check ((scope = 'promoter') = (receiver_id is null))
);
comment on table profit_sharing.rules is
  'Who earns what of which orders. A rule is never edited, only stopped: the parts made by it keep what they were made with.';
create unique index rule_level on profit_sharing.rules (shop_id, level)
  where is_active and scope = 'promoter';
create unique index rule_receiver on profit_sharing.rules (shop_id, scope, product_id, receiver_id)
  nulls not distinct where is_active and scope <> 'promoter';
create index rule_of_receiver on profit_sharing.rules (shop_id, receiver_id);
select kernel.tenant_table('profit_sharing.rules');

create table profit_sharing.plans (
  shop_id int not null,
  order_id uuid not null,
  person_no bigint not null,
  promoter_id uuid,
  state text not null check (state in ('open', 'closed')),
  total_fen bigint not null check (total_fen between 0 and 10000000000),
  paid_fen bigint not null check (paid_fen between 0 and total_fen),
  refunded_fen bigint not null default 0 check (refunded_fen between 0 and total_fen),
  refunded_paid_fen bigint not null default 0 check (refunded_paid_fen between 0 and paid_fen),
  is_frozen boolean not null,
  provider_number text,
  merchant text not null,
  app text not null,
  paid_at timestamptz not null,
  completed_at timestamptz,
  frozen_until timestamptz,
  alarm text check (alarm in ('over_ratio', 'freeze_ends', 'freeze_over', 'refused', 'held')),
  alarmed_at timestamptz,
  next_at timestamptz,
  primary key (shop_id, order_id),
  check ((alarm is null) = (alarmed_at is null)),
  check (not is_frozen or (provider_number is not null and frozen_until is not null)),
  check (state = 'open' or (next_at is null and not is_frozen))
);
comment on table profit_sharing.plans is
  'How the money of one paid order is shared: frozen with its parts at that moment.';
comment on column profit_sharing.plans.paid_fen is 'What WeChat collected of total_fen; only this can be split.';
comment on column profit_sharing.plans.refunded_paid_fen is 'What of paid_fen goes back, from the intent on.';
comment on column profit_sharing.plans.is_frozen is 'Money of the payment stands frozen at WeChat, as far as we know.';
comment on column profit_sharing.plans.provider_number is 'WeChat''s number of the payment.';
comment on column profit_sharing.plans.next_at is 'When the worker looks again; empty when only an event can change something.';
create index plan_due on profit_sharing.plans (next_at) where next_at is not null;
create index plan_newest on profit_sharing.plans (shop_id, paid_at desc, order_id desc);
create index plan_alarm on profit_sharing.plans (shop_id, paid_at desc, order_id desc)
  where alarm is not null;
select kernel.tenant_table('profit_sharing.plans', worker => true);

create table profit_sharing.requests (
  shop_id int not null,
  request_id uuid not null,
  order_id uuid not null,
  kind text not null check (kind in ('split', 'unfreeze', 'return')),
  number text not null check (length(number) between 6 and 64),
  split_number text,
  part_no int,
  state text not null check (state in ('created', 'processing', 'finished', 'refused')),
  amount_fen bigint not null check (amount_fen between 0 and 10000000000),
  error text check (length(error) <= 300),
  tries int not null default 0,
  created_at timestamptz not null,
  finished_at timestamptz,
  next_at timestamptz,
  primary key (shop_id, request_id),
  unique (shop_id, number),
  foreign key (shop_id, order_id) references profit_sharing.plans (shop_id, order_id),
  check ((kind = 'return') = (split_number is not null and part_no is not null)),
  check ((next_at is not null) = (state in ('created', 'processing'))),
  check ((finished_at is not null) = (state in ('finished', 'refused')))
);
comment on table profit_sharing.requests is
  'Calls to WeChat that move money. The row, with its number, is committed before the call; a repeat uses the same.';
comment on column profit_sharing.requests.split_number is 'Of a return: the number of the split that gave the money.';
create unique index request_open on profit_sharing.requests (shop_id, order_id)
  where state in ('created', 'processing');
create index request_order on profit_sharing.requests (shop_id, order_id);
select kernel.tenant_table('profit_sharing.requests');

create table profit_sharing.parts (
  shop_id int not null,
  order_id uuid not null,
  part_no int not null check (part_no > 0),
  rule_id uuid not null,
  title text not null,
  scope text not null check (scope in ('product', 'promoter', 'leader')),
  pool text not null,
  level int check (level in (1, 2)),
  owner_id uuid not null,
  receiver_id uuid,
  way text not null check (way in ('split', 'balance')),
  share_bps int not null check (share_bps between 1 and 10000),
  base_fen bigint not null check (base_fen between 0 and 10000000000),
  planned_fen bigint not null check (planned_fen between 0 and base_fen),
  amount_fen bigint not null check (amount_fen between 0 and planned_fen),
  booked_fen bigint not null default 0 check (booked_fen between 0 and planned_fen),
  sent_fen bigint not null default 0 check (sent_fen between 0 and planned_fen),
  recall_fen bigint not null default 0,
  returned_fen bigint not null default 0,
  revision int not null default 0,
  trigger text not null check (trigger in ('receipt', 'days')),
  due_at timestamptz,
  state text not null check (state in
    ('planned', 'held', 'denied', 'refused', 'sent', 'paid', 'credited', 'dropped')),
  request_id uuid,
  hold_id uuid,
  tries int not null default 0,
  fail_reason text check (length(fail_reason) <= 100),
  evidence text[] not null default '{}',
  reviewed_at timestamptz,
  review_note text check (length(review_note) between 2 and 200),
  primary key (shop_id, order_id, part_no),
  foreign key (shop_id, order_id) references profit_sharing.plans (shop_id, order_id),
  foreign key (shop_id, receiver_id) references profit_sharing.receivers (shop_id, receiver_id),
  foreign key (shop_id, request_id) references profit_sharing.requests (shop_id, request_id),
  check (way = 'balance' or receiver_id is not null),
  check ((state in ('sent', 'paid')) = (request_id is not null)),
  check ((state = 'sent') = (hold_id is not null)),
  check (state in ('sent', 'paid') or sent_fen = 0),
  check (state <> 'dropped' or (amount_fen = 0 and booked_fen = 0)),
  check (recall_fen >= 0 and returned_fen >= 0 and recall_fen + returned_fen <= sent_fen),
  constraint held_by_evidence
    check (state <> 'held' or (evidence <> '{}' and reviewed_at is null and revision = 0)),
  constraint held_until_reviewed
    check (evidence = '{}' or reviewed_at is not null or state in ('held', 'dropped')),
  constraint denied_owes_nothing
    check (state <> 'denied' or (reviewed_at is not null and amount_fen = 0 and booked_fen = 0)),
  check (reviewed_at is null or evidence <> '{}'),
  check (review_note is null or reviewed_at is not null)
);
comment on table profit_sharing.parts is 'What one receiver earns of one order by one rule.';
comment on column profit_sharing.parts.pool is 'Parts of one pool share one base: their sum is the whole share of it, to the fen.';
comment on column profit_sharing.parts.base_fen is 'The money the share is taken of, at the time of the order.';
comment on column profit_sharing.parts.booked_fen is 'What the ledger holds as commission for it, revoked amounts taken off.';
comment on column profit_sharing.parts.recall_fen is 'To be given back by a merchant through WeChat before a refund goes out.';
comment on column profit_sharing.parts.revision is 'Counts its bookings: part of their keys, so that none is booked twice.';
comment on column profit_sharing.parts.hold_id is 'The ledger''s hold of the commission while WeChat splits it.';
comment on column profit_sharing.parts.evidence is 'What ties its receiver to the buyer, in codes (contracts.Tie); it was held for that (F096).';
comment on column profit_sharing.parts.reviewed_at is 'When staff decided about a held part; it is not held again.';
create index part_owner on profit_sharing.parts (shop_id, owner_id, order_id desc, part_no);
create index part_receiver on profit_sharing.parts (shop_id, receiver_id)
  where state in ('planned', 'held', 'refused', 'sent');
select kernel.tenant_table('profit_sharing.parts');

create table profit_sharing.refunds (
  shop_id int not null,
  order_id uuid not null,
  refund_id uuid not null,
  amount_fen bigint not null check (amount_fen > 0),
  paid_part_fen bigint not null check (paid_part_fen between 0 and amount_fen),
  state text not null check (state in ('preparing', 'released', 'done', 'closed')),
  created_at timestamptz not null,
  primary key (shop_id, order_id, refund_id),
  foreign key (shop_id, order_id) references profit_sharing.plans (shop_id, order_id)
);
comment on table profit_sharing.refunds is
  'Refunds of shared orders. preparing: what was split is called back or the rest unfrozen first.';
select kernel.tenant_table('profit_sharing.refunds');

create table profit_sharing.timeline (
  shop_id int not null,
  order_id uuid not null,
  entry_id uuid not null,
  at timestamptz not null,
  event text not null,
  detail jsonb not null,
  primary key (shop_id, order_id, entry_id),
  foreign key (shop_id, order_id) references profit_sharing.plans (shop_id, order_id)
);
comment on table profit_sharing.timeline is 'What happened to an order''s sharing, in WeChat''s own codes, for support. Never edited.';
select kernel.tenant_table('profit_sharing.timeline');
revoke update, delete on profit_sharing.timeline from siyu_app;

create table profit_sharing.buyers (
  shop_id int not null,
  order_id uuid not null,
  member_id uuid not null,
  phone_key bytea check (length(phone_key) = 32),
  address_key bytea check (length(address_key) = 32),
  noted_at timestamptz not null,
  primary key (shop_id, order_id)
);
comment on table profit_sharing.buyers is
  'Who bought what a promoter brought, and where it went: to be held against the promoter when a part falls due (F096).';
comment on column profit_sharing.buyers.phone_key is 'Keyed hash of the phone the parcel names; of a gift nothing is known.';
comment on column profit_sharing.buyers.address_key is 'Keyed hash of the place it goes to, without names.';
create index buyer_old on profit_sharing.buyers (noted_at);
select kernel.tenant_table('profit_sharing.buyers');

create table profit_sharing.devices (
  shop_id int not null,
  device_key bytea not null check (length(device_key) = 32),
  member_id uuid not null,
  seen_at timestamptz not null,
  primary key (shop_id, device_key, member_id)
);
comment on table profit_sharing.devices is
  'Phones and browsers of promoters and of those who buy by their links: one device for both is evidence (F096).';
comment on column profit_sharing.devices.device_key is 'Keyed hash of the key that the device made for itself.';
create index device_member on profit_sharing.devices (shop_id, member_id);
create index device_old on profit_sharing.devices (seen_at);
select kernel.tenant_table('profit_sharing.devices');
