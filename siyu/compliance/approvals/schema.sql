create schema approvals;

create table approvals.cases (
  shop_id int not null,
  case_id uuid not null,
  kind text not null check (kind in ('override', 'consent_text', 'template', 'campaign', 'content', 'export')),
  path text not null check (path in ('normal', 'strict', 'second')),
  title text not null check (length(title) between 1 and 100),
  content jsonb not null,
  content_hash text not null check (content_hash ~ '^[0-9a-f]{64}$'),
  state text not null default 'open' check (state in ('open', 'approved', 'refused')),
  opened_at timestamptz not null,
  decided_at timestamptz,
  used_at timestamptz,
  primary key (shop_id, case_id),
  check ((decided_at is null) = (state = 'open')),
  constraint used_once_signed check (used_at is null or (kind = 'export' and state = 'approved'))
);
comment on table approvals.cases is 'A content that is to be signed by author, editor and legal, or by a second person; the content is never changed.';
comment on column approvals.cases.used_at is 'When the export that was signed was made; it counts once.';
create index case_signed on approvals.cases (shop_id, kind, content_hash) where state = 'approved';
create index case_export on approvals.cases (shop_id, case_id desc)
  where kind = 'export' and used_at is null;
create index case_state on approvals.cases (shop_id, state, case_id desc);
select kernel.tenant_table('approvals.cases');
revoke update, delete on approvals.cases from siyu_app;
grant update (state, decided_at, used_at) on approvals.cases to siyu_app;

create table approvals.settings (
  shop_id int primary key,
  export_alone_max int not null check (export_alone_max between 0 and 100000),
  changed_at timestamptz not null
);
comment on table approvals.settings is 'What one person may do alone; without a row the program''s own limit holds.';
comment on column approvals.settings.export_alone_max is 'Rows about people that leave as a file without a second person.';
select kernel.tenant_table('approvals.settings');

create table approvals.signoffs (
  shop_id int not null,
  case_id uuid not null,
  step text not null check (step in ('author', 'editor', 'legal', 'second')),
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
