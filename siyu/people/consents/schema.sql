create schema consents;

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

create table consents.decisions (
  shop_id int not null,
  decision_id uuid not null,
  person_no bigint not null check (person_no > 0),
  purpose text not null check (purpose in ('privacy', 'analytics', 'marketing', 'personalisation', 'sharing')),
  text_version text not null check (length(text_version) between 1 and 32),
  granted boolean not null,
  decided_at timestamptz not null,
  channel text not null check (channel in ('mp-weixin', 'h5', 'staff')),
  language text not null check (language in ('zh-CN', 'en')),
  text_hash bytea check (length(text_hash) = 32),
  ip_hash bytea check (length(ip_hash) = 32),
  agent text check (length(agent) between 1 and 200),
  primary key (shop_id, decision_id)
);
comment on table consents.decisions is 'Every decision, append only: the proof.';
comment on column consents.decisions.text_version is 'The version of the text that was shown.';
comment on column consents.decisions.language is 'The language it was shown in.';
comment on column consents.decisions.text_hash is 'SHA-256 of title and text as shown; null: decided before proofs had it.';
comment on column consents.decisions.ip_hash is 'Keyed hash of the address it came from.';
comment on column consents.decisions.agent is 'The program that showed the text, as it named itself.';
create index decision_person on consents.decisions (shop_id, person_no, decision_id);
select kernel.tenant_table('consents.decisions', worker => true);
revoke update, delete on consents.decisions from siyu_app, siyu_system;

create table consents.states (
  shop_id int not null,
  person_no bigint not null,
  purpose text not null check (purpose in ('privacy', 'analytics', 'marketing', 'personalisation', 'sharing')),
  text_version text not null,
  granted boolean not null,
  decided_at timestamptz not null,
  decision_id uuid not null,
  primary key (shop_id, person_no, purpose),
  foreign key (shop_id, decision_id) references consents.decisions (shop_id, decision_id)
);
comment on table consents.states is 'The last decision per person and purpose.';
select kernel.tenant_table('consents.states', worker => true);
