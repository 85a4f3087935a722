-- people known with consent: identity, profiles, the law; metrics
-- depends: 0004_events

-- migrate: apply
grant update (text) on after_sale.timeline to siyu_app;

alter table consents.decisions add column text_hash bytea check (length(text_hash) = 32);
alter table consents.decisions add column ip_hash bytea check (length(ip_hash) = 32);
alter table consents.decisions add column agent text check (length(agent) between 1 and 200);
alter table consents.decisions drop constraint decisions_purpose_check;
alter table consents.decisions add constraint decisions_purpose_check check (purpose in ('privacy', 'analytics', 'marketing', 'personalisation', 'sharing'));
alter table consents.states drop constraint states_purpose_check;
alter table consents.states add constraint states_purpose_check check (purpose in ('privacy', 'analytics', 'marketing', 'personalisation', 'sharing'));
comment on column consents.decisions.text_hash is 'SHA-256 of title and text as shown; null: decided before proofs had it.';
comment on column consents.decisions.ip_hash is 'Keyed hash of the address it came from.';
comment on column consents.decisions.agent is 'The program that showed the text, as it named itself.';
create table consents.texts (
  shop_id int not null,
  purpose text not null check (purpose in ('privacy', 'analytics', 'marketing', 'personalisation', 'sharing')),
  version text not null check (version ~ '^20[0-9]{2}-[0-9]{2}-[0-9]{2}(\.[0-9]{1,3})?$'),
  asks_more boolean not null,
  title_zh text not null check (length(title_zh) between 1 and 40),
  title_en text not null check (length(title_en) between 1 and 80),
  text_zh text not null check (length(text_zh) between 20 and 4000),
  text_en text not null check (length(text_en) between 20 and 8000),
  published_at timestamptz not null,
  published_by text not null,
  primary key (shop_id, purpose, version)
);
comment on table consents.texts is 'The shop''s own words for a purpose; those of the program count until there are any. Once published never changed.';
comment on column consents.texts.version is 'The business day it came into force, with a number when it was not the first that day.';
comment on column consents.texts.asks_more is 'It asks for more than the version before: agreements to older versions no longer count.';
create index text_newest on consents.texts (shop_id, published_at);
select kernel.tenant_table('consents.texts');
revoke update, delete on consents.texts from siyu_app;

grant update (text) on fulfilment.parcel_events to siyu_app;

alter table gifting.refunds add column reason text check (length(reason) <= 80);
comment on column gifting.refunds.reason is 'Why the shop gave the money of an accepted share back.';

alter table gifting.shares
  add column received_at timestamptz,
  add column returned_id uuid,
  add constraint return_of_share foreign key (shop_id, returned_id)
    references gifting.refunds (shop_id, refund_id) on update cascade,
  add constraint only_accepted_ones_arrive
    check (state = 'accepted' or (received_at is null and returned_id is null));
comment on column gifting.shares.received_at is 'When its receiver had it, by their word or by time.';
comment on column gifting.shares.returned_id is 'By which refund the shop gave an accepted piece''s money back to the giver.';

create table gifting.messages (
  shop_id    int         not null,
  message_id uuid        not null,
  gift_id    uuid        not null,
  share_no   smallint    not null,
  author     text        not null check (author in ('receiver', 'shop')),
  said_by    text,
  content    text        not null check (length(content) between 1 and 300),
  said_at    timestamptz not null,
  primary key (shop_id, gift_id, share_no, message_id),
  foreign key (shop_id, gift_id, share_no) references gifting.shares (shop_id, gift_id, share_no),
  check ((author = 'shop') = (said_by is not null))
);
comment on table gifting.messages is 'What a receiver asks the shop about a received gift, and its answers; the giver sees none of it.';
select kernel.tenant_table('gifting.messages');

grant update (content) on ordering.notes to siyu_app;

alter table ordering.orders add column home_id uuid;
comment on column ordering.orders.home_id is 'The record of the buyer that placed it, when a merge gave it to another; null: member_id.';
create index order_home on ordering.orders (shop_id, home_id) where home_id is not null;
drop index ordering.order_first_once;
create unique index order_first_once on ordering.orders (shop_id, coalesce(home_id, member_id))
  where is_first and status <> 'cancelled';

alter table points.lots add column home_lot uuid,
  add foreign key (shop_id, home_lot) references points.lots (shop_id, lot_id);
comment on column points.lots.home_lot is 'The lot these points were taken from when records of the member were merged; they go back there when the merge is undone.';
create index lot_home on points.lots (shop_id, home_lot) where home_lot is not null;
alter table points.movements drop constraint movements_kind_check;
alter table points.movements add constraint movements_kind_check check (kind in ('earned', 'spent', 'given_back', 'revoked', 'set_off', 'expired', 'adjusted', 'moved'));

