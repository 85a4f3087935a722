-- people reached with care: messages, segments, WeChat's other channels
-- depends: 0005_people

-- migrate: apply
-- transport first: the token store is shared by mini-program, official account and WeCom now
create schema transport;
alter table mini_program.access_tokens set schema transport;
grant usage on schema transport to siyu_app, siyu_system;
comment on table transport.access_tokens is
  'The access token of a shop''s app or corporation, and who is asking for a new one. One row per account.';
create table mini_program.message_push (
  shop_id int primary key,
  app_id text not null check (app_id ~ '^wx[0-9a-zA-Z]{6,30}$'),
  token_sealed bytea not null,
  aes_key_sealed bytea not null,
  updated_at timestamptz not null
);
comment on table mini_program.message_push is
  'How the messages that WeChat pushes to a shop''s address are proven and opened.';
comment on column mini_program.message_push.token_sealed is 'The token of the platform''s page; encrypted by the vault.';
comment on column mini_program.message_push.aes_key_sealed is 'EncodingAESKey; encrypted by the vault.';
select kernel.tenant_table('mini_program.message_push');
-- official_account and wecom are new: their schema.sql whole

-- after_sale: what follows a person through merges
alter table after_sale.cases add column home_id uuid;
comment on column after_sale.cases.home_id is 'The record it came with, when a merge gave it to another; null: member_id.';
create index cases_home on after_sale.cases (shop_id, home_id) where home_id is not null;
alter table after_sale.pictures add column home_id uuid;
comment on column after_sale.pictures.home_id is 'The record it came with, when a merge gave it to another; null: member_id.';
create index pictures_home on after_sale.pictures (shop_id, home_id) where home_id is not null;

-- approvals: a second approver for exports (F084)
alter table approvals.cases drop constraint cases_kind_check;
alter table approvals.cases add constraint cases_kind_check check (kind in ('override', 'consent_text', 'template', 'campaign', 'content', 'export'));
alter table approvals.cases drop constraint cases_path_check;
alter table approvals.cases add constraint cases_path_check check (path in ('normal', 'strict', 'second'));
alter table approvals.cases add column used_at timestamptz;
alter table approvals.cases add constraint used_once_signed check (used_at is null or (kind = 'export' and state = 'approved'));
comment on table approvals.cases is 'A content that is to be signed by author, editor and legal, or by a second person; the content is never changed.';
comment on column approvals.cases.used_at is 'When the export that was signed was made; it counts once.';
create index case_export on approvals.cases (shop_id, case_id desc)
  where kind = 'export' and used_at is null;
grant update (state, decided_at, used_at) on approvals.cases to siyu_app;
alter table approvals.signoffs drop constraint signoffs_step_check;
alter table approvals.signoffs add constraint signoffs_step_check check (step in ('author', 'editor', 'legal', 'second'));

-- coupons: what follows a person through merges
alter table coupons.claims add column home_id uuid;
comment on column coupons.claims.home_id is 'The record it came with, when a merge gave it to another; null: member_id.';
create index claims_home on coupons.claims (shop_id, home_id) where home_id is not null;
alter table coupons.birthdays add column home_id uuid;
comment on column coupons.birthdays.home_id is 'The record it came with, when a merge gave it to another; null: member_id.';
create index birthdays_home on coupons.birthdays (shop_id, home_id) where home_id is not null;

-- fulfilment: what follows a person through merges
alter table fulfilment.consignments add column receiver_home_id uuid;
comment on column fulfilment.consignments.receiver_home_id is 'The record it was for, when a merge gave it to another; null: receiver_id.';
create index consignment_home on fulfilment.consignments (shop_id, receiver_home_id) where receiver_home_id is not null;
alter table fulfilment.parcels add column receiver_home_id uuid;
comment on column fulfilment.parcels.receiver_home_id is 'The record it was for, when a merge gave it to another; null: receiver_id.';
create index parcel_home on fulfilment.parcels (shop_id, receiver_home_id) where receiver_home_id is not null;

