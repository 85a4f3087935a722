create schema members;

create table members.person_counters (
  shop_id int primary key,
  last_no bigint not null check (last_no >= 0)
);
comment on table members.person_counters is 'The last person number handed out; its row lock serialises the making of persons of a shop.';
select kernel.tenant_table('members.person_counters', worker => true);

create table members.persons (
  shop_id int not null,
  person_no bigint not null check (person_no > 0),
  origin text not null check (origin in ('visitor', 'member', 'import')),
  merged_into bigint,
  created_at timestamptz not null,
  primary key (shop_id, person_no),
  foreign key (shop_id, merged_into) references members.persons (shop_id, person_no),
  check (merged_into <> person_no)
);
comment on table members.persons is 'Everybody a shop has seen, numbered 1, 2, 3 … without gaps.';
comment on column members.persons.merged_into is 'The person this visitor turned out to be.';
create index person_merged on members.persons (shop_id, merged_into) where merged_into is not null;
select kernel.tenant_table('members.persons', worker => true);

create table members.members (
  shop_id int not null,
  member_id uuid not null,
  person_no bigint not null,
  nickname text not null check (length(nickname) between 1 and 64),
  nickname_key text not null check (length(nickname_key) <= 256),
  avatar_url text check (length(avatar_url) <= 500),
  level text not null default 'normal' check (level in ('normal', 'vip')),
  phone_sealed bytea,
  phone_key bytea,
  union_key bytea,
  external_ref text check (length(external_ref) between 1 and 64),
  country text check (length(country) <= 64),
  joined_at timestamptz not null,
  last_login_at timestamptz,
  source text not null default 'login' check (source in ('login', 'import', 'staff')),
  merged_into uuid,
  locked_reason text check (length(locked_reason) between 2 and 200),
  has_balance boolean not null default false,
  primary key (shop_id, member_id),
  unique (shop_id, person_no),
  unique (shop_id, external_ref),
  foreign key (shop_id, person_no) references members.persons (shop_id, person_no),
  constraint member_stands_for foreign key (shop_id, merged_into)
    references members.members (shop_id, member_id),
  check ((phone_sealed is null) = (phone_key is null)),
  constraint merged_into_another check (merged_into <> member_id)
);
comment on table members.members is 'Persons with an account.';
comment on column members.members.nickname_key is 'Nickname normalised (NFKC, case folded, marks of direction dropped), for search by prefix.';
comment on column members.members.phone_key is 'Keyed hash of the number in E.164 form.';
comment on column members.members.union_key is 'Keyed hash of the id that several apps of one owner share, as this record''s log-in told it.';
comment on column members.members.merged_into is 'The record that stands for the person; null: this one does. Of those that merges tie together the earliest, one with has_balance before all others.';
comment on column members.members.locked_reason is 'Why staff must decide every merge of this record.';
comment on column members.members.has_balance is 'Money was in the wallet of the record once; two such records are merged by staff only.';
comment on column members.members.external_ref is 'The customer number in an imported history.';
create index member_phone on members.members (shop_id, phone_key) where phone_key is not null;
create index member_joined on members.members (shop_id, joined_at desc, member_id desc);
create index member_level on members.members (shop_id, level, joined_at desc, member_id desc)
  where level <> 'normal';
create index member_source on members.members (shop_id, source, joined_at desc, member_id desc);
create index member_merged on members.members (shop_id, merged_into) where merged_into is not null;
create index member_nickname on members.members (shop_id, nickname_key text_pattern_ops);
select kernel.tenant_table('members.members');

create table members.logins (
  shop_id int not null,
  app_id text not null check (length(app_id) between 1 and 64),
  subject text not null check (length(subject) between 1 and 128),
  member_id uuid not null,
  created_at timestamptz not null,
  source text not null default 'login' check (source in ('login', 'import')),
  primary key (shop_id, app_id, subject),
  foreign key (shop_id, member_id) references members.members (shop_id, member_id)
);
comment on table members.logins is 'An id under which an outside app (a mini-program) knows a member.';
create index login_member on members.logins (shop_id, member_id);
select kernel.tenant_table('members.logins');

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

create table members.visitors (
  shop_id int not null,
  visitor uuid not null,
  person_no bigint not null,
  member_id uuid,
  seen_at timestamptz not null,
  primary key (shop_id, visitor),
  foreign key (shop_id, person_no) references members.persons (shop_id, person_no),
  foreign key (shop_id, member_id) references members.members (shop_id, member_id)
);
comment on table members.visitors is 'A browser or phone, by the random key it made for itself, and the person behind it.';
comment on column members.visitors.member_id is 'The member who last logged in there.';
create index visitor_person on members.visitors (shop_id, person_no);
create index visitor_member on members.visitors (shop_id, member_id) where member_id is not null;
select kernel.tenant_table('members.visitors', worker => true);

create table members.addresses (
  shop_id int not null,
  member_id uuid not null,
  address_id uuid not null,
  province text not null check (length(province) between 1 and 32),
  city text not null check (length(city) between 1 and 32),
  sealed bytea not null,
  is_default boolean not null,
  created_at timestamptz not null,
  home_id uuid,
  primary key (shop_id, member_id, address_id),
  foreign key (shop_id, member_id) references members.members (shop_id, member_id)
);
comment on table members.addresses is 'Where to deliver. The member is part of the key, so that nobody can order to another''s address (F081).';
comment on column members.addresses.sealed is 'JSON {receiver, phone, district, detail}, encrypted; province and city stay readable for freight and statistics.';
comment on column members.addresses.home_id is 'The record it came with, when a merge gave it to another; null: this one.';
create unique index address_default on members.addresses (shop_id, coalesce(home_id, member_id))
  where is_default;
create index address_home on members.addresses (shop_id, home_id) where home_id is not null;
select kernel.tenant_table('members.addresses');

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