alter table members.members
  add column source text not null default 'login' check (source in ('login', 'import', 'staff')),
  add column merged_into uuid,
  add column locked_reason text check (length(locked_reason) between 2 and 200),
  add column has_balance boolean not null default false,
  add constraint member_stands_for foreign key (shop_id, merged_into)
    references members.members (shop_id, member_id),
  add constraint merged_into_another check (merged_into <> member_id);
update members.members set source = 'import' where external_ref is not null;
update members.members m set has_balance = true
from stored_value.lots l where l.shop_id = m.shop_id and l.member_id = m.member_id;
alter table members.logins
  add column source text not null default 'login' check (source in ('login', 'import'));
alter table members.addresses add column home_id uuid;
drop index members.member_union;
drop index members.address_default;
comment on column members.members.union_key is 'Keyed hash of the id that several apps of one owner share, as this record''s log-in told it.';
comment on column members.members.merged_into is 'The record that stands for the person; null: this one does. Of those that merges tie together the earliest, one with has_balance before all others.';
comment on column members.members.locked_reason is 'Why staff must decide every merge of this record.';
comment on column members.members.has_balance is 'Money was in the wallet of the record once; two such records are merged by staff only.';
create index member_level on members.members (shop_id, level, joined_at desc, member_id desc)
  where level <> 'normal';
create index member_source on members.members (shop_id, source, joined_at desc, member_id desc);
create index member_merged on members.members (shop_id, merged_into) where merged_into is not null;
create index address_home on members.addresses (shop_id, home_id) where home_id is not null;
create unique index address_default on members.addresses (shop_id, coalesce(home_id, member_id))
  where is_default;
comment on column members.addresses.home_id is 'The record it came with, when a merge gave it to another; null: this one.';

create table members.identifiers (
  shop_id int not null,
  kind text not null check (kind in ('unionid', 'external_userid', 'phone', 'card', 'email')),
  value_key bytea not null check (length(value_key) = 32),
  member_id uuid not null,
  sealed bytea,
  source text not null check (source in ('login', 'phone_authorised', 'member', 'staff', 'import', 'wecom')),
  confidence_bps int not null check (confidence_bps between 1 and 10000),
  linked_at timestamptz not null,
  primary key (shop_id, kind, value_key),
  foreign key (shop_id, member_id) references members.members (shop_id, member_id)
);
comment on table members.identifiers is 'What a person is known by, beside the log-ins of apps. The key lets one identifier belong to one record at a time, and a record to one person.';
comment on column members.identifiers.value_key is 'Keyed hash of the value in its normal form.';
comment on column members.identifiers.sealed is 'The value, encrypted; null: linked before values were kept.';
comment on column members.identifiers.source is 'The evidence: where the link was learned.';
create index identifier_member on members.identifiers (shop_id, member_id);
select kernel.tenant_table('members.identifiers');

create table members.merges (
  shop_id int not null,
  merge_id uuid not null,
  one_id uuid not null,
  other_id uuid not null,
  evidence text not null check (evidence in ('unionid', 'external_userid', 'phone', 'card', 'email', 'staff')),
  confidence_bps int not null check (confidence_bps between 1 and 10000),
  state text not null check (state in ('proposed', 'merged', 'refused', 'undone')),
  reasons text[] not null,
  note text check (length(note) <= 200),
  proposed_by text not null,
  proposed_at timestamptz not null,
  decided_by text,
  decided_at timestamptz,
  undone_by text,
  undone_at timestamptz,
  primary key (shop_id, merge_id),
  foreign key (shop_id, one_id) references members.members (shop_id, member_id),
  foreign key (shop_id, other_id) references members.members (shop_id, member_id),
  check (one_id < other_id),
  check ((decided_at is null) = (state = 'proposed')),
  check ((decided_at is null) = (decided_by is null)),
  check ((undone_at is null) = (state <> 'undone')),
  check ((undone_at is null) = (undone_by is null))
);
comment on table members.merges is 'Two records said to be one person. Never deleted: an undone merge stays as history. Those in state merged are the edges of the identity graph; who stands for whom follows from them alone.';
comment on column members.merges.reasons is 'Why staff had to decide; empty: merged by itself.';
create unique index merge_of_pair on members.merges (shop_id, one_id, other_id)
  where state in ('proposed', 'merged');
create index merge_other on members.merges (shop_id, other_id);
create index merge_one on members.merges (shop_id, one_id);
create index merge_state on members.merges (shop_id, state, merge_id desc);
select kernel.tenant_table('members.merges');