-- gifting: what follows a person through merges
alter table gifting.voices add column home_id uuid;
comment on column gifting.voices.home_id is 'The record it came with, when a merge gave it to another; null: member_id.';
create index voices_home on gifting.voices (shop_id, home_id) where home_id is not null;
alter table gifting.visits add column home_id uuid;
comment on column gifting.visits.home_id is 'The record it came with, when a merge gave it to another; null: member_id.';
create index visits_home on gifting.visits (shop_id, home_id) where home_id is not null;
alter table gifting.gifts add column giver_home_id uuid;
comment on column gifting.gifts.giver_home_id is 'The record that gave it, when a merge gave it to another; null: giver_id.';
create index gifts_giver_home on gifting.gifts (shop_id, giver_home_id) where giver_home_id is not null;
alter table gifting.shares add column receiver_home_id uuid;
comment on column gifting.shares.receiver_home_id is 'The record that accepted it, when a merge gave it to another; null: receiver_id.';
create index shares_receiver_home on gifting.shares (shop_id, receiver_home_id) where receiver_home_id is not null;

-- members: identifiers taken off by staff
create table members.removed_identifiers (
  shop_id int not null,
  removal_id uuid not null,
  kind text not null check (kind in ('unionid', 'external_userid', 'phone', 'card', 'email')),
  value_key bytea not null check (length(value_key) = 32),
  member_id uuid not null,
  sealed bytea,
  source text not null,
  confidence_bps int not null,
  linked_at timestamptz not null,
  removed_at timestamptz not null,
  removed_by text not null check (length(removed_by) <= 64),
  reason text not null check (length(reason) between 2 and 200),
  restored_at timestamptz,
  primary key (shop_id, removal_id),
  foreign key (shop_id, member_id) references members.members (shop_id, member_id)
);
comment on table members.removed_identifiers is 'Identifiers that staff took off a record as wrong, as they were: they can be given back while they are nobody else''s.';
create index removed_member on members.removed_identifiers (shop_id, member_id);
select kernel.tenant_table('members.removed_identifiers');

-- ordering: what follows a person through merges
alter table ordering.cart_lines add column home_id uuid;
comment on column ordering.cart_lines.home_id is 'The record it came with, when a merge gave it to another; null: member_id.';
create index cart_lines_home on ordering.cart_lines (shop_id, home_id) where home_id is not null;
alter table ordering.buyers add column home_id uuid;
comment on column ordering.buyers.home_id is 'The record it came with, when a merge gave it to another; null: member_id.';
create index buyers_home on ordering.buyers (shop_id, home_id) where home_id is not null;

-- reviews: what follows a person through merges
alter table reviews.reviews add column home_id uuid;
comment on column reviews.reviews.home_id is 'The record it came with, when a merge gave it to another; null: member_id.';
create index reviews_home on reviews.reviews (shop_id, home_id) where home_id is not null;
alter table reviews.pictures add column home_id uuid;
comment on column reviews.pictures.home_id is 'The record it came with, when a merge gave it to another; null: member_id.';
create index pictures_home on reviews.pictures (shop_id, home_id) where home_id is not null;
alter table reviews.votes add column home_id uuid;
comment on column reviews.votes.home_id is 'The record it came with, when a merge gave it to another; null: member_id.';
create index votes_home on reviews.votes (shop_id, home_id) where home_id is not null;
-- reviews: who receives a gift reviews a piece of it
alter table reviews.reviews add column piece_no smallint not null default 0 check (piece_no >= 0);
alter table reviews.reviews drop constraint one_review_per_line;
alter table reviews.reviews add constraint one_review_per_piece unique (shop_id, order_id, line_no, piece_no);
comment on table reviews.reviews is 'One per order line, by its buyer, or per piece of a gift, by who received it; its words stand in posts.';
comment on column reviews.reviews.piece_no is '0: the line as its buyer has it; else the piece of a gift.';
create table reviews.pieces (
  shop_id       int         not null,
  order_id      uuid        not null,
  line_no       smallint    not null,
  piece_no      smallint    not null check (piece_no > 0),
  member_id     uuid        not null,
  sku_id        uuid        not null,
  product_id    uuid        not null,
  product_no    int         not null,
  title         text        not null,
  option_values text[]      not null,
  image_url     text,
  received_at   timestamptz not null,
  home_id       uuid,
  primary key (shop_id, order_id, line_no, piece_no)
);
comment on table reviews.pieces is 'Pieces of gifts that their receivers have and may review; ordering knows the giver alone.';
comment on column reviews.pieces.home_id is 'The record it came with, when a merge gave it to another; null: member_id.';
create index pieces_home on reviews.pieces (shop_id, home_id) where home_id is not null;
create index piece_of_member on reviews.pieces (shop_id, member_id, received_at desc);
select kernel.tenant_table('reviews.pieces');

