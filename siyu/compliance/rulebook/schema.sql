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
