create schema staff;

create table staff.accounts (
  staff_id uuid primary key,
  login_name text not null check (length(login_name) between 1 and 64),
  login_key text not null unique check (length(login_key) between 1 and 128),
  name text not null check (length(name) between 1 and 60),
  password_hash text not null check (password_hash like '$argon2id$%'),
  totp_sealed bytea,
  totp_confirmed_at timestamptz,
  totp_last_step bigint not null default 0,
  created_at timestamptz not null,
  check (totp_confirmed_at is null or totp_sealed is not null)
);
comment on table staff.accounts is 'People who run shops; one account may work in several.';
comment on column staff.accounts.login_key is 'Login name normalised (NFKC, case folded); unique.';
comment on column staff.accounts.totp_sealed is 'TOTP secret, sealed; it counts once totp_confirmed_at is set.';
comment on column staff.accounts.totp_last_step is 'The last 30-second step used; a code counts once.';
select kernel.system_table('staff.accounts');

create table staff.memberships (
  shop_id int not null,
  staff_id uuid not null references staff.accounts,
  role text not null check (role in ('owner', 'manager', 'clerk', 'finance', 'analyst')),
  created_at timestamptz not null,
  primary key (shop_id, staff_id)
);
comment on table staff.memberships is 'In which shop an account works, and as what.';
create index membership_staff on staff.memberships (staff_id);
select kernel.tenant_table('staff.memberships', worker => true);
revoke insert, update, delete on staff.memberships from siyu_app;

create table staff.sessions (
  session_id uuid primary key,
  staff_id uuid not null references staff.accounts,
  token_hash bytea not null unique check (length(token_hash) = 32),
  ip text not null check (length(ip) <= 64),
  user_agent text not null check (length(user_agent) <= 300),
  created_at timestamptz not null,
  seen_at timestamptz not null,
  expires_at timestamptz not null
);
comment on table staff.sessions is 'Who is logged in where; a session that ended has no row.';
comment on column staff.sessions.token_hash is 'SHA-256 of the 256-bit token, which only the browser has.';
create index session_staff on staff.sessions (staff_id);
create index session_expiry on staff.sessions (expires_at);
select kernel.system_table('staff.sessions');

create table staff.attempts (
  subject bytea primary key,
  failures int not null check (failures >= 0),
  started_at timestamptz not null
);
comment on table staff.attempts is 'Log-in attempts not yet followed by a success, per account name and per address (F086).';
comment on column staff.attempts.subject is 'Keyed hash of the account name or the network address.';
create index attempt_age on staff.attempts (started_at);
select kernel.system_table('staff.attempts');