-- people/segments: rules as trees, live membership as bits, snapshots. people/profiles: an index.
alter table segments.segments add column live boolean not null default false check (not live or rule is not null);
alter table segments.segments add column bars jsonb not null default '{}';
comment on column segments.segments.rule is 'Who belongs to it; null: the fixed persons of segments.persons.';
comment on column segments.segments.live is 'Membership follows each event; coming and going are events.';
comment on column segments.segments.bars is 'Of leaves that ask for a top share: leaf → the least figure among the top when it was last counted.';
-- What was counted without keeping who it was: nobody until the next hourly count.
update segments.segments set person_count = 0 where rule is not null;

create table segments.members (
  shop_id int not null,
  segment_id uuid not null,
  block int not null check (block >= 0),
  bits bytea not null check (length(bits) = 2048),
  primary key (shop_id, segment_id, block),
  foreign key (shop_id, segment_id) references segments.segments (shop_id, segment_id) on delete cascade
);
comment on table segments.members is 'Who fits a rule, as last judged: 16,384 persons a row, a bit each; rows without anybody are missing.';
comment on column segments.members.bits is 'Bit n stands for person block * 16384 + n.';
select kernel.tenant_table('segments.members', worker => true);

create table segments.snapshots (
  shop_id int not null,
  segment_id uuid not null,
  on_day date not null,
  person_count bigint not null check (person_count >= 0),
  came bigint not null check (came >= 0),
  went bigint not null check (went >= 0),
  taken_at timestamptz not null,
  primary key (shop_id, segment_id, on_day),
  foreign key (shop_id, segment_id) references segments.segments (shop_id, segment_id) on delete cascade
);
comment on table segments.snapshots is 'A segment at the beginning of each business day.';
comment on column segments.snapshots.came is 'In it and not in the snapshot before.';
comment on column segments.snapshots.went is 'In the snapshot before and no longer in it.';
select kernel.tenant_table('segments.snapshots', worker => true);

create table segments.snapshot_members (
  shop_id int not null,
  segment_id uuid not null,
  on_day date not null,
  block int not null check (block >= 0),
  bits bytea not null check (length(bits) = 2048),
  primary key (shop_id, segment_id, on_day, block),
  foreign key (shop_id, segment_id, on_day)
    references segments.snapshots (shop_id, segment_id, on_day) on delete cascade
);
comment on table segments.snapshot_members is 'Who was in it on a day, as in segments.members; kept for 90 days.';
select kernel.tenant_table('segments.snapshot_members', worker => true);

create table segments.passes (
  shop_id int primary key,
  judged_upto timestamptz not null
);
comment on table segments.passes is 'How far each shop is. judged_upto: profiles computed before it have been judged.';
select kernel.tenant_table('segments.passes', worker => true);

-- An erasure takes a person out of sets of bits.
create function segments.holds(bits bytea, block int, persons bigint[]) returns boolean
language sql immutable as $$
  select exists (
    select from unnest(persons) no
    where no / 16384 = block and get_bit(bits, (no % 16384)::bigint) = 1)
$$;