create table members.imports (
  shop_id int not null,
  import_id uuid not null,
  file_name text not null check (length(file_name) between 1 and 255),
  file_hash bytea not null check (length(file_hash) = 32),
  rows_done int not null default 0 check (rows_done >= 0),
  made int not null default 0,
  found int not null default 0,
  proposed int not null default 0,
  refused int not null default 0,
  started_at timestamptz not null,
  ended_at timestamptz,
  primary key (shop_id, import_id),
  unique (shop_id, file_hash),
  check (made + found + refused = rows_done)
);
comment on table members.imports is 'Lists of members and how far each was read: counted in the transaction that writes the rows, so that an import that was killed goes on where it was.';
comment on column members.imports.proposed is 'Pairs of records that staff must decide.';
select kernel.tenant_table('members.imports');

create table members.import_refusals (
  shop_id int not null,
  import_id uuid not null,
  line_no int not null check (line_no > 0),
  reason text not null check (length(reason) between 1 and 64),
  primary key (shop_id, import_id, line_no),
  foreign key (shop_id, import_id) references members.imports (shop_id, import_id)
);
comment on table members.import_refusals is 'Every line that was not imported, with its number in the file and a stable reason code.';
select kernel.tenant_table('members.import_refusals');

insert into members.identifiers (shop_id, kind, value_key, member_id, sealed, source, confidence_bps, linked_at)
select distinct on (shop_id, phone_key) shop_id, 'phone', phone_key, member_id, phone_sealed,
  'phone_authorised', 9900, joined_at
from members.members where phone_key is not null order by shop_id, phone_key, joined_at, member_id;
insert into members.identifiers (shop_id, kind, value_key, member_id, source, confidence_bps, linked_at)
select shop_id, 'unionid', union_key, member_id, 'login', 10000, joined_at
from members.members where union_key is not null;

create schema rulebook;

create table rulebook.overrides (
  shop_id int not null,
  override_id uuid not null,
  rule_id text not null check (length(rule_id) <= 60),
  pack text not null,
  content_hash text not null check (content_hash ~ '^[0-9a-f]{64}$'),
  reason text not null check (length(reason) between 2 and 300),
  asked_by text not null,
  granted_by text not null check (granted_by <> asked_by),
  granted_at timestamptz not null,
  expires_at timestamptz not null check (expires_at > granted_at),
  used_count int not null default 0 check (used_count >= 0),
  primary key (shop_id, override_id)
);
comment on table rulebook.overrides is 'One content may break one rule for a time, signed by somebody who did not ask for it.';
comment on column rulebook.overrides.content_hash is 'SHA-256 of the draft: another word, and it does not hold.';
create index override_content on rulebook.overrides (shop_id, content_hash, rule_id);
select kernel.tenant_table('rulebook.overrides');
revoke delete on rulebook.overrides from siyu_app;

create table rulebook.violations (
  shop_id int not null,
  violation_id uuid not null,
  happened_at timestamptz not null,
  source text not null check (source in ('platform', 'own')),
  rule_id text check (length(rule_id) <= 60),
  points int not null check (points between 0 and 1000),
  what text not null check (length(what) between 2 and 500),
  state text not null default 'open' check (state in ('open', 'appealed', 'upheld', 'withdrawn')),
  note text not null default '' check (length(note) <= 500),
  noted_by text not null,
  noted_at timestamptz not null,
  primary key (shop_id, violation_id)
);
comment on table rulebook.violations is 'What is held against the shop, with its points; withdrawn ones no longer count. Never deleted.';
create index violation_when on rulebook.violations (shop_id, happened_at);
select kernel.tenant_table('rulebook.violations');
revoke delete on rulebook.violations from siyu_app;

create table rulebook.policies (
  shop_id int primary key,
  limit_points int not null check (limit_points between 1 and 10000),
  alert_points int not null check (alert_points >= 1),
  pause_points int not null check (pause_points between alert_points and limit_points),
  features text[] not null,
  updated_at timestamptz not null
);
comment on table rulebook.policies is 'At how many violation points a shop is warned, and what pauses by itself.';
select kernel.tenant_table('rulebook.policies');

create schema approvals;

