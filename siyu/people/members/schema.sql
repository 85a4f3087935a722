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
  primary key (shop_id, member_id),
  unique (shop_id, person_no),
  unique (shop_id, external_ref),
  foreign key (shop_id, person_no) references members.persons (shop_id, person_no),
  check ((phone_sealed is null) = (phone_key is null))
);
comment on table members.members is 'Persons with an account.';
comment on column members.members.nickname_key is 'Nickname normalised (NFKC, case folded, marks of direction dropped), for search by prefix.';
comment on column members.members.phone_key is 'Keyed hash of the number in E.164 form.';
comment on column members.members.union_key is 'Keyed hash of the id that several apps of one owner share.';
comment on column members.members.external_ref is 'The customer number in an imported history.';
create unique index member_union on members.members (shop_id, union_key) where union_key is not null;
create index member_phone on members.members (shop_id, phone_key) where phone_key is not null;
create index member_joined on members.members (shop_id, joined_at desc, member_id desc);
create index member_nickname on members.members (shop_id, nickname_key text_pattern_ops);
select kernel.tenant_table('members.members');

create table members.logins (
  shop_id int not null,
  app_id text not null check (length(app_id) between 1 and 64),
  subject text not null check (length(subject) between 1 and 128),
  member_id uuid not null,
  created_at timestamptz not null,
  primary key (shop_id, app_id, subject),
  foreign key (shop_id, member_id) references members.members (shop_id, member_id)
);
comment on table members.logins is 'An id under which an outside app (a mini-program) knows a member.';
create index login_member on members.logins (shop_id, member_id);
select kernel.tenant_table('members.logins');

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
  primary key (shop_id, member_id, address_id),
  foreign key (shop_id, member_id) references members.members (shop_id, member_id)
);
comment on table members.addresses is 'Where to deliver. The member is part of the key, so that nobody can order to another''s address (F081).';
comment on column members.addresses.sealed is 'JSON {receiver, phone, district, detail}, encrypted; province and city stay readable for freight and statistics.';
create unique index address_default on members.addresses (shop_id, member_id) where is_default;
select kernel.tenant_table('members.addresses');