create function segments.without(bits bytea, block int, persons bigint[]) returns bytea
language plpgsql immutable as $$
declare
  no bigint;
begin
  foreach no in array persons loop
    if no / 16384 = block then
      bits := set_bit(bits, no % 16384, 0);
    end if;
  end loop;
  return bits;
end
$$;

create index people_refreshed on profiles.people (shop_id, refreshed_at);

-- stored_value: value follows a person through merges
alter table stored_value.top_ups add column home_id uuid;
comment on column stored_value.top_ups.home_id is
  'The record that paid it in, when a merge gave it to another; null: member_id.';
alter table stored_value.lots add column home_id uuid;
comment on column stored_value.lots.home_id is
  'The record it came with, when a merge gave it to another; null: member_id.';
create index lot_member on stored_value.lots (shop_id, member_id);
create index lot_home on stored_value.lots (shop_id, home_id) where home_id is not null;
alter table stored_value.movements drop constraint movements_kind_check;
alter table stored_value.movements add constraint movements_kind_check check (kind in ('topped_up', 'spent', 'given_back', 'refunded',
    'refund_undone', 'expired', 'adjusted', 'moved'));

create table approvals.settings (
  shop_id int primary key,
  export_alone_max int not null check (export_alone_max between 0 and 100000),
  changed_at timestamptz not null
);
comment on table approvals.settings is 'What one person may do alone; without a row the program''s own limit holds.';
comment on column approvals.settings.export_alone_max is 'Rows about people that leave as a file without a second person.';
select kernel.tenant_table('approvals.settings');

-- inventory: what is reserved is written with the stock's row
alter table inventory.reservations drop constraint reservations_shop_id_sku_id_warehouse_id_fkey;
comment on table inventory.reservations is
  'Living ones only: the row is deleted when released or consumed. Written by the statement that takes from the stock''s row, which is never deleted; so no foreign key looks for it again.';
alter table inventory.movements drop constraint movements_shop_id_sku_id_warehouse_id_fkey;
comment on table inventory.movements is
  'Each change of on_hand, never edited; their sum is on_hand. Written by the statement that changes it, as reservations are.';

-- kernel: keys by their hash; an answer may be kept as what it is made of again
alter table kernel.idempotency rename to idempotency_before;
alter table kernel.idempotency_before rename constraint idempotency_pkey to idempotency_before_pkey;
drop index kernel.idempotency_expiry;
create table kernel.idempotency (
  shop_id int not null,
  key_id uuid not null,
  owner text not null,
  fingerprint uuid not null,
  expires_at timestamptz not null,
  status int not null,
  answer bytea,
  made uuid,
  primary key (shop_id, key_id),
  check ((answer is null) <> (made is null))
);
comment on table kernel.idempotency is 'The answer given under a client''s key; a replay gets the same one (F129).';
comment on column kernel.idempotency.key_id is '128 bits of SHA-256 over owner and key: short, whatever the client sends.';
comment on column kernel.idempotency.owner is 'Who sent it (member or staff); keys of two people never meet.';
comment on column kernel.idempotency.answer is 'Sealed: an answer may hold personal data.';
comment on column kernel.idempotency.made is 'In place of an answer: the id of what it can be made of again.';
create index idempotency_expiry on kernel.idempotency (expires_at);
select kernel.tenant_table('kernel.idempotency', worker => true);
-- The name of a key was kept whole, and its fingerprint was all of SHA-256.
insert into kernel.idempotency (shop_id, key_id, owner, fingerprint, expires_at, status, answer)
select shop_id,
  encode(substr(sha256(convert_to(owner, 'UTF8') || '\x00'::bytea || convert_to(key, 'UTF8')), 1, 16), 'hex')::uuid,
  owner, encode(substr(fingerprint, 1, 16), 'hex')::uuid, expires_at, status, answer
from kernel.idempotency_before where answer is not null and length(fingerprint) >= 16;
drop table kernel.idempotency_before;

