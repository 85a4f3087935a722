create schema consents;

create table consents.decisions (
  shop_id int not null,
  decision_id uuid not null,
  person_no bigint not null check (person_no > 0),
  purpose text not null check (purpose in ('privacy', 'analytics', 'marketing')),
  text_version text not null check (length(text_version) between 1 and 32),
  granted boolean not null,
  decided_at timestamptz not null,
  channel text not null check (channel in ('mp-weixin', 'h5', 'staff')),
  language text not null check (language in ('zh-CN', 'en')),
  primary key (shop_id, decision_id)
);
comment on table consents.decisions is 'Every decision, append only: the proof.';
comment on column consents.decisions.text_version is 'The version of the text that was shown.';
comment on column consents.decisions.language is 'The language it was shown in.';
create index decision_person on consents.decisions (shop_id, person_no, decision_id);
select kernel.tenant_table('consents.decisions', worker => true);
revoke update, delete on consents.decisions from siyu_app, siyu_system;

create table consents.states (
  shop_id int not null,
  person_no bigint not null,
  purpose text not null check (purpose in ('privacy', 'analytics', 'marketing')),
  text_version text not null,
  granted boolean not null,
  decided_at timestamptz not null,
  decision_id uuid not null,
  primary key (shop_id, person_no, purpose),
  foreign key (shop_id, decision_id) references consents.decisions (shop_id, decision_id)
);
comment on table consents.states is 'The last decision per person and purpose.';
select kernel.tenant_table('consents.states', worker => true);
