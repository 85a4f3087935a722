-- What the events of a shop are called and which are taken.
create table warehouse.event_type (
  shop_id int not null,
  name text not null check (length(name) between 1 and 100),
  first_at timestamptz not null default now(),
  title_zh text not null default '' check (length(title_zh) <= 60),
  title_en text not null default '' check (length(title_en) <= 60),
  is_hidden boolean not null default false,
  is_blocked boolean not null default false,
  primary key (shop_id, name)
);
comment on table warehouse.event_type is 'Events a shop has or has decided about; registered as they come.';

create table warehouse.event_property (
  shop_id int not null,
  name text not null,
  prop text not null check (length(prop) between 1 and 64),
  first_at timestamptz not null default now(),
  kinds text[] not null default '{}',
  declared text check (declared in ('text', 'integer', 'number', 'flag')),
  title_zh text not null default '' check (length(title_zh) <= 60),
  title_en text not null default '' check (length(title_en) <= 60),
  is_hidden boolean not null default false,
  samples text[] not null default '{}',
  distinct_values int not null default 0,
  primary key (shop_id, name, prop),
  foreign key (shop_id, name) references warehouse.event_type
);
comment on table warehouse.event_property is 'Properties of events: what was seen of them, and what the shop has decided.';
comment on column warehouse.event_property.kinds is 'What its values were: text integer number flag nested none.';
comment on column warehouse.event_property.samples is 'Values that three persons or more had in common.';

grant select, insert, update, delete on warehouse.event_type, warehouse.event_property
  to siyu_warehouse;