create function kernel.claim_keys(shop int, key_ids uuid[])
returns table (ok boolean, fingerprint uuid, expires_at timestamptz, status int, answer bytea, made uuid)
language plpgsql as $$
declare taken boolean[];
begin
  -- A statement of its own, so that the next one sees what was committed until the locks were had.
  taken := array(
    select pg_try_advisory_xact_lock(uuid_hash_extended(key_id, shop))
    from unnest(key_ids) with ordinality as k (key_id, no) order by no);
  return query
    select k.ok, i.fingerprint, i.expires_at, i.status, i.answer, i.made
    from unnest(key_ids, taken) with ordinality as k (key_id, ok, no)
    left join kernel.idempotency i on i.shop_id = shop and i.key_id = k.key_id
    order by k.no;
end $$;
comment on function kernel.claim_keys is
  'Takes the keys whose locks nobody holds, without waiting, and tells what is kept under each.';

create table members.waiting_logins (
  shop_id int not null,
  app_id text not null check (length(app_id) between 1 and 64),
  subject text not null check (length(subject) between 1 and 128),
  union_key bytea not null check (length(union_key) = 32),
  seen_at timestamptz not null,
  primary key (shop_id, app_id, subject)
);
comment on table members.waiting_logins is 'Whom another app of the owner, such as its official account, knows and who has no account here yet: it becomes a log-in with the account.';
comment on column members.waiting_logins.union_key is 'Keyed hash of the id that the apps share.';
create index waiting_union on members.waiting_logins (shop_id, union_key);
select kernel.tenant_table('members.waiting_logins', worker => true);

-- ordering: an order's timeline begins with the order itself; its lines are written with it
delete from ordering.timeline where event in ('placed', 'imported');
alter table ordering.order_lines drop constraint order_lines_shop_id_order_id_fkey;
comment on table ordering.order_lines is
  'What was bought, frozen at that moment. Written by the statement that writes its order, which is never deleted; so no foreign key looks for it again.';
comment on table ordering.timeline is
  'What happened to an order after it was placed or imported, in the order it happened; never edited.';

create table members.waiting_contacts (
  shop_id int not null,
  contact_key bytea not null check (length(contact_key) = 32),
  sealed bytea not null,
  union_key bytea not null check (length(union_key) = 32),
  seen_at timestamptz not null,
  primary key (shop_id, contact_key)
);
comment on table members.waiting_contacts is 'Customers whom staff have at WeCom and who have no account here yet: theirs with the account.';
comment on column members.waiting_contacts.contact_key is 'Keyed hash of the external_userid.';
comment on column members.waiting_contacts.sealed is 'The external_userid, encrypted.';
comment on column members.waiting_contacts.union_key is 'Keyed hash of the unionid.';
create index waiting_contact_union on members.waiting_contacts (shop_id, union_key);
select kernel.tenant_table('members.waiting_contacts', worker => true);

-- tail: new table; compaction: a reason more
create table warehouse.withdrawal (
  shop_id int not null,
  person_no bigint not null check (person_no > 0),
  before_us bigint not null,
  asked_at timestamptz not null default now(),
  done_at timestamptz,
  primary key (shop_id, person_no)
);
comment on table warehouse.withdrawal is
  'Persons who took back the consent to statistics: what their pages told is removed and never taken again; done_at: a scan has found nothing left.';
comment on column warehouse.withdrawal.before_us is 'UTC microseconds since 1970; what pages tell from then on counts again.';
create index withdrawal_open on warehouse.withdrawal (shop_id) where done_at is null;
grant select, insert, update, delete on warehouse.withdrawal to siyu_warehouse;
alter table warehouse.correction drop constraint correction_reason_check;
alter table warehouse.correction add constraint correction_reason_check check (reason in ('erased', 'withdrawn', 'expired'));

create schema official_account;

