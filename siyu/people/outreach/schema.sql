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