create table approvals.cases (
  shop_id int not null,
  case_id uuid not null,
  kind text not null check (kind in ('override', 'consent_text', 'template', 'campaign', 'content')),
  path text not null check (path in ('normal', 'strict')),
  title text not null check (length(title) between 1 and 100),
  content jsonb not null,
  content_hash text not null check (content_hash ~ '^[0-9a-f]{64}$'),
  state text not null default 'open' check (state in ('open', 'approved', 'refused')),
  opened_at timestamptz not null,
  decided_at timestamptz,
  primary key (shop_id, case_id),
  check ((decided_at is null) = (state = 'open'))
);
comment on table approvals.cases is 'A content that is to be signed by author, editor and legal; the content is never changed.';
create index case_signed on approvals.cases (shop_id, kind, content_hash) where state = 'approved';
create index case_state on approvals.cases (shop_id, state, case_id desc);
select kernel.tenant_table('approvals.cases');
revoke update, delete on approvals.cases from siyu_app;
grant update (state, decided_at) on approvals.cases to siyu_app;

create table approvals.signoffs (
  shop_id int not null,
  case_id uuid not null,
  step text not null check (step in ('author', 'editor', 'legal')),
  approved boolean not null,
  content_hash text not null check (content_hash ~ '^[0-9a-f]{64}$'),
  signed_by text not null,
  signed_by_name text not null,
  signed_at timestamptz not null,
  note text not null check (length(note) <= 300),
  primary key (shop_id, case_id, step),
  foreign key (shop_id, case_id) references approvals.cases (shop_id, case_id)
);
comment on table approvals.signoffs is 'Signatures over the hash of the exact content. Append only.';
select kernel.tenant_table('approvals.signoffs');
revoke update, delete on approvals.signoffs from siyu_app;

create schema privacy;

create table privacy.erasures (
  shop_id int not null,
  erasure_id uuid not null,
  member_id uuid not null,
  person_no bigint not null check (person_no > 0),
  state text not null default 'waiting' check (state in ('waiting', 'blocked', 'done', 'cancelled')),
  asked_at timestamptz not null,
  asked_by text not null,
  reason text not null check (length(reason) <= 200),
  due_at timestamptz not null,
  latest_at timestamptz not null check (latest_at > due_at),
  ended_at timestamptz,
  blocks text[] not null default '{}',
  report jsonb not null default '[]',
  primary key (shop_id, erasure_id),
  check ((ended_at is null) = (state in ('waiting', 'blocked'))),
  check (state <> 'done' or blocks = '{}')
);
comment on table privacy.erasures is 'Wishes to be forgotten: what stands in the way, and what was done. Kept as proof.';
comment on column privacy.erasures.due_at is 'When the cool-off ends.';
comment on column privacy.erasures.latest_at is 'Fifteen days after it was asked for: by then it is done, or staff must help.';
comment on column privacy.erasures.report is '[{table, rows, done, law}]: what was erased, what stays and why.';
create unique index erasure_open on privacy.erasures (shop_id, member_id) where state in ('waiting', 'blocked');
create index erasure_due on privacy.erasures (due_at) where state in ('waiting', 'blocked');
select kernel.tenant_table('privacy.erasures', worker => true);
revoke delete on privacy.erasures from siyu_app, siyu_system;

create table privacy.archives (
  shop_id int not null,
  archive_id uuid not null,
  member_id uuid not null,
  person_no bigint not null check (person_no > 0),
  asked_at timestamptz not null,
  asked_by text not null,
  asked_by_name text not null,
  reason text not null check (length(reason) <= 200),
  made_at timestamptz,
  expires_at timestamptz,
  size_bytes int check (size_bytes > 0),
  row_count int check (row_count >= 0),
  content_sealed bytea,
  primary key (shop_id, archive_id),
  check ((made_at is null) = (expires_at is null) and (made_at is null) = (size_bytes is null)
    and (made_at is null) = (row_count is null)),
  check (content_sealed is null or made_at is not null)
);
comment on table privacy.archives is 'All data of a person, made on demand; the content goes after seven days, who asked and why stays.';
comment on column privacy.archives.content_sealed is 'The zip file, encrypted.';
create index archive_member on privacy.archives (shop_id, member_id, archive_id);
select kernel.tenant_table('privacy.archives', worker => true);

create table privacy.retention_runs (
  shop_id int not null,
  name text not null check (length(name) <= 80),
  ran_at timestamptz not null,
  rows bigint not null check (rows > 0),
  primary key (shop_id, name, ran_at)
);
comment on table privacy.retention_runs is 'What the nightly retention took away, per table.';
select kernel.tenant_table('privacy.retention_runs', worker => true);

create schema profiles;