create table official_account.accounts (
  shop_id int primary key,
  environment text not null check (environment in ('real', 'sandbox')),
  app_id text not null check (app_id ~ '^wx[0-9a-zA-Z]{6,30}$'),
  secret_sealed bytea not null,
  token_sealed bytea,
  aes_key_sealed bytea,
  updated_at timestamptz not null,
  check ((token_sealed is null) = (aes_key_sealed is null))
);
comment on table official_account.accounts is 'The official account of a shop and how it is reached.';
comment on column official_account.accounts.environment is 'real: WeChat itself; sandbox: the local WeChat of this installation.';
comment on column official_account.accounts.secret_sealed is 'AppSecret; encrypted by the vault.';
comment on column official_account.accounts.token_sealed is 'What proves pushed messages; encrypted by the vault. Null: nothing is pushed.';
comment on column official_account.accounts.aes_key_sealed is 'EncodingAESKey; encrypted by the vault.';
select kernel.tenant_table('official_account.accounts');

create schema wecom;

create table wecom.corps (
  shop_id int primary key,
  environment text not null check (environment in ('real', 'sandbox')),
  corp_id text not null check (corp_id ~ '^w[wx][0-9a-zA-Z]{6,40}$'),
  agent_id text not null check (agent_id ~ '^[0-9]{1,12}$'),
  secret_sealed bytea not null,
  token_sealed bytea,
  aes_key_sealed bytea,
  updated_at timestamptz not null,
  check ((token_sealed is null) = (aes_key_sealed is null))
);
comment on table wecom.corps is 'The WeCom corporation of a shop and how it is reached.';
comment on column wecom.corps.environment is 'real: WeChat itself; sandbox: the local WeChat of this installation.';
comment on column wecom.corps.agent_id is 'The self-built app, listed under 客户联系 → 可调用接口的应用.';
comment on column wecom.corps.secret_sealed is 'Secret of the self-built app; encrypted by the vault.';
comment on column wecom.corps.token_sealed is 'What proves pushed messages; encrypted by the vault. Null: nothing is pushed.';
comment on column wecom.corps.aes_key_sealed is 'EncodingAESKey; encrypted by the vault.';
select kernel.tenant_table('wecom.corps');

create schema outreach;

create table outreach.settings (
  shop_id int primary key,
  policy jsonb not null,
  version int not null default 0 check (version >= 0),
  changed_at timestamptz not null,
  changed_by text not null check (length(changed_by) <= 64)
);
comment on table outreach.settings is 'How much attention a shop may ask of a person. Its row lock gives attention out one chunk after the other.';
select kernel.tenant_table('outreach.settings', worker => true);

create table outreach.templates (
  shop_id int not null,
  template_id uuid not null,
  key text not null check (key ~ '^[a-z][a-z0-9_]{0,39}$'),
  name text not null check (length(name) between 1 and 40),
  topic text not null check (topic in ('order', 'after_sale', 'gift', 'offers', 'news')),
  newest int not null check (newest > 0),
  in_force int check (in_force between 1 and newest),
  created_at timestamptz not null,
  retired_at timestamptz,
  primary key (shop_id, template_id),
  unique (shop_id, key)
);
comment on table outreach.templates is 'What can be said to people.';
comment on column outreach.templates.topic is 'What it is about: order, after_sale and gift are owed to the person, offers and news are advertising.';
comment on column outreach.templates.in_force is 'The newest version that was signed; null: none yet.';
select kernel.tenant_table('outreach.templates', worker => true);

create table outreach.versions (
  shop_id int not null,
  template_id uuid not null,
  version int not null check (version > 0),
  forms jsonb not null,
  variables jsonb not null,
  case_id uuid,
  made_by text not null check (length(made_by) <= 64),
  made_at timestamptz not null,
  primary key (shop_id, template_id, version),
  foreign key (shop_id, template_id) references outreach.templates (shop_id, template_id)
);
comment on table outreach.versions is 'The words of a template, never changed once made: a message that was sent can be read as it was.';
comment on column outreach.versions.forms is 'One per channel, in the order in which channels are tried.';
comment on column outreach.versions.case_id is 'The approval that was asked for it; null: not yet, or it came with the program.';
create index version_case on outreach.versions (shop_id, case_id) where case_id is not null;
select kernel.tenant_table('outreach.versions', worker => true);
revoke delete on outreach.versions from siyu_app;

