create schema reconciliation;

create table reconciliation.days (
  shop_id int not null,
  "on" date not null,
  merchant text not null,
  state text not null check (state in ('waiting', 'open', 'closed')),
  lines int not null default 0 check (lines >= 0),
  payments_fen bigint not null default 0,
  refunds_fen bigint not null default 0,
  fees_fen bigint not null default 0,
  others_fen bigint not null default 0,
  closing_fen bigint,
  tries int not null default 0 check (tries >= 0),
  problem text check (length(problem) between 1 and 200),
  next_try_at timestamptz,
  compared_at timestamptz,
  closed_at timestamptz,
  primary key (shop_id, "on", merchant),
  check ((state = 'waiting') = (compared_at is null)),
  check ((state = 'closed') = (closed_at is not null)),
  check ((next_try_at is not null) = (state = 'waiting'))
);
comment on table reconciliation.days is 'Each day in China of each merchant account, from the first payment on.';
comment on column reconciliation.days.payments_fen is
  'Sums of the fund bill as they change our balance: > 0 in, < 0 out.';
comment on column reconciliation.days.closing_fen is 'Our balance at the end of the day, as WeChat says.';
comment on column reconciliation.days.problem is 'Why the bills are not here: WeChat''s code or what is wrong in them.';
create index day_due on reconciliation.days (next_try_at) where next_try_at is not null;
select kernel.tenant_table('reconciliation.days', worker => true);

create table reconciliation.lines (
  shop_id int not null,
  "on" date not null,
  merchant text not null,
  bill text not null check (bill in ('trade', 'fund')),
  line_no int not null check (line_no >= 1),
  kind text not null check (kind in ('payment', 'refund', 'fee', 'split', 'split_return',
    'transfer', 'withdrawal', 'deposit', 'other')),
  number text not null,
  own_number text not null,
  flow_no text not null,
  amount_fen bigint not null,
  fee_milli_fen bigint not null,
  rate_bps int not null,
  balance_fen bigint,
  business text not null,
  at timestamptz not null,
  primary key (shop_id, "on", merchant, bill, line_no),
  foreign key (shop_id, "on", merchant) references reconciliation.days (shop_id, "on", merchant),
  check (bill = 'trade' or length(flow_no) > 0)
);
comment on table reconciliation.lines is 'What WeChat''s bills say, line by line, as facts. Never edited.';
comment on column reconciliation.lines.own_number is 'Our number of the payment, refund, split or transfer; `number` is WeChat''s.';
comment on column reconciliation.lines.amount_fen is 'As it changes our balance: > 0 in, < 0 out.';
comment on column reconciliation.lines.fee_milli_fen is 'Fee in 1/1000 fen; below 0 where it is given back.';
create index line_number on reconciliation.lines (shop_id, own_number);
create unique index line_flow on reconciliation.lines (shop_id, merchant, flow_no, kind)
  where bill = 'fund';
select kernel.tenant_table('reconciliation.lines');
revoke update, delete on reconciliation.lines from siyu_app;

create table reconciliation.tickets (
  shop_id int not null,
  ticket_id uuid not null,
  "on" date not null,
  merchant text not null,
  difference text not null check (difference in ('missing_here', 'missing_there', 'amount',
    'ledger', 'fee', 'unknown_business', 'broken_chain')),
  bill text not null check (bill in ('trade', 'fund')),
  number text not null,
  ref uuid,
  theirs_fen bigint,
  ours_fen bigint,
  ledger_fen bigint,
  unmatched_fen bigint not null,
  unmatched_entry uuid,
  state text not null check (state in ('open', 'resolved')),
  resolution text check (resolution in ('matched', 'explained', 'written_off', 'outside')),
  note text check (length(note) between 1 and 500),
  opened_at timestamptz not null,
  resolved_at timestamptz,
  resolved_by text,
  primary key (shop_id, ticket_id),
  unique (shop_id, merchant, difference, bill, number),
  foreign key (shop_id, "on", merchant) references reconciliation.days (shop_id, "on", merchant),
  check ((state = 'resolved') = (resolution is not null)),
  check ((state = 'resolved') = (resolved_at is not null)),
  check ((unmatched_fen <> 0) = (unmatched_entry is not null))
);
comment on table reconciliation.tickets is 'Each difference between WeChat''s books and ours, until it is explained.';
comment on column reconciliation.tickets.unmatched_fen is
  'What was booked as unmatched for it, as it changed our balance; 0: nothing was.';
create index ticket_newest on reconciliation.tickets (shop_id, state, ticket_id desc);
create index ticket_day on reconciliation.tickets (shop_id, "on", merchant);
select kernel.tenant_table('reconciliation.tickets', worker => true);