create table profiles.states (
  shop_id int not null,
  person_no bigint not null check (person_no > 0),
  root_no bigint not null,
  parent_no bigint,
  measures jsonb not null,
  primary key (shop_id, person_no)
);
comment on table profiles.states is 'What the events of each number add up to, in any order the same: sums, extremes, counts per day of the last 90 days.';
comment on column profiles.states.root_no is 'The person whom this number belongs to today; the number itself while it is nobody else''s.';
comment on column profiles.states.parent_no is 'Whom it was joined to; taken back when the join is undone.';
create index state_root on profiles.states (shop_id, root_no);
create index state_parent on profiles.states (shop_id, parent_no) where parent_no is not null;
select kernel.tenant_table('profiles.states', worker => true);

create table profiles.people (
  shop_id int not null,
  person_no bigint not null check (person_no > 0),
  fields jsonb not null default '{}',
  tier text,
  life text,
  due_at timestamptz,
  refreshed_at timestamptz,
  primary key (shop_id, person_no)
);
comment on table profiles.people is 'The profile of each person: one row, read by pages and segments.';
comment on column profiles.people.fields is 'Field key → value by the catalogue: integers, flags, text, "YYYY-MM-DD", lists. A counted field that is missing is 0.';
comment on column profiles.people.due_at is 'When it must be computed anew: after an event at once, else when time alone changes a window or a tier.';
create index people_due on profiles.people (shop_id, due_at) where due_at is not null;
create index people_tier on profiles.people (shop_id, tier, person_no);
create index people_life on profiles.people (shop_id, life, person_no);
select kernel.tenant_table('profiles.people', worker => true);

create table profiles.tier_moves (
  shop_id int not null,
  person_no bigint not null,
  move_id uuid not null,
  ladder text not null check (ladder in ('tier', 'life')),
  before text,
  after text,
  rules_version int not null,
  at timestamptz not null,
  primary key (shop_id, person_no, move_id),
  check (before is distinct from after)
);
comment on table profiles.tier_moves is 'Who came from which tier to which, by which version of the rules.';
select kernel.tenant_table('profiles.tier_moves', worker => true);

create table profiles.tier_rules (
  shop_id int not null,
  version int not null check (version > 0),
  rules jsonb not null,
  note text not null check (length(note) <= 200),
  made_by text not null check (length(made_by) <= 64),
  made_at timestamptz not null,
  primary key (shop_id, version)
);
comment on table profiles.tier_rules is 'Every version of a shop''s tier rules; the newest is in force.';
select kernel.tenant_table('profiles.tier_rules', worker => true);

create table profiles.tags (
  shop_id int not null,
  tag_id uuid not null,
  name text not null check (length(name) between 1 and 30),
  group_name text not null check (group_name in ('basic', 'behaviour', 'value')),
  note text not null check (length(note) <= 200),
  making jsonb not null,
  made_by text not null check (length(made_by) <= 64),
  created_at timestamptz not null,
  reviewed_at timestamptz not null,
  retired_at timestamptz,
  primary key (shop_id, tag_id)
);
comment on table profiles.tags is 'Tags and how they are given: by hand, by a rule, by a score.';
create unique index tag_name on profiles.tags (shop_id, name) where retired_at is null;
select kernel.tenant_table('profiles.tags', worker => true);

create table profiles.tagged (
  shop_id int not null,
  person_no bigint not null,
  tag_id uuid not null,
  score int,
  given_by text not null check (length(given_by) <= 64),
  given_at timestamptz not null,
  primary key (shop_id, person_no, tag_id),
  foreign key (shop_id, tag_id) references profiles.tags (shop_id, tag_id) on delete cascade
);
comment on table profiles.tagged is 'Who has which tag. score: of a scored tag when it was last computed.';
create index tagged_tag on profiles.tagged (shop_id, tag_id, person_no);
select kernel.tenant_table('profiles.tagged', worker => true);

create table profiles.passes (
  shop_id int primary key,
  rebuilt_at timestamptz,
  visited_us bigint not null default 0,
  visits_on date
);
comment on table profiles.passes is 'How far each shop is. rebuilt_at null: its states are to be made from all events.';
comment on column profiles.passes.visited_us is 'The last visit that was counted, UTC microseconds.';
comment on column profiles.passes.visits_on is 'The business day on which all visitors were last counted: windows move with the days.';
select kernel.tenant_table('profiles.passes', worker => true);

create schema metrics;

create table metrics.north_star (
  shop_id int primary key,
  key text not null check (length(key) between 1 and 40),
  goal bigint check (goal > 0),
  chosen_at timestamptz not null
);
comment on table metrics.north_star is 'The figure a shop steers by; none chosen: GMV.';
comment on column metrics.north_star.key is 'A key of the catalogue that has a tree.';
comment on column metrics.north_star.goal is 'Wanted per seven days, in the unit of the figure.';
select kernel.tenant_table('metrics.north_star');

-- migrate: rollback