create table outreach.campaigns (
  shop_id int not null,
  campaign_id uuid not null,
  name text not null check (length(name) between 1 and 60),
  template_id uuid not null,
  version int,
  variables jsonb not null,
  audience jsonb not null,
  priority int not null check (priority between 0 and 9),
  window_days int not null check (window_days between 1 and 60),
  state text not null check (state in ('draft', 'planning', 'sending', 'paused', 'done', 'cancelled')),
  paused_from text check (paused_from in ('planning', 'sending')),
  planned_after bigint not null default 0,
  audience_count int,
  pause_reason text check (length(pause_reason) <= 100),
  made_by text not null check (length(made_by) <= 64),
  made_at timestamptz not null,
  started_at timestamptz,
  planned_at timestamptz,
  ended_at timestamptz,
  primary key (shop_id, campaign_id),
  foreign key (shop_id, template_id, version)
    references outreach.versions (shop_id, template_id, version),
  check ((state = 'draft') = (started_at is null)),
  check ((state in ('done', 'cancelled')) = (ended_at is not null)),
  check ((state = 'paused') = (paused_from is not null)),
  check (state = 'draft' or version is not null)
);
comment on table outreach.campaigns is 'Messages to many: planned and sent in chunks, each in its own transaction, so that what was killed goes on where it was.';
comment on column outreach.campaigns.started_at is 'When planning begins; ahead of now while the campaign waits for its hour.';
comment on column outreach.campaigns.planned_after is 'Everybody up to this person number has been planned.';
create index campaign_open on outreach.campaigns (shop_id, state)
  where state in ('planning', 'sending');
create index campaign_template on outreach.campaigns (shop_id, template_id, version);
select kernel.tenant_table('outreach.campaigns', worker => true);

create table outreach.grants (
  shop_id int not null,
  grant_id uuid not null,
  person_no bigint not null check (person_no > 0),
  channel text not null check (channel in ('subscription', 'care')),
  scope text not null check (length(scope) between 1 and 128),
  quota int not null check (quota between 0 and 5),
  used int not null default 0 check (used between 0 and quota),
  granted_at timestamptz not null,
  expires_at timestamptz,
  outside_id text check (length(outside_id) between 1 and 128),
  primary key (shop_id, grant_id),
  unique (shop_id, outside_id)
);
comment on table outreach.grants is 'What the platform lets us send a person: an accepted subscription is one message, a message of theirs opens a window for five.';
comment on column outreach.grants.scope is 'The subscription template, or the app whose window is open.';
comment on column outreach.grants.quota is 'Taken down to used when the platform says that there is nothing left.';
comment on column outreach.grants.outside_id is 'Of the event that brought it: counted once, however often it comes.';
create index grant_free on outreach.grants (shop_id, person_no, channel, scope, granted_at)
  where used < quota;
select kernel.tenant_table('outreach.grants', worker => true);

create table outreach.messages (
  shop_id int not null,
  message_id uuid not null,
  person_no bigint not null check (person_no > 0),
  campaign_id uuid,
  template_id uuid not null,
  version int not null,
  topic text not null,
  priority int not null,
  channel text check (channel in ('subscription', 'notice', 'care', 'contact', 'sms', 'inbox')),
  state text not null check (state in
    ('planned', 'calling', 'sent', 'refused', 'failed', 'unknown', 'cancelled')),
  reason text,
  code text check (length(code) <= 64),
  variables jsonb,
  once text check (length(once) between 1 and 100),
  is_test boolean not null default false,
  grant_id uuid,
  due_at timestamptz not null,
  expires_at timestamptz not null,
  tries int not null default 0,
  called_at timestamptz,
  sent_at timestamptz,
  delivered_at timestamptz,
  read_at timestamptz,
  answered_at timestamptz,
  outside_id text check (length(outside_id) <= 128),
  primary key (shop_id, message_id),
  foreign key (shop_id, campaign_id) references outreach.campaigns (shop_id, campaign_id),
  check ((reason is not null) = (state in ('refused', 'failed', 'unknown', 'cancelled'))),
  check (state not in ('planned', 'calling', 'sent', 'unknown') or channel is not null),
  check ((state = 'sent') = (sent_at is not null)),
  check (state <> 'calling' or called_at is not null)
);
comment on table outreach.messages is 'Everything that was to be said to somebody, what became of it, and why it was not said. message_id is our own number for the call.';
comment on column outreach.messages.channel is 'The channel chosen; of one that was refused the first it was tried for.';
comment on column outreach.messages.code is 'The platform''s own code of a failure.';
comment on column outreach.messages.variables is 'Words that belong to this person; those of the campaign are not repeated.';
comment on column outreach.messages.once is 'What it is about: nobody is told the same twice.';
comment on column outreach.messages.answered_at is 'They read it in the inbox, or wrote, or came through its link: what is answered does not tire.';
create unique index message_once on outreach.messages (shop_id, once) where once is not null;
create unique index message_of_campaign on outreach.messages (shop_id, campaign_id, person_no)
  where campaign_id is not null;
create index message_person on outreach.messages (shop_id, person_no, message_id desc);
create index message_planned on outreach.messages (shop_id, campaign_id, message_id)
  where state = 'planned';
create index message_calling on outreach.messages (called_at) where state = 'calling';
create index message_due on outreach.messages (due_at)
  where state = 'planned' and campaign_id is null;
create index message_outside on outreach.messages (shop_id, outside_id)
  where outside_id is not null;
select kernel.tenant_table('outreach.messages', worker => true);

create table outreach.ledger (
  shop_id int not null,
  person_no bigint not null check (person_no > 0),
  message_id uuid not null,
  move text not null check (move in ('reserved', 'spent', 'released', 'answered')),
  channel text not null,
  on_day date not null,
  is_capped boolean not null,
  at timestamptz not null,
  weighs_at timestamptz not null,
  reason text,
  primary key (shop_id, person_no, message_id, channel, move),
  check ((reason is not null) = (move = 'released'))
);
comment on table outreach.ledger is 'The attention of a person, over all channels, append only: a message reserves a place of a day on a channel; the place is spent by sending or released.';
comment on column outreach.ledger.on_day is 'The business day whose place it is; the same in all rows of a message on a channel.';
comment on column outreach.ledger.is_capped is 'Advertising; what is owed to the person counts against no cap.';
comment on column outreach.ledger.weighs_at is 'When it was sent: the tiredness it makes halves from then on, and an answer takes it away.';
select kernel.tenant_table('outreach.ledger', worker => true);
revoke update, delete on outreach.ledger from siyu_app;

create table outreach.blocks (
  shop_id int not null,
  person_no bigint not null check (person_no > 0),
  topic text not null check (topic in ('all', 'order', 'after_sale', 'gift', 'offers', 'news')),
  channel text not null check (channel in
    ('all', 'subscription', 'notice', 'care', 'contact', 'sms', 'inbox')),
  origin text not null check (origin in ('person', 'staff', 'platform')),
  reason text not null check (length(reason) between 1 and 200),
  at timestamptz not null,
  primary key (shop_id, person_no, topic, channel)
);
comment on table outreach.blocks is 'Whom we leave alone, about what and on which channel: their own choice, that of staff, or of the platform.';
create index block_newest on outreach.blocks (shop_id, at desc, person_no);
select kernel.tenant_table('outreach.blocks', worker => true);

create table outreach.stops (
  shop_id int not null,
  channel text not null,
  code text not null,
  until timestamptz not null,
  primary key (shop_id, channel)
);
comment on table outreach.stops is 'A channel that the platform has closed for a while: its quota of the day or the minute is used up.';
select kernel.tenant_table('outreach.stops', worker => true);

-- migrate: rollback
